//! Attaching programs to what their section says.
//!
//! Each kind has a function for it in its own file. A typed program calls that of its kind alone, so that a skeleton links in no
//! more than its programs need; [`Program::attach`] finds it in the table of all.

use super::{
    freplace, iter, kprobe, kprobe_multi, ksyscall, raw_tracepoint, tracepoint, tracing, uprobe,
    uprobe_multi, usdt,
};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::Link;
use crate::obj::Attach;
use crate::prog::Program;

/// Attaches a program of one kind, with a cookie.
pub(super) type BySection = fn(&Program, u64) -> Result<Link>;

/// The table of kinds that are attached by their section.
fn of(way: Attach) -> Option<BySection> {
    Some(match way {
        Attach::Tracing => tracing::by_section,
        Attach::Freplace => freplace::by_section,
        Attach::Iter => iter::by_section,
        Attach::RawTracepoint => raw_tracepoint::by_section,
        Attach::Tracepoint => tracepoint::by_section,
        Attach::Kprobe | Attach::Kretprobe => kprobe::by_section,
        Attach::Ksyscall | Attach::Kretsyscall => ksyscall::by_section,
        Attach::KprobeMulti | Attach::KretprobeMulti | Attach::KprobeSession => {
            kprobe_multi::by_section
        }
        Attach::Uprobe | Attach::Uretprobe => uprobe::by_section,
        Attach::UprobeMulti | Attach::UretprobeMulti | Attach::UprobeSession => {
            uprobe_multi::by_section
        }
        Attach::Usdt => usdt::by_section,
        _ => return None,
    })
}

impl Program {
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
    /// Those of [`Program::attach`]; [`ErrorKind::Unsupported`] for kinds that take no cookie.
    /// Kernels take them for perf events (kprobe, uprobe, tracepoint) from 5.15 on, for fentry and
    /// its like from 5.19 on, for raw tracepoints from 6.10 on.
    pub fn attach_with_cookie(&self, cookie: u64) -> Result<Link> {
        let by_section = self.def.and_then(|def| of(def.attach));
        self.attach_by(by_section.unwrap_or(not_by_section), cookie)
    }

    /// Attaches it if it is to be attached with the whole object: if it is loaded, its section names what it attaches to, and
    /// nobody called `set_autoattach(false)`.
    ///
    /// # Errors
    ///
    /// Those of [`Program::attach`].
    pub fn attach_if_wanted(&self) -> Result<Option<Link>> {
        self.is_attach_wanted().then(|| self.attach()).transpose()
    }

    /// Attaches it to the first of several names of one thing that this kernel has: functions are renamed.
    pub(super) fn attach_first<T: AsRef<str>>(
        &self,
        names: &[T],
        attach: impl Fn(&str) -> Result<Link>,
    ) -> Result<Link> {
        self.fd()?;
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        first_of(&names, &attach).context(|| self.what())
    }

    pub(super) fn attach_by(&self, by_section: BySection, cookie: u64) -> Result<Link> {
        self.fd()?;
        by_section(self, cookie).context(|| self.what())
    }

    pub(super) fn is_attach_wanted(&self) -> bool {
        let names_enough = self.def.is_some_and(|def| {
            def.attach.is_by_section() && (self.target.is_some() || !def.takes_target)
        });
        self.autoattach && self.is_loaded() && names_enough
    }

    /// Attaches it to the first of its targets that is there: what follows the section's name, or stands for it.
    pub(super) fn to_targets(&self, attach: &dyn Fn(&str) -> Result<Link>) -> Result<Link> {
        let Some(first) = self.target.as_deref() else {
            let section = &self.section;
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("SEC(\"{section}\") does not say what to attach to"),
            )
            .hint(format!(
                "write SEC(\"{section}/TARGET\"), or call set_attach_target before the object is loaded"
            )));
        };
        if self.alternatives.is_empty() {
            return attach(first);
        }
        let mut all = vec![first];
        all.extend(self.alternatives.iter().map(String::as_str));
        first_of(&all, attach)
    }

    /// For kinds that have no cookie.
    pub(super) fn refuse_cookie(&self, cookie: u64) -> Result<()> {
        match cookie {
            0 => Ok(()),
            _ => Err(Error::new(
                ErrorKind::Unsupported,
                format!("the kernel takes no cookie for SEC(\"{}\")", self.section),
            )),
        }
    }
}

fn not_by_section(program: &Program, _cookie: u64) -> Result<Link> {
    let error = Error::new(
        ErrorKind::Unsupported,
        format!(
            "a program in SEC(\"{}\") is not attached by its section alone",
            program.section
        ),
    );
    Err(match program.def {
        Some(def) => error.hint(def.attach.describe()),
        None => error,
    })
}

/// Attaches to the first of several names of one thing that this kernel has: functions are renamed.
pub(super) fn first_of(names: &[&str], attach: &dyn Fn(&str) -> Result<Link>) -> Result<Link> {
    let mut last = Error::new(ErrorKind::InvalidInput, "there is no name to attach to");
    for name in names {
        match attach(name) {
            Err(e) if e.kind() == ErrorKind::NotFound => last = e,
            other => return other,
        }
    }
    if names.len() > 1 {
        last = last.context(format!("none of `{}` is there", names.join("`, `")));
    }
    Err(last)
}

/// What a typed program of a kind that is attached by its section has, of the function `by_section` beside it.
macro_rules! attaches {
    ($name:ident $(<$parameter:ident>)?) => {
        impl$(<$parameter>)? $name$(<$parameter>)? {
            /// Attaches it to what its section says. It runs until the link is dropped.
            ///
            /// # Errors
            ///
            #[doc = "[`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if it is not loaded or its section names no target; else what the kernel answers, with what to try."]
            pub fn attach(&self) -> crate::Result<crate::link::Link> {
                self.attach_with_cookie(0)
            }

            /// Attaches it to what its section says, with a number that `bpf_get_attach_cookie` gives to the program while
            /// it runs for this link.
            ///
            /// # Errors
            ///
            /// Those of [`Program::attach_with_cookie`](crate::prog::Program::attach_with_cookie).
            pub fn attach_with_cookie(&self, cookie: u64) -> crate::Result<crate::link::Link> {
                self.attach_by(by_section, cookie)
            }

            /// Attaches it if it is to be attached with the whole object, as
            /// [`Program::attach_if_wanted`](crate::prog::Program::attach_if_wanted).
            ///
            /// # Errors
            ///
            #[doc = concat!("Those of [`", stringify!($name), "::attach`].")]
            pub fn attach_if_wanted(&self) -> crate::Result<Option<crate::link::Link>> {
                self.is_attach_wanted().then(|| self.attach()).transpose()
            }
        }
    };
}
pub(super) use attaches;
