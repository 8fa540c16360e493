//! Programs that replace a function of another program.

use super::by_section::attaches;
use super::{Program, typed};
use crate::error::{Context, Result};
use crate::link::{self, Link};

/// A program in `SEC("freplace/…")`, loaded for a function of the program that
/// [`OpenProgram::set_attach_program`](crate::load::OpenProgram::set_attach_program) named.
#[derive(Debug)]
pub struct Freplace(pub(super) Program);
typed!(Freplace, "a program that replaces a function", Freplace);
attaches!(Freplace);

impl Freplace {
    /// Attaches it to a function of another program than that it was loaded for, which must have the same prototype (from 5.10
    /// on).
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if one of the programs is not loaded; [`crate::ErrorKind::NotFound`] if the other has no
    /// such function; else what the kernel answers.
    pub fn attach_to(&self, target: &Program, function: &str) -> Result<Link> {
        self.fd()?;
        link::freplace(self, target, function).context(|| self.what())
    }
}

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    program.refuse_cookie(cookie)?;
    link::tracing(program, 0)
}
