//! Programs that run for a network namespace.

use std::os::fd::AsFd;

use super::test_run::{self, Has};
use super::{Program, Ran, TestRun, typed};
use crate::error::{Context, Error, Result};
use crate::link::{self, Link};
use crate::obj::ProgType;

/// This thread's network namespace.
const OWN: &str = "/proc/thread-self/ns/net";

/// A program in `SEC("sk_lookup")` or `SEC("flow_dissector")`.
#[derive(Debug)]
pub struct Netns(pub(super) Program);
typed!(Netns, "a program of a network namespace", Netns);

impl Netns {
    /// Attaches it to a network namespace, given by a descriptor of its file (`/proc/PID/ns/net`, `/run/netns/NAME`).
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers: there is one flow dissector in a
    /// namespace, and none beside one in the first namespace.
    pub fn attach_to(&self, netns: impl AsFd) -> Result<Link> {
        self.fd()?;
        link::netns(self, netns.as_fd()).context(|| self.what())
    }

    /// Attaches it to this thread's network namespace.
    ///
    /// # Errors
    ///
    /// Those of [`Netns::attach_to`].
    pub fn attach_here(&self) -> Result<Link> {
        self.fd()?;
        std::fs::File::open(OWN)
            .map_err(|e| Error::os(format!("cannot open {OWN}"), e))
            .and_then(|netns| link::netns(self, netns.as_fd()))
            .context(|| self.what())
    }

    /// Runs it, attached or not: a flow dissector on a packet, of which [`Ran::data`] is what it finds
    /// (`struct bpf_flow_keys`); one in `SEC("sk_lookup")` on a context (`struct bpf_sk_lookup`, from 5.13 on).
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn test_run(&self, run: &TestRun<'_>) -> Result<Ran> {
        let has = match self.prog_type() {
            Some(ProgType::SK_LOOKUP) => Has::Context,
            _ => Has::Packet,
        };
        test_run::run(self, run, has)
    }
}
