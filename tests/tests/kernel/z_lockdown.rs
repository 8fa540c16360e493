//! A kernel that is locked down. The last case, as the harness runs them by their names: there is no way back from it.

use btf_core::load::OpenObject;
use btf_core::{Error, ErrorKind};

use crate::support::{load_only, needs};

static ATTACH: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/attach.bpf.o"));
static REFUSED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/refused.bpf.o"));

#[test]
fn what_a_locked_down_kernel_refuses() {
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
        "bpf_probe_read_kernel#113 (the kernel is locked down (/sys/kernel/security/lockdown): for confidentiality it takes \
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
