//! Compiles the BPF side.

fn main() {
    btf_build::build("src/bpf/xdp_drop.bpf.c");
}
