//! Programs on the functions of system calls.

use super::by_section::attaches;
use super::{Program, typed};
use crate::error::{Context, Result};
use crate::link::{self, Link};
use crate::obj::Attach;

/// A program in `SEC("ksyscall/…")` or `SEC("kretsyscall/…")`: a kprobe on the function of a system call, whose name depends on the
/// architecture and the kernel.
#[derive(Debug)]
pub struct Ksyscall(pub(super) Program);
typed!(
    Ksyscall,
    "a program for system calls",
    Ksyscall | Kretsyscall
);
attaches!(Ksyscall);

impl Ksyscall {
    /// Whether it runs when the system call returns.
    pub fn is_return(&self) -> bool {
        is_return(self)
    }

    /// Attaches it to a system call (`unlinkat`), whatever its section says.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; [`crate::ErrorKind::NotFound`] if the kernel has no such call;
    /// else what the kernel answers.
    pub fn attach_to(&self, call: &str) -> Result<Link> {
        self.attach_to_with_cookie(call, 0)
    }

    /// The same, with a number for `bpf_get_attach_cookie` (from 5.15 on).
    ///
    /// # Errors
    ///
    /// Those of [`Ksyscall::attach_to`].
    pub fn attach_to_with_cookie(&self, call: &str, cookie: u64) -> Result<Link> {
        self.fd()?;
        link::ksyscall(self, call, cookie, self.is_return()).context(|| self.what())
    }
}

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    program.to_targets(&|call| link::ksyscall(program, call, cookie, is_return(program)))
}

fn is_return(program: &Program) -> bool {
    program
        .def
        .is_some_and(|def| def.attach == Attach::Kretsyscall)
}
