//! Programs that run on perf events: counters and clocks.

use std::os::fd::{AsFd, OwnedFd};

use super::{Program, typed};
use crate::error::{Context, Result};
use crate::link::{self, Link};

/// A program in `SEC("perf_event")`.
#[derive(Debug)]
pub struct PerfEvent(pub(super) Program);
typed!(PerfEvent, "a program for perf events", PerfEvent);

impl PerfEvent {
    /// Attaches it to a perf event that the caller has opened, which the link then owns, and lets the event run.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn attach_to(&self, event: OwnedFd) -> Result<Link> {
        self.fd()?;
        link::perf_event(self, event, 0).context(|| self.what())
    }

    /// Opens an event and attaches the program to it: on the CPU that the options name, or on each that is online.
    ///
    /// ```no_run
    /// # fn f(program: &btf_core::prog::PerfEvent) -> btf_core::Result<()> {
    /// use btf_core::prog::PerfEventOptions;
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
        self.fd()?;
        link::perf_events(self, options).context(|| self.what())
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
            .map_err(|e| crate::Error::os("cannot copy the event's descriptor", e));
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
