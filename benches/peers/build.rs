//! Compiles the BPF programs that are compared, and turns libbpf's system calls over to the recorder.

use std::path::{Path, PathBuf};

fn main() {
    // `syscall` becomes `__wrap_syscall`, which is `recorder`'s.
    for program in ["peers", "once-libbpf"] {
        println!("cargo:rustc-link-arg-bin={program}=-Wl,--wrap=syscall");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().expect("it holds this crate");
    let mut folders = vec![
        PathBuf::from("bpf"),
        root.join("tests/bpf"),
        root.join("tests/golden"),
    ];
    for example in list(&root.join("examples")) {
        folders.push(example.join("src/bpf"));
    }
    // Golden objects are committed: where they were compiled is no part of them.
    let map = format!("-ffile-prefix-map={}=.", root.display());
    let mut builder = btf_build::Builder::new().flag(map);
    for folder in folders {
        println!("cargo:rerun-if-changed={}", folder.display());
        for file in list(&folder) {
            if file.to_string_lossy().ends_with(".bpf.c") {
                builder = builder.source(file);
            }
        }
    }
    let parts = root.join("tests/bpf/linked");
    println!("cargo:rerun-if-changed={}", parts.display());
    let parts = ["main", "more", "third"].map(|name| parts.join(format!("{name}.bpf.c")));
    builder.link("linked", parts).build();
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}
