//! Links: what holds a program to where it is attached. Dropping one detaches.
//!
//! Programs are attached through [`crate::prog`]; this module does it and owns what comes of it.

mod bound;
mod detach_error;
mod info;
mod refusal;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::{Error, ErrorKind, Result};
use crate::prog::Program;
use crate::sys::{self};
use bound::Bound;
pub(crate) use bound::{Binding, hold, remove};
pub(crate) use refusal::{c_string, refused, refused_request};

pub use detach_error::DetachError;
pub use info::{LinkDetails, LinkInfo, LinkType};

/// A program's attachment. It ends when this is dropped.
///
/// It ends with the process, too, if a file descriptor holds it. Attachments without one stay in
/// the kernel when the process is killed: tc filters with their `clsact`, XDP by netlink, routes,
/// cgroup programs and struct_ops without a link, and probes in tracefs.
#[derive(Debug)]
#[must_use = "the program is detached when its link is dropped"]
pub struct Link {
    /// Name of the program, for errors.
    pub(crate) program: String,
    pub(crate) held: Held,
    /// Whether the program stays attached when this is dropped, because the link is pinned.
    pub(crate) stays: bool,
    /// State to release after the attachment ends. It is boxed so that only objects with such links
    /// contain the code for it.
    pub(crate) taken: Option<Box<dyn Taken>>,
}

/// Kernel state of a link besides the file descriptors that hold the program. Dropping it releases
/// the state and ignores failures.
pub(crate) trait Taken: std::fmt::Debug + Send + Sync {
    /// Ends it. After an error it can be called again.
    fn give_back(&mut self) -> Result<()> {
        Ok(())
    }

    /// Leaves it as it is, for a link that stays attached.
    fn keep(&mut self);

    /// A file descriptor that it holds.
    fn as_fd(&self) -> BorrowedFd<'_>;
}

/// The descriptors that hold an attachment. Fields are dropped in this order: the link before the event it is about.
#[derive(Debug)]
pub(crate) enum Held {
    Link(OwnedFd),
    PerfLink {
        link: OwnedFd,
        event: OwnedFd,
    },
    Event(OwnedFd),
    Bound(Bound),
    /// One for each place.
    Many(Vec<Link>),
    /// The program is detached; this is left.
    Left(Box<dyn Taken>),
}

/// The file descriptor of the BPF link, or of the perf event on kernels without perf event links
/// (before 5.15). For a program attached without either, it is the program's own; for one with
/// several links, that of the first. For a probe that a failed [`Link::detach`] left in tracefs, it
/// is that of the file that lists it.
impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.held {
            Held::Link(fd) | Held::PerfLink { link: fd, .. } | Held::Event(fd) => fd.as_fd(),
            Held::Bound(bound) => bound.as_fd(),
            // There is one place at least.
            Held::Many(links) => links[0].as_fd(),
            Held::Left(taken) => taken.as_fd(),
        }
    }
}

impl Link {
    pub(crate) fn of_bpf(program: &str, link: OwnedFd) -> Link {
        Link {
            program: program.to_owned(),
            held: Held::Link(link),
            stays: false,
            taken: None,
        }
    }

    /// A program that is attached without a link, until `binding` is undone. `held` is its
    /// duplicated fd.
    pub(crate) fn of_binding(
        program: &str,
        held: OwnedFd,
        binding: impl Binding + 'static,
    ) -> Link {
        Link {
            program: program.to_owned(),
            held: Held::Bound(Bound::new(held, binding)),
            stays: false,
            taken: None,
        }
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

    /// Leaves the program attached for as long as this process runs, and lets go of the link.
    pub fn disconnect(self) {
        // Nothing can close the descriptors any more.
        std::mem::forget(self);
    }

    /// The descriptor of the link proper.
    pub(crate) fn bpf_link(&self) -> Result<BorrowedFd<'_>> {
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
            Held::Left(_) => Err(Error::new(
                ErrorKind::Unsupported,
                "it is detached, and only its probe is left in tracefs",
            )),
        }
    }

    /// Detaches the program as dropping does, but reports a failure. A link that is pinned is
    /// detached as well (libbpf's `bpf_link__detach`); the pin then refers to a defunct link.
    ///
    /// A link holds all that this takes, so that it needs no new file descriptor.
    ///
    /// # Errors
    ///
    /// The link comes back in the error ([`DetachError::into_link`]) with what is still attached;
    /// of several places, with those that failed. The kind is [`ErrorKind::Unsupported`] for a
    /// pinned link of a type that the kernel does not detach while something else holds it: it does
    /// for cgroups, network devices and namespaces, and struct_ops. Else it is the kernel's error,
    /// also if the program is detached and its probe stays in tracefs, by which older kernels
    /// attach.
    pub fn detach(mut self) -> Result<(), DetachError> {
        match self.end() {
            Ok(()) => Ok(()),
            Err(error) => {
                let error = error.context(format!("program `{}`", self.program));
                Err(DetachError { link: self, error })
            }
        }
    }

    /// Ends the attachment as far as possible. After an error, the link has what is left of it.
    fn end(&mut self) -> Result<()> {
        let cannot = |e| Error::os("cannot detach it", e);
        match &mut self.held {
            Held::Link(link) if self.stays => detach_pinned(link.as_fd())?,
            Held::Link(_) => {}
            Held::Bound(bound) => bound.undo().map_err(cannot)?,
            Held::Many(links) => end_all(links)?,
            // Closing it is not enough if a forked process holds a copy.
            Held::PerfLink { event, .. } | Held::Event(event) => {
                sys::perf_disable(event).map_err(cannot)?;
            }
            Held::Left(taken) => return taken.give_back(),
        }
        // Closes the file descriptors: the kernel keeps what they use.
        self.held = Held::Many(Vec::new());
        if let Some(mut taken) = self.taken.take() {
            if self.stays {
                taken.keep();
            } else if let Err(e) = taken.give_back() {
                self.held = Held::Left(taken);
                return Err(e);
            }
        }
        Ok(())
    }
}

/// Ends all; those that failed stay in the list, and the first of their errors is returned.
fn end_all(links: &mut Vec<Link>) -> Result<()> {
    let mut first = Ok(());
    links.retain_mut(|link| match link.end() {
        Ok(()) => false,
        Err(e) => {
            if first.is_ok() {
                first = Err(e);
            }
            true
        }
    });
    first
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.stays {
            if let Some(taken) = &mut self.taken {
                taken.keep();
            }
        } else if self.end().is_err() {
            // Nobody can try again later, and the cause (a lack of memory) may be gone.
            let _ = self.end();
        }
    }
}

/// Detaches a link that its pin holds, too.
fn detach_pinned(link: BorrowedFd<'_>) -> Result<()> {
    sys::link_detach(link).map_err(|e| match e.raw_os_error() {
        Some(libc::EOPNOTSUPP | libc::EINVAL) => Error::new(
            ErrorKind::Unsupported,
            "it is pinned, and the kernel detaches links of this type with their last holder alone",
        )
        .hint("unpin it, and detach it then"),
        _ => Error::os("cannot detach it", e),
    })
}
