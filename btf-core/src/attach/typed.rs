//! Shared parts of typed programs: methods that attach by section, and lists of targets.

use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::Link;
use crate::prog::Program;

/// Attaches a program of one kind, with a cookie.
pub(super) type BySection = fn(&Program, u64) -> Result<Link>;

impl Program {
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
                self.program().attach_by(by_section, cookie)
            }

            /// Attaches it if it is to be attached with the whole object, as
            /// [`Program::attach_if_wanted`](crate::prog::Program::attach_if_wanted).
            ///
            /// # Errors
            ///
            #[doc = concat!("Those of [`", stringify!($name), "::attach`].")]
            pub fn attach_if_wanted(&self) -> crate::Result<Option<crate::link::Link>> {
                self.program().is_attach_wanted().then(|| self.attach()).transpose()
            }
        }
    };
}
pub(super) use attaches;
