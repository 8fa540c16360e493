//! Programs on functions and tracepoints known by type.

use super::{Program, typed};

/// A program in `SEC("fentry/…")`, `SEC("fexit/…")`, `SEC("fmod_ret/…")`, `SEC("tp_btf/…")` or `SEC("lsm/…")`.
///
/// What it attaches to is settled when it is loaded, because the verifier checks its arguments against that type; so
/// [`Program::attach`] is all there is.
#[derive(Debug)]
pub struct Tracing(pub(super) Program);
typed!(Tracing, "a tracing program", Tracing);
