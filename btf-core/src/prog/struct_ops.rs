//! Operations of the kernel that are programs: a struct of them is attached as a whole.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::error::{Context, Result};
use crate::link::{self, Link};
use crate::sys::OpsMap;

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
        link::struct_ops_update(self, &self.map, &self.value.bytes, link)
    }

    /// Registers the operations with the kernel; they are unregistered when the link is dropped, as soon as nothing uses them any
    /// more. Operations without a link are registered once: after that, load the object again.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with what to try if others of this name are registered or a member that must be set is not.
    pub fn attach(&self) -> Result<Link> {
        link::struct_ops(self, &self.map, &self.value.bytes)
            .context(|| format!("operations `{}`", self.name))
    }
}
