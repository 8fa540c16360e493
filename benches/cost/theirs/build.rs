//! Compiles the BPF side by libbpf-cargo.

use std::path::PathBuf;

use libbpf_cargo::SkeletonBuilder;

fn main() {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    SkeletonBuilder::new()
        .source("src/bpf/cost.bpf.c")
        .clang_args(["-I", "src/bpf"])
        .build_and_generate(out.join("cost.skel.rs"))
        .expect("it compiles");
    println!("cargo::rerun-if-changed=src/bpf/cost.bpf.c");
}
