//! Programs on functions and tracepoints known by type.

use super::by_section::attaches;
use super::test_run::{self, Has};
use super::{Program, TestRun, typed};
use crate::error::Result;
use crate::link::{self, Link};

/// A program in `SEC("fentry/…")`, `SEC("fexit/…")`, `SEC("fmod_ret/…")`, `SEC("tp_btf/…")` or `SEC("lsm/…")`.
///
/// What it attaches to is settled when it is loaded, because the verifier checks its arguments against that type; so nothing is
/// left to say when it is attached.
#[derive(Debug)]
pub struct Tracing(pub(super) Program);
typed!(Tracing, "a tracing program", Tracing);
attaches!(Tracing);

impl Tracing {
    /// Has the kernel call the functions that it has for tests (`bpf_fentry_test1` and its like; of a program in
    /// `SEC("fmod_ret/…")`, `bpf_modify_return_test`), which runs the programs that are attached to them: this one too, if it is
    /// one. The result is 0; of `fmod_ret`, what the function returned, with its effects from bit 16 on.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; [`crate::ErrorKind::Unsupported`] for programs that are on no
    /// functions; else what the kernel answers: `EFAULT` if a function did not return what it should.
    pub fn test_run(&self) -> Result<i32> {
        test_run::run(self, &TestRun::new(), Has::Nothing).map(|ran| ran.result)
    }
}

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    link::tracing(program, cookie)
}
