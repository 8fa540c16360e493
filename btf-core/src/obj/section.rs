//! What a section name means: program type, attach type and how to attach, from one table.
//!
//! Source: `section_defs` of libbpf 1.7 and its documentation, "Program Types and ELF Sections".

use std::fmt;

use crate::near::{did_you_mean, similar};

/// Program type (`enum bpf_prog_type`): an open set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ProgType(pub u32);

#[allow(missing_docs)] // The names are those of the kernel's header, which defines them.
impl ProgType {
    pub const SOCKET_FILTER: ProgType = ProgType(1);
    pub const KPROBE: ProgType = ProgType(2);
    pub const SCHED_CLS: ProgType = ProgType(3);
    pub const TRACEPOINT: ProgType = ProgType(5);
    pub const XDP: ProgType = ProgType(6);
    pub const PERF_EVENT: ProgType = ProgType(7);
    pub const CGROUP_SKB: ProgType = ProgType(8);
    pub const RAW_TRACEPOINT: ProgType = ProgType(17);
    pub const RAW_TRACEPOINT_WRITABLE: ProgType = ProgType(24);
    pub const TRACING: ProgType = ProgType(26);
    pub const LSM: ProgType = ProgType(29);
    pub const SYSCALL: ProgType = ProgType(31);
}

/// Attach type (`enum bpf_attach_type`): an open set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AttachType(pub u32);

#[allow(missing_docs)] // The names are those of the kernel's header, which defines them.
impl AttachType {
    /// For program types that have none: the kernel takes 0.
    pub const NONE: AttachType = AttachType(0);
    pub const TRACE_RAW_TP: AttachType = AttachType(23);
    pub const TRACE_FENTRY: AttachType = AttachType(24);
    pub const TRACE_FEXIT: AttachType = AttachType(25);
    pub const MODIFY_RETURN: AttachType = AttachType(26);
    pub const LSM_MAC: AttachType = AttachType(27);
    pub const TRACE_ITER: AttachType = AttachType(28);
    pub const XDP: AttachType = AttachType(37);
}

/// How a loaded program is attached, and so which operations its skeleton type has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Attach {
    /// To a kernel function or BTF tracepoint known by its BTF id: fentry, fexit, fmod_ret, tp_btf, lsm.
    Tracing,
    /// To an iterator: the kernel runs it for each thing while its descriptor is read.
    Iter,
    /// To a raw tracepoint by name.
    RawTracepoint,
    /// To a tracepoint `category/name` through a perf event.
    Tracepoint,
    /// To the entry of a kernel function.
    Kprobe,
    /// To the return of a kernel function.
    Kretprobe,
    /// Not by this crate's own means (or not yet): load it, take its fd.
    Manual,
}

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct SectionDef {
    /// The section name up to its first `/`.
    pub prefix: &'static str,
    /// Whether `prefix/target` is allowed; without it only the bare prefix is.
    pub takes_target: bool,
    /// Program type to load it as.
    pub prog_type: ProgType,
    /// Expected attach type to load it with.
    pub attach_type: AttachType,
    /// Whether it may sleep (`.s`).
    pub sleepable: bool,
    /// Whether its target is found in the kernel's BTF when it is loaded.
    pub attach_btf: bool,
    /// How to attach it.
    pub attach: Attach,
    /// First kernel that has it, major and minor.
    pub since: (u8, u8),
}

impl fmt::Display for SectionDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SEC(\"{}{}\")",
            self.prefix,
            if self.takes_target { "/…" } else { "" }
        )
    }
}

const fn row(
    prefix: &'static str,
    prog_type: ProgType,
    attach_type: AttachType,
    attach: Attach,
    since: (u8, u8),
) -> SectionDef {
    SectionDef {
        prefix,
        takes_target: !matches!(attach, Attach::Manual),
        prog_type,
        attach_type,
        sleepable: false,
        attach_btf: matches!(attach, Attach::Tracing | Attach::Iter),
        attach,
        since,
    }
}

const fn sleepable(def: SectionDef) -> SectionDef {
    SectionDef {
        sleepable: true,
        ..def
    }
}

use AttachType as A;
use ProgType as P;

const DEFS: &[SectionDef] = &[
    row(
        "fentry",
        P::TRACING,
        A::TRACE_FENTRY,
        Attach::Tracing,
        (5, 5),
    ),
    sleepable(row(
        "fentry.s",
        P::TRACING,
        A::TRACE_FENTRY,
        Attach::Tracing,
        (5, 10),
    )),
    row("fexit", P::TRACING, A::TRACE_FEXIT, Attach::Tracing, (5, 5)),
    sleepable(row(
        "fexit.s",
        P::TRACING,
        A::TRACE_FEXIT,
        Attach::Tracing,
        (5, 10),
    )),
    row(
        "fmod_ret",
        P::TRACING,
        A::MODIFY_RETURN,
        Attach::Tracing,
        (5, 7),
    ),
    sleepable(row(
        "fmod_ret.s",
        P::TRACING,
        A::MODIFY_RETURN,
        Attach::Tracing,
        (5, 10),
    )),
    row(
        "tp_btf",
        P::TRACING,
        A::TRACE_RAW_TP,
        Attach::Tracing,
        (5, 5),
    ),
    row("lsm", P::LSM, A::LSM_MAC, Attach::Tracing, (5, 7)),
    sleepable(row("lsm.s", P::LSM, A::LSM_MAC, Attach::Tracing, (5, 10))),
    row("iter", P::TRACING, A::TRACE_ITER, Attach::Iter, (5, 8)),
    sleepable(row(
        "iter.s",
        P::TRACING,
        A::TRACE_ITER,
        Attach::Iter,
        (5, 19),
    )),
    row(
        "raw_tp",
        P::RAW_TRACEPOINT,
        A::NONE,
        Attach::RawTracepoint,
        (4, 17),
    ),
    row(
        "raw_tracepoint",
        P::RAW_TRACEPOINT,
        A::NONE,
        Attach::RawTracepoint,
        (4, 17),
    ),
    row(
        "raw_tp.w",
        P::RAW_TRACEPOINT_WRITABLE,
        A::NONE,
        Attach::RawTracepoint,
        (5, 2),
    ),
    row(
        "raw_tracepoint.w",
        P::RAW_TRACEPOINT_WRITABLE,
        A::NONE,
        Attach::RawTracepoint,
        (5, 2),
    ),
    row("tp", P::TRACEPOINT, A::NONE, Attach::Tracepoint, (4, 7)),
    row(
        "tracepoint",
        P::TRACEPOINT,
        A::NONE,
        Attach::Tracepoint,
        (4, 7),
    ),
    row("kprobe", P::KPROBE, A::NONE, Attach::Kprobe, (4, 1)),
    row("kretprobe", P::KPROBE, A::NONE, Attach::Kretprobe, (4, 1)),
    row("socket", P::SOCKET_FILTER, A::NONE, Attach::Manual, (3, 19)),
    row("xdp", P::XDP, A::XDP, Attach::Manual, (4, 8)),
    row("tc", P::SCHED_CLS, A::NONE, Attach::Manual, (4, 1)),
    row("classifier", P::SCHED_CLS, A::NONE, Attach::Manual, (4, 1)),
    row("perf_event", P::PERF_EVENT, A::NONE, Attach::Manual, (4, 9)),
    sleepable(row("syscall", P::SYSCALL, A::NONE, Attach::Manual, (5, 14))),
];

/// Every section name that is known.
pub fn section_defs() -> &'static [SectionDef] {
    DEFS
}

/// What a section name (without a leading `?`) means, and the target after its prefix.
pub(super) fn find(section: &str) -> Option<(&'static SectionDef, Option<&str>)> {
    let (prefix, target) = match section.split_once('/') {
        Some((prefix, target)) => (prefix, Some(target)),
        None => (section, None),
    };
    let def = DEFS.iter().find(|def| def.prefix == prefix)?;
    match target {
        Some(_) if !def.takes_target => None,
        _ => Some((def, target.filter(|t| !t.is_empty()))),
    }
}

/// The sentence about a section name that [`find`] does not find.
pub(crate) fn unknown(section: &str) -> String {
    let sentence = format!("SEC(\"{section}\") is not a section name that is known");
    let (prefix, target) = match section.split_once('/') {
        Some((prefix, target)) => (prefix, Some(target)),
        None => (section, None),
    };
    if target.is_some() && DEFS.iter().any(|def| def.prefix == prefix) {
        return format!("{sentence}: nothing may follow `{prefix}`");
    }
    match did_you_mean(&similar(prefix, DEFS.iter().map(|def| def.prefix))) {
        Some(hint) => format!("{sentence} ({hint})"),
        None => sentence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_known_are_told_with_what_comes_close() {
        assert_eq!(
            unknown("raw_pt/sys_enter"),
            "SEC(\"raw_pt/sys_enter\") is not a section name that is known (did you mean `raw_tp`?)"
        );
        assert_eq!(
            unknown("socket/extra"),
            "SEC(\"socket/extra\") is not a section name that is known: nothing may follow `socket`"
        );
        assert_eq!(
            unknown("maps"),
            "SEC(\"maps\") is not a section name that is known"
        );
    }

    #[test]
    fn a_target_follows_the_prefix() {
        let (def, target) = find("tracepoint/syscalls/sys_enter_openat").unwrap();
        assert_eq!(def.prog_type, ProgType::TRACEPOINT);
        assert_eq!(target, Some("syscalls/sys_enter_openat"));
        assert_eq!(find("fexit").unwrap().1, None);
        assert!(find("fentry.s/x").unwrap().0.sleepable);
        assert!(find("fexti/vfs_read").is_none());
        assert!(find("socket/extra").is_none());
    }

    /// The table as it reads: a row that moves is seen.
    #[test]
    fn the_table() {
        let mut text = String::new();
        for def in DEFS {
            let (major, minor) = def.since;
            let sleepable = if def.sleepable { " sleepable" } else { "" };
            let attach_btf = if def.attach_btf { " by BTF" } else { "" };
            text += &format!(
                "{:<28} program {:<2} attach {:<2} {:?}{attach_btf}{sleepable}, from {major}.{minor}\n",
                def.to_string(),
                def.prog_type.0,
                def.attach_type.0,
                def.attach,
            );
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn prefixes_are_unique() {
        for (n, def) in DEFS.iter().enumerate() {
            assert!(
                DEFS[..n].iter().all(|d| d.prefix != def.prefix),
                "{}",
                def.prefix
            );
        }
    }
}
