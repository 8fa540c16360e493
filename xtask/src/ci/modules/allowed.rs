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

/// Recursion inside one noun, which stays.
pub(super) const RECURSIVE: &[Allowed] = &[
    // A C type contains declarators, whose parameters are C types.
    obj("btf/dump", &["composite", "declarator", "writer"]),
    // A type has members, and each of these a type.
    obj("btf", &["elements", "types"]),
    // A program attaches by a route, which may have other programs beside it.
    core("attach", &["lwt", "route"]),
];

/// Cycles that are to be removed, each with its entry here. A cycle of some of the members is
/// allowed, too.
pub(super) const KNOWN: &[Allowed] = &[];

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
