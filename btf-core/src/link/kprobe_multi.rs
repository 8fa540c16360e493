//! Attaching to many kernel functions with one link.

use std::io;

use super::functions::{addresses, is_pattern};
use super::{Link, c_string, refused};
use crate::attach_target::near;
use crate::error::{Error, ErrorKind, Result};
use crate::obj::{Attach, AttachType};
use crate::prog::Program;
use crate::sys::{self, Capabilities, Functions};
use btf_obj::private::did_you_mean;

/// What functions are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    Pattern(&'a str),
    Names(&'a [String]),
    Addresses(&'a [u64]),
}

pub(crate) fn kprobe_multi(program: &Program, wanted: Wanted<'_>, cookies: &[u64]) -> Result<Link> {
    let (attach_type, is_return) = match program.def.map(|def| def.attach) {
        Some(Attach::KprobeSession) => (AttachType::TRACE_KPROBE_SESSION, false),
        Some(Attach::KretprobeMulti) => (AttachType::TRACE_KPROBE_MULTI, true),
        _ => (AttachType::TRACE_KPROBE_MULTI, false),
    };
    let functions = functions(wanted)?;
    let count = match &functions {
        Functions::Names(names) => names.len(),
        Functions::Addresses(addresses) => addresses.len(),
    };
    if !cookies.is_empty() && cookies.len() != count {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("there are {count} functions and {} cookies", cookies.len()),
        ));
    }
    sys::link_create_kprobe_multi(program.fd()?, attach_type, is_return, &functions, cookies)
        .map(|fd| Link::of_bpf(program.name(), fd))
        .map_err(|e| explain(wanted, attach_type, e))
}

/// A name goes to the kernel as it is, which is faster than finding it in a list; a pattern is looked up.
fn functions(wanted: Wanted<'_>) -> Result<Functions> {
    match wanted {
        Wanted::Pattern(pattern) if is_pattern(pattern) => {
            addresses(pattern).map(Functions::Addresses)
        }
        Wanted::Pattern(name) => Ok(Functions::Names(vec![c_string(name)?])),
        Wanted::Names(names) => names
            .iter()
            .map(|name| c_string(name))
            .collect::<Result<Vec<_>>>()
            .map(Functions::Names),
        Wanted::Addresses(addresses) => Ok(Functions::Addresses(addresses.to_vec())),
    }
}

fn explain(wanted: Wanted<'_>, attach_type: AttachType, e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let functions = match wanted {
        Wanted::Pattern(pattern) => format!("`{pattern}`"),
        Wanted::Names(names) => format!("{} functions", names.len()),
        Wanted::Addresses(addresses) => format!("{} functions", addresses.len()),
    };
    let doing = format!("cannot attach to {functions} with one link");
    match (errno, wanted) {
        (Some(libc::ESRCH | libc::ENOENT), Wanted::Pattern(name)) => missing(name),
        (Some(libc::ESRCH | libc::ENOENT), _) => Error::not_found(format!(
            "{doing}: this kernel does not let all of them be traced, or does not have them"
        ))
        .hint("available_filter_functions in tracefs lists those that can be"),
        (Some(errno @ (libc::EINVAL | libc::EOPNOTSUPP)), _) => {
            let (since, instead) = match attach_type {
                AttachType::TRACE_KPROBE_SESSION => ((6, 10), "SEC(\"kprobe.multi/…\")"),
                _ => ((5, 18), "SEC(\"kprobe/…\")"),
            };
            let (why, hint) = match sys::newer_kernel(since) {
                Some(newer) => (format!("such a link {newer}"), format!("use {instead}")),
                None if errno == libc::EOPNOTSUPP => (
                    "this kernel has no such links".to_owned(),
                    format!("boot one that is built with CONFIG_FPROBE=y, or use {instead}"),
                ),
                None => (
                    "the kernel cannot trace one of the functions".to_owned(),
                    "available_filter_functions in tracefs lists those that can be".to_owned(),
                ),
            };
            Error::new(ErrorKind::Unsupported, format!("{doing}: {why}")).hint(hint)
        }
        _ => refused(doing, Capabilities::TRACING, e),
    }
}

fn missing(name: &str) -> Error {
    let error = Error::not_found(format!(
        "this kernel has no function `{name}` that can be traced"
    ));
    let similar = sys::kernel_btf()
        .ok()
        .and_then(|btf| did_you_mean(&near(&btf, AttachType::TRACE_FENTRY, name)));
    error.hint(similar.unwrap_or_else(|| {
        "it may be inlined or renamed; available_filter_functions in tracefs lists what there is".into()
    }))
}
