//! Helper functions: the fixed set of kernel functions that a program calls by number.
//!
//! Owns the one table of them, from which `bpf_helper_defs.h` is made and with which messages name a helper and the
//! kernel that has it. Leaves to others whether the running kernel really has one (`sys`), and kfuncs, which are found
//! by name in the kernel's BTF.

mod table;

use std::fmt;

/// A helper function of the kernel.
///
/// ```
/// use btf_obj::helper;
///
/// let reserve = helper::by_name("bpf_ringbuf_reserve").expect("a helper since Linux 5.8");
/// assert_eq!((reserve.id, reserve.since), (131, (5, 8)));
/// assert_eq!(reserve.to_string(), "void *bpf_ringbuf_reserve(void *ringbuf, __u64 size, __u64 flags)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Helper {
    /// Its number (`BPF_FUNC_…`): the immediate of the call instruction.
    pub id: u32,
    /// Its name in C, `bpf_` included.
    pub name: &'static str,
    /// Its return type in C.
    pub ret: &'static str,
    /// Its parameters in C, types and names; `void` if it has none.
    pub params: &'static str,
    /// First kernel that has it, major and minor.
    pub since: (u8, u8),
    /// Whether the newest kernel refuses it to programs whose license is not compatible with the GPL. A few helpers
    /// have a laxer rule in one program type than in the others (`bpf_get_stackid` in perf events, `bpf_get_func_ip` in
    /// multi probes); those count as refused.
    pub gpl_only: bool,
    /// Whether compilers that know `bpf_fastcall` may keep values in r1 to r5 across a call.
    pub fastcall: bool,
}

impl fmt::Display for Helper {
    /// The C declaration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.ret.ends_with('*') { "" } else { " " };
        write!(f, "{}{space}{}({})", self.ret, self.name, self.params)
    }
}

/// All helper functions in the order of their numbers, from 1 without a gap.
pub fn helpers() -> &'static [Helper] {
    table::HELPERS
}

/// The helper with this number; `None` for 0 and for numbers newer than this table.
pub fn by_id(id: u32) -> Option<&'static Helper> {
    let index = usize::try_from(id.checked_sub(1)?).ok()?;
    table::HELPERS.get(index)
}

/// The helper with this C name (`bpf_map_lookup_elem`).
pub fn by_name(name: &str) -> Option<&'static Helper> {
    table::HELPERS.iter().find(|helper| helper.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_dense_from_one() {
        for (id, helper) in (1..).zip(helpers()) {
            assert_eq!(helper.id, id, "{}", helper.name);
            assert_eq!(by_id(id), Some(helper));
        }
        assert_eq!(by_id(0), None);
        let count = u32::try_from(helpers().len()).expect("a short table");
        assert_eq!(by_id(count + 1), None);
        assert_eq!(by_id(u32::MAX), None);
    }

    #[test]
    fn names_are_unique_and_complete() {
        let names: HashSet<_> = helpers().iter().map(|helper| helper.name).collect();
        assert_eq!(names.len(), helpers().len());
        assert!(names.iter().all(|name| name.starts_with("bpf_")));
        assert_eq!(by_name("bpf_cgrp_storage_delete").map(|h| h.id), Some(211));
        assert_eq!(by_name("bpf_unspec"), None);
    }

    #[test]
    fn later_numbers_came_with_later_kernels() {
        assert!(helpers().is_sorted_by_key(|helper| helper.since));
        // The last helper of each long-term series that the project is tested on.
        let newest_of = |series| {
            helpers()
                .iter()
                .rfind(|h| h.since <= series)
                .map(|h| h.name)
        };
        assert_eq!(newest_of((5, 10)), Some("bpf_redirect_peer"));
        assert_eq!(newest_of((6, 1)), Some("bpf_user_ringbuf_drain"));
        assert_eq!(newest_of((6, 12)), Some("bpf_cgrp_storage_delete"));
    }

    #[test]
    fn rows_are_well_formed() {
        for helper in helpers() {
            let Helper {
                name, ret, params, ..
            } = helper;
            assert!(!ret.is_empty() && !params.is_empty(), "{name}");
            assert_eq!(ret.trim(), *ret, "{name}");
            // The calling convention has five argument registers.
            assert!(params.split(", ").count() <= 5, "{name}");
        }
        assert!(by_name("bpf_probe_read_kernel").is_some_and(|h| h.gpl_only));
        assert!(by_name("bpf_map_lookup_elem").is_some_and(|h| !h.gpl_only));
        let fast: Vec<_> = helpers()
            .iter()
            .filter(|h| h.fastcall)
            .map(|h| h.name)
            .collect();
        assert_eq!(fast, ["bpf_get_smp_processor_id"]);
    }
}
