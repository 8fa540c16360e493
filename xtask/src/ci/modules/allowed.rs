//! Exceptions of the check.

/// This file.
pub(super) const FILE: &str = file!();

/// A set of modules of one directory that may use each other.
pub(super) struct Allowed {
    pub(super) krate: &'static str,
    /// Relative to the crate's `src`.
    pub(super) directory: &'static str,
    pub(super) members: &'static [&'static str],
}

const fn obj(directory: &'static str, members: &'static [&'static str]) -> Allowed {
    Allowed {
        krate: "btf-obj",
        directory,
        members,
    }
}

const fn core(directory: &'static str, members: &'static [&'static str]) -> Allowed {
    Allowed {
        krate: "btf-core",
        directory,
        members,
    }
}

/// Recursion inside one noun, which stays: a C type contains declarators, whose parameters are C
/// types.
pub(super) const RECURSIVE: &[Allowed] = &[obj("btf/dump", &["composite", "declarator", "writer"])];

/// Cycles that are to be removed, each with its entry here. A cycle of some of the members is
/// allowed, too.
#[rustfmt::skip]
pub(super) const KNOWN: &[Allowed] = &[
    obj("btf", &["elements", "types"]),
    obj("btf/dump", &["names", "order"]),
    obj("btf/value", &["walk", "write"]),
    obj("obj", &["data", "datasec", "elf", "externs", "records"]),
    obj("obj", &["relocated", "report"]),
    obj("obj/linker", &["symbols", "types"]),
    obj("relo/explain", &["enumerators", "members", "types"]),
    core("", &["link", "map", "prog"]),
    core("binary", &["resolve", "unresolved"]),
    core("link", &["legacy", "probe", "uprobe"]),
    core("map", &["keys", "untyped"]),
    core("map", &["ring", "ring_buf"]),
    core("probe", &["ask", "btf", "table"]),
    core("probe", &["features", "memlock"]),
    core("prog", &[
        "by_section", "freplace", "iter", "kprobe", "kprobe_multi", "ksyscall", "raw_tracepoint",
        "tracepoint", "tracing", "uprobe", "uprobe_multi", "usdt",
    ]),
    core("prog", &["lwt", "route"]),
];

/// A directory that another crate could use as a library, and the modules that it may use.
pub(super) struct Library {
    pub(super) krate: &'static str,
    pub(super) directory: &'static str,
    pub(super) uses: &'static [&'static str],
}

pub(super) const LIBRARIES: &[Library] = &[
    Library {
        krate: "xtask",
        directory: "debian",
        uses: &["disk", "error", "program"],
    },
    Library {
        krate: "xtask",
        directory: "vm",
        uses: &["debian", "disk", "error", "program"],
    },
];
