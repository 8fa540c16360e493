//! Access restrictions of a map's file descriptor, from `/proc/self/fdinfo`.

use std::fs;

/// A reason why the kernel denies element access through a file descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Restriction {
    /// `BPF_MAP_FREEZE` was called on the map.
    Frozen,
    /// The file descriptor was opened with `BPF_F_RDONLY`.
    ReadOnly,
    /// The file descriptor was opened with `BPF_F_WRONLY`.
    WriteOnly,
}

impl Restriction {
    /// Returns the restriction of the map's file descriptor with this number, if it has one.
    pub(super) fn of(fd: u32) -> Option<Restriction> {
        Restriction::parse(&fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?)
    }

    fn parse(text: &str) -> Option<Restriction> {
        let value = |key: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| Some(line.strip_prefix(key)?.trim()))
        };
        if value("frozen:") == Some("1") {
            return Some(Restriction::Frozen);
        }
        let flags = i32::from_str_radix(value("flags:")?, 8).ok()?;
        match flags & libc::O_ACCMODE {
            libc::O_RDONLY => Some(Restriction::ReadOnly),
            libc::O_WRONLY => Some(Restriction::WriteOnly),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_access_mode_and_freezing() {
        let parse = Restriction::parse;
        assert_eq!(parse("pos:\t0\nflags:\t02000002\nfrozen:\t0\n"), None);
        assert_eq!(
            parse("flags:\t02000002\nfrozen:\t1\n"),
            Some(Restriction::Frozen)
        );
        assert_eq!(parse("flags:\t02000000\n"), Some(Restriction::ReadOnly));
        assert_eq!(
            parse("flags:\t02000001\nfrozen:\t0\n"),
            Some(Restriction::WriteOnly)
        );
        assert_eq!(parse("flags:\tx\n"), None);
        assert_eq!(parse(""), None);
    }
}
