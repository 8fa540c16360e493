//! Links: what holds a program to where it is attached. Dropping one detaches.
//!
//! Programs are attached through [`crate::prog`]; this module does it and owns what comes of it.

mod bound;
mod cgroup;
mod iter;
mod kprobe;
mod raw_tracepoint;
mod targets;
mod tc;
mod tracefs;
mod tracepoint;
mod tracing;
mod xdp;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::{Error, ErrorKind, Result};
use crate::prog::Program;
use crate::sys;
use bound::{Binding, Bound};

pub(crate) use cgroup::{cgroup, cgroup_path};
pub(crate) use iter::{iter, iter_file};
pub(crate) use kprobe::kprobe;
pub(crate) use raw_tracepoint::raw_tracepoint;
pub(crate) use targets::{SocketOption, lirc, netfilter, netns, sock_map, socket};
pub(crate) use tc::{netkit, tc, tcx};
pub(crate) use tracepoint::tracepoint;
pub(crate) use tracing::tracing;
pub(crate) use xdp::xdp;

/// A program's attachment. It ends when this is dropped.
#[derive(Debug)]
#[must_use = "the program is detached when its link is dropped"]
pub struct Link {
    /// Name of the program, for errors.
    program: String,
    held: Held,
}

/// The descriptors that hold an attachment. Fields are dropped in this order: the link before the event it is about.
#[derive(Debug)]
enum Held {
    Link(OwnedFd),
    PerfLink { link: OwnedFd, event: OwnedFd },
    Event(OwnedFd),
    Bound(Bound),
}

/// The BPF link, or the perf event where the kernel has no links for such (before 5.15); of a program that is attached without
/// either, its own descriptor.
impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.held {
            Held::Link(fd) | Held::PerfLink { link: fd, .. } | Held::Event(fd) => fd.as_fd(),
            Held::Bound(bound) => bound.as_fd(),
        }
    }
}

impl Link {
    fn of_bpf(program: &str, link: OwnedFd) -> Link {
        Link {
            program: program.to_owned(),
            held: Held::Link(link),
        }
    }

    /// A program that is attached without a link, until `binding` is undone.
    fn of_binding(program: &Program, binding: impl Binding + 'static) -> Result<Link> {
        let held = Held::Bound(Bound::new(program.fd()?, binding)?);
        Ok(Link {
            program: program.name().to_owned(),
            held,
        })
    }

    /// Makes a perf event run a program: through a link where there are such (from 5.15 on), else on the event itself.
    fn of_event(program: &str, prog: BorrowedFd<'_>, event: OwnedFd) -> io::Result<Link> {
        let held = match sys::link_create_perf(prog, &event) {
            Ok(link) => {
                sys::perf_enable(&event)?;
                Held::PerfLink { link, event }
            }
            // An older kernel's answer to links of this type.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
                sys::perf_set_program(event.as_fd(), prog)?;
                Held::Event(event)
            }
            Err(e) => return Err(e),
        };
        Ok(Link {
            program: program.to_owned(),
            held,
        })
    }

    /// Detaches the program, as dropping does, but says if that fails.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    pub fn detach(self) -> Result<()> {
        self.stop().map_err(|e| {
            Error::os("cannot detach it", e).context(format!("program `{}`", self.program))
        })
    }

    /// Stops the event, so that it is over even if a forked process holds a copy of its descriptor.
    fn stop(&self) -> io::Result<()> {
        match &self.held {
            Held::Link(_) => Ok(()),
            Held::Bound(bound) => bound.undo(),
            Held::PerfLink { event, .. } | Held::Event(event) => sys::perf_disable(event),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Closing the descriptors detaches, whether or not the event could be stopped before.
        let _ = self.stop();
    }
}

/// What of `Permission`, and of the rest, an attach error says beyond the errno.
fn refused(doing: String, e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = Error::os(doing, e);
    match errno {
        _ if error.kind() == ErrorKind::Permission => error.hint(sys::privileges_hint()),
        Some(libc::EBUSY) => error.hint("something else is attached there that does not share"),
        Some(libc::E2BIG) => error.hint("as many programs are attached there as the kernel allows"),
        _ => error,
    }
}

/// A name for the kernel to read.
fn c_string(name: &str) -> Result<std::ffi::CString> {
    std::ffi::CString::new(name).map_err(|_| {
        Error::new(
            ErrorKind::InvalidInput,
            format!("the name {name:?} has a NUL in it"),
        )
    })
}
