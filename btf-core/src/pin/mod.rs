//! Pins: names of maps and links in a BPF file system, by which they outlive the process.

mod link;
mod map;
mod new_pins;
mod reuse;

use std::path::Path;

use crate::error::Error;
use crate::sys::{self, Capabilities, FileSystem};

pub(crate) use new_pins::NewPins;
pub(crate) use reuse::{by_name, open_or_create, reuse};

/// An error about a path in a BPF file system.
fn refused(doing: &str, path: &Path, e: std::io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = Error::os(format!("cannot {doing} {}", path.display()), e);
    match errno {
        Some(libc::EINVAL | libc::ENODEV) if is_outside(path) => error.hint(
            "that path is not in a BPF file system: mount one (`mount -t bpf bpf /sys/fs/bpf`), or choose a path in one",
        ),
        Some(libc::EPERM | libc::EACCES) if is_outside(path) => {
            error.hint("only what is in a BPF file system can be pinned or opened: it is mounted at /sys/fs/bpf as a rule")
        }
        Some(libc::EPERM | libc::EACCES) => {
            error.hint(sys::privileges_hint(Capabilities::BPF | Capabilities::DAC_OVERRIDE))
        }
        Some(libc::EEXIST) => error.hint("something is pinned there: open it, or remove it"),
        Some(libc::ENOENT) if path.parent().is_some_and(|parent| !parent.exists()) => {
            error.hint("its directory does not exist: create it (mkdir works in a BPF file system)")
        }
        _ => error,
    }
}

/// Whether a path, or the folder that it would be in, lies in another file system than BPF's.
fn is_outside(path: &Path) -> bool {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.is_some_and(|parent| FileSystem::at(parent).is_ok_and(|found| found != FileSystem::BPF))
}
