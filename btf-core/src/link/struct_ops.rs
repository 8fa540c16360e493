//! Registering operations with the kernel: by writing their map, and by a link to it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::{Binding, Link, refused};
use crate::error::{Error, Result};
use crate::obj::AttachType;
use crate::prog::StructOps;
use crate::sys::{self, Among, OpsMap};

pub(crate) fn struct_ops(ops: &StructOps, map: &OpsMap, value: &[u8]) -> Result<Link> {
    match map.write(value) {
        Ok(()) => {}
        // They were written for a link before; nothing has changed since.
        Err(e) if ops.is_link() && e.raw_os_error() == Some(libc::EBUSY) => {}
        Err(e) => return Err(explain(e)),
    }
    if ops.is_link() {
        return sys::link_create(ops, 0, AttachType::STRUCT_OPS, Among::default())
            .map(|fd| Link::of_bpf(ops.name(), fd))
            .map_err(explain);
    }
    Link::of_bound(ops.name(), ops.as_fd(), Registered)
}

/// Operations that were registered by being written.
#[derive(Debug)]
struct Registered;

impl Binding for Registered {
    fn undo(&self, map: BorrowedFd<'_>) -> io::Result<()> {
        sys::struct_ops_delete(map)
    }
}

fn explain(e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = refused("the kernel refused to register them".into(), e);
    match errno {
        Some(libc::EEXIST) => error.hint("operations with this name are registered already: name them otherwise"),
        Some(libc::EBUSY) => error.hint("they were registered before: load the object again to do it again"),
        Some(libc::EINVAL) => error.hint(
            "a member that must be set may be zero, or one be set that this kernel does not let programs be",
        ),
        // ENOTSUPP, which is the kernel's own.
        Some(libc::EOPNOTSUPP | 524) => error.hint("this kernel does not let programs be one of the members that are set"),
        _ => error,
    }
}
