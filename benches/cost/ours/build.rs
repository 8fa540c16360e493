//! Compiles the BPF side by btf-build.

fn main() {
    btf_build::build("src/bpf/cost.bpf.c");
}
