//! Links: what holds a program to where it is attached. Dropping one detaches.
//!
//! Programs are attached through [`crate::prog`]; this module does it and owns what comes of it.

mod bound;
mod cgroup;
mod cookie;
mod freplace;
mod functions;
mod info;
mod iter;
mod kprobe;
mod kprobe_multi;
mod legacy;
mod lwt;
mod perf_event;
mod pin;
mod pmu;
mod probe;
mod raw_tracepoint;
mod struct_ops;
mod targets;
mod tc;
mod tracefs;
mod tracepoint;
mod tracing;
mod uprobe;
mod uprobe_multi;
mod usdt;
mod xdp;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::{Context, Error, ErrorKind, Result};
use crate::prog::{AttachMode, Program, StructOps};
use crate::sys::{self, Capabilities};
use bound::{Binding, Bound};

pub(crate) use cgroup::{cgroup, cgroup_path};
pub(crate) use freplace::{freplace, program_function};
pub use info::{LinkDetails, LinkInfo, LinkType};
pub(crate) use iter::{iter, iter_file};
pub(crate) use kprobe::{kprobe, ksyscall};
pub(crate) use kprobe_multi::{Wanted, kprobe_multi};
pub(crate) use lwt::lwt;
pub(crate) use perf_event::{perf_event, perf_events};
pub(crate) use raw_tracepoint::raw_tracepoint;
pub(crate) use struct_ops::{struct_ops, struct_ops_update};
pub(crate) use targets::{SocketOption, lirc, netfilter, netns, sock_map, socket};
pub(crate) use tc::{netkit, tc, tcx};
pub(crate) use tracepoint::tracepoint;
pub(crate) use tracing::tracing;
pub(crate) use uprobe::uprobe;
pub(crate) use uprobe_multi::uprobe_multi;
pub(crate) use usdt::{BY_ADDRESS, SPECS, UsdtMaps, usdt};
pub(crate) use xdp::xdp;

/// A program's attachment. It ends when this is dropped.
#[derive(Debug)]
#[must_use = "the program is detached when its link is dropped"]
pub struct Link {
    /// Name of the program, for errors.
    program: String,
    held: Held,
    /// Whether the program stays attached when this is dropped, because the link is pinned.
    stays: bool,
    /// What is given back when nothing is attached any more: by being dropped, so that only those who take something have code
    /// for it.
    taken: Option<Box<dyn Taken>>,
}

/// What a link takes elsewhere, and gives back when this is dropped.
trait Taken: std::fmt::Debug + Send + Sync {
    /// The same, but says if that fails.
    fn give_back(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// The descriptors that hold an attachment. Fields are dropped in this order: the link before the event it is about.
#[derive(Debug)]
enum Held {
    Link(OwnedFd),
    PerfLink {
        link: OwnedFd,
        event: OwnedFd,
    },
    Event(OwnedFd),
    Bound(Bound),
    /// One for each place.
    Many(Vec<Link>),
}

/// The BPF link, or the perf event where the kernel has no links for such (before 5.15); of a program that is attached without
/// either, its own descriptor. Of one that is attached to several places by a link each, it is the first.
impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.held {
            Held::Link(fd) | Held::PerfLink { link: fd, .. } | Held::Event(fd) => fd.as_fd(),
            Held::Bound(bound) => bound.as_fd(),
            // There is one place at least.
            Held::Many(links) => links[0].as_fd(),
        }
    }
}

impl Link {
    fn of_bpf(program: &str, link: OwnedFd) -> Link {
        Link {
            program: program.to_owned(),
            held: Held::Link(link),
            stays: false,
            taken: None,
        }
    }

    /// A program that is attached without a link, until `binding` is undone.
    fn of_binding(program: &Program, binding: impl Binding + 'static) -> Result<Link> {
        Link::of_bound(program.name(), program.fd()?, binding)
    }

    /// The same with the name and descriptor of what is attached.
    fn of_bound(name: &str, fd: BorrowedFd<'_>, binding: impl Binding + 'static) -> Result<Link> {
        Ok(Link {
            program: name.to_owned(),
            held: Held::Bound(Bound::new(fd, binding)?),
            stays: false,
            taken: None,
        })
    }

    /// Makes a perf event run a program: through a link where there are such (from 5.15 on), else on the event itself, which
    /// has no cookie.
    fn of_event(
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

    /// Says what the kernel knows of the link.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if there is no link, but only a perf event (before 5.15); else what the kernel answers.
    pub fn info(&self) -> Result<LinkInfo> {
        self.bpf_link()
            .and_then(info::of)
            .map_err(|e| e.context(format!("link of program `{}`", self.program)))
    }

    /// Puts another program of the same kind into the link, without a moment in which none is attached. Links of cgroups,
    /// network devices and namespaces, socket maps (whose sockets that are there keep the former one), iterators and operations
    /// can do that; those of tracing programs and of netfilter cannot.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if there is no link that could be updated; else what the kernel answers.
    pub fn update(&mut self, program: &Program) -> Result<()> {
        let what = format!("link of program `{}`", self.program);
        let link = self.bpf_link().map_err(|e| e.context(what.clone()))?;
        sys::link_update(link, program.fd()?).map_err(|e| {
            let hint = info::not_updated(link, &e);
            let doing = format!("cannot put program `{}` into it", program.name());
            let error = Error::os(doing, e);
            let error = match hint {
                Some(hint) => error.hint(hint),
                None => error,
            };
            error.context(what)
        })?;
        program.name().clone_into(&mut self.program);
        Ok(())
    }

    /// Puts other operations of the same type into the link of operations, without a moment in which none are registered (from
    /// 6.4 on; libbpf's `bpf_link__update_map`). What else must be equal is the type's matter: congestion controls must have the
    /// same name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the operations are not for a link (`SEC(".struct_ops.link")`); [`ErrorKind::Unsupported`] if it
    /// is no link, as before 6.4; else what the kernel answers.
    pub fn update_struct_ops(&mut self, ops: &StructOps) -> Result<()> {
        let what = format!("link of operations `{}`", self.program);
        self.bpf_link()
            .and_then(|link| ops.replace_in(link))
            .context(|| what)?;
        ops.name().clone_into(&mut self.program);
        Ok(())
    }

    /// Lets go of the link without detaching: the program stays attached for as long as this process runs.
    pub fn disconnect(self) {
        // Nothing can close the descriptors any more.
        std::mem::forget(self);
    }

    /// The descriptor of the link proper.
    fn bpf_link(&self) -> Result<BorrowedFd<'_>> {
        match &self.held {
            Held::Link(fd) | Held::PerfLink { link: fd, .. } => Ok(fd.as_fd()),
            Held::Bound(_) => Err(Error::new(
                ErrorKind::Unsupported,
                "it is attached without a link",
            )),
            Held::Event(_) => Err(Error::new(
                ErrorKind::Unsupported,
                "it is a perf event and no link, as in all kernels before 5.15",
            )),
            Held::Many(links) => match &links[..] {
                [one] => one.bpf_link(),
                _ => Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("it is {} links, each to a place", links.len()),
                )),
            },
        }
    }

    /// Detaches the program, as dropping does, but says if that fails; of several places, what failed first. One that is pinned is
    /// detached in spite of its pin (libbpf's `bpf_link__detach`), which is then of nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] of a pinned link of a type that the kernel does not detach so: links of cgroups, network devices
    /// and namespaces, and operations it does. Else what the kernel answers, also if it leaves the probe in tracefs by which an
    /// older kernel attached.
    pub fn detach(mut self) -> Result<()> {
        let stopped = self.stop().map_err(|e| Error::os("cannot detach it", e));
        let left = match (self.stays, &self.held) {
            (false, _) => self.give_back(),
            (true, Held::Link(link)) => in_spite_of_pin(link.as_fd()),
            // Its event was stopped.
            (true, _) => Ok(()),
        };
        stopped
            .and(left)
            .context(|| format!("program `{}`", self.program))
    }

    /// Closes the descriptors, and gives back what was taken: the kernel keeps what they use.
    fn give_back(&mut self) -> Result<()> {
        let mut taken: Vec<_> = self.taken.take().into_iter().collect();
        match std::mem::replace(&mut self.held, Held::Many(Vec::new())) {
            Held::Many(links) => {
                for mut link in links {
                    taken.extend(link.taken.take());
                }
            }
            one => drop(one),
        }
        let given: Vec<_> = taken.into_iter().map(Taken::give_back).collect();
        given.into_iter().collect()
    }

    /// Stops the event, so that it is over even if a forked process holds a copy of its descriptor.
    fn stop(&self) -> io::Result<()> {
        match &self.held {
            Held::Link(_) => Ok(()),
            Held::Bound(bound) => bound.undo(),
            Held::Many(links) => links.iter().try_for_each(Link::stop),
            Held::PerfLink { event, .. } | Held::Event(event) => sys::perf_disable(event),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.stays {
            std::mem::forget(self.taken.take());
        } else {
            // Closing the descriptors detaches, whether or not the event could be stopped before.
            let _ = self.stop();
        }
    }
}

/// Detaches a link that others hold, too.
fn in_spite_of_pin(link: BorrowedFd<'_>) -> Result<()> {
    sys::link_detach(link).map_err(|e| match e.raw_os_error() {
        Some(libc::EOPNOTSUPP | libc::EINVAL) => Error::new(
            ErrorKind::Unsupported,
            "it is pinned, and the kernel detaches links of this type with their last holder alone",
        )
        .hint("unpin it, and detach it then"),
        _ => Error::os("cannot detach it", e),
    })
}

/// An error of attaching, with what can be said of its number. `needs` is what the kernel checks.
fn refused(doing: String, needs: Capabilities, e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = Error::os(doing, e);
    match errno {
        _ if error.kind() == ErrorKind::Permission => error.hint(sys::privileges_hint(needs)),
        Some(libc::EEXIST) => {
            error.hint("this program is attached there already: drop that link first")
        }
        Some(libc::EBUSY) => error.hint("something else is attached there that does not share"),
        Some(libc::E2BIG) => error.hint("as many programs are attached there as the kernel allows"),
        _ => match errno.and_then(sys::limit_hint) {
            Some(hint) => error.hint(hint),
            None => error,
        },
    }
}

/// The same of a request of netlink, with the kernel's own words if it has any.
fn refused_request(mut doing: String, refusal: sys::Refusal) -> Error {
    if let Some(words) = refusal.words {
        doing += &format!(" (the kernel says: {words})");
    }
    refused(doing, Capabilities::NET_ADMIN, refusal.error)
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
