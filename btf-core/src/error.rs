//! The error type of btf-obj, which btf-core shares, and context for results.

pub(crate) use btf_obj::private::Context;
pub(crate) use btf_obj::{Error, ErrorKind, Result};
