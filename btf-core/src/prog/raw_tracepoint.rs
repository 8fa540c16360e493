//! Programs on raw tracepoints.

use super::{Program, typed};
use crate::error::{Context, Result};
use crate::link::{self, Link};

/// A program in `SEC("raw_tp/…")` or `SEC("raw_tracepoint/…")`.
#[derive(Debug)]
pub struct RawTracepoint(pub(super) Program);
typed!(RawTracepoint, "a raw tracepoint program", RawTracepoint);

impl RawTracepoint {
    /// Attaches it to the tracepoint of this name (`sched_switch`), whatever its section says.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; [`crate::ErrorKind::NotFound`] if the kernel has no such
    /// tracepoint; else what the kernel answers.
    pub fn attach_to(&self, name: &str) -> Result<Link> {
        self.fd()?;
        link::raw_tracepoint(self, name).context(|| self.what())
    }
}
