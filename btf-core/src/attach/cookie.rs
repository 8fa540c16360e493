//! Cookies of links: which kernels have them, by attach type.

use crate::error::Error;
use crate::obj::{Attach, AttachType, SectionDef};
use crate::sys;

/// Of kprobes, uprobes, tracepoints and perf events: `bpf_link_create` with a perf event.
const PERF_EVENT: (u8, u8) = (5, 15);
/// Of fentry, fexit, fmod_ret and LSM programs.
const TRACING: (u8, u8) = (5, 19);
/// Of raw tracepoints, with BTF or without.
const RAW_TRACEPOINT: (u8, u8) = (6, 10);

/// Returns the first kernel that has cookies for programs of a section; `None` if links of another
/// kind brought theirs along.
fn since(def: &SectionDef) -> Option<(u8, u8)> {
    Some(match def.attach {
        Attach::RawTracepoint => RAW_TRACEPOINT,
        Attach::Tracing if def.attach_type == AttachType::TRACE_RAW_TP => RAW_TRACEPOINT,
        Attach::Tracing => TRACING,
        Attach::Tracepoint
        | Attach::Kprobe
        | Attach::Kretprobe
        | Attach::Ksyscall
        | Attach::Kretsyscall
        | Attach::Uprobe
        | Attach::Uretprobe
        | Attach::Usdt
        | Attach::PerfEvent => PERF_EVENT,
        _ => return None,
    })
}

/// Explains a rejected cookie if this kernel is too old for it.
pub(super) fn explain(def: Option<&SectionDef>, cookie: u64, error: Error) -> Error {
    let newer = match error.os_error() {
        Some(libc::EINVAL) if cookie != 0 => def.and_then(since).and_then(sys::newer_kernel),
        _ => None,
    };
    match newer {
        Some(newer) => error.hint(format!("a cookie here {newer}")),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::obj::section_defs;

    #[test]
    fn programs_of_one_kind_of_link_have_cookies_from_the_same_kernel() {
        let since = |section: &str| {
            let def = section_defs().iter().find(|def| def.name == section);
            def.and_then(since)
        };
        for section in ["raw_tp", "raw_tracepoint", "raw_tp.w", "tp_btf"] {
            assert_eq!(since(section), Some((6, 10)), "{section}");
        }
        for section in ["fentry", "fexit.s", "fmod_ret", "lsm"] {
            assert_eq!(since(section), Some((5, 19)), "{section}");
        }
        for section in [
            "kprobe",
            "uretprobe",
            "usdt",
            "tp",
            "perf_event",
            "ksyscall",
        ] {
            assert_eq!(since(section), Some((5, 15)), "{section}");
        }
        assert_eq!(since("xdp"), None);
        assert_eq!(since("kprobe.multi"), None);
    }

    /// rustdoc states the same kernels as the table.
    #[test]
    fn documentation_agrees_with_the_table() {
        let lines = include_str!("by_section.rs").lines();
        // One line, however the text is wrapped.
        let docs: Vec<&str> = lines.map(|l| l.trim().trim_start_matches("/// ")).collect();
        let docs = docs.join(" ");
        for (what, (major, minor)) in [
            ("for perf events (kprobe, uprobe, tracepoint)", PERF_EVENT),
            ("for fentry and its like", TRACING),
            ("for raw tracepoints", RAW_TRACEPOINT),
        ] {
            let stated = format!("{what} from {major}.{minor} on");
            assert!(docs.contains(&stated), "{stated}");
        }
    }
}
