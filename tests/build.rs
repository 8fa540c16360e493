//! Compiles the BPF programs of the tests, and those of examples that the kernel cases run.

use std::path::{Path, PathBuf};

use btf_core::btf::{Btf, Builder, IntEncoding, Linkage, TypeId};

fn main() {
    btf_build::Builder::new()
        .source("bpf/arena.bpf.c")
        .source("bpf/attach.bpf.c")
        .source("bpf/cc.bpf.c")
        .source("bpf/cgroup.bpf.c")
        .source("bpf/cgroup_storage.bpf.c")
        .source("bpf/lpm_trie.bpf.c")
        .source("bpf/callbacks.bpf.c")
        .source("bpf/config.bpf.c")
        .source("bpf/cycle.bpf.c")
        .source("bpf/data_path.bpf.c")
        .source("bpf/device_bound.bpf.c")
        .source("bpf/dummy_ops.bpf.c")
        .source("bpf/iters.bpf.c")
        .source("bpf/jump_tables.bpf.c")
        .source("bpf/ksyms.bpf.c")
        .source("bpf/map_events.bpf.c")
        .source("bpf/map_kinds.bpf.c")
        .source("bpf/map_many.bpf.c")
        .source("bpf/map_net.bpf.c")
        .source("bpf/map_orders.bpf.c")
        .source("bpf/map_storage.bpf.c")
        .source("bpf/maps.bpf.c")
        .source("bpf/modules.bpf.c")
        .source("bpf/net.bpf.c")
        .source("bpf/newer_maps.bpf.c")
        .source("bpf/old.bpf.c")
        .source("bpf/optional.bpf.c")
        .source("bpf/private.bpf.c")
        .source("bpf/probes.bpf.c")
        .source("bpf/programs.bpf.c")
        .source("bpf/public_lock.bpf.c")
        .source("bpf/refused.bpf.c")
        .source("bpf/relocations.bpf.c")
        .source("bpf/resize.bpf.c")
        .source("bpf/sock_redirect.bpf.c")
        .source("bpf/section_extras.bpf.c")
        .source("bpf/sections.bpf.c")
        .source("bpf/token.bpf.c")
        .source("bpf/torture.bpf.c")
        .source("bpf/types.bpf.c")
        .source("bpf/untyped.bpf.c")
        .source("bpf/uprobes.bpf.c")
        .source("bpf/usdt.bpf.c")
        .source("bpf/xdp_redirect.bpf.c")
        .source("../examples/opensnoop/src/bpf/opensnoop.bpf.c")
        .source("../examples/tcptop/src/bpf/tcptop.bpf.c")
        .source("../examples/xdp-drop/src/bpf/xdp_drop.bpf.c")
        .link(
            "linked",
            ["main", "more", "third"].map(|name| format!("bpf/linked/{name}.bpf.c")),
        )
        // Called like what skeletons have themselves, or like crates and keywords.
        .link("progs", ["bpf/private.bpf.c"])
        .link("links", ["bpf/private.bpf.c"])
        .link("operations", ["bpf/private.bpf.c"])
        .link("open_maps", ["bpf/private.bpf.c"])
        .link("open_progs", ["bpf/private.bpf.c"])
        .link("core", ["bpf/private.bpf.c"])
        .link("std", ["bpf/private.bpf.c"])
        .link("self", ["bpf/private.bpf.c"])
        .build();
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    for (kernel, first) in [
        ("5_10", None),
        ("6_1", Some("user_namespace")),
        ("6_12", Some("mnt_idmap")),
    ] {
        for_kernel(kernel, &vfs_unlink(first), &out);
    }
    carrying_types(&out);
    by_old_clang();
}

/// Compiles sources with the clang that they are about, if it is installed.
fn by_old_clang() {
    let old = Path::new("/usr/bin/clang-14");
    let mut builder = btf_build::Builder::new();
    if old.exists() {
        builder = builder.clang(old);
    }
    builder
        .source("bpf/own_types.bpf.c")
        .source("bpf/zeroed.bpf.c")
        .build();
}

/// Compiles `no_btf.bpf.c` with the types of one kernel that it may run on.
fn carrying_types(out: &Path) {
    let mut types = Builder::new();
    let int = types.int("int", 4, IntEncoding::SIGNED);
    let task = types.forward_struct("task_struct");
    let task = types.pointer(task);
    types.structure(
        "task_struct",
        16,
        [("real_parent", task, 0), ("tgid", int, 64)],
    );
    let kernel = types.finish().expect("sound types");
    let types = out.join("kernels/0.0.0-nowhere.btf");
    write(&types, kernel.as_bytes());
    btf_build::Builder::new()
        .source("bpf/no_btf.bpf.c")
        .kernel_btfs(types)
        .build();
}

/// Writes a file in `OUT_DIR` if it is not there as it should be: cargo watches its time.
fn write(path: &Path, bytes: &[u8]) {
    if std::fs::read(path).ok().as_deref() != Some(bytes) {
        let dir = path.parent().expect("it is in OUT_DIR");
        std::fs::create_dir_all(dir).expect("a folder in OUT_DIR");
        std::fs::write(path, bytes).expect("a file in OUT_DIR");
    }
}

/// Compiles `unlink_KERNEL.bpf.c` as on a machine with a kernel that has this function and no other.
fn for_kernel(kernel: &str, btf: &Btf, out: &Path) {
    // Beside the other objects, it would change their vmlinux.h.
    let dir = out.join(kernel);
    let types = dir.join("kernel.btf");
    write(&types, btf.as_bytes());
    btf_build::Builder::new()
        .source(format!("bpf/unlink_{kernel}.bpf.c"))
        .vmlinux(types)
        .out_dir(dir)
        .build();
}

/// `vfs_unlink` as kernels had it, with this struct's pointer as its first argument since 5.12.
fn vfs_unlink(first: Option<&str>) -> Btf {
    let mut types = Builder::new();
    let int = types.int("int", 4, IntEncoding::SIGNED);
    let mut pointer = |name: &str| -> TypeId {
        let to = types.forward_struct(name);
        types.pointer(to)
    };
    let mut params = Vec::new();
    match first {
        Some("user_namespace") => params.push(("mnt_userns", pointer("user_namespace"))),
        Some(first) => params.push(("idmap", pointer(first))),
        None => {}
    }
    let inode = pointer("inode");
    params.extend([("dir", inode), ("dentry", pointer("dentry"))]);
    params.push(("delegated_inode", types.pointer(inode)));
    let proto = types.prototype(int, params);
    types.function("vfs_unlink", proto, Linkage::STATIC);
    types.finish().expect("sound types")
}
