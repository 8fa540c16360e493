//! CO-RE against libbpf's golden instructions: every program of `tests/golden/*.bpf.o`, relocated against the types of each
//! kernel there, comes out as libbpf relocates it.
//!
//! Everything that it takes is committed; `cargo xtask golden` makes it anew, with libbpf. The objects are committed as
//! well, because another clang would compile other instructions.

use std::path::{Path, PathBuf};

use btf_core::btf::Btf;
use btf_core::obj::Object;

// The code that wrote the golden data: instructions in the form in which two loaders can be compared, and their text.
#[allow(dead_code)]
#[path = "../../benches/peers/src/ours.rs"]
mod ours;
#[allow(dead_code)]
#[path = "../../benches/peers/src/stream.rs"]
mod stream;
#[path = "../../benches/peers/src/text.rs"]
mod text;

/// The folder with the objects, and a folder for each kernel.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// Entries of a folder whose names end so, sorted; there must be some.
fn list(dir: &Path, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(end));
    paths.sort();
    assert!(!paths.is_empty(), "nothing in {}", dir.display());
    paths
}

fn kernels() -> Vec<PathBuf> {
    let mut folders = list(&golden(), "");
    folders.retain(|path| path.is_dir());
    folders
}

fn object(path: &Path) -> Object {
    let name = path.file_name().unwrap().to_string_lossy();
    let name = name.split('.').next().unwrap();
    Object::parse(name, &std::fs::read(path).unwrap()).unwrap_or_else(|e| panic!("{e:#}"))
}

/// What is compared of a text: not the remarks.
fn lines(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(" ; ").next().unwrap_or_default().trim_end())
        .filter(|line| !line.is_empty())
        .collect()
}

#[test]
fn instructions_equal_libbpfs() {
    let mut compared = 0;
    for kernel in kernels() {
        let btf = Btf::from_file(kernel.join("kernel.btf")).unwrap();
        for path in list(&golden(), ".bpf.o") {
            let object = object(&path);
            let file = kernel.join(format!("{}.txt", object.name()));
            let expected = std::fs::read_to_string(&file)
                .unwrap_or_else(|e| panic!("{}: {e}; run cargo xtask golden", file.display()));
            let streams =
                ours::programs(&object, &btf).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            let found = text::render(&object, |name| streams.iter().find(|s| s.name == name));
            let found = found.unwrap();
            let (expected, found) = (lines(&expected), lines(&found));
            for (expected, found) in expected.iter().zip(&found) {
                assert_eq!(expected, found, "{}: libbpf's is left", file.display());
            }
            assert_eq!(expected.len(), found.len(), "{}", file.display());
            compared += streams.iter().map(|s| s.insns.len()).sum::<usize>();
        }
    }
    println!("{compared} instructions are libbpf's");
}

#[test]
fn kernels_differ() {
    // Golden data of instructions that are the same everywhere would show nothing.
    for path in list(&golden(), ".bpf.o") {
        let name = format!("{}.txt", object(&path).name());
        let texts: Vec<String> = kernels()
            .iter()
            .map(|kernel| std::fs::read_to_string(kernel.join(&name)).unwrap())
            .collect();
        let first = lines(&texts[0]);
        assert!(texts.iter().any(|text| lines(text) != first), "{name}");
    }
}
