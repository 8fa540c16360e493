//! Members and types that kernels have renamed so that no rule tells what became of them.
//!
//! Rules come first: names that differ by underscores, a word or a letter, and members that stand in the place of the old
//! one, are found without being listed. Listed is what differs more, as far as programs are known to read it.

/// Struct, member, what it became; and the first kernel in which it did.
pub(super) const MEMBERS: &[(&str, &str, &str, &str)] = &[
    ("mm_struct", "mmap_sem", "mmap_lock", "5.8"),
    ("bio", "bi_disk", "bi_bdev", "5.12"),
    ("dentry", "d_child", "d_sib", "6.8"),
    ("dentry", "d_subdirs", "d_children", "6.8"),
    ("sk_buff", "mono_delivery_time", "tstamp_type", "6.11"),
    ("file", "f_count", "f_ref", "6.13"),
    ("cfs_rq", "nr_running", "nr_queued", "6.14"),
    ("cfs_rq", "h_nr_running", "h_nr_queued", "6.14"),
    // `d_name`, which both kernels have, is nearer.
    ("dentry", "d_iname", "d_shortname", "6.15"),
];

/// Type, what it became, and the first kernel in which it did.
pub(super) const TYPES: &[(&str, &str, &str)] = &[("hd_struct", "block_device", "5.11")];

/// What a member of this struct is called in other kernels, newer or older.
pub(super) fn members(holder: &str, member: &str) -> impl Iterator<Item = &'static str> {
    MEMBERS
        .iter()
        .filter(move |(of, ..)| *of == holder)
        .filter_map(move |&(_, old, new, _)| other(old, new, member))
}

/// What a type of this name is called in other kernels, newer or older.
pub(super) fn types(name: &str) -> impl Iterator<Item = &'static str> {
    TYPES
        .iter()
        .filter_map(move |&(old, new, _)| other(old, new, name))
}

fn other(old: &'static str, new: &'static str, name: &str) -> Option<&'static str> {
    match name {
        _ if name == old => Some(new),
        _ if name == new => Some(old),
        _ => None,
    }
}
