//! Programs of a loaded object.
//!
//! [`Program`] owns the file descriptor. The types of [`attach`](crate::attach), such as
//! [`Kprobe`](crate::attach::Kprobe), are made from it (`TryFrom`) and attach it.

mod arguments;
mod syscall;
pub(crate) mod test_run;
mod usdt_maps;
mod verdict;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::obj::{Attach, AttachType, ProgType, SectionDef};

pub use arguments::{Arguments, MAX_WORDS};
pub use syscall::Syscall;
pub use test_run::{Ran, TestRun};
pub(crate) use usdt_maps::{BY_ADDRESS, SPECS, UsdtMaps};
pub use verdict::{TcAction, XdpAction};

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

    /// Returns a typed handle of the same program, with a file descriptor of its own.
    ///
    /// ```no_run
    /// # fn main() -> btf_core::Result<()> {
    /// # let elf = std::fs::read("open.bpf.o").expect("compiled before");
    /// use btf_core::attach::Kprobe;
    /// use btf_core::load::OpenObject;
    ///
    /// let object = OpenObject::open("open", &elf)?.load()?;
    /// let link = object.program("on_unlink")?.typed::<Kprobe>()?.attach_to("vfs_unlink", 0)?;
    /// # drop(link);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the program has another attach type; [`ErrorKind::Os`] if the file
    /// descriptor cannot be duplicated.
    pub fn typed<T: TryFrom<Program, Error = Error>>(&self) -> Result<T> {
        self.try_clone()?.try_into()
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
    pub(crate) fn expect(self, wanted: &str, ways: &[Attach]) -> Result<Program> {
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

        impl $name {
            /// Returns the untyped program: its name, section and file descriptor.
            pub fn program(&self) -> &$crate::prog::Program {
                &self.0
            }
        }
    };
}
pub(crate) use typed;
