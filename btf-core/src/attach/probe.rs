//! Probes of kernel functions and of binaries: which of the ways there are is taken, as libbpf's `bpf_program__attach_kprobe_opts` does.

use std::io;

use super::perf_event::attach_event;
use super::probed::{Probed, c_path};
use super::{AttachMode, cookie, legacy, pmu};
use crate::error::{Error, ErrorKind, Result};
use crate::link::{Link, c_string};
use crate::prog::Program;
use crate::sys::{self, Event, Scope};

/// How it is probed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probing {
    pub(super) is_return: bool,
    pub(super) pid: Option<i32>,
    pub(super) cookie: u64,
    pub(super) mode: AttachMode,
}

/// Attaches to a probe. What the kernel says of its place is explained by `explain`.
pub(super) fn attach(
    program: &Program,
    probed: Probed<'_>,
    how: Probing,
    explain: &dyn Fn(io::Error) -> Error,
) -> Result<Link> {
    let prog = program.fd()?;
    let pmu = match probed {
        Probed::Kernel { .. } => pmu::KPROBE,
        Probed::Binary { .. } => pmu::UPROBE,
    };
    check(program, how)?;
    let is_legacy = match how.mode {
        AttachMode::Legacy => true,
        AttachMode::Default => !pmu.is_there(),
        AttachMode::Perf | AttachMode::Link => false,
    };
    let (event, listed) = if is_legacy {
        let (event, listed) = legacy::open(probed, how.is_return, how.pid, explain)?;
        (event, Some(listed))
    } else {
        let (number, mut config) = pmu.number_and_config(how.is_return)?;
        let (name, offset) = match probed {
            Probed::Kernel { function, offset } => (c_string(function)?, offset),
            Probed::Binary { path, offset, .. } => (c_path(path)?, offset),
        };
        if let Probed::Binary {
            counter: counter @ 1..,
            ..
        } = probed
        {
            config |= pmu.counter_config(counter)?;
        }
        let event = Event::Probe {
            pmu: number,
            config,
            name: &name,
            offset,
        };
        let event = sys::perf_event_open(event, Scope::probe(how.pid)).map_err(explain)?;
        (event, None)
    };
    let link = attach_event(program, prog, event, how.cookie, how.mode);
    let mut link = link.map_err(|e| match (how.mode, e.raw_os_error()) {
        (AttachMode::Link, Some(libc::EINVAL)) if sys::newer_kernel(PERF_LINKS).is_some() => {
            no_links()
        }
        _ => cookie::explain(program.def, how.cookie, explain(e)),
    })?;
    if let Some(listed) = listed {
        link.taken = Some(Box::new(listed));
    }
    Ok(link)
}

/// Refuses what a mode has not.
fn check(program: &Program, how: Probing) -> Result<()> {
    match how.mode {
        AttachMode::Legacy | AttachMode::Perf if how.cookie != 0 => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "a program that is attached without a link has no cookie, and AttachMode::{:?} makes none",
                how.mode
            ),
        )
        .hint("leave the mode at AttachMode::Default")),
        AttachMode::Link if !program.by_perf_link => Err(no_links()),
        _ => Ok(()),
    }
}

/// The first kernel with links of perf events.
const PERF_LINKS: (u8, u8) = crate::probe::PERF_LINK.since;

fn no_links() -> Error {
    let what = "this kernel has no links of perf events";
    let (major, minor) = PERF_LINKS;
    Error::new(ErrorKind::Unsupported, what).hint(format!(
        "they require Linux {major}.{minor} or newer; AttachMode::Default does without"
    ))
}
