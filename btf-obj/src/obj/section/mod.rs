//! What a section name means: program type, attach type and how to attach, from one table.
//!
//! [`table`] has the rows, [`kinds`] the types that they name, [`ways`] how programs are attached.
//!
//! Source: `section_defs` of libbpf 1.7 and its documentation, "Program Types and ELF Sections".

mod kinds;
mod table;
mod ways;

use std::fmt;

use crate::suggest::{did_you_mean, similar};

pub use kinds::{AttachType, ProgType};
use table::DEFS;
pub use ways::Attach;

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct SectionDef {
    /// The section name, without a target.
    pub name: &'static str,
    /// Whether `NAME/TARGET` is allowed besides `NAME`.
    pub takes_target: bool,
    /// Program type to load it as.
    pub prog_type: ProgType,
    /// Expected attach type to load it with.
    pub attach_type: AttachType,
    /// Whether kernels that know no expected attach types (before 4.17) load it without.
    pub attach_type_is_optional: bool,
    /// Whether it may sleep (`.s`).
    pub sleepable: bool,
    /// Whether its target is found by type when it is loaded: in the kernel's BTF, or in another program's.
    pub attach_btf: bool,
    /// Whether it sees packets of several buffers (`.frags`).
    pub xdp_frags: bool,
    /// How to attach it.
    pub attach: Attach,
    /// First kernel that has it, major and minor.
    pub since: (u8, u8),
}

impl fmt::Display for SectionDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = if self.takes_target { "/…" } else { "" };
        write!(f, "SEC(\"{}{target}\")", self.name)
    }
}

impl SectionDef {
    /// The target in a section name that this row is for, if it names one; `None` if it is for another row.
    fn matches<'a>(&self, section: &'a str) -> Option<Option<&'a str>> {
        let rest = section.strip_prefix(self.name)?;
        match rest.strip_prefix('/') {
            _ if rest.is_empty() => Some(None),
            Some(target) if self.takes_target => Some(Some(target).filter(|t| !t.is_empty())),
            _ => None,
        }
    }
}

/// Every section name that is known, in the order in which they are tried.
pub fn section_defs() -> &'static [SectionDef] {
    DEFS
}

/// What a section name (without a leading `?`) means, and the target after its name. As in libbpf, the first row that
/// matches counts, and one that takes no target is for its very name only.
pub(super) fn find(section: &str) -> Option<(&'static SectionDef, Option<&str>)> {
    DEFS.iter()
        .find_map(|def| def.matches(section).map(|target| (def, target)))
}

/// Definition for programs whose type and attach type are in no row.
static UNLISTED: SectionDef = SectionDef {
    name: "",
    takes_target: false,
    prog_type: ProgType(0),
    attach_type: AttachType::NONE,
    attach_type_is_optional: false,
    sleepable: false,
    attach_btf: false,
    xdp_frags: false,
    attach: Attach::Unlisted,
    since: (0, 0),
};

/// Returns what a section name means, if it is known.
pub fn of_section(section: &str) -> Option<&'static SectionDef> {
    find(section).map(|(def, _)| def)
}

/// Returns how a program of this type is loaded and attached, whatever its section.
///
/// Without an attach type it is 0, as in libbpf, or what the section of the type means for which
/// the attach type is optional; `None` if a program of the type must have one of several.
pub fn by_type(
    prog_type: ProgType,
    attach_type: Option<AttachType>,
) -> Option<&'static SectionDef> {
    let is_plain =
        |def: &&SectionDef| def.prog_type == prog_type && !def.sleepable && !def.xdp_frags;
    let mut rows = DEFS.iter().filter(is_plain);
    if let Some(attach_type) = attach_type {
        return Some(
            rows.find(|def| def.attach_type == attach_type)
                .unwrap_or(&UNLISTED),
        );
    }
    let all: Vec<&SectionDef> = rows.collect();
    let Some(first) = all.first() else {
        return Some(syscall_row(prog_type).unwrap_or(&UNLISTED));
    };
    let is_only = all.iter().all(|def| def.attach_type == first.attach_type);
    let none = all.iter().find(|def| def.attach_type == AttachType::NONE);
    // The last: `xdp/devmap` comes before `xdp`.
    let optional = all.iter().rfind(|def| def.attach_type_is_optional);
    let accepts_none = matches!(prog_type, ProgType::CGROUP_SOCK | ProgType::SK_REUSEPORT);
    match (is_only, none, optional) {
        (true, ..) => Some(*first),
        (_, Some(none), _) => Some(*none),
        (_, _, Some(optional)) => Some(*optional),
        // The kernel takes 0 for the plain one.
        _ if accepts_none => all.last().copied(),
        _ => None,
    }
}

/// Rows of types that have sleepable sections alone.
fn syscall_row(prog_type: ProgType) -> Option<&'static SectionDef> {
    DEFS.iter().find(|def| def.prog_type == prog_type)
}

/// As many names as are listed of those that begin alike.
const MOST_LISTED: usize = 6;

/// Why a program in a section that is not known is not loaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownSection {
    /// A sentence about the section name.
    pub message: String,
    /// Suggested section name or function call.
    pub help: String,
}

impl fmt::Display for UnknownSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.help)
    }
}

/// Returns the sentence about a section name that [`find`] does not find, and what to do.
pub(super) fn unknown(section: &str) -> UnknownSection {
    const SET_TYPE: &str = "call set_type on the open program before it is loaded";
    let help = match (did_you_mean(&near(section)), by_prefix(section)) {
        (Some(near), _) => format!("{near} If not, {SET_TYPE}"),
        (None, Some(def)) => {
            let prog_type = def.prog_type.name().unwrap_or_default();
            format!(
                "write SEC(\"{}\"), or call set_type(ProgType::{prog_type}) on the open program before it is loaded",
                def.name
            )
        }
        (None, None) => format!(
            "a section names the program type and what it attaches to, as SEC(\"fentry/vfs_read\") or SEC(\"xdp\"); for another name, \
             {SET_TYPE}; a function that programs call needs no section"
        ),
    };
    UnknownSection {
        message: format!("SEC(\"{section}\") is not a known section name"),
        help,
    }
}

/// The section that libbpf before 1.0 and cilium/ebpf take a name for that only begins with it:
/// `classifier/ingress`, `socket1`, `xdp_prog`.
fn by_prefix(section: &str) -> Option<&'static SectionDef> {
    let begins = |def: &&SectionDef| {
        let rest = section.strip_prefix(def.name);
        !def.takes_target && rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphabetic()))
    };
    let longest = DEFS
        .iter()
        .filter(begins)
        .max_by_key(|def| def.name.len())?;
    // Of two names for one kind, libbpf documents the shorter.
    match longest.name {
        "classifier" => DEFS.iter().find(|def| def.name == "tc"),
        _ => Some(longest),
    }
}

/// Known names that come close to one that is not.
fn near(section: &str) -> Vec<&str> {
    let names = || DEFS.iter().map(|def| def.name);
    let Some((prefix, _)) = section.split_once('/') else {
        return match by_prefix(section) {
            Some(_) => Vec::new(),
            None => similar(section, names()),
        };
    };
    let longer: Vec<&str> = names()
        .filter(|name| {
            name.strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with('/'))
        })
        .collect();
    let near = similar(section, longer.iter().copied());
    if !near.is_empty() || names().any(|name| name == prefix) {
        return near;
    }
    match longer.len() {
        0 => similar(prefix, names()),
        n if n <= MOST_LISTED => longer,
        _ => near,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_come_with_close_ones_and_the_setter() {
        assert_eq!(
            unknown("raw_pt/sys_enter").to_string(),
            "SEC(\"raw_pt/sys_enter\") is not a known section name (did you mean `raw_tp`? If not, call set_type on the open \
             program before it is loaded)"
        );
        let help = unknown("maps").help;
        assert!(help.contains("call set_type on the open program"), "{help}");
    }

    #[test]
    fn names_of_several_parts_are_told_whole() {
        let near = |section| did_you_mean(&near(section));
        assert_eq!(
            near("cgroup/conect4").unwrap(),
            "did you mean `cgroup/connect4` or `cgroup/connect6`?"
        );
        assert_eq!(near("xdp/devmp").unwrap(), "did you mean `xdp/devmap`?");
        let uprobe = near("uprobe.multy/x:y").unwrap();
        assert!(
            uprobe.starts_with("did you mean `uprobe.multi`"),
            "{uprobe}"
        );
        assert_eq!(near("cgroup/foo"), None);
    }

    #[test]
    fn names_that_only_begin_with_a_section_are_told_that() {
        for (section, written) in [
            (
                "classifier/ingress",
                "SEC(\"tc\"), or call set_type(ProgType::SCHED_CLS)",
            ),
            (
                "tc/foo",
                "SEC(\"tc\"), or call set_type(ProgType::SCHED_CLS)",
            ),
            (
                "action/x",
                "SEC(\"action\"), or call set_type(ProgType::SCHED_ACT)",
            ),
            (
                "socket1",
                "SEC(\"socket\"), or call set_type(ProgType::SOCKET_FILTER)",
            ),
            (
                "socket/filter",
                "SEC(\"socket\"), or call set_type(ProgType::SOCKET_FILTER)",
            ),
            (
                "perf_event/x",
                "SEC(\"perf_event\"), or call set_type(ProgType::PERF_EVENT)",
            ),
            ("xdp_prog", "SEC(\"xdp\"), or call set_type(ProgType::XDP)"),
            (
                "sk_skb/parser/x",
                "SEC(\"sk_skb\"), or call set_type(ProgType::SK_SKB)",
            ),
            (
                "lwt_xmit_nop",
                "SEC(\"lwt_xmit\"), or call set_type(ProgType::LWT_XMIT)",
            ),
        ] {
            let help = unknown(section).help;
            assert!(
                help.starts_with(&format!("write {written}")),
                "{section}: {help}"
            );
        }
        assert_eq!(by_prefix("tcptop"), None);
        assert_eq!(by_prefix("maps"), None);
    }

    #[test]
    fn types_have_the_row_of_their_plain_section() {
        let name = |prog_type, attach_type| by_type(prog_type, attach_type).map(|def| def.name);
        for (prog_type, section) in [
            (ProgType::SOCKET_FILTER, "socket"),
            (ProgType::KPROBE, "kprobe"),
            (ProgType::SCHED_CLS, "tc"),
            (ProgType::SCHED_ACT, "action"),
            (ProgType::XDP, "xdp"),
            (ProgType::PERF_EVENT, "perf_event"),
            (ProgType::SK_SKB, "sk_skb"),
            (ProgType::SK_REUSEPORT, "sk_reuseport"),
            (ProgType::CGROUP_SOCK, "cgroup/sock"),
            (ProgType::SOCK_OPS, "sockops"),
            (ProgType::SK_LOOKUP, "sk_lookup"),
            (ProgType::NETFILTER, "netfilter"),
            (ProgType::SYSCALL, "syscall"),
            (ProgType::EXT, "freplace"),
        ] {
            assert_eq!(name(prog_type, None), Some(section));
        }
        for prog_type in [
            ProgType::TRACING,
            ProgType::CGROUP_SOCK_ADDR,
            ProgType::CGROUP_SOCKOPT,
        ] {
            assert_eq!(name(prog_type, None), None, "{prog_type:?} has several");
        }
        let both = |prog_type, attach_type| name(prog_type, Some(attach_type));
        assert_eq!(
            both(ProgType::SCHED_CLS, AttachType::TCX_EGRESS),
            Some("tc/egress")
        );
        assert_eq!(
            both(ProgType::TRACING, AttachType::TRACE_FEXIT),
            Some("fexit")
        );
        assert_eq!(
            both(ProgType::XDP, AttachType::XDP_CPUMAP),
            Some("xdp/cpumap")
        );
        assert_eq!(both(ProgType::XDP, AttachType(9999)), Some(""));
        assert_eq!(name(ProgType(9999), None), Some(""));
    }

    #[test]
    fn a_target_follows_the_name() {
        let (def, target) = find("tracepoint/syscalls/sys_enter_openat").unwrap();
        assert_eq!(def.prog_type, ProgType::TRACEPOINT);
        assert_eq!(target, Some("syscalls/sys_enter_openat"));
        assert_eq!(find("fexit").unwrap().1, None);
        assert_eq!(find("fexit/").unwrap().1, None);
        assert_eq!(
            find("uprobe//proc/self/exe:f").unwrap().1,
            Some("/proc/self/exe:f")
        );
        assert!(find("fentry.s/x").unwrap().0.sleepable);
        assert!(find("fexti/vfs_read").is_none());
        assert!(find("socket/extra").is_none());
        assert!(find("socket/").is_none());
        assert!(find("kprobes/x").is_none());
    }

    #[test]
    fn names_with_slashes_are_exact() {
        let name = |section| find(section).map(|(def, _)| def.name);
        assert_eq!(name("xdp.frags/devmap"), Some("xdp.frags/devmap"));
        assert_eq!(name("xdp.frags"), Some("xdp.frags"));
        assert_eq!(name("xdp.frags/devmap/x"), None);
        assert_eq!(name("sk_reuseport/migrate"), Some("sk_reuseport/migrate"));
        assert_eq!(name("tc/ingress"), Some("tc/ingress"));
        assert_eq!(name("classifier/ingress"), None);
        assert_eq!(name("struct_ops.s/init"), Some("struct_ops.s"));
    }

    /// The table as it reads: a row that moves is seen.
    #[test]
    fn the_table() {
        let mut text = String::new();
        for def in DEFS {
            let (major, minor) = def.since;
            let marks: String = [
                (def.attach_btf, " by BTF"),
                (def.sleepable, " sleepable"),
                (def.attach_type_is_optional, " optional"),
                (def.xdp_frags, " frags"),
            ]
            .into_iter()
            .filter_map(|(is_set, mark)| is_set.then_some(mark))
            .collect();
            text += &format!(
                "{:<30} program {:<2} attach {:<2} {:?}{marks}, from {major}.{minor}\n",
                def.to_string(),
                def.prog_type.0,
                def.attach_type.0,
                def.attach,
            );
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn every_row_is_found_by_its_name() {
        assert_eq!(DEFS.len(), 105, "as many as libbpf 1.7 has");
        for def in DEFS {
            assert_eq!(find(def.name), Some((def, None)));
            assert!(def.prog_type.name().is_some() && def.attach_type.name().is_some());
            assert!(
                def.takes_target || !def.attach.is_by_section(),
                "{}",
                def.name
            );
        }
    }
}
