//! Programs that run when they are called.

use super::test_run::{self, Has};
use super::{Program, Ran, TestRun, typed};
use crate::error::Result;

/// A program in `SEC("syscall")`: it makes system calls of bpf(2) from the kernel's side.
#[derive(Debug)]
pub struct Syscall(pub(super) Program);
typed!(Syscall, "a program to call", Syscall);

impl Syscall {
    /// Runs it with a context (from 5.14 on), which it may write to: [`Ran::context`] is what became of it.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn run(&self, run: &TestRun<'_>) -> Result<Ran> {
        test_run::run(&self.0, run, Has::ContextInPlace)
    }
}
