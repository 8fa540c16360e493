//! Programs that run on perf events: counters and clocks.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{AttachMode, cookie};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{Held, Link, refused};
use crate::prog::{Program, typed};
use crate::sys::{self, Capabilities, Event, Scope};

/// A program in `SEC("perf_event")`.
#[derive(Debug)]
pub struct PerfEvent(pub(crate) Program);
typed!(PerfEvent, "a program for perf events", PerfEvent);

impl PerfEvent {
    /// Attaches it to a perf event that the caller has opened, which the link then owns, and lets the event run.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn attach_to(&self, event: OwnedFd) -> Result<Link> {
        self.0.fd()?;
        perf_event(&self.0, event, 0).context(|| self.0.what())
    }

    /// Opens an event and attaches the program to it: on the CPU that the options name, or on each that is online.
    ///
    /// ```no_run
    /// # fn f(program: &btf_core::attach::PerfEvent) -> btf_core::Result<()> {
    /// use btf_core::attach::PerfEventOptions;
    ///
    /// // 99 times a second on each CPU, wherever it is then.
    /// let link = program.attach_with(&PerfEventOptions::cpu_clock().frequency(99))?;
    /// # drop(link);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`PerfEvent::attach_to`].
    pub fn attach_with(&self, options: &PerfEventOptions) -> Result<Link> {
        self.0.fd()?;
        perf_events(&self.0, options).context(|| self.0.what())
    }

    /// Attaches it to a copy of somebody else's event, such as one that profiles on its own, too.
    ///
    /// # Errors
    ///
    /// Those of [`PerfEvent::attach_to`].
    pub fn attach_to_shared(&self, event: impl AsFd) -> Result<Link> {
        let copy = event
            .as_fd()
            .try_clone_to_owned()
            .map_err(|e| Error::os("cannot copy the event's descriptor", e));
        copy.and_then(|event| self.attach_to(event))
    }
}

/// Which event a program runs on, how often, and for whom.
#[derive(Debug, Clone)]
pub struct PerfEventOptions {
    pub(crate) event_type: u32,
    pub(crate) config: u64,
    pub(crate) every: u64,
    pub(crate) is_frequency: bool,
    pub(crate) pid: Option<u32>,
    pub(crate) cpu: Option<u32>,
    pub(crate) cookie: u64,
}

/// `PERF_TYPE_SOFTWARE`.
const SOFTWARE: u32 = 1;

impl PerfEventOptions {
    /// An event by the numbers that perf_event_open(2) takes, `type` and `config`; every thousandth runs the program.
    pub fn new(event_type: u32, config: u64) -> PerfEventOptions {
        PerfEventOptions {
            event_type,
            config,
            every: 1000,
            is_frequency: false,
            pid: None,
            cpu: None,
            cookie: 0,
        }
    }

    /// The clock of each CPU, which counts nanoseconds. All machines have it, virtual ones, too.
    pub fn cpu_clock() -> PerfEventOptions {
        PerfEventOptions::new(SOFTWARE, 0).frequency(100)
    }

    /// Runs the program so many times a second.
    #[must_use]
    pub fn frequency(mut self, hertz: u64) -> PerfEventOptions {
        (self.every, self.is_frequency) = (hertz, true);
        self
    }

    /// Runs the program each time that so many have been counted.
    #[must_use]
    pub fn period(mut self, events: u64) -> PerfEventOptions {
        (self.every, self.is_frequency) = (events, false);
        self
    }

    /// What this thread does only; the number of a process is that of its first one.
    #[must_use]
    pub fn pid(mut self, pid: u32) -> PerfEventOptions {
        self.pid = Some(pid);
        self
    }

    /// What happens on this CPU only.
    #[must_use]
    pub fn cpu(mut self, cpu: u32) -> PerfEventOptions {
        self.cpu = Some(cpu);
        self
    }

    /// The number that `bpf_get_attach_cookie` gives (from 5.15 on).
    #[must_use]
    pub fn cookie(mut self, cookie: u64) -> PerfEventOptions {
        self.cookie = cookie;
        self
    }
}

pub(crate) fn perf_event(program: &Program, event: OwnedFd, number: u64) -> Result<Link> {
    attach_event(program, program.fd()?, event, number, AttachMode::Default).map_err(|e| {
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

/// Attaches a program to a perf event: through a link, which requires Linux 5.15 or newer, else on the
/// event itself, which has no cookie.
pub(super) fn attach_event(
    program: &Program,
    prog: BorrowedFd<'_>,
    event: OwnedFd,
    cookie: u64,
    mode: AttachMode,
) -> io::Result<Link> {
    let is_without = matches!(mode, AttachMode::Legacy | AttachMode::Perf);
    let link = match program.by_perf_link && !is_without {
        true => sys::link_create_perf(prog, &event, cookie),
        false => Err(io::Error::from_raw_os_error(libc::EINVAL)),
    };
    let held = match link {
        Ok(link) => {
            sys::perf_enable(&event)?;
            Held::PerfLink { link, event }
        }
        // An older kernel's answer to links of this type.
        Err(e)
            if e.raw_os_error() == Some(libc::EINVAL)
                && cookie == 0
                && mode != AttachMode::Link =>
        {
            sys::perf_set_program(event.as_fd(), prog)?;
            Held::Event(event)
        }
        Err(e) => return Err(e),
    };
    Ok(Link {
        program: program.name().to_owned(),
        held,
        stays: false,
        taken: None,
    })
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
