//! Compiles the BPF side by libbpf-cargo.

use std::path::PathBuf;

use libbpf_cargo::SkeletonBuilder;

fn main() {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    SkeletonBuilder::new()
        .source("src/bpf/cost.bpf.c")
        // The same clang as the other project's; a machine may have none that is called `clang`.
        .clang(std::env::var_os("BTF_COST_CLANG").expect("the bench sets it"))
        .clang_args(["-I", "src/bpf"])
        .build_and_generate(out.join("cost.skel.rs"))
        .expect("it compiles");
    println!("cargo::rerun-if-changed=src/bpf/cost.bpf.c");
}
