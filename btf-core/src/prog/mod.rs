//! Programs of a loaded object: untyped as they come out of it, and typed by how they attach.
//!
//! [`Program`] owns the descriptor and attaches by what its section says. The types of each kind, such as [`Tracing`] and [`Kprobe`], are
//! made of it (`TryFrom`) and offer what their kind can do besides.

mod arguments;
mod attach_mode;
mod by_section;
mod cgroup;
mod freplace;
mod interface;
mod iter;
mod kprobe;
mod kprobe_multi;
mod ksyscall;
mod lirc;
mod lwt;
mod netfilter;
mod netns;
mod perf_event;
mod position;
mod raw_tracepoint;
mod route;
mod socket;
mod struct_op;
mod struct_ops;
mod syscall;
mod tc;
mod test_run;
mod tracepoint;
mod tracing;
mod uprobe;
mod uprobe_multi;
mod usdt;
mod verdict;
mod xdp;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{Link, UsdtMaps};
use crate::obj::{Attach, AttachType, ProgType, SectionDef};

pub use arguments::{Arguments, MAX_WORDS};
pub use attach_mode::AttachMode;
pub use cgroup::{Cgroup, CgroupSharing};
pub use freplace::Freplace;
pub use interface::Interface;
pub use iter::{CgroupOrder, Iter, IterOver};
pub use kprobe::{Kprobe, KprobeOptions};
pub use kprobe_multi::{KprobeMulti, KprobeMultiOptions};
pub use ksyscall::Ksyscall;
pub use lirc::Lirc;
pub use lwt::Lwt;
pub use netfilter::{Netfilter, NetfilterFamily, NetfilterHook, NetfilterOptions};
pub use netns::Netns;
pub use perf_event::{PerfEvent, PerfEventOptions};
pub use position::{OrderOptions, Position};
pub use raw_tracepoint::RawTracepoint;
pub use route::Route;
pub use socket::{SkMap, SkReuseport, SkSkbRole, SocketFilter};
pub use struct_op::StructOp;
pub use struct_ops::StructOps;
pub(crate) use struct_ops::StructOpsValue;
pub use syscall::Syscall;
pub use tc::{Direction, Netkit, Tc, TcOptions, Tcx};
pub use test_run::{Ran, TestRun};
pub use tracepoint::Tracepoint;
pub use tracing::Tracing;
pub use uprobe::{Uprobe, UprobeOptions};
pub(crate) use uprobe_multi::WantedPlaces;
pub use uprobe_multi::{UprobeMulti, UprobeMultiOptions};
pub use usdt::{Usdt, UsdtOptions};
pub use verdict::{TcAction, XdpAction};
pub use xdp::{Xdp, XdpMode, XdpOptions};

/// A program of a loaded object; in the kernel, unless it was not to be loaded.
#[derive(Debug)]
pub struct Program {
    pub(crate) name: String,
    pub(crate) section: String,
    /// Definition of the section, or of the type that was set.
    pub(crate) def: Option<&'static SectionDef>,
    pub(crate) prog_type: Option<ProgType>,
    pub(crate) attach_type: AttachType,
    pub(crate) target: Option<String>,
    /// Other targets, of which the first that is there is taken.
    pub(crate) alternatives: Vec<String>,
    /// Whether it is attached with the whole object.
    pub(crate) autoattach: bool,
    /// What it shares with the other programs for static probes.
    pub(crate) usdt: Option<Arc<UsdtMaps>>,
    pub(crate) fd: Option<OwnedFd>,
    /// What the verifier wrote, if it was asked to.
    pub(crate) log: Option<String>,
    /// Whether links of perf events are tried, before the older way.
    pub(crate) by_perf_link: bool,
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

    /// Returns its program type; `None` if its section is not known and no type was set.
    pub fn prog_type(&self) -> Option<ProgType> {
        self.prog_type
    }

    /// The attach type of its section, or which was set: also that to attach it with.
    pub(crate) fn attach_type(&self) -> AttachType {
        self.attach_type
    }

    /// What the verifier wrote when it accepted the program, if `set_log_level` asked for it.
    pub fn verifier_log(&self) -> Option<&str> {
        self.log.as_deref()
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
                    "its section SEC(\"{}\") is not known: call set_type on it before the object is loaded",
                    self.section
                )),
            };
            error.context(self.what())
        };
        self.fd.as_ref().map(AsFd::as_fd).ok_or_else(why_not)
    }

    /// Attaches it to the first of several names of one thing that this kernel has: functions are renamed.
    fn attach_first<T: AsRef<str>>(
        &self,
        names: &[T],
        attach: impl Fn(&str) -> Result<Link>,
    ) -> Result<Link> {
        self.fd()?;
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        by_section::first_of(&names, &attach).context(|| self.what())
    }

    /// Its type, if that does not follow from its section.
    fn shown_type(&self) -> String {
        let def = crate::obj::def_of_section(&self.section);
        match self.prog_type {
            Some(prog_type) if def.is_none_or(|def| def.prog_type != prog_type) => {
                let number = || prog_type.0.to_string();
                let name = prog_type.name().map_or_else(number, str::to_lowercase);
                format!(", of type {name},")
            }
            _ => String::new(),
        }
    }

    pub(crate) fn what(&self) -> String {
        format!("program `{}`", self.name)
    }

    /// Returns the same program with a file descriptor of its own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Os`] if the file descriptor cannot be duplicated.
    pub fn try_clone(&self) -> Result<Program> {
        let fd = self.fd.as_ref().map(OwnedFd::try_clone).transpose();
        let fd = fd.map_err(|e| {
            Error::os("cannot duplicate its file descriptor", e).context(self.what())
        })?;
        Ok(Program {
            name: self.name.clone(),
            section: self.section.clone(),
            def: self.def,
            prog_type: self.prog_type,
            attach_type: self.attach_type,
            target: self.target.clone(),
            alternatives: self.alternatives.clone(),
            autoattach: self.autoattach,
            usdt: self.usdt.clone(),
            fd,
            log: self.log.clone(),
            by_perf_link: self.by_perf_link,
        })
    }

    /// Checks that it attaches in one of these ways before it is used as a `wanted`.
    fn expect(self, wanted: &str, ways: &[Attach]) -> Result<Program> {
        match self.def {
            Some(def) if ways.contains(&def.attach) => Ok(self),
            _ => Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "it is in SEC(\"{}\"){} and cannot be used as {wanted}",
                    self.section,
                    self.shown_type()
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

        /// The typed program beside the untyped one, with a file descriptor of its own.
        impl TryFrom<&$crate::prog::Program> for $name {
            type Error = $crate::error::Error;

            fn try_from(program: &$crate::prog::Program) -> $crate::error::Result<Self> {
                program.try_clone()?.try_into()
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
