//! Compiles the BPF programs of the tests, and those of examples that the kernel cases run.

fn main() {
    btf_build::Builder::new()
        .source("bpf/attach.bpf.c")
        .source("bpf/maps.bpf.c")
        .source("bpf/refused.bpf.c")
        .source("bpf/relocations.bpf.c")
        .source("bpf/torture.bpf.c")
        .source("bpf/types.bpf.c")
        .source("../examples/opensnoop/src/bpf/opensnoop.bpf.c")
        .build();
}
