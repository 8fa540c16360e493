//! The limit on locked memory, which kernels before 5.11 charge maps and programs to.

use std::sync::Once;

use super::prog::{Loading, prog_load};
use crate::insn::{Insn, op};
use crate::obj::{AttachType, ProgType};

/// `bpf_ktime_get_coarse_ns`, which came with the kernel that charges BPF memory to the cgroup instead.
const KTIME_GET_COARSE_NS: i32 = 160;

/// Lifts this process's limit on locked memory if the kernel charges BPF memory to it, once. As libbpf does.
///
/// A process that may not do so goes on with the limit it has: what does not fit is refused then.
pub(crate) fn raise_memlock_limit() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if !charges_cgroup() {
            let unlimited = libc::rlimit {
                rlim_cur: libc::RLIM_INFINITY,
                rlim_max: libc::RLIM_INFINITY,
            };
            // SAFETY: it reads one live struct.
            unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const unlimited) };
        }
    });
}

fn charges_cgroup() -> bool {
    let insns = [
        Insn::new(op::JMP | op::CALL, 0, 0, 0, KTIME_GET_COARSE_NS),
        Insn::new(op::ALU64 | op::MOV | op::K, 0, 0, 0, 0),
        Insn::new(op::JMP | op::EXIT, 0, 0, 0, 0),
    ];
    prog_load(&Loading::bare(
        ProgType::SOCKET_FILTER,
        AttachType::NONE,
        &insns,
    ))
    .is_ok()
}
