//! Programs on many kernel functions.

use super::by_section::attaches;
use super::{Program, typed};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{self, Link, Wanted};

/// A program in `SEC("kprobe.multi/…")`, `SEC("kretprobe.multi/…")` or `SEC("kprobe.session/…")`: one link holds it to any number of
/// functions, which attaches in an instant where a kprobe for each would take seconds.
#[derive(Debug)]
pub struct KprobeMulti(pub(super) Program);
typed!(
    KprobeMulti,
    "a program for many kernel functions",
    KprobeMulti | KretprobeMulti | KprobeSession
);
attaches!(KprobeMulti);

impl KprobeMulti {
    /// Attaches it to all functions whose names match a pattern, in which `*` stands for any characters and `?` for any one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it is not loaded; [`ErrorKind::NotFound`] if no function that can be traced matches;
    /// [`ErrorKind::Unsupported`] for a kernel without such links; else what the kernel answers.
    pub fn attach_to(&self, pattern: &str) -> Result<Link> {
        self.attach_with(&KprobeMultiOptions::pattern(pattern))
    }

    /// Attaches it as the options say, whatever its section says.
    ///
    /// # Errors
    ///
    /// Those of [`KprobeMulti::attach_to`]; [`ErrorKind::InvalidInput`] if there are cookies, but not one for each function.
    pub fn attach_with(&self, options: &KprobeMultiOptions) -> Result<Link> {
        self.fd()?;
        let wanted = match &options.what {
            What::Pattern(pattern) => Wanted::Pattern(pattern),
            What::Names(names) => Wanted::Names(names),
            What::Addresses(addresses) => Wanted::Addresses(addresses),
        };
        link::kprobe_multi(self, wanted, &options.cookies).context(|| self.what())
    }

    /// Attaches it to the first of these functions that the kernel has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the kernel has none of them; else those of [`KprobeMulti::attach_to`].
    pub fn attach_any<T: AsRef<str>>(&self, functions: &[T]) -> Result<Link> {
        self.attach_first(functions, |function| {
            link::kprobe_multi(self, Wanted::Pattern(function), &[])
        })
    }
}

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    program.to_targets(&|pattern| to_pattern(program, pattern, cookie))
}

/// By the section's pattern; one cookie is for one function.
fn to_pattern(program: &Program, pattern: &str, cookie: u64) -> Result<Link> {
    if cookie == 0 {
        return link::kprobe_multi(program, Wanted::Pattern(pattern), &[]);
    }
    if pattern.contains(['*', '?']) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("one cookie is not enough for all functions that match `{pattern}`"),
        )
        .hint("name functions and cookies in KprobeMultiOptions"));
    }
    link::kprobe_multi(program, Wanted::Names(&[pattern.to_owned()]), &[cookie])
}

/// Which functions a program attaches to, and with what cookies.
#[derive(Debug, Clone)]
pub struct KprobeMultiOptions {
    what: What,
    cookies: Vec<u64>,
}

#[derive(Debug, Clone)]
enum What {
    Pattern(String),
    Names(Vec<String>),
    Addresses(Vec<u64>),
}

impl KprobeMultiOptions {
    /// All functions that match a pattern.
    pub fn pattern(pattern: &str) -> KprobeMultiOptions {
        KprobeMultiOptions::of(What::Pattern(pattern.to_owned()))
    }

    /// These functions.
    pub fn functions<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> KprobeMultiOptions {
        let names = names.into_iter().map(|name| name.as_ref().to_owned());
        KprobeMultiOptions::of(What::Names(names.collect()))
    }

    /// The functions at these addresses, as `/proc/kallsyms` has them.
    pub fn addresses(addresses: impl IntoIterator<Item = u64>) -> KprobeMultiOptions {
        KprobeMultiOptions::of(What::Addresses(addresses.into_iter().collect()))
    }

    /// A number for each function, in their order, which `bpf_get_attach_cookie` gives.
    #[must_use]
    pub fn cookies(mut self, cookies: impl IntoIterator<Item = u64>) -> KprobeMultiOptions {
        self.cookies = cookies.into_iter().collect();
        self
    }

    fn of(what: What) -> KprobeMultiOptions {
        KprobeMultiOptions {
            what,
            cookies: Vec::new(),
        }
    }
}
