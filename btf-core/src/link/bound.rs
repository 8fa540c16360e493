//! Attachments that are no links: the kernel keeps them until they are undone, even past the end of this process.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// How an attachment without a link ends.
pub(super) trait Binding: fmt::Debug + Send + Sync {
    /// Detaches the program.
    fn undo(&self, program: BorrowedFd<'_>) -> io::Result<()>;
}

/// A program that is attached without a link.
#[derive(Debug)]
pub(super) struct Bound {
    /// The program, so that nothing else is detached in its stead.
    program: OwnedFd,
    binding: Box<dyn Binding>,
    is_undone: AtomicBool,
}

impl Bound {
    pub(super) fn new(program: BorrowedFd<'_>, binding: impl Binding + 'static) -> Result<Bound> {
        let program = program
            .try_clone_to_owned()
            .map_err(|e| Error::os("cannot copy the program's descriptor", e))?;
        Ok(Bound {
            program,
            binding: Box::new(binding),
            is_undone: AtomicBool::new(false),
        })
    }

    /// Detaches the program, the first time that it is called.
    pub(super) fn undo(&self) -> io::Result<()> {
        if self.is_undone.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        self.binding.undo(self.program.as_fd())
    }
}

impl AsFd for Bound {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }
}
