//! Words of the lines that define probes in tracefs, checked against how the kernel reads them.
//!
//! A write is split into lines at each newline, and a line ends at `#` (`trace_parse_run_command`).
//! It is split into words at what the kernel's `isspace` matches, which includes the byte 0xa0
//! (`argv_split`). There is no quoting. Of the word for the place:
//!
//! * a kprobe's is an address if it is a number (`kstrtoul`); else `%return` is cut off, an offset
//!   begins at the first `+` or `-`, and `MODULE:` names a module (`trace_kprobe_create`,
//!   `traceprobe_split_symbol_offset`);
//! * a uprobe's is `PATH:OFFSET`, with the last `:`, on older kernels the first one, and a `/` in
//!   it (`trace_uprobe_create`).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// Bytes of a path in a line, which has room for 4095 (`WRITE_BUFSIZE`).
const LONGEST_PATH: usize = 3072;

/// Returns the name of a kernel function, `FUNCTION` or `MODULE:FUNCTION`, if the kernel reads nothing
/// else in it.
pub(super) fn function(name: &str) -> Result<&str> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.';
    let is_symbol = |part: &str| {
        let is_number = part.starts_with(|c: char| c.is_ascii_digit());
        !part.is_empty() && !is_number && part.bytes().all(is_plain)
    };
    let (module, function) = name.split_once(':').unwrap_or(("module", name));
    if is_symbol(module) && is_symbol(function) {
        return Ok(name);
    }
    Err(Error::new(
        ErrorKind::InvalidInput,
        format!("cannot write {name:?} to tracefs: the kernel would not read it as a function"),
    )
    .hint(
        "names of functions have ASCII letters, digits, `_` and `.`, and begin with no digit; an \
         offset is set by KprobeOptions::offset, a return probe is one of a kretprobe program",
    ))
}

/// Returns the path of a binary, and a file that must be open while the kernel reads it: a path
/// that the kernel would read otherwise is replaced by that of the open file in procfs.
pub(super) fn path(path: &Path) -> io::Result<(String, Option<File>)> {
    let is_plain = |b: u8| b.is_ascii_graphic() && b != b'#' && b != b':';
    let bytes = path.as_os_str().as_bytes();
    let is_whole = bytes.contains(&b'/') && bytes.len() <= LONGEST_PATH;
    match path.to_str() {
        Some(path) if is_whole && path.bytes().all(is_plain) => Ok((path.to_owned(), None)),
        _ => {
            let file = File::open(path)?;
            Ok((format!("/proc/self/fd/{}", file.as_raw_fd()), Some(file)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A directory for a test, removed on drop.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Dir {
            let name = format!("btf-event-line-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir(&path).unwrap();
            Dir(path)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn names_of_functions_are_written() {
        for name in [
            "vfs_read",
            "__x64_sys_openat",
            "f.constprop.0",
            "_RNvC6kernel3foo",
            ".L1",
            "ext4:ext4_sync_file",
        ] {
            assert_eq!(function(name).unwrap(), name);
        }
    }

    #[test]
    fn names_that_the_kernel_reads_otherwise_are_refused() {
        let names = [
            "",
            "0xffffffff81000000",
            "123",
            "vfs_read+8",
            "vfs_read-8",
            "vfs_read%return",
            "ext4:",
            ":ext4_sync_file",
            "a:b:c",
            "vfs_read $arg1",
            "vfs_read\n-:kprobes/other",
            "vfs_read\tx",
            "vfs_read#",
            "@vfs_read",
            "$stack",
            "%ax",
            "vfs_r\u{e0}d",
            "vfs_read\u{a0}",
            "a\0b",
            "a/b:c",
            "+8",
            "*",
        ];
        for name in names {
            let e = function(name).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::InvalidInput, "{name:?}");
            assert!(e.to_string().contains(&format!("{name:?}")), "{e}");
        }
    }

    #[test]
    fn paths_that_the_kernel_reads_otherwise_are_replaced() {
        let dir = Dir::new("replaced");
        for name in ["a b", "a\nb", "a#b", "a:b", "a\u{e0}b", "a\tb"] {
            let file = dir.0.join(name);
            std::fs::write(&file, "x").unwrap();
            let (written, held) = path(&file).unwrap();
            let fd = held.expect(name).as_raw_fd();
            assert_eq!(written, format!("/proc/self/fd/{fd}"), "{name:?}");
        }
        assert!(path(Path::new("/no such/file")).is_err());
        for name in ["/lib/x.so", "/lib/a(b)c%d,e;f", "./x"] {
            assert_eq!(path(Path::new(name)).unwrap().0, name);
        }
    }

    #[test]
    fn a_path_is_no_longer_than_a_line() {
        let dir = Dir::new("long");
        let file = dir.0.join("x");
        std::fs::write(&file, "x").unwrap();
        let long = format!("{}{}/x", dir.0.display(), "/.".repeat(1900));
        assert!(long.len() < libc::PATH_MAX as usize, "{}", long.len());
        let (written, held) = path(Path::new(&long)).unwrap();
        assert!(
            held.is_some() && written.starts_with("/proc/self/fd/"),
            "{written}"
        );
    }
}
