//! Programs of a loaded object: untyped as they come out of it, and typed by how they attach.
//!
//! [`Program`] owns the descriptor and attaches by what its section says. The types of each kind, such as [`Tracing`] and [`Kprobe`], are
//! made of it (`TryFrom`) and offer what their kind can do besides.

mod arguments;
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
mod socket;
mod struct_ops;
mod syscall;
pub(crate) mod target;
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
use crate::link::{self, Link, UsdtMaps};
use crate::obj::{Attach, AttachType, ProgType, SectionDef};

pub use arguments::{Arguments, MAX_WORDS};
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
pub use socket::{SkMap, SkReuseport, SocketFilter};
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
    pub(crate) def: Option<&'static SectionDef>,
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
        self.attach_with_cookie(0)
    }

    /// Attaches it to what its section says, with a number that `bpf_get_attach_cookie` gives to the program while it runs
    /// for this link.
    ///
    /// # Errors
    ///
    /// Those of [`Program::attach`]; [`ErrorKind::Unsupported`] for kinds that take no cookie. Kernels take them for perf events
    /// (kprobe, uprobe, tracepoint) from 5.15 on, for fentry and its like from 5.19 on, for raw tracepoints from 6.9 on.
    pub fn attach_with_cookie(&self, cookie: u64) -> Result<Link> {
        self.fd()?;
        self.attach_by_section(cookie).context(|| self.what())
    }

    /// Attaches it if it is to be attached with the whole object: if it is loaded, its section names what it attaches to, and
    /// nobody called `set_autoattach(false)`.
    ///
    /// # Errors
    ///
    /// Those of [`Program::attach`].
    pub fn attach_if_wanted(&self) -> Result<Option<Link>> {
        let is_wanted = self.autoattach
            && self.is_loaded()
            && self.def.is_some_and(|def| {
                def.attach.is_by_section() && (self.target.is_some() || !def.takes_target)
            });
        is_wanted.then(|| self.attach()).transpose()
    }

    fn attach_by_section(&self, cookie: u64) -> Result<Link> {
        let Some(way) = self.def.map(|def| def.attach) else {
            return Err(self.not_by_section(None));
        };
        if cookie != 0 && matches!(way, Attach::Iter | Attach::Freplace) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("the kernel takes no cookie for SEC(\"{}\")", self.section),
            ));
        }
        match way {
            Attach::Tracing => link::tracing(self, cookie),
            Attach::Freplace => link::tracing(self, 0),
            Attach::Iter => link::iter(self, None),
            _ if !way.is_by_section() => Err(self.not_by_section(Some(way))),
            _ if self.alternatives.is_empty() => {
                self.attach_to_target(way, self.require_target()?, cookie)
            }
            _ => {
                let first = self.require_target()?;
                let rest = self.alternatives.iter().map(String::as_str);
                let all: Vec<&str> = std::iter::once(first).chain(rest).collect();
                self.first_of(&all, |target| self.attach_to_target(way, target, cookie))
            }
        }
    }

    /// Attaches to what follows the section's name, or stands for it.
    fn attach_to_target(&self, way: Attach, target: &str, cookie: u64) -> Result<Link> {
        match way {
            Attach::RawTracepoint => link::raw_tracepoint(self, target, cookie),
            Attach::Tracepoint => tracepoint::split(target)
                .and_then(|(category, name)| link::tracepoint(self, category, name, cookie)),
            Attach::Kprobe | Attach::Kretprobe => {
                let at = KprobeOptions::parse(target)?.cookie(cookie);
                link::kprobe(self, &at, way == Attach::Kretprobe)
            }
            Attach::Ksyscall | Attach::Kretsyscall => {
                link::ksyscall(self, target, cookie, way == Attach::Kretsyscall)
            }
            Attach::KprobeMulti | Attach::KretprobeMulti | Attach::KprobeSession => {
                kprobe_multi::attach(self, target, cookie)
            }
            Attach::Uprobe | Attach::Uretprobe => {
                let at = UprobeOptions::parse(target)?.cookie(cookie);
                link::uprobe(self, &at, way == Attach::Uretprobe)
            }
            Attach::UprobeMulti | Attach::UretprobeMulti | Attach::UprobeSession => {
                uprobe_multi::attach(self, target, cookie)
            }
            Attach::Usdt => usdt::attach(self, &UsdtOptions::parse(target)?.cookie(cookie)),
            other => Err(self.not_by_section(Some(other))),
        }
    }

    fn not_by_section(&self, way: Option<Attach>) -> Error {
        let error = Error::new(
            ErrorKind::Unsupported,
            format!(
                "a program in SEC(\"{}\") is not attached by its section alone",
                self.section
            ),
        );
        match way {
            Some(way) => error.hint(way.describe()),
            None => error,
        }
    }

    /// Attaches it to the first of several names of one thing that this kernel has: functions are renamed.
    fn attach_first<T: AsRef<str>>(
        &self,
        names: &[T],
        attach: impl Fn(&str) -> Result<Link>,
    ) -> Result<Link> {
        self.fd()?;
        self.first_of(names, attach).context(|| self.what())
    }

    fn first_of<T: AsRef<str>>(
        &self,
        names: &[T],
        attach: impl Fn(&str) -> Result<Link>,
    ) -> Result<Link> {
        let mut last = Error::new(ErrorKind::InvalidInput, "there is no name to attach to");
        for name in names {
            match attach(name.as_ref()) {
                Err(e) if e.kind() == ErrorKind::NotFound => last = e,
                other => return other,
            }
        }
        if names.len() > 1 {
            let names: Vec<String> = names.iter().map(|n| format!("`{}`", n.as_ref())).collect();
            last = last.context(format!("none of {} is there", names.join(", ")));
        }
        Err(last)
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
