//! `vmlinux.h` of real kernels: it compiles without a diagnostic, and everything lies where BTF says.
//!
//! Kernels are those below the directory in `BTF_TEST_KERNELS` (`<series>/vmlinux.btf`) and the host's own. What clang made
//! of the header is read back from the BTF that it writes for programs that use each type: sizes, offsets and
//! bitfields as clang laid them out, against the kernel's own. Sizes and offsets are asserted in C too.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use btf_core::btf::dump::{self, Options};
use btf_core::btf::{Btf, Builder, IntEncoding, Kind, Linkage, Member, Type, TypeId};
use btf_core::obj::Object;

/// No flag changes the language; the header needs none.
const FLAGS: [&str; 6] = ["-target", "bpf", "-O2", "-Wall", "-Wextra", "-Werror"];

#[test]
fn header_compiles_and_every_type_lies_where_btf_says() {
    let clangs = clangs();
    let newest = clangs.last().expect("there is one");
    let mut proven = Proven::default();
    for (kernel, btf) in kernels() {
        let header = dump::header(&btf, &Options::default()).unwrap();
        assert!(
            !header.contains("/* no C for"),
            "{kernel}: a member was left out"
        );
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("vmlinux_h-{kernel}"));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("vmlinux.h"), &header).unwrap();
        let expected = shapes(btf.types());
        let (uses, names) = proven.uses(&header, &expected);
        let what = format!("kernel {kernel}");
        let mut jobs: Vec<Job<'_>> = uses.iter().map(|uses| Job::whole(newest, uses)).collect();
        let assertions = assertions(&btf);
        jobs.extend(clangs.iter().map(|clang| Job::check(clang, &assertions)));
        let mut found = Shapes::new();
        for object in compile_all(&jobs, &dir, &what) {
            let object = Object::parse("types", &object).unwrap();
            let compiled = object.btf().expect("clang -g writes BTF");
            let all = compiled.find("all", Kind::UNION).expect("it is in use");
            for (name, mut more) in shapes(all.members().iter().map(Member::ty)) {
                found.entry(name).or_default().append(&mut more);
            }
        }
        found.values_mut().for_each(|shapes| shapes.sort());
        assert!(expected.len() > 5000, "{what}: only {}", expected.len());
        let (total, looked_at) = (expected.len(), names.len());
        let mut expected = expected;
        expected.retain(|name, _| names.contains(name));
        compare(&expected, &found, &what);
        println!("{what}: {total} types, {looked_at} not as in a kernel before");
    }
}

#[test]
fn header_needs_neither_guard_nor_relocation_nor_kfuncs() {
    let (kernel, btf) = kernels().remove(0);
    let mut options = Options::default();
    options.guard = None;
    options.preserve_access_index = false;
    options.kfuncs = false;
    let header = dump::header(&btf, &options).unwrap();
    for directive in ["#ifndef", "#pragma clang", " __ksym;"] {
        assert!(!header.contains(directive), "{kernel}: {directive}");
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vmlinux_h-plain");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("vmlinux.h"), &header).unwrap();
    for clang in clangs() {
        compile(
            &Job::whole(&clang, "#include \"vmlinux.h\"\n"),
            "types",
            &dir,
            &kernel,
        );
    }
}

/// Names that C23 reserves: those of every kernel, and the others.
#[test]
fn header_compiles_as_every_c() {
    let mut b = Builder::new();
    let boolean = b.int("_Bool", 1, IntEncoding::BOOL);
    let boolean = b.typedef("bool", boolean);
    b.enumeration("", 4, false, [("false", 0), ("true", 1)]);
    let names = [
        "alignas",
        "alignof",
        "constexpr",
        "nullptr",
        "static_assert",
        "thread_local",
    ];
    let members = names
        .iter()
        .enumerate()
        .map(|(n, name)| (*name, boolean, n as u32 * 8));
    b.structure("flags", 6, members);
    let btf = b.finish().unwrap();
    let header = dump::header(&btf, &Options::default()).unwrap();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vmlinux_h-c23");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("vmlinux.h"), &header).unwrap();
    let source = "#include \"vmlinux.h\"\nbool yes = true, no = false; struct flags flags;\n\
                  _Static_assert(sizeof(flags) == 6, \"\"); _Static_assert(true == 1, \"\");\n";
    std::fs::write(dir.join("x.c"), source).unwrap();
    for clang in clangs() {
        for std in ["gnu11", "gnu17", "c2x", "gnu2x"] {
            let output = Command::new(&clang)
                .args(FLAGS)
                .args([&format!("-std={std}"), "-fsyntax-only", "x.c"])
                .current_dir(&dir)
                .output()
                .unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "{clang} -std={std}: {stderr}\n{header}"
            );
        }
    }
}

#[test]
fn one_type_comes_with_all_that_it_needs() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vmlinux_h-types");
    std::fs::create_dir_all(&dir).unwrap();
    for (kernel, btf) in kernels() {
        let roots: Vec<_> = [
            btf.find("task_struct", Kind::STRUCT),
            btf.find("vfs_unlink", Kind::FUNC),
            btf.find("pid_t", Kind::TYPEDEF),
        ]
        .map(|ty| ty.expect("every kernel has it").id())
        .into();
        let header = dump::types(&btf, &roots, &Options::default()).unwrap();
        std::fs::write(dir.join("vmlinux.h"), &header).unwrap();
        let size = btf.ty(roots[0]).byte_size().unwrap();
        let source = format!(
            "#include \"vmlinux.h\"\n_Static_assert(sizeof(struct task_struct) == {size}, \"\");\n\
             pid_t pid;\nvoid *function(void) {{ return &vfs_unlink; }}\n"
        );
        for clang in clangs() {
            compile(&Job::whole(&clang, &source), "types", &dir, &kernel);
        }
    }
}

/// Kernels' types have the pointers of functions of arenas with their address space or, older ones, without, and clang has address
/// spaces or, before 19, does without: a source that includes the header that declares such functions compiles with all of them.
#[test]
fn functions_of_arenas_are_declared_twice_without_contradiction() {
    const HEADER: &str = include_str!("../../btf-build/include/bpf/bpf_arena_common.h");
    const SOURCE: &str = "#include \"vmlinux.h\"\n#include \"bpf_arena_common.h\"\n\
        void __arena *page(void *map) { return bpf_arena_alloc_pages(map, (void __arena *)0, 1, 0, 0); }\n\
        void give(void *map, void __arena *page) { bpf_arena_free_pages(map, page, 1); }\n\
        int keep(void *map, void __arena *page) { return bpf_arena_reserve_pages(map, page, 1); }\n";
    let mut kernels = kernels();
    kernels.extend([false, true].map(|tagged| (format!("tagged-{tagged}"), arena_types(tagged))));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vmlinux_h-arena");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("bpf_arena_common.h"), HEADER).unwrap();
    for (kernel, btf) in kernels {
        // Types that kernels without arenas lack.
        if btf.find("bpf_arena_alloc_pages", Kind::FUNC).is_none() {
            continue;
        }
        let header = dump::header(&btf, &Options::default()).unwrap();
        std::fs::write(dir.join("vmlinux.h"), &header).unwrap();
        for clang in clangs() {
            compile(&Job::whole(&clang, SOURCE), "arena", &dir, &kernel);
        }
    }
}

/// The functions of arenas as kernels have them, with their pointers' address space or not.
fn arena_types(has_spaces: bool) -> Btf {
    let mut types = Builder::new();
    let int = types.int("int", 4, IntEncoding::SIGNED);
    let long = types.int("unsigned long long", 8, IntEncoding(0));
    let unsigned = types.int("unsigned int", 4, IntEncoding(0));
    let word = types.typedef("__u32", unsigned);
    let double_word = types.typedef("__u64", long);
    let map = types.pointer(TypeId::VOID);
    // Without any, clang finds no use for the header's attributes.
    types.structure("task_struct", 4, [("tgid", int, 0)]);
    let page = match has_spaces {
        true => types.type_attribute("address_space(1)", TypeId::VOID),
        false => TypeId::VOID,
    };
    let page = types.pointer(page);
    let start = [("p__map", map), ("ptr__ign", page), ("page_cnt", word)];
    let alloc = start
        .into_iter()
        .chain([("node_id", int), ("flags", double_word)]);
    let protos = [
        ("bpf_arena_alloc_pages", types.prototype(page, alloc)),
        ("bpf_arena_free_pages", types.prototype(TypeId::VOID, start)),
        ("bpf_arena_reserve_pages", types.prototype(int, start)),
    ];
    for (name, proto) in protos {
        let func = types.function(name, proto, Linkage::STATIC);
        types.decl_tag("bpf_kfunc", func, None);
    }
    types.finish().unwrap()
}

/// Names of the clangs of this machine.
fn clangs() -> Vec<String> {
    let mut names: Vec<String> = (14..30).map(|n| format!("clang-{n}")).collect();
    names.retain(|name| runs(name));
    if names.is_empty() && runs("clang") {
        names.push("clang".to_owned());
    }
    assert!(!names.is_empty(), "no clang on PATH: install clang");
    names
}

fn runs(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

fn kernels() -> Vec<(String, Btf)> {
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    if let Some(dir) = std::env::var_os("BTF_TEST_KERNELS") {
        let dir = PathBuf::from(dir);
        let entries = std::fs::read_dir(&dir)
            .unwrap_or_else(|e| panic!("BTF_TEST_KERNELS={}: {e}", dir.display()));
        for entry in entries {
            let entry = entry.unwrap();
            let btf = entry.path().join("vmlinux.btf");
            if btf.exists() {
                files.push((entry.file_name().to_string_lossy().into_owned(), btf));
            }
        }
        assert!(
            !files.is_empty(),
            "BTF_TEST_KERNELS={} has no <series>/vmlinux.btf",
            dir.display()
        );
        files.sort();
    }
    let host = PathBuf::from("/sys/kernel/btf/vmlinux");
    if host.exists() {
        files.push(("host".to_owned(), host));
    }
    assert!(
        !files.is_empty(),
        "no kernel BTF: this machine has no /sys/kernel/btf/vmlinux, so set BTF_TEST_KERNELS to a directory \
         with <series>/vmlinux.btf"
    );
    files
        .into_iter()
        .map(|(name, path)| (name, Btf::from_file(path).unwrap()))
        .collect()
}

/// Something for clang to do.
struct Job<'a> {
    clang: &'a str,
    source: &'a str,
    /// Whether an object is wanted, too.
    is_whole: bool,
}

impl<'a> Job<'a> {
    fn whole(clang: &'a str, source: &'a str) -> Self {
        let is_whole = true;
        Job {
            clang,
            source,
            is_whole,
        }
    }

    fn check(clang: &'a str, source: &'a str) -> Self {
        let is_whole = false;
        Job {
            clang,
            source,
            is_whole,
        }
    }
}

/// Does all jobs, as many at a time as there are processors, and returns the objects.
fn compile_all(jobs: &[Job<'_>], dir: &Path, what: &str) -> Vec<Vec<u8>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut objects = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(number) else {
                return objects;
            };
            let what = format!("{what}, {}", job.clang);
            objects.extend(compile(job, &format!("types-{number}"), dir, &what));
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let objects = workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap());
        objects.collect()
    })
}

/// Compiles a source of this name beside the header; any diagnostic fails. Returns the object if one is wanted.
fn compile(job: &Job<'_>, name: &str, dir: &Path, what: &str) -> Option<Vec<u8>> {
    std::fs::write(dir.join(format!("{name}.c")), job.source).unwrap();
    let mut clang = Command::new(job.clang);
    clang.current_dir(dir).args(FLAGS).arg(format!("{name}.c"));
    let object = format!("{name}.o");
    if job.is_whole {
        clang.args(["-g", "-c", "-o", &object]);
    } else {
        clang.arg("-fsyntax-only");
    }
    let output = clang.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.is_empty(),
        "{what}: {}",
        said.lines().take(40).collect::<Vec<_>>().join("\n")
    );
    job.is_whole
        .then(|| std::fs::read(dir.join(object)).unwrap())
}

/// Types whose layout clang was seen to make as it should. Kernels share most of theirs, and a definition of the same text
/// that should lie the same need not be compiled with every kernel: sizes and offsets are asserted for each.
#[derive(Default)]
struct Proven(HashSet<(String, Vec<String>, Vec<String>)>);

impl Proven {
    /// Programs that have a value of each type that the header defines and that is not proven yet, and the names of these.
    /// Several programs, because the time that clang takes to write BTF grows with the square of the number of types.
    fn uses(&mut self, header: &str, expected: &Shapes) -> (Vec<String>, HashSet<String>) {
        let mut groups: BTreeMap<String, Vec<(&str, &str)>> = BTreeMap::new();
        for (ty, text) in definitions(header) {
            let label = if ty.contains(' ') { "" } else { "typedef " };
            let name = format!("{label}{}", without_number(ty));
            groups.entry(name).or_default().push((ty, text));
        }
        let mut types = Vec::new();
        // What the header does not define is missed, too.
        let undefined = expected.keys().filter(|name| !groups.contains_key(*name));
        let mut names: HashSet<String> = undefined.cloned().collect();
        for (name, group) in groups {
            let texts = group.iter().map(|(_, text)| (*text).to_owned()).collect();
            let shapes = expected.get(&name).cloned().unwrap_or_default();
            if self.0.insert((name.clone(), texts, shapes)) {
                types.extend(group.iter().map(|(ty, _)| *ty));
                names.insert(name);
            }
        }
        let programs = types.chunks(1000).map(|types| {
            let mut source = "#include \"vmlinux.h\"\nunion all {\n".to_owned();
            for (number, ty) in types.iter().enumerate() {
                writeln!(source, "\t{ty} v{number};").unwrap();
            }
            source + "} everything;\n"
        });
        (programs.collect(), names)
    }
}

/// The types that a header defines, as they are written where they are used, with the text of their definitions.
fn definitions(header: &str) -> Vec<(&str, &str)> {
    let mut out = Vec::new();
    let (mut start, mut tag) = (0, None);
    let mut at = 0;
    for line in header.split_inclusive('\n') {
        let begin = at;
        at += line.len();
        let line = line.trim_end_matches('\n');
        if let Some(tagged) = line.strip_suffix(" {").or(line.strip_suffix(" {};"))
            && tagged.contains(' ')
            && !tagged.starts_with(['\t', '}'])
        {
            start = begin;
            tag = (!tagged.starts_with("typedef")).then_some(tagged);
            if !line.ends_with("{};") {
                continue;
            }
        }
        let end = line.starts_with('}') || line.ends_with("{};");
        if end && let Some(tag) = tag.take() {
            out.push((tag, &header[start..at]));
        } else if let Some(name) = line
            .strip_prefix("} ")
            .or(line.strip_prefix("typedef struct {} "))
            .and_then(|rest| rest.strip_suffix(';'))
            .and_then(|rest| rest.rsplit(' ').next())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        {
            // A typedef of an anonymous type, on several lines or one.
            let start = if line.starts_with('}') { start } else { begin };
            out.push((name, &header[start..at]));
        }
    }
    out
}

/// A program that asserts the size of each type and the offset of each member, whose name is no other type's, and
/// the value of each constant whose name is nothing else's.
fn assertions(btf: &Btf) -> String {
    let mut source = "#include \"vmlinux.h\"\n".to_owned();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    let tagged = || {
        btf.types().filter(|ty| {
            !ty.is_anonymous() && (ty.kind().is_composite() || ty.kind().is_any_enum())
        })
    };
    for ty in tagged() {
        *count.entry(ty.name()).or_default() += 1;
    }
    for ty in tagged().filter(|ty| ty.kind().is_composite() && count[ty.name()] == 1) {
        let tag = format!("{} {}", word(ty), ty.name());
        let size = ty.byte_size().unwrap();
        writeln!(source, "_Static_assert(sizeof({tag}) == {size}, \"\");").unwrap();
        for member in ty.members().iter() {
            if !member.name().is_empty() && width(member).is_none() {
                writeln!(
                    source,
                    "_Static_assert(__builtin_offsetof({tag}, {}) == {}, \"\");",
                    member.name(),
                    member.bit_offset() / 8
                )
                .unwrap();
            }
        }
    }
    let mut constants: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for ty in btf.types() {
        if ty.kind() == Kind::TYPEDEF {
            constants.entry(ty.name()).or_default();
        }
        for constant in ty.enumerators().iter() {
            constants
                .entry(constant.name())
                .or_default()
                .push(constant.value());
        }
    }
    for (name, values) in constants {
        if let [value] = values[..] {
            writeln!(
                source,
                "_Static_assert((unsigned long long){name} == {value:#x}ULL, \"\");"
            )
            .unwrap();
        }
    }
    source
}

/// Bits of a bitfield, in either encoding.
fn width(member: Member<'_>) -> Option<u32> {
    member.bitfield_size().or_else(|| {
        let ty = member.ty().strip();
        let int = ty.int()?;
        let bits = u32::from(int.bits);
        (bits != ty.own_size()? * 8 || int.bit_offset != 0).then_some(bits)
    })
}

/// What is under a name: for each type of that name, where everything lies in it.
type Shapes = BTreeMap<String, Vec<String>>;

/// The shapes of named structs, unions and enums, and of typedefs of anonymous ones.
fn shapes<'a>(types: impl Iterator<Item = Type<'a>>) -> Shapes {
    let mut shapes = Shapes::new();
    for ty in types {
        let kind = ty.kind();
        let (label, body) = if kind == Kind::TYPEDEF {
            let body = ty.target().unwrap();
            if !body.is_anonymous() || !(body.kind().is_composite() || body.kind().is_any_enum()) {
                continue;
            }
            ("typedef", body)
        } else if (kind.is_composite() || kind.is_any_enum()) && !ty.is_anonymous() {
            (word(ty), ty)
        } else {
            continue;
        };
        // An enum without constants is one that is declared only.
        if body.kind().is_any_enum() && body.enumerators().is_empty() {
            continue;
        }
        let name = format!("{label} {}", without_number(ty.name()));
        shapes.entry(name).or_default().push(shape(body));
    }
    shapes.values_mut().for_each(|shapes| shapes.sort());
    shapes
}

fn word(ty: Type<'_>) -> &'static str {
    match ty.kind() {
        Kind::STRUCT => "struct",
        Kind::UNION => "union",
        _ => "enum",
    }
}

/// A name without the number that tells it from another of that name.
fn without_number(name: &str) -> &str {
    match name.rsplit_once("___") {
        Some((base, number))
            if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            base
        }
        _ => name,
    }
}

fn shape(ty: Type<'_>) -> String {
    let mut out = format!("{} of {} bytes:", word(ty), ty.own_size().unwrap());
    // Constants of other signedness have the same bits; clang before 15 writes the lower 32 of them.
    let mask = u64::MAX >> (64 - 8 * ty.own_size().unwrap().clamp(1, 4));
    for constant in ty.enumerators().iter() {
        let value = constant.value().cast_unsigned() & mask;
        write!(out, " {}={value}", without_number(constant.name())).unwrap();
    }
    let mut leaves = Vec::new();
    members(ty, 0, "", &mut leaves);
    // A member without a name adds its own to those around it, whose order does not matter then.
    leaves.sort();
    for (start, width, path) in leaves {
        write!(out, " {path}@{start}+{width}").unwrap();
    }
    out
}

/// The members of a type and of the anonymous types within it: first bit, bits, path.
fn members(ty: Type<'_>, start: u64, path: &str, out: &mut Vec<(u64, u64, String)>) {
    for member in ty.members().iter() {
        let int_offset = match member.bitfield_size() {
            None => member.ty().strip().int().map_or(0, |int| int.bit_offset),
            Some(_) => 0,
        };
        let start = start + u64::from(member.bit_offset()) + u64::from(int_offset);
        let mut under = member.ty().strip();
        if member.name().is_empty() {
            members(under, start, path, out);
            continue;
        }
        let path = format!("{path}.{}", member.name());
        let bits = width(member).map_or_else(|| member.ty().byte_size().unwrap() * 8, u64::from);
        out.push((start, bits, path.clone()));
        while let Some(array) = under.array() {
            under = array.element.strip();
        }
        if under.is_anonymous() {
            members(under, start, &path, out);
        }
    }
}

fn compare(expected: &Shapes, found: &Shapes, what: &str) {
    let mut wrong = Vec::new();
    for (name, shapes) in expected {
        if found.get(name) != Some(shapes) {
            wrong.push(format!(
                "{name}:\n  BTF   {shapes:?}\n  clang {:?}",
                found.get(name)
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{what}: {} of {} types differ\n{}",
        wrong.len(),
        expected.len(),
        wrong[..wrong.len().min(10)].join("\n")
    );
}
