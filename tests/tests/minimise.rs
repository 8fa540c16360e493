//! Minimised BTF of real kernels: every relocation of every object comes out as against the whole.

use std::path::{Path, PathBuf};

use btf_core::btf::ext::CoreKind;
use btf_core::btf::{Btf, Kind};
use btf_core::obj::{Object, Outcome, minimise};
use btf_core::relo::{Fixup, Targets};

const OBJECTS: [&str; 4] = ["relocations", "opensnoop", "attach", "maps"];

fn object(name: &str) -> Object {
    let path = Path::new(env!("OUT_DIR")).join(format!("{name}.bpf.o"));
    Object::parse(name, &std::fs::read(path).unwrap()).unwrap()
}

/// The host's kernel, and those below `BTF_TEST_KERNELS`.
fn kernels() -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::from("/sys/kernel/btf/vmlinux")];
    if let Some(dir) = std::env::var_os("BTF_TEST_KERNELS") {
        let series = std::fs::read_dir(&dir).expect("BTF_TEST_KERNELS is a directory");
        paths.extend(series.map(|entry| entry.unwrap().path().join("vmlinux.btf")));
    }
    paths.retain(|path| path.exists());
    assert!(
        !paths.is_empty(),
        "no kernel BTF: set BTF_TEST_KERNELS to a directory with <series>/vmlinux.btf"
    );
    paths
}

fn fixups(object: &Object, btf: &Btf) -> Vec<Fixup> {
    let relocated = object
        .relocate(object.programs(), &Targets::new(btf))
        .unwrap();
    relocated.answers().map(|answer| *answer.fixup).collect()
}

fn golden(name: &str) -> Object {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let path = dir.join(format!("{name}.bpf.o"));
    Object::parse(name, &std::fs::read(path).unwrap()).unwrap()
}

/// That the fixups of an object against less than the kernel's types are those against all.
fn check(object: &Object, kernel: &Btf, less: &Btf, path: &Path) {
    let name = |btf: &Btf, f: &Fixup| {
        let ty = btf.ty(btf_core::btf::TypeId(f.target as u32));
        (ty.kind(), ty.name().to_owned())
    };
    let (expected, found) = (fixups(object, kernel), fixups(object, less));
    assert_eq!(expected.len(), found.len());
    for (expected, found) in expected.iter().zip(&found) {
        // Types have other numbers.
        if expected.kind == CoreKind::TYPE_ID_TARGET {
            assert_eq!(name(kernel, expected), name(less, found));
        } else {
            assert_eq!(expected, found, "{} {}", path.display(), object.name());
        }
    }
}

/// `bpftool gen min_core_btf` makes 11 to 14 kB of these 325 fields of 69 types, and 263 bytes of opensnoop's three.
#[test]
fn many_fields_take_little() {
    let (many, few) = (golden("core_many"), golden("opensnoop"));
    for path in kernels() {
        let kernel = Btf::from_file(&path).unwrap();
        for (object, at_most) in [(&many, 10_000), (&few, 263)] {
            let minimal = minimise(&[object], &kernel).unwrap();
            let btf = Btf::parse(minimal.btf.to_target_bytes()).unwrap();
            check(object, &kernel, &btf, &path);
            let size = btf.as_bytes().len();
            let what = format!("{} {}: {size} bytes", path.display(), object.name());
            println!("{what}");
            assert!(size <= at_most, "{what}");
        }
    }
}

#[test]
fn relocations_come_out_the_same() {
    let objects = OBJECTS.map(object);
    for path in kernels() {
        let kernel = Btf::from_file(&path).unwrap();
        let minimal = minimise(&objects.each_ref(), &kernel).unwrap();
        // What is in a file is what counts.
        let btf = Btf::parse(minimal.btf.to_target_bytes()).unwrap();
        for object in &objects {
            check(object, &kernel, &btf, &path);
        }
        println!(
            "{}: {} relocations, {} bytes for {}, {} without an answer",
            path.display(),
            minimal.relocations,
            btf.as_bytes().len(),
            kernel.as_bytes().len(),
            minimal.unresolved.len()
        );
        assert!(btf.as_bytes().len() < kernel.as_bytes().len() / 500);
        let task = btf.find("task_struct", Kind::STRUCT).unwrap();
        let of_kernel = kernel.find("task_struct", Kind::STRUCT).unwrap();
        assert_eq!(task.byte_size(), of_kernel.byte_size());
        assert!(task.vlen() < 20, "{}", task.vlen());
    }
}

#[test]
fn what_has_no_answer_is_listed() {
    let relocations = object("relocations");
    let kernel = Btf::from_file(kernels().remove(0)).unwrap();
    let minimal = minimise(&[&relocations], &kernel).unwrap();
    let list: Vec<String> = minimal.unresolved.iter().map(ToString::to_string).collect();
    let all = list.join("\n");
    for needed in [
        "field_exists(task_struct___renamed.no_such_member) is 0",
        "field_exists(task_struct___other.pid) is 0",
        "field_exists(no_such_struct.a) is 0",
        "type_exists(no_such_struct) is 0",
        "type_exists(work_func_t___wrong) is 0",
        "type_exists(no_such_function_t) is 0",
        "type_size(no_such_struct) is 0",
        "target_type_id(no_such_struct) is 0",
        "enumval_exists(pid_type___other::PIDTYPE_NONE___other) is 0",
        "enumval_exists(no_such_enum::NO_SUCH_ENUMERATOR) is 0",
    ] {
        assert!(all.contains(needed), "{needed} is not in:\n{all}");
    }
    for answered in [
        "): field_exists(task_struct.comm)",
        "): type_exists(work_func_t___other)",
        "): enumval_value(",
    ] {
        assert!(!all.contains(answered), "{answered} is in:\n{all}");
    }
    assert!(
        list[0].starts_with("object `relocations`: program `fields`: instruction "),
        "{}",
        list[0]
    );
    // From 5.14 on the state of a task is named otherwise, and its read is poisoned.
    if kernel
        .find("task_struct", Kind::STRUCT)
        .unwrap()
        .members()
        .iter()
        .all(|m| m.name() != "state")
    {
        let poisoned = minimal
            .unresolved
            .iter()
            .find(|u| matches!(u.outcome, Outcome::Poisoned(_)));
        let text = poisoned.expect("the read of a state").to_string();
        assert!(text.contains("task_struct___renamed.state"), "{text}");
    }
}

#[test]
fn damaged_kernels_are_answered() {
    let relocations = object("relocations");
    let kernel = Btf::from_file(kernels().remove(0)).unwrap();
    let minimal = minimise(&[&relocations], &kernel).unwrap();
    let whole = minimal.btf.as_bytes();
    let mut answered = 0;
    for bit in (0..whole.len() * 8).step_by(3) {
        let mut bytes = whole.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(btf) = Btf::parse(bytes) {
            answered += usize::from(minimise(&[&relocations], &btf).is_ok());
        }
    }
    assert!(answered > 0);
}
