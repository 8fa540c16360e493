//! Lifting the limit on locked memory where the kernel charges BPF memory to it, as libbpf does.

use std::sync::Once;

use super::{Features, Prober, ask, table};
use crate::sys;

/// Lifts the limit, once in a process, unless the kernel charges memory to the cgroup. Where answers are given that say so, it is
/// lifted whatever the kernel does.
pub(crate) fn raise_memlock_limit(features: &Features) {
    static ONCE: Once = Once::new();
    if features.given(&table::MEMCG_ACCOUNTING) == Some(false) {
        return sys::lift_memlock_limit();
    }
    ONCE.call_once(|| {
        let prober = Prober { token: None };
        if !ask::memcg_accounting(&prober).unwrap_or(false) {
            sys::lift_memlock_limit();
        }
    });
}
