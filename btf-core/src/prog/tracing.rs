//! Programs on functions and tracepoints known by type.

use super::by_section::attaches;
use super::{Program, typed};
use crate::error::Result;
use crate::link::{self, Link};

/// A program in `SEC("fentry/…")`, `SEC("fexit/…")`, `SEC("fmod_ret/…")`, `SEC("tp_btf/…")` or `SEC("lsm/…")`.
///
/// What it attaches to is settled when it is loaded, because the verifier checks its arguments against that type; so
/// [`Tracing::attach`] is all there is.
#[derive(Debug)]
pub struct Tracing(pub(super) Program);
typed!(Tracing, "a tracing program", Tracing);
attaches!(Tracing);

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    link::tracing(program, cookie)
}
