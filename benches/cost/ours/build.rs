//! Compiles the BPF side by btf-build.

fn main() {
    // The bench measures what cargo does after any build script that has run, by one that does nothing.
    if std::env::var_os("BTF_COST_IDLE").is_some() {
        println!("cargo::rerun-if-changed=src/bpf/cost.bpf.c");
        return;
    }
    btf_build::build("src/bpf/cost.bpf.c");
}
