//! Programs that run for a network namespace.

use std::os::fd::{AsFd, BorrowedFd};

use crate::error::{Context, Error, Result};
use crate::link::{Link, refused};
use crate::obj::{AttachType, ProgType};
use crate::prog::test_run::{self, Has};
use crate::prog::{Program, Ran, TestRun, typed};
use crate::sys::{self, Among, Capabilities};

/// This thread's network namespace.
const OWN: &str = "/proc/thread-self/ns/net";

/// A program in `SEC("sk_lookup")` or `SEC("flow_dissector")`.
#[derive(Debug)]
pub struct Netns(pub(crate) Program);
typed!(Netns, "a program of a network namespace", Netns);

impl Netns {
    /// Attaches it to a network namespace, given by a descriptor of its file (`/proc/PID/ns/net`, `/run/netns/NAME`).
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers: there is one flow dissector in a
    /// namespace, and none beside one in the first namespace.
    pub fn attach_to(&self, netns: impl AsFd) -> Result<Link> {
        self.0.fd()?;
        attach_to_fd(&self.0, netns.as_fd()).context(|| self.0.what())
    }

    /// Attaches it to this thread's network namespace.
    ///
    /// # Errors
    ///
    /// Those of [`Netns::attach_to`].
    pub fn attach_here(&self) -> Result<Link> {
        self.0.fd()?;
        std::fs::File::open(OWN)
            .map_err(|e| Error::os(format!("cannot open {OWN}"), e))
            .and_then(|netns| attach_to_fd(&self.0, netns.as_fd()))
            .context(|| self.0.what())
    }

    /// Runs it, attached or not: a flow dissector on a packet, of which [`Ran::data`] is what it finds
    /// (`struct bpf_flow_keys`); one in `SEC("sk_lookup")` on a context (`struct bpf_sk_lookup`, from 5.13 on).
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn test_run(&self, run: &TestRun<'_>) -> Result<Ran> {
        let has = match self.0.prog_type() {
            Some(ProgType::SK_LOOKUP) => Has::Context,
            _ => Has::Packet,
        };
        test_run::run(&self.0, run, has)
    }
}

fn attach_to_fd(program: &Program, netns: BorrowedFd<'_>) -> Result<Link> {
    let target = sys::fd_number(netns);
    let attach_type = program.attach_type();
    sys::link_create(program.fd()?, target, attach_type, Among::default())
    .map(|fd| Link::of_bpf(program.name(), fd))
    .map_err(|e| {
        let errno = e.raw_os_error();
        let error = refused("cannot attach to the network namespace".into(), Capabilities::NET_ADMIN, e);
        match errno {
            Some(libc::EEXIST | libc::E2BIG) if attach_type == AttachType::FLOW_DISSECTOR => error.hint(
                "a flow dissector is there already, or in the first namespace, which then has the only one",
            ),
            Some(libc::EINVAL) => {
                error.hint("it must be a descriptor of a file such as /proc/self/ns/net")
            }
            _ => error,
        }
    })
}
