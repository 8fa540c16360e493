//! Compiles the BPF side.

fn main() {
    btf_build::build("src/bpf/tcptop.bpf.c");
}
