//! Attaching to tracepoints, through perf events.

use super::{Link, no_cookie, refused, tracefs};
use crate::error::Result;
use crate::prog::{AttachMode, Program};
use crate::sys::{self, Event, Scope};

pub(crate) fn tracepoint(
    program: &Program,
    category: &str,
    name: &str,
    cookie: u64,
) -> Result<Link> {
    let id = tracefs::tracepoint_id(category, name)?;
    let doing = || format!("cannot attach to tracepoint `{category}/{name}`");
    let event = sys::perf_event_open(Event::Tracepoint(id), Scope::probe(None))
        .map_err(|e| refused(doing(), e))?;
    Link::of_event(program, program.fd()?, event, cookie, AttachMode::Default)
        .map_err(|e| no_cookie(cookie, refused(doing(), e)))
}
