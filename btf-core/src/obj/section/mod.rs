//! What a section name means: program type, attach type and how to attach, from one table.
//!
//! [`table`] has the rows, [`kinds`] the types that they name, [`ways`] how programs are attached.
//!
//! Source: `section_defs` of libbpf 1.7 and its documentation, "Program Types and ELF Sections".

mod kinds;
mod table;
mod ways;

use std::fmt;

use crate::near::{did_you_mean, similar};

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

/// As many names as are listed of those that begin alike.
const MOST_LISTED: usize = 6;

/// The sentence about a section name that [`find`] does not find.
pub(crate) fn unknown(section: &str) -> String {
    let sentence = format!("SEC(\"{section}\") is not a section name that is known");
    let names = || DEFS.iter().map(|def| def.name);
    let Some((prefix, _)) = section.split_once('/') else {
        return match did_you_mean(&similar(section, names())) {
            Some(hint) => format!("{sentence} ({hint})"),
            None => sentence,
        };
    };
    let longer: Vec<&str> = names()
        .filter(|name| {
            name.strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with('/'))
        })
        .collect();
    if longer.is_empty() && names().any(|name| name == prefix) {
        return format!("{sentence}: nothing may follow `{prefix}`");
    }
    let mut near = similar(section, longer.iter().copied());
    if near.is_empty() && longer.is_empty() {
        near = similar(prefix, names());
    } else if near.is_empty() && longer.len() <= MOST_LISTED {
        near = longer;
    }
    match did_you_mean(&near) {
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
    fn names_of_several_parts_are_told_whole() {
        let hint = |section| {
            unknown(section)
                .split_once(" (")
                .map(|(_, hint)| hint.to_owned())
        };
        assert_eq!(
            hint("cgroup/conect4").unwrap(),
            "did you mean `cgroup/connect4` or `cgroup/connect6`?)"
        );
        assert_eq!(
            hint("xdp/foo").unwrap(),
            "did you mean `xdp/devmap` or `xdp/cpumap`?)"
        );
        let uprobe = hint("uprobe.multy/x:y").unwrap();
        assert!(
            uprobe.starts_with("did you mean `uprobe.multi`"),
            "{uprobe}"
        );
        assert_eq!(hint("cgroup/foo"), None);
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
