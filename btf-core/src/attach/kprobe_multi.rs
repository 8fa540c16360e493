//! Programs on many kernel functions.

use std::io;

use super::functions::{addresses, is_pattern};
use super::typed::attaches;
use crate::attach_target::near;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{Link, c_string, refused};
use crate::obj::{Attach, AttachType};
use crate::prog::{Program, typed};
use crate::sys::{self, Capabilities, Functions};
use btf_obj::private::did_you_mean;

/// A program in `SEC("kprobe.multi/…")`, `SEC("kretprobe.multi/…")` or `SEC("kprobe.session/…")`: one link holds it to any number of
/// functions, which attaches in an instant where a kprobe for each would take seconds.
#[derive(Debug)]
pub struct KprobeMulti(pub(crate) Program);
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
        self.0.fd()?;
        let wanted = match &options.what {
            What::Pattern(pattern) => Wanted::Pattern(pattern),
            What::Names(names) => Wanted::Names(names),
            What::Addresses(addresses) => Wanted::Addresses(addresses),
        };
        kprobe_multi(&self.0, wanted, &options.cookies).context(|| self.0.what())
    }

    /// Attaches it to the first of these functions that the kernel has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the kernel has none of them; else those of [`KprobeMulti::attach_to`].
    pub fn attach_any<T: AsRef<str>>(&self, functions: &[T]) -> Result<Link> {
        self.0.attach_first(functions, |function| {
            kprobe_multi(&self.0, Wanted::Pattern(function), &[])
        })
    }
}

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    program.to_targets(&|pattern| to_pattern(program, pattern, cookie))
}

/// By the section's pattern; one cookie is for one function.
fn to_pattern(program: &Program, pattern: &str, cookie: u64) -> Result<Link> {
    if cookie == 0 {
        return kprobe_multi(program, Wanted::Pattern(pattern), &[]);
    }
    if pattern.contains(['*', '?']) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("one cookie is not enough for all functions that match `{pattern}`"),
        )
        .hint("name functions and cookies in KprobeMultiOptions"));
    }
    kprobe_multi(program, Wanted::Names(&[pattern.to_owned()]), &[cookie])
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

/// What functions are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    Pattern(&'a str),
    Names(&'a [String]),
    Addresses(&'a [u64]),
}

pub(crate) fn kprobe_multi(program: &Program, wanted: Wanted<'_>, cookies: &[u64]) -> Result<Link> {
    let (attach_type, is_return) = match program.def.map(|def| def.attach) {
        Some(Attach::KprobeSession) => (AttachType::TRACE_KPROBE_SESSION, false),
        Some(Attach::KretprobeMulti) => (AttachType::TRACE_KPROBE_MULTI, true),
        _ => (AttachType::TRACE_KPROBE_MULTI, false),
    };
    let functions = functions(wanted)?;
    let count = match &functions {
        Functions::Names(names) => names.len(),
        Functions::Addresses(addresses) => addresses.len(),
    };
    if !cookies.is_empty() && cookies.len() != count {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("there are {count} functions and {} cookies", cookies.len()),
        ));
    }
    sys::link_create_kprobe_multi(program.fd()?, attach_type, is_return, &functions, cookies)
        .map(|fd| Link::of_bpf(program.name(), fd))
        .map_err(|e| explain(wanted, attach_type, e))
}

/// A name goes to the kernel as it is, which is faster than finding it in a list; a pattern is looked up.
fn functions(wanted: Wanted<'_>) -> Result<Functions> {
    match wanted {
        Wanted::Pattern(pattern) if is_pattern(pattern) => {
            addresses(pattern).map(Functions::Addresses)
        }
        Wanted::Pattern(name) => Ok(Functions::Names(vec![c_string(name)?])),
        Wanted::Names(names) => names
            .iter()
            .map(|name| c_string(name))
            .collect::<Result<Vec<_>>>()
            .map(Functions::Names),
        Wanted::Addresses(addresses) => Ok(Functions::Addresses(addresses.to_vec())),
    }
}

fn explain(wanted: Wanted<'_>, attach_type: AttachType, e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let functions = match wanted {
        Wanted::Pattern(pattern) => format!("`{pattern}`"),
        Wanted::Names(names) => format!("{} functions", names.len()),
        Wanted::Addresses(addresses) => format!("{} functions", addresses.len()),
    };
    let doing = format!("cannot attach to {functions} with one link");
    match (errno, wanted) {
        (Some(libc::ESRCH | libc::ENOENT), Wanted::Pattern(name)) => missing(name),
        (Some(libc::ESRCH | libc::ENOENT), _) => Error::not_found(format!(
            "{doing}: this kernel does not let all of them be traced, or does not have them"
        ))
        .hint("available_filter_functions in tracefs lists those that can be"),
        (Some(errno @ (libc::EINVAL | libc::EOPNOTSUPP)), _) => {
            let (since, instead) = match attach_type {
                AttachType::TRACE_KPROBE_SESSION => ((6, 10), "SEC(\"kprobe.multi/…\")"),
                _ => ((5, 18), "SEC(\"kprobe/…\")"),
            };
            let (why, hint) = match sys::newer_kernel(since) {
                Some(newer) => (format!("such a link {newer}"), format!("use {instead}")),
                None if errno == libc::EOPNOTSUPP => (
                    "this kernel has no such links".to_owned(),
                    format!("boot one that is built with CONFIG_FPROBE=y, or use {instead}"),
                ),
                None => (
                    "the kernel cannot trace one of the functions".to_owned(),
                    "available_filter_functions in tracefs lists those that can be".to_owned(),
                ),
            };
            Error::new(ErrorKind::Unsupported, format!("{doing}: {why}")).hint(hint)
        }
        _ => refused(doing, Capabilities::TRACING, e),
    }
}

fn missing(name: &str) -> Error {
    let error = Error::not_found(format!(
        "this kernel has no function `{name}` that can be traced"
    ));
    let similar = sys::kernel_btf()
        .ok()
        .and_then(|btf| did_you_mean(&near(&btf, AttachType::TRACE_FENTRY, name)));
    error.hint(similar.unwrap_or_else(|| {
        "it may be inlined or renamed; available_filter_functions in tracefs lists what there is".into()
    }))
}
