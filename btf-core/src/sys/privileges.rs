//! What this process may ask of the kernel, as far as it can tell.

use super::process::is_root;

/// What to try when the kernel refuses something with `EPERM` to who has a token.
pub(crate) fn token_hint() -> &'static str {
    "the token does not allow it: /proc/self/mountinfo has what the BPF file system delegates (delegate_cmds, \
     delegate_maps, delegate_progs, delegate_attachs)"
}

/// What to try when the kernel refuses something with `EPERM`.
pub(crate) fn privileges_hint() -> &'static str {
    match (may_use_bpf(), is_root()) {
        (false, false) => {
            "run it as root, or give it CAP_BPF and CAP_PERFMON, and CAP_NET_ADMIN for programs of the network (CAP_SYS_ADMIN \
             on kernels before 5.8)"
        }
        (false, true) => {
            "this process is root without CAP_BPF and CAP_PERFMON, which a container or a service manager has taken from it"
        }
        _ if is_locked_down() => {
            "the kernel is locked down (/sys/kernel/security/lockdown), as it is by `lockdown=` on its command line or by secure \
             boot"
        }
        _ => {
            "this process has CAP_BPF and CAP_PERFMON: it lacks CAP_NET_ADMIN or CAP_SYS_ADMIN, or a security module, seccomp or \
             the user namespace forbids it"
        }
    }
}

/// What to try when a program may not call a helper function, if that is for want of privileges.
pub(crate) fn helper_hint() -> Option<&'static str> {
    if !may_use_bpf() {
        return Some(privileges_hint());
    }
    is_locked_down().then_some(
        "the kernel is locked down (/sys/kernel/security/lockdown): for confidentiality it takes bpf_probe_read and its like \
         from all programs, and bpf_probe_write_user for integrity already; fentry and tp_btf programs read kernel memory \
         through their arguments without it",
    )
}

/// Whether this thread has the capabilities that most programs take, or the one that stands for all.
fn may_use_bpf() -> bool {
    const SYS_ADMIN: u64 = 1 << 21;
    const PERFMON_AND_BPF: u64 = 0b11 << 38;
    let has = effective_capabilities();
    has & SYS_ADMIN != 0 || has & PERFMON_AND_BPF == PERFMON_AND_BPF
}

/// This thread's effective capabilities; all of them if it cannot be told.
fn effective_capabilities() -> u64 {
    // `_LINUX_CAPABILITY_VERSION_3`, of this thread; then effective, permitted and inheritable capabilities, the low words first.
    let mut header = [0x2008_0522u32, 0];
    let mut sets = [[0u32; 3]; 2];
    // SAFETY: both are exclusively borrowed arrays, laid out and as long as the header's version says.
    let answer = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) };
    match answer {
        0 => u64::from(sets[1][0]) << 32 | u64::from(sets[0][0]),
        _ => u64::MAX,
    }
}

/// Whether the kernel is locked down, as far as the security file system says.
fn is_locked_down() -> bool {
    std::fs::read_to_string("/sys/kernel/security/lockdown")
        .is_ok_and(|levels| levels.contains("[integrity]") || levels.contains("[confidentiality]"))
}
