//! Compiles the BPF sources of one project, unchanged: that which `BTF_PROGRAMS_PROJECT` names, of its package's tree, whose
//! folder `BTF_PROGRAMS` names. What a project needs besides its sources is what its own makefile gives clang.

use std::fs;
use std::path::{Path, PathBuf};

use btf_build::Builder;

fn main() {
    let name = told("BTF_PROGRAMS_PROJECT");
    let tree = PathBuf::from(told("BTF_PROGRAMS"));
    let artifacts = project(&name, &tree).try_build();
    let artifacts = artifacts.unwrap_or_else(|e| {
        eprintln!("{e}");
        std::process::exit(1);
    });
    let (mut skeletons, mut objects) = (String::new(), String::new());
    for (n, artifact) in artifacts.iter().enumerate() {
        let name = &artifact.name;
        // In a module of a number: objects are named like each other, or like Rust's own words.
        skeletons += &format!("mod object_{n} {{ btf_skel_macros::include_skel!({name:?}); }}\n");
        objects += &format!("{name}\n");
    }
    let out = PathBuf::from(told("OUT_DIR"));
    for (file, text) in [("skeletons.rs", skeletons), ("objects", objects)] {
        let path = out.join(file);
        fs::write(&path, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
    }
}

/// A variable of the environment that has to be there.
fn told(variable: &str) -> String {
    println!("cargo::rerun-if-env-changed={variable}");
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set; `cargo xtask conformance programs` sets it")
    })
}

fn project(name: &str, tree: &Path) -> Builder {
    let at = |path: &str| tree.join(path);
    match name {
        "bcc" => {
            let tools = at("vendor/github.com/iovisor/bcc/libbpf-tools");
            Builder::new()
                .sources(tools.join("*.bpf.c"))
                .include(&tools)
        }
        "bpftool" => {
            Builder::new().sources(at("vendor/github.com/libbpf/bpftool/src/skeleton/*.bpf.c"))
        }
        "bpftop" => Builder::new().sources(at("src/bpf/*.bpf.c")),
        "bpftune" => Builder::new()
            .sources(at("src/*.bpf.c"))
            .include(at("include"))
            .define("BPFTUNE_BPF", "1"),
        "fastnetmon" => Builder::new().source(at("src/xdp_plugin/xdp_kernel.c")),
        "knot" => Builder::new()
            .source(at("src/libknot/xdp/bpf-kernel.c"))
            .include(at("src")),
        "network-manager" => Builder::new().sources(at("src/core/bpf/*.bpf.c")),
        "oar" => Builder::new().sources(at("sources/core/tools/oarcgdev/*.c")),
        "pcp" => {
            let tools = at("vendor/github.com/iovisor/bcc/libbpf-tools");
            Builder::new()
                .sources(at("src/pmdas/bpf/modules/*.bpf.c"))
                .include(tools)
        }
        "pwru" => Builder::new()
            .source(at("bpf/kprobe_pwru.c"))
            .include(at("bpf/headers")),
        "systemd" => Builder::new()
            .sources(at("src/core/bpf/*/*.bpf.c"))
            .sources(at("src/network/bpf/*/*.bpf.c"))
            .sources(at("src/nsresourced/bpf/*/*.bpf.c")),
        "xdp-tools" => Builder::new()
            .sources(at("xdp-*/*.bpf.c"))
            .sources(at("lib/util/*.bpf.c"))
            .include(at("headers"))
            .include(at("lib/util"))
            .define("HAVE_LIBBPF_BPF_PROGRAM__TYPE", "1")
            .define("HAVE_LIBBPF_BPF_PROGRAM__FLAGS", "1"),
        _ => panic!("there are no settings for the project {name}"),
    }
}
