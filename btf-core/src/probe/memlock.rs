//! Lifting the limit on locked memory where the kernel charges BPF memory to it, as libbpf does.

use std::sync::Once;

use super::{Prober, ask};
use crate::sys;

/// Lifts the limit, once in a process, unless the kernel charges memory to the cgroup. If
/// `is_accounted` is given as `false`, it is lifted whatever the kernel does.
pub(super) fn raise_limit(is_accounted: Option<bool>) {
    static ONCE: Once = Once::new();
    if is_accounted == Some(false) {
        return sys::lift_memlock_limit();
    }
    ONCE.call_once(|| {
        let prober = Prober { token: None };
        if !ask::memcg_accounting(&prober).unwrap_or(false) {
            sys::lift_memlock_limit();
        }
    });
}
