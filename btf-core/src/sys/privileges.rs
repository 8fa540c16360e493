//! What this process may ask of the kernel, as far as it can tell.

use super::process::is_root;

/// What to try when the kernel refuses something with `EPERM` to who has a token.
pub(crate) fn token_hint() -> &'static str {
    "the token does not allow it: /proc/self/mountinfo has what the BPF file system delegates (delegate_cmds, \
     delegate_maps, delegate_progs, delegate_attachs)"
}

/// What to try when the kernel refuses something with `EPERM`.
pub(crate) fn privileges_hint() -> &'static str {
    if is_root() {
        "this process is root: the kernel is locked down, a security module or container forbids it, \
         or CAP_BPF or CAP_PERFMON was dropped"
    } else {
        "run it as root, or give it CAP_BPF and CAP_PERFMON (CAP_SYS_ADMIN on kernels before 5.8)"
    }
}
