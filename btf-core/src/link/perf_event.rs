//! Attaching to perf events, given or opened here.

use std::io;
use std::os::fd::OwnedFd;

use super::{Held, Link, cookie, refused};
use crate::error::{Error, ErrorKind, Result};
use crate::prog::{AttachMode, PerfEventOptions, Program};
use crate::sys::{self, Capabilities, Event, Scope};

pub(crate) fn perf_event(program: &Program, event: OwnedFd, number: u64) -> Result<Link> {
    Link::of_event(program, program.fd()?, event, number, AttachMode::Default).map_err(|e| {
        let error = refused(
            "cannot attach to the perf event".into(),
            Capabilities::PERFMON,
            e,
        );
        cookie::explain(program.def, number, error)
    })
}

pub(crate) fn perf_events(program: &Program, options: &PerfEventOptions) -> Result<Link> {
    let too_high = || Error::new(ErrorKind::InvalidInput, "no process has so high a number");
    let pid = options.pid.map(i32::try_from).transpose();
    let pid = pid.map_err(|_| too_high())?;
    let cpus = match (options.cpu, pid) {
        (Some(cpu), _) => vec![Some(cpu)],
        (None, Some(_)) => vec![None],
        (None, None) => online()?.into_iter().map(Some).collect(),
    };
    let event = Event::Counter {
        pmu: options.event_type,
        config: options.config,
        every: options.every,
        is_frequency: options.is_frequency,
    };
    let links = cpus
        .into_iter()
        .map(|cpu| {
            let event =
                sys::perf_event_open(event, Scope { pid, cpu }).map_err(|e| explain(options, e))?;
            perf_event(program, event, options.cookie)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Link {
        program: program.name().to_owned(),
        held: Held::Many(links),
        stays: false,
        taken: None,
    })
}

fn explain(options: &PerfEventOptions, e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let (event_type, config) = (options.event_type, options.config);
    let doing = format!("cannot open a perf event of type {event_type} with config {config:#x}");
    let error = refused(doing, Capabilities::PERFMON, e);
    match errno {
        Some(libc::ENOENT | libc::EOPNOTSUPP | libc::ENODEV) => error.hint(
            "this machine has no such counter; virtual ones mostly have none in hardware: PerfEventOptions::cpu_clock() is everywhere",
        ),
        Some(libc::ESRCH) => error.hint("there is no such process"),
        Some(libc::EINVAL) if let Some(most) = exceeded_rate(options) => error.hint(format!(
            "the frequency is above kernel.perf_event_max_sample_rate, which is {most}"
        )),
        _ => error,
    }
}

/// The highest frequency that the kernel samples at, if more is asked for.
fn exceeded_rate(options: &PerfEventOptions) -> Option<u64> {
    const PATH: &str = "/proc/sys/kernel/perf_event_max_sample_rate";
    let most = std::fs::read_to_string(PATH).ok()?.trim().parse().ok()?;
    (options.is_frequency && options.every > most).then_some(most)
}

/// The CPUs that run, of a list like `0-3,5`.
fn online() -> Result<Vec<u32>> {
    const PATH: &str = "/sys/devices/system/cpu/online";
    let text =
        std::fs::read_to_string(PATH).map_err(|e| Error::os(format!("cannot read {PATH}"), e))?;
    list(&text)
        .ok_or_else(|| Error::malformed(format!("{PATH} says {text:?}, which is no list of CPUs")))
}

fn list(text: &str) -> Option<Vec<u32>> {
    /// More than any machine has.
    const MOST: u32 = 1 << 16;
    let mut all = Vec::new();
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if last >= MOST {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_read() {
        assert_eq!(list("0\n"), Some(vec![0]));
        assert_eq!(list("0-2,5,7-8\n"), Some(vec![0, 1, 2, 5, 7, 8]));
        assert_eq!(list(""), None);
        assert_eq!(list("0-x"), None);
        assert_eq!(list("0-4294967295"), None);
        assert!(!online().unwrap().is_empty());
    }
}
