//! Compiles and links the schedulers' sources, unchanged, of the packages that lie side by side in the folder that
//! `BTF_SCHEDULERS` names.

use std::path::PathBuf;

use btf_build::Builder;

/// Schedulers and the sources that each has besides `main.bpf.c`, below `src/bpf`.
const SCHEDULERS: &[(&str, &[&str])] = &[
    ("scx_bpfland", &[]),
    ("scx_cosmos", &["lib/pmu"]),
    ("scx_flash", &[]),
    (
        "scx_lavd",
        &[
            "balance",
            "idle",
            "introspec",
            "lat_cri",
            "lock",
            "power",
            "preempt",
            "sys_stat",
            "util",
            "lib/arena",
            "lib/common",
            "lib/atq",
            "lib/bitmap",
            "lib/cgroup_bw",
            "lib/cpumask",
            "lib/rbtree",
            "lib/minheap",
            "lib/sdt_alloc",
            "lib/sdt_task",
            "lib/topology",
            "lib/ravg",
        ],
    ),
    (
        "scx_p2dq",
        &[
            "lib/arena",
            "lib/common",
            "lib/atq",
            "lib/dhq",
            "lib/bitmap",
            "lib/cpumask",
            "lib/minheap",
            "lib/rbtree",
            "lib/sdt_alloc",
            "lib/sdt_task",
            "lib/topology",
        ],
    ),
    ("scx_rusty", &["sdt_task", "sdt_alloc"]),
    ("scx_tickless", &[]),
];

fn main() {
    const FOLDER: &str = "BTF_SCHEDULERS";
    println!("cargo::rerun-if-env-changed={FOLDER}");
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    let folder = folder.expect("cargo xtask conformance schedulers says where the packages are");
    let headers = folder.join("scx_cargo/bpf_h");
    let mut builder = Builder::new()
        .include(&headers)
        .include(headers.join("bpf-compat"))
        .flag("-mcpu=v3")
        // Their sources have warnings of their own.
        .flag("-Wno-everything")
        .define("__SCX_TARGET_ARCH_x86", "1");
    for (name, more) in SCHEDULERS {
        let bpf = folder.join(name).join("src/bpf");
        let sources = ["main"].iter().chain(*more);
        builder = builder.link(
            name,
            sources.map(|source| bpf.join(format!("{source}.bpf.c"))),
        );
    }
    builder.build();
}
