//! Programs on tracepoints.

use super::perf_event::attach_event;
use super::typed::attaches;
use super::{AttachMode, cookie, tracefs};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{Link, refused};
use crate::prog::{Program, typed};
use crate::sys::{self, Capabilities, Event, Scope};

/// A program in `SEC("tp/CATEGORY/NAME")` or `SEC("tracepoint/CATEGORY/NAME")`.
#[derive(Debug)]
pub struct Tracepoint(pub(crate) Program);
typed!(Tracepoint, "a tracepoint program", Tracepoint);
attaches!(Tracepoint);

impl Tracepoint {
    /// Attaches it to a tracepoint (`syscalls`, `sys_enter_openat`), whatever its section says.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; [`crate::ErrorKind::NotFound`] if the kernel has no such
    /// tracepoint or tracefs is not mounted; else what the kernel answers.
    pub fn attach_to(&self, category: &str, name: &str) -> Result<Link> {
        self.0.fd()?;
        tracepoint(&self.0, category, name, 0).context(|| self.0.what())
    }
}

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    program.to_targets(&|target| {
        let (category, name) = split(target)?;
        tracepoint(program, category, name, cookie)
    })
}

/// The parts of `syscalls/sys_enter_openat`.
fn split(target: &str) -> Result<(&str, &str)> {
    target.split_once('/').ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidInput,
            format!("tracepoint `{target}` has no category"),
        )
        .hint("name it as SEC(\"tp/CATEGORY/NAME\"), such as SEC(\"tp/syscalls/sys_enter_openat\")")
    })
}

pub(crate) fn tracepoint(
    program: &Program,
    category: &str,
    name: &str,
    number: u64,
) -> Result<Link> {
    let id = tracefs::tracepoint_id(category, name)?;
    let doing = || format!("cannot attach to tracepoint `{category}/{name}`");
    let failed = |e| refused(doing(), Capabilities::PERFMON, e);
    let event = sys::perf_event_open(Event::Tracepoint(id), Scope::probe(None)).map_err(failed)?;
    attach_event(program, program.fd()?, event, number, AttachMode::Default)
        .map_err(|e| cookie::explain(program.def, number, failed(e)))
}
