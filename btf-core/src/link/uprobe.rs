//! Attaching to places of programs and libraries.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::probe::{self, Probed, Probing};
use super::{Link, c_string, refused};
use crate::binary::Binary;
use crate::error::{Error, ErrorKind, Result};
use crate::prog::{AttachMode, Program, UprobeOptions};
use crate::sys::Capabilities;

pub(crate) fn uprobe(program: &Program, at: &UprobeOptions, is_return: bool) -> Result<Link> {
    if is_return && at.offset != 0 && at.function.is_some() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "a return probe of a function cannot have offset {}",
                at.offset
            ),
        ));
    }
    let binary = Binary::open(&at.binary)?;
    let start = match &at.function {
        Some(function) => binary.function(function)?,
        None => 0,
    };
    let place = Place {
        path: binary.path(),
        offset: start.wrapping_add(at.offset),
        counter: at.counter,
        pid: at.pid,
        cookie: at.cookie,
        mode: at.mode,
    };
    uprobe_at(program, &place, is_return)
}

/// A place of a binary, and how to attach there.
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    pub(super) offset: u64,
    pub(super) counter: u64,
    pub(super) pid: Option<u32>,
    pub(super) cookie: u64,
    pub(super) mode: AttachMode,
}

pub(super) fn uprobe_at(program: &Program, place: &Place<'_>, is_return: bool) -> Result<Link> {
    let doing = || {
        let offset = place.offset;
        format!("cannot attach to {} at {offset:#x}", place.path.display())
    };
    let probed = Probed::Binary {
        path: place.path,
        offset: place.offset,
        counter: place.counter,
    };
    let how = Probing {
        is_return,
        pid: process(place.pid)?,
        cookie: place.cookie,
        mode: place.mode,
    };
    probe::attach(program, probed, how, &|e| explain(doing(), place.pid, e))
}

/// A path for the kernel to read.
pub(super) fn path(path: &Path) -> Result<std::ffi::CString> {
    match path.to_str() {
        Some(path) => c_string(path),
        None => std::ffi::CString::new(path.as_os_str().as_bytes())
            .map_err(|_| Error::new(ErrorKind::InvalidInput, "the path has a NUL in it")),
    }
}

fn process(pid: Option<u32>) -> Result<Option<i32>> {
    pid.map(i32::try_from)
        .transpose()
        .map_err(|_| Error::new(ErrorKind::InvalidInput, "no process has so high a number"))
}

fn explain(doing: String, pid: Option<u32>, e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = refused(doing, Capabilities::PERFMON, e);
    match (errno, pid) {
        (Some(libc::ESRCH), Some(pid)) => error.hint(format!("there is no process {pid}")),
        (Some(libc::EINVAL | libc::EOPNOTSUPP), _) => error.hint(
            "the place must be the start of an instruction within the file; names of functions are safer than offsets",
        ),
        _ => error,
    }
}
