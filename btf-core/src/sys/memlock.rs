//! The limit on locked memory, which kernels before 5.11 charge maps and programs to.

/// Lifts this process's limit on locked memory. One that may not do so goes on with the limit it has: what does not fit is
/// refused then.
pub(crate) fn lift_memlock_limit() {
    let unlimited = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: it reads one live struct.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const unlimited) };
}
