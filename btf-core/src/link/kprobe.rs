//! Attaching to the entry and return of kernel functions, through perf events of the PMU `kprobe`.

use std::io;

use super::{Link, c_string, refused};
use crate::error::{Error, ErrorKind, Result};
use crate::near::did_you_mean;
use crate::obj::AttachType;
use crate::prog::Program;
use crate::prog::target::near;
use crate::sys::{self, Event};

const PMU: &str = "/sys/bus/event_source/devices/kprobe";

pub(crate) fn kprobe(
    program: &Program,
    function: &str,
    offset: u64,
    is_return: bool,
) -> Result<Link> {
    if is_return && offset != 0 {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("a return probe of `{function}` cannot have offset {offset}"),
        ));
    }
    let probe = if is_return { "return" } else { "entry" };
    let doing = || format!("cannot attach to the {probe} of function `{function}`");
    let (pmu, config) = pmu(is_return)?;
    let name = c_string(function)?;
    let event = Event::Kprobe {
        pmu,
        config,
        function: &name,
        offset,
    };
    let event = sys::perf_event_open(event).map_err(|e| explain(doing(), function, e))?;
    Link::of_event(program.name(), program.fd()?, event).map_err(|e| explain(doing(), function, e))
}

/// The number of the PMU, and the configuration that asks for the entry or the return.
fn pmu(is_return: bool) -> Result<(u32, u64)> {
    let pmu = read("type")?;
    let pmu = pmu
        .trim()
        .parse()
        .map_err(|_| Error::malformed(format!("{PMU}/type says {pmu:?}, which is no number")))?;
    if !is_return {
        return Ok((pmu, 0));
    }
    let format = read("format/retprobe")?;
    let bit = format
        .trim()
        .strip_prefix("config:")
        .and_then(|bit| bit.parse().ok())
        .and_then(|bit| 1u64.checked_shl(bit));
    match bit {
        Some(config) => Ok((pmu, config)),
        None => Err(Error::malformed(format!(
            "{PMU}/format/retprobe says {format:?}, which names no bit"
        ))),
    }
}

fn read(file: &str) -> Result<String> {
    let path = format!("{PMU}/{file}");
    std::fs::read_to_string(&path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Error::new(
            ErrorKind::Unsupported,
            format!("this kernel has no kprobes: there is no {path}"),
        )
        .hint("boot a kernel built with CONFIG_KPROBE_EVENTS=y, or use a tracepoint"),
        _ => Error::os(format!("cannot read {path}"), e),
    })
}

fn explain(doing: String, function: &str, e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = refused(doing, e);
    match errno {
        Some(libc::ENOENT) => {
            let similar = sys::kernel_btf()
                .ok()
                .and_then(|btf| did_you_mean(&near(&btf, AttachType::TRACE_FENTRY, function)));
            error.hint(similar.unwrap_or_else(|| {
                "this kernel has no such function: it may be inlined or renamed; /proc/kallsyms lists what there is"
                    .into()
            }))
        }
        Some(libc::EADDRNOTAVAIL) => {
            error.hint("several functions of this kernel have that name, or none has")
        }
        Some(libc::EINVAL | libc::EOPNOTSUPP | libc::EILSEQ) => error.hint(
            "the kernel does not let this place be probed (see kprobes/blacklist in debugfs); probe its caller",
        ),
        _ => error,
    }
}
