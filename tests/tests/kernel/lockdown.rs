//! A locked-down kernel. It stays so until it is booted again, so the case is ignored by default,
//! and `cargo xtask test` runs it in a machine of its own (`LOCKDOWN` in `xtask/src/test/cases.rs`).

use btf_core::load::OpenObject;
use btf_core::{Error, ErrorKind};

use crate::support::{load_only, needs};

static ATTACH: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/attach.bpf.o"));
static REFUSED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/refused.bpf.o"));

#[test]
#[ignore = "leaves the kernel locked down: runs in a machine of its own"]
fn explains_refusals() {
    needs(5, 10);
    std::fs::write("/sys/kernel/security/lockdown", "confidentiality").unwrap();
    let told = |e: Error, kind: ErrorKind, start: &str, end: &str| {
        assert_eq!(e.kind(), kind, "{e}");
        let text = e.to_string();
        assert!(text.starts_with(start) && text.ends_with(end), "{text}");
    };
    let reads = OpenObject::open("refused", REFUSED).unwrap();
    told(
        load_only(reads, "looks").map(|_| ()).unwrap_err(),
        ErrorKind::Verifier,
        "object `refused`: program `looks`: the verifier refused instruction 5 of `looks` (refused.bpf.c:208: \
         `bpf_probe_read_kernel(&sink, sizeof(sink), (void *)bpf_get_current_task());`): ",
        // The probe for bpf_probe_read_kernel fails in such a kernel, so the older helper is called
        // instead, as by libbpf.
        "bpf_probe_read#4 (the kernel is locked down (/sys/kernel/security/lockdown): for confidentiality it takes \
         bpf_probe_read and its like from all programs, and bpf_probe_write_user for integrity already; fentry and tp_btf \
         programs read kernel memory through their arguments without it)",
    );
    let attaches = OpenObject::open("attach", ATTACH).unwrap();
    let (_, kprobe) = load_only(attaches, "on_kprobe").unwrap();
    told(
        kprobe.attach().unwrap_err(),
        ErrorKind::Permission,
        "program `on_kprobe`: cannot attach to the entry of function `vfs_unlink`: Operation not permitted (os error 1) (the \
         kernel is locked down (/sys/kernel/security/lockdown), as it is by `lockdown=` on its command line or by secure boot)",
        "",
    );
}
