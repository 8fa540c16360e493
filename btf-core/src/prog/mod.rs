//! Programs of a loaded object: untyped as they come out of it, and typed by how they attach.
//!
//! [`Program`] owns the descriptor and attaches by what its section says. [`Tracing`], [`Iter`], [`RawTracepoint`], [`Tracepoint`] and
//! [`Kprobe`] are made of it (`TryFrom`) and offer what their kind can do besides.

mod arguments;
mod cgroup;
mod interface;
mod iter;
mod kprobe;
mod lirc;
mod lwt;
mod netfilter;
mod netns;
mod position;
mod raw_tracepoint;
mod socket;
mod syscall;
pub(crate) mod target;
mod tc;
mod test_run;
mod tracepoint;
mod tracing;
mod verdict;
mod xdp;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{self, Link};
use crate::obj::{Attach, AttachType, ProgType, SectionDef};

pub use arguments::{Arguments, MAX_WORDS};
pub use cgroup::{Cgroup, CgroupSharing};
pub use interface::Interface;
pub use iter::Iter;
pub use kprobe::Kprobe;
pub use lirc::Lirc;
pub use lwt::Lwt;
pub use netfilter::{Netfilter, NetfilterFamily, NetfilterHook, NetfilterOptions};
pub use netns::Netns;
pub use position::{OrderOptions, Position};
pub use raw_tracepoint::RawTracepoint;
pub use socket::{SkMap, SkReuseport, SocketFilter};
pub use syscall::Syscall;
pub use tc::{Direction, Netkit, Tc, TcOptions, Tcx};
pub use test_run::{Ran, TestRun};
pub use tracepoint::Tracepoint;
pub use tracing::Tracing;
pub use verdict::{TcAction, XdpAction};
pub use xdp::{Xdp, XdpMode, XdpOptions};

/// A program of a loaded object; in the kernel, unless it was not to be loaded.
#[derive(Debug)]
pub struct Program {
    pub(crate) name: String,
    pub(crate) section: String,
    pub(crate) def: Option<&'static SectionDef>,
    pub(crate) target: Option<String>,
    pub(crate) fd: Option<OwnedFd>,
}

impl Program {
    /// Its name: that of its function.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The section it was declared in, without a leading `?`.
    pub fn section(&self) -> &str {
        &self.section
    }

    /// What it attaches to: what follows the section's prefix, or was set before the load.
    pub fn attach_target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// Its type; `None` if its section is not known, so that it cannot be loaded.
    pub fn prog_type(&self) -> Option<ProgType> {
        self.def.map(|def| def.prog_type)
    }

    /// The attach type of its section, which is also that to attach it with.
    pub(crate) fn attach_type(&self) -> AttachType {
        self.def.map_or(AttachType::NONE, |def| def.attach_type)
    }

    /// Whether it is in the kernel: not with `set_autoload(false)` or `SEC("?…")`, nor with a section that is not known.
    pub fn is_loaded(&self) -> bool {
        self.fd.is_some()
    }

    /// Its descriptor, to be attached in ways that this crate does not offer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the program is not loaded.
    pub fn fd(&self) -> Result<BorrowedFd<'_>> {
        let why_not = || {
            let error = Error::new(ErrorKind::InvalidInput, "it is not loaded");
            let error = match self.def {
                Some(_) => error.hint("call set_autoload(true) on it before the object is loaded"),
                None => error.hint(format!(
                    "its section SEC(\"{}\") is not known",
                    self.section
                )),
            };
            error.context(self.what())
        };
        self.fd.as_ref().map(AsFd::as_fd).ok_or_else(why_not)
    }

    /// Attaches it to what its section says. It runs until the link is dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it is not loaded or its section names no target; [`ErrorKind::Unsupported`] if its kind is
    /// not attached by its section; else what the kernel answers, with what to try.
    pub fn attach(&self) -> Result<Link> {
        self.fd()?;
        self.attach_by_section().context(|| self.what())
    }

    fn attach_by_section(&self) -> Result<Link> {
        match self.def.map(|def| def.attach) {
            Some(Attach::Tracing) => link::tracing(self),
            Some(Attach::RawTracepoint) => link::raw_tracepoint(self, self.require_target()?),
            Some(Attach::Tracepoint) => tracepoint::split(self.require_target()?)
                .and_then(|(category, name)| link::tracepoint(self, category, name)),
            Some(Attach::Iter) => link::iter(self),
            Some(Attach::Kprobe) => self.attach_kprobe(false),
            Some(Attach::Kretprobe) => self.attach_kprobe(true),
            other => {
                let error = Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "a program in SEC(\"{}\") is not attached by its section alone",
                        self.section
                    ),
                );
                Err(match other {
                    Some(way) => error.hint(way.describe()),
                    None => error,
                })
            }
        }
    }

    fn attach_kprobe(&self, is_return: bool) -> Result<Link> {
        let (function, offset) = kprobe::split(self.require_target()?)?;
        link::kprobe(self, function, offset, is_return)
    }

    fn require_target(&self) -> Result<&str> {
        self.target.as_deref().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("SEC(\"{}\") does not say what to attach to", self.section),
            )
            .hint(format!(
                "write SEC(\"{}/TARGET\"), or call set_attach_target before the object is loaded",
                self.section
            ))
        })
    }

    pub(crate) fn what(&self) -> String {
        format!("program `{}`", self.name)
    }

    /// Checks that it attaches in one of these ways before it is used as a `wanted`.
    fn expect(self, wanted: &str, ways: &[Attach]) -> Result<Program> {
        match self.def {
            Some(def) if ways.contains(&def.attach) => Ok(self),
            _ => Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "it is in SEC(\"{}\") and cannot be used as {wanted}",
                    self.section
                ),
            )
            .context(self.what())),
        }
    }
}

/// What every typed program is made of and gives access to.
macro_rules! typed {
    ($name:ident, $wanted:literal, $($way:ident)|*) => {
        impl TryFrom<$crate::prog::Program> for $name {
            type Error = $crate::error::Error;

            fn try_from(program: $crate::prog::Program) -> $crate::error::Result<Self> {
                program
                    .expect($wanted, &[$($crate::obj::Attach::$way),*])
                    .map($name)
            }
        }

        /// The untyped program: its name, section, descriptor.
        impl std::ops::Deref for $name {
            type Target = $crate::prog::Program;

            fn deref(&self) -> &$crate::prog::Program {
                &self.0
            }
        }
    };
}
use typed;
