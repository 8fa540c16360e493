//! Static linking against `bpftool gen object`: the same programs, maps and variables come of it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use btf_core::btf::Kind;
use btf_core::obj::{Object, RelocTarget, link_objects};

const PARTS: [&str; 3] = ["main", "more", "third"];

/// A folder that is emptied when it is made.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("link-{name}"));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Scratch(dir)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

/// Compiles the parts of the linked object; none of them is whole by itself.
fn compiled(dir: &Path) -> Vec<PathBuf> {
    let headers = btf_build::Builder::new()
        .out_dir(dir)
        .target_arch(std::env::consts::ARCH)
        .try_headers()
        .unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("bpf/linked");
    PARTS
        .iter()
        .map(|part| {
            let object = dir.join(format!("{part}.o"));
            let mut clang = Command::new("clang");
            clang.args(["--target=bpf", "-O2", "-g", "-mcpu=v3", "-c"]);
            for dir in &headers {
                clang.arg("-I").arg(dir);
            }
            let source = sources.join(format!("{part}.bpf.c"));
            let status = clang.arg(source).arg("-o").arg(&object).status().unwrap();
            assert!(status.success(), "{part}");
            object
        })
        .collect()
}

fn linked(objects: &[(&str, Vec<u8>)]) -> btf_core::Result<Vec<u8>> {
    let objects: Vec<(&str, &[u8])> = objects.iter().map(|(n, b)| (*n, b.as_slice())).collect();
    link_objects(&objects)
}

#[test]
fn jump_tables_are_not_linked() {
    let object = concat!(env!("OUT_DIR"), "/jump_tables.bpf.o");
    let object = std::fs::read(object).unwrap();
    let e = linked(&[("jumps", object.clone())]).unwrap_err();
    assert_eq!(
        e.to_string(),
        "object `jumps`: its jump tables cannot be linked (compile it with -fno-jump-tables)"
    );
    // Read by itself, it has one in a function that does not start its section.
    let object = Object::parse("jumps", &object).unwrap();
    let mut tables = object.jump_tables().iter();
    let at = tables.position(|table| table.name == "chosen").unwrap();
    let table = &object.jump_tables()[at];
    let f = &object.functions()[table.function];
    assert_eq!(f.name, "chooses");
    let answer = |n: usize| f.insns[table.insns[n] as usize].imm;
    assert_eq!([0, 1, 2].map(answer), [100, 201, 300]);
    let mut targets = f.relocs.iter().map(|reloc| reloc.target);
    assert!(targets.any(|target| target == RelocTarget::JumpTable(at)));
}

#[test]
fn variables_that_start_as_zero_are_linked_where_they_lie() {
    // clang 14 describes `first` and `second` in the other section.
    let object = std::fs::read(concat!(env!("OUT_DIR"), "/zeroed.bpf.o")).unwrap();
    let linked = linked(&[("zeroed", object)]).unwrap();
    let linked = Object::parse("linked", &linked).unwrap();
    let btf = linked.btf().unwrap();
    let names = |section: &str| -> Vec<String> {
        let section = btf.find(section, Kind::DATASEC).unwrap();
        let mut names: Vec<_> = section
            .variables()
            .iter()
            .map(|v| v.name().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(".bss"), ["before", "first", "second"]);
    assert_eq!(names(".data"), ["rounds", "step"]);
}

/// What the loader makes of an object, in words that do not depend on numbers of types and sections.
fn description(object: &Object) -> Vec<String> {
    let btf = object.btf().unwrap();
    let mut out = Vec::new();
    for program in object.programs() {
        let image = object
            .link(program, |function| &object.functions()[function].insns)
            .unwrap();
        out.push(format!("program {}: {:?}", program.name, image.insns));
        for reloc in &image.relocs {
            let to = match reloc.target {
                RelocTarget::Map(n) => format!("map {}", object.maps()[n].name),
                RelocTarget::Data { section, offset } => {
                    format!("{} + {offset}", object.data()[section].name)
                }
                RelocTarget::Extern(n) => format!("extern {}", object.externs()[n].name),
                RelocTarget::Function(n) => format!("function {}", object.functions()[n].name),
                RelocTarget::JumpTable(n) => format!("table {}", object.jump_tables()[n].name),
            };
            out.push(format!("{} instruction {}: {to}", program.name, reloc.insn));
        }
        let lines = image.lines.iter();
        let lines = lines.map(|l| (l.insn, l.info.line(), btf.string(l.info.line_off)));
        out.push(format!("lines {:?}", lines.collect::<Vec<_>>()));
        let functions = image.func_info.iter();
        let functions = functions.map(|(at, id)| (at, btf.ty(*id).name()));
        out.push(format!("functions {:?}", functions.collect::<Vec<_>>()));
    }
    for function in object.functions() {
        for core in &function.core {
            let root = btf.ty(core.root);
            let place = format!("{} {}", function.name, core.insn);
            out.push(format!(
                "{place}: {:?} {} {}",
                core.kind,
                root.name(),
                core.access
            ));
        }
    }
    for map in object.maps() {
        let (key, value) = (map.key.map(|k| btf.ty(k)), map.value.map(|v| btf.ty(v)));
        let types = (key.map(|k| k.name()), value.map(|v| v.name()));
        let sizes = (map.key_size, map.value_size, map.max_entries, map.map_flags);
        out.push(format!(
            "map {}: {:?} {sizes:?} {types:?}",
            map.name, map.map_type
        ));
    }
    for data in object.data() {
        let section = data.datasec.map(|id| btf.ty(id));
        let mut variables: Vec<_> = section
            .into_iter()
            .flat_map(|s| s.variables().iter())
            .map(|v| (v.offset(), v.name(), v.size(), v.ty().linkage()))
            .collect();
        variables.sort_by_key(|v| (v.0, v.1));
        out.push(format!("{} {:?} {variables:?}", data.name, data.contents()));
    }
    out
}

/// Objects as `bpftool gen object` links them; `None` if this machine has no bpftool.
fn by_bpftool(dir: &Path, objects: &[PathBuf]) -> Option<Vec<u8>> {
    let programs = ["bpftool", "/usr/sbin/bpftool"];
    let linked = dir.join("linked.o");
    let ran = programs.iter().find_map(|program| {
        let mut command = Command::new(program);
        command.args(["gen", "object"]).arg(&linked).args(objects);
        command.output().ok()
    })?;
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    Some(std::fs::read(linked).unwrap())
}

#[test]
fn bpftool_links_the_same() {
    let dir = Scratch::new("bpftool");
    let objects = compiled(dir.path());
    let parts: Vec<(&str, Vec<u8>)> = PARTS
        .iter()
        .zip(&objects)
        .map(|(name, path)| (*name, std::fs::read(path).unwrap()))
        .collect();
    let ours = Object::parse("linked", &linked(&parts).unwrap()).unwrap();
    let Some(theirs) = by_bpftool(dir.path(), &objects) else {
        // Straight to the file: the harness keeps what `println!` prints of a case that passes.
        let _ = writeln!(
            std::io::stderr(),
            "SKIP bpftool_links_the_same: no bpftool on this machine"
        );
        return;
    };
    let theirs = Object::parse("linked", &theirs).unwrap();
    let (a, b) = (description(&ours), description(&theirs));
    for (a, b) in a.iter().zip(&b) {
        assert_eq!(a, b);
    }
    assert_eq!(a.len(), b.len());
    // A type is there once: as many structs, with as many names, as with libbpf's deduplication.
    let structs = |object: &Object| {
        let types = object.btf().unwrap().types();
        let mut names: Vec<String> = types
            .filter(|t| matches!(t.kind(), Kind::STRUCT | Kind::FUNC | Kind::VAR))
            .map(|t| t.name().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(structs(&ours), structs(&theirs));
}

/// Compiles sources that need no headers.
fn compiled_from(dir: &Path, sources: &[(&'static str, &str)]) -> Vec<(&'static str, Vec<u8>)> {
    let start = "#define SEC(name) __attribute__((section(name), used))\n";
    let compiled = sources.iter().map(|(name, source)| {
        let (source_file, object) = (dir.join(format!("{name}.c")), dir.join(format!("{name}.o")));
        std::fs::write(&source_file, format!("{start}{source}")).unwrap();
        let mut clang = Command::new("clang");
        clang.args(["--target=bpf", "-O2", "-g", "-mcpu=v3", "-c"]);
        let status = clang.arg(source_file).arg("-o").arg(&object).status();
        assert!(status.unwrap().success(), "{name}");
        (*name, std::fs::read(object).unwrap())
    });
    compiled.collect()
}

/// Offset and size of each variable of a section.
fn places(object: &Object, section: &str) -> Vec<(String, u32, u32)> {
    let btf = object.btf().unwrap();
    let section = btf.find(section, Kind::DATASEC).unwrap();
    let mut places: Vec<_> = section
        .variables()
        .iter()
        .map(|v| (v.name().to_owned(), v.offset(), v.size()))
        .collect();
    places.sort_by_key(|place| place.1);
    places
}

#[test]
fn flexible_members_keep_their_room() {
    let dir = Scratch::new("flexible");
    let flexible = "struct flexible { int count; int items[]; };\n";
    let user = format!(
        "{flexible}extern struct flexible table;\n\
         SEC(\"raw_tp\") int user(void *ctx) {{ return table.items[2]; }}\n"
    );
    let weak = format!(
        "{flexible}__attribute__((weak)) struct flexible table = {{ 6, {{ 1, 2, 3, 4, 5, 6 }} }};\n\
         int before = 1;\n"
    );
    let strong =
        format!("{flexible}struct flexible table = {{ 3, {{ 10, 20, 30 }} }};\nint after = 5;\n");
    let parts = compiled_from(
        dir.path(),
        &[("user", &user), ("weak", &weak), ("strong", &strong)],
    );
    for order in [[0, 2, 1], [2, 0, 1], [2, 1, 0], [1, 2, 0]] {
        let parts: Vec<_> = order.iter().map(|n| parts[*n].clone()).collect();
        let object = Object::parse("linked", &linked(&parts).unwrap()).unwrap();
        let places = places(&object, ".data");
        let table = places.iter().find(|place| place.0 == "table").unwrap();
        assert_eq!(table.2, 16, "{order:?}");
        // Kernels reject variables that overlap.
        let overlaps = places
            .windows(2)
            .any(|pair| pair[0].1 + pair[0].2 > pair[1].1);
        assert!(!overlaps, "{order:?}: {places:?}");
    }
}

#[test]
fn forward_enum_matches_its_definition_behind_pointers() {
    let dir = Scratch::new("forward_enum");
    let parts = compiled_from(
        dir.path(),
        &[
            (
                "user",
                "enum later; extern enum later *shared;\n\
                 SEC(\"raw_tp\") int user(void *ctx) { return shared != 0; }\n",
            ),
            (
                "definition",
                "enum later { LATER = 1 }; enum later *shared; enum later own;\n",
            ),
        ],
    );
    let object = Object::parse("linked", &linked(&parts).unwrap()).unwrap();
    let types = object.btf().unwrap().types();
    let enums: Vec<_> = types.filter(|ty| ty.kind() == Kind::ENUM).collect();
    assert_eq!(enums.len(), 1, "{enums:?}");
    assert_eq!(enums[0].vlen(), 1);
}

#[test]
fn constants_are_linked_in_the_sections_that_hold_them() {
    // Before clang 16, BTF has the tables in .rodata.
    let object = std::fs::read(concat!(env!("OUT_DIR"), "/own_types.bpf.o")).unwrap();
    let linked = linked(&[("own_types", object)]).unwrap();
    let linked = Object::parse("linked", &linked).unwrap();
    let names = |section| -> Vec<String> {
        let places = places(&linked, section).into_iter();
        places.map(|place| place.0).collect()
    };
    assert_eq!(names(".rodata"), ["at"]);
    assert_eq!(names(".rodata.cst8"), ["by_8"]);
    assert_eq!(names(".rodata.cst16"), ["by_16"]);
    assert_eq!(names(".rodata.cst32"), ["by_32"]);
    assert_eq!(names(".rodata.str1.1"), ["text"]);
}

#[test]
fn what_does_not_go_together_is_named() {
    let dir = Scratch::new("refused");
    let objects = compiled(dir.path());
    let bytes = |n: usize| std::fs::read(&objects[n]).unwrap();
    let e = linked(&[("more", bytes(1)), ("again", bytes(1))]).unwrap_err();
    let text = e.to_string();
    assert!(text.starts_with("object `again`: symbol `"), "{text}");
    assert!(
        text.ends_with(
            "`: it is defined here and in object `more` (make one of them `static`, or `__weak`)"
        ),
        "{text}"
    );
    assert!(linked(&[]).is_err());
}

/// Damage is an answer: no panic, and no work without end.
#[test]
fn damaged_objects_are_refused_or_linked() {
    let dir = Scratch::new("damaged");
    let objects = compiled(dir.path());
    let (main, more) = (
        std::fs::read(&objects[0]).unwrap(),
        std::fs::read(&objects[1]).unwrap(),
    );
    for step in 0..120 {
        let at = step * (main.len() / 120);
        let mut damaged = main.clone();
        damaged[at] ^= 1 << (step % 8);
        if let Ok(whole) = linked(&[("more", more.clone()), ("main", damaged)]) {
            let _ = Object::parse("linked", &whole);
        }
        let _ = linked(&[("main", main[..at].to_vec()), ("more", more.clone())]);
    }
}

/// One that is not bounded would pad the output to any size.
#[test]
fn alignments_are_bounded() {
    let dir = Scratch::new("aligned");
    let object = std::fs::read(&compiled(dir.path())[0]).unwrap();
    // `e_shoff`; `sh_addralign` of the second section.
    let table = u64::from_le_bytes(object[0x28..0x30].try_into().unwrap()) as usize;
    let field = table + 64 + 48;
    for align in [3u64, 1 << 40] {
        let mut damaged = object.clone();
        damaged[field..field + 8].copy_from_slice(&align.to_le_bytes());
        let e = linked(&[("main", damaged)]).unwrap_err().to_string();
        assert!(e.contains(&format!("is aligned to {align} bytes")), "{e}");
    }
}
