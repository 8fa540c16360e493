//! Registering operations with the kernel: by writing their map, and by a link to it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::{Binding, Link, hold, refused};
use crate::error::{Error, ErrorKind, Result};
use crate::obj::AttachType;
use crate::prog::StructOps;
use crate::sys::{self, Among, Capabilities, OpsMap};

pub(crate) fn struct_ops(ops: &StructOps, map: &OpsMap, value: &[u8]) -> Result<Link> {
    let held = hold(ops.as_fd())?;
    // Registers struct_ops without a link: nothing after it may fail.
    write(ops, map, value)?;
    if ops.is_link() {
        return sys::link_create(ops, 0, AttachType::STRUCT_OPS, Among::default())
            .map(|fd| Link::of_bpf(ops.name(), fd))
            .map_err(explain);
    }
    Ok(Link::of_binding(ops.name(), held, Registered))
}

/// Puts the operations into a link that has others.
pub(crate) fn struct_ops_update(
    ops: &StructOps,
    map: &OpsMap,
    value: &[u8],
    link: BorrowedFd<'_>,
) -> Result<()> {
    if !ops.is_link() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("operations `{}` are for no link", ops.name()),
        )
        .hint("declare them in SEC(\".struct_ops.link\"); kernels have such links from 6.4 on"));
    }
    write(ops, map, value)?;
    sys::link_update(link, map).map_err(|e| {
        let errno = e.raw_os_error();
        let error = Error::os(format!("cannot put operations `{}` into it", ops.name()), e);
        match errno {
            Some(libc::EINVAL) => error.hint(
                "it must be a link of operations, and the others of the same type, and, for congestion controls, of the same name",
            ),
            Some(libc::EOPNOTSUPP) => error.hint("operations of this type cannot be replaced while they are registered"),
            _ => error,
        }
    })
}

fn write(ops: &StructOps, map: &OpsMap, value: &[u8]) -> Result<()> {
    match map.write(value) {
        // They were written for a link before; nothing has changed since.
        Err(e) if ops.is_link() && e.raw_os_error() == Some(libc::EBUSY) => Ok(()),
        written => written.map_err(explain),
    }
}

/// Operations that were registered by being written.
#[derive(Debug)]
struct Registered;

impl Binding for Registered {
    fn undo(&mut self, map: BorrowedFd<'_>) -> io::Result<()> {
        sys::struct_ops_delete(map)
    }
}

fn explain(e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = refused(
        "the kernel refused to register them".into(),
        Capabilities::TRACING,
        e,
    );
    match errno {
        Some(libc::EEXIST) => error.hint("operations with this name are registered already: name them otherwise"),
        Some(libc::EBUSY) => error.hint("they were registered before: load the object again to do it again"),
        Some(libc::EINVAL) => error.hint(
            "a member that must be set may be zero, or one be set that this kernel does not let programs be",
        ),
        Some(libc::EOPNOTSUPP | sys::ENOTSUPP) => error.hint("this kernel does not let programs be one of the members that are set"),
        _ => error,
    }
}
