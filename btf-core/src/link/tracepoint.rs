//! Attaching to tracepoints, through perf events.

use super::{Link, cookie, refused, tracefs};
use crate::error::Result;
use crate::prog::{AttachMode, Program};
use crate::sys::{self, Capabilities, Event, Scope};

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
    Link::of_event(program, program.fd()?, event, number, AttachMode::Default)
        .map_err(|e| cookie::explain(program.def, number, failed(e)))
}
