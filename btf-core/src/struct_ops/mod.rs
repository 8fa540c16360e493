//! Operations of the kernel that are programs: a struct of them is attached as a whole.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{Binding, Link, hold, refused};
use crate::obj::AttachType;
use crate::sys::{self, Among, Capabilities, OpsMap};

mod open;
mod plan;
mod program;

pub use open::OpenStructOps;
pub(crate) use plan::{Plan, create, operation, plan};
pub use program::StructOp;

/// The struct that a variable in `.struct_ops` or `.struct_ops.link` became, with its programs.
///
/// Until it is attached the kernel knows its programs and does not use them.
#[derive(Debug)]
pub struct StructOps {
    name: String,
    map: OpsMap,
    is_link: bool,
    value: StructOpsValue,
}

/// What the kernel is to be given.
#[derive(Debug)]
pub(crate) struct StructOpsValue {
    bytes: Vec<u8>,
    /// Kept open: the bytes have their numbers.
    programs: Vec<OwnedFd>,
}

impl StructOpsValue {
    pub(crate) fn new(bytes: Vec<u8>) -> StructOpsValue {
        StructOpsValue {
            bytes,
            programs: Vec::new(),
        }
    }

    /// Puts a program in place of a pointer.
    pub(crate) fn set_program(&mut self, offset: usize, program: OwnedFd) {
        let number = u64::from(program.as_raw_fd().cast_unsigned());
        if let Some(place) = self
            .bytes
            .get_mut(offset..)
            .and_then(|b| b.first_chunk_mut())
        {
            *place = number.to_ne_bytes();
            self.programs.push(program);
        }
    }
}

/// Its map.
impl AsFd for StructOps {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }
}

impl StructOps {
    pub(crate) fn new(
        name: String,
        map: OpsMap,
        is_link: bool,
        value: StructOpsValue,
    ) -> StructOps {
        StructOps {
            name,
            map,
            is_link,
            value,
        }
    }

    /// Its name: that of its variable.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a link attaches it: for those in `.struct_ops.link`, from 6.4 on.
    pub fn is_link(&self) -> bool {
        self.is_link
    }

    pub(crate) fn replace_in(&self, link: BorrowedFd<'_>) -> Result<()> {
        struct_ops_update(self, &self.map, &self.value.bytes, link)
    }

    /// Registers the operations with the kernel; they are unregistered when the link is dropped, as soon as nothing uses them any
    /// more. Operations without a link are registered once: after that, load the object again.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with what to try if others of this name are registered or a member that must be set is not.
    pub fn attach(&self) -> Result<Link> {
        struct_ops(self, &self.map, &self.value.bytes)
            .context(|| format!("operations `{}`", self.name))
    }
}

impl Link {
    /// Puts other operations of the same type into the link of operations, without a moment in which none are registered (from
    /// 6.4 on; libbpf's `bpf_link__update_map`). What else must be equal is the type's matter: congestion controls must have the
    /// same name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the operations are not for a link (`SEC(".struct_ops.link")`); [`ErrorKind::Unsupported`] if it
    /// is no link, as before 6.4; else what the kernel answers.
    pub fn update_struct_ops(&mut self, ops: &StructOps) -> Result<()> {
        let what = format!("link of operations `{}`", self.program);
        self.bpf_link()
            .and_then(|link| ops.replace_in(link))
            .context(|| what)?;
        ops.name().clone_into(&mut self.program);
        Ok(())
    }
}

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
