//! Locations of kprobes and uprobes.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::link::c_string;

/// Location of a probe.
#[derive(Clone, Copy, Debug)]
pub(super) enum Probed<'a> {
    Kernel {
        function: &'a str,
        offset: u64,
    },
    Binary {
        path: &'a Path,
        offset: u64,
        /// Where a counter of those who listen is in the file, or 0.
        counter: u64,
    },
}

/// A path for the kernel to read.
pub(super) fn c_path(path: &Path) -> Result<std::ffi::CString> {
    match path.to_str() {
        Some(path) => c_string(path),
        None => std::ffi::CString::new(path.as_os_str().as_bytes())
            .map_err(|_| Error::new(ErrorKind::InvalidInput, "the path has a NUL in it")),
    }
}
