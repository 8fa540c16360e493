//! Programs on the entry and return of kernel functions.

use std::io;

use super::AttachMode;
use super::probe::{self, Probing};
use super::probed::Probed;
use super::typed::attaches;
use crate::attach_target::near;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{Link, refused};
use crate::obj::{Attach, AttachType};
use crate::prog::{Program, typed};
use crate::sys::{self, Capabilities};
use btf_obj::private::did_you_mean;

/// A program in `SEC("kprobe/…")` or `SEC("kretprobe/…")`.
#[derive(Debug)]
pub struct Kprobe(pub(crate) Program);
typed!(Kprobe, "a kprobe program", Kprobe | Kretprobe);
attaches!(Kprobe);

impl Kprobe {
    /// Whether it runs when the function returns.
    pub fn is_return(&self) -> bool {
        is_return(&self.0)
    }

    /// Attaches it to a function (`vfs_unlink`), whatever its section says; `offset` is in bytes from its start, 0 for its
    /// entry, and must be 0 for a return probe.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; [`crate::ErrorKind::NotFound`] if the kernel has no such function;
    /// else what the kernel answers.
    pub fn attach_to(&self, function: &str, offset: u64) -> Result<Link> {
        self.attach_with(&KprobeOptions::new(function).offset(offset))
    }

    /// Attaches it as the options say, whatever its section says.
    ///
    /// # Errors
    ///
    /// Those of [`Kprobe::attach_to`].
    pub fn attach_with(&self, options: &KprobeOptions) -> Result<Link> {
        self.0.fd()?;
        kprobe(&self.0, options, self.is_return()).context(|| self.0.what())
    }

    /// Attaches it to the first of these functions that the kernel has: `do_unlinkat`, say, or else `filename_unlinkat`,
    /// which it became in 7.0.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if the kernel has none of them; else those of [`Kprobe::attach_to`].
    pub fn attach_any<T: AsRef<str>>(&self, functions: &[T]) -> Result<Link> {
        self.0.attach_first(functions, |function| {
            kprobe(&self.0, &KprobeOptions::new(function), self.is_return())
        })
    }
}

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    program.to_targets(&|target| {
        let at = KprobeOptions::parse(target)?.cookie(cookie);
        kprobe(program, &at, is_return(program))
    })
}

fn is_return(program: &Program) -> bool {
    program
        .def
        .is_some_and(|def| def.attach == Attach::Kretprobe)
}

/// Where and how a kprobe attaches.
#[derive(Debug, Clone)]
pub struct KprobeOptions {
    pub(crate) function: String,
    pub(crate) offset: u64,
    pub(crate) cookie: u64,
    pub(crate) mode: AttachMode,
}

impl KprobeOptions {
    /// At the start of a function.
    pub fn new(function: &str) -> KprobeOptions {
        KprobeOptions {
            function: function.to_owned(),
            offset: 0,
            cookie: 0,
            mode: AttachMode::Default,
        }
    }

    /// So many bytes from the function's start; a return probe takes 0 only.
    #[must_use]
    pub fn offset(mut self, offset: u64) -> KprobeOptions {
        self.offset = offset;
        self
    }

    /// The number that `bpf_get_attach_cookie` gives (from 5.15 on).
    #[must_use]
    pub fn cookie(mut self, cookie: u64) -> KprobeOptions {
        self.cookie = cookie;
        self
    }

    /// By which means: the newest, unless this says otherwise.
    #[must_use]
    pub fn mode(mut self, mode: AttachMode) -> KprobeOptions {
        self.mode = mode;
        self
    }

    /// Reads `vfs_unlink+0x10`, as libbpf does.
    fn parse(target: &str) -> Result<KprobeOptions> {
        let Some((function, offset)) = target.split_once('+') else {
            return Ok(KprobeOptions::new(target));
        };
        let number = match offset.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => offset.parse(),
        };
        let offset = number.map_err(|_| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("`{offset}` in `{target}` is no offset"),
            )
            .hint("write it as FUNCTION+OFFSET, such as vfs_unlink+0x10")
        })?;
        Ok(KprobeOptions::new(function).offset(offset))
    }
}

pub(crate) fn kprobe(program: &Program, at: &KprobeOptions, is_return: bool) -> Result<Link> {
    let KprobeOptions {
        function,
        offset,
        cookie,
        mode,
    } = at;
    if is_return && *offset != 0 {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("a return probe of `{function}` cannot have offset {offset}"),
        ));
    }
    let place = if is_return { "return" } else { "entry" };
    let doing = || match offset {
        0 => format!("cannot attach to the {place} of function `{function}`"),
        _ => format!("cannot attach to function `{function}`, {offset} bytes in"),
    };
    let probed = Probed::Kernel {
        function,
        offset: *offset,
    };
    let how = Probing {
        is_return,
        pid: None,
        cookie: *cookie,
        mode: *mode,
    };
    probe::attach(program, probed, how, &|e| explain(doing(), function, e))
}

fn explain(doing: String, function: &str, e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = refused(doing, Capabilities::PERFMON, e);
    match errno {
        Some(libc::ENOENT) => {
            let similar = sys::kernel_btf()
                .ok()
                .and_then(|btf| did_you_mean(&near(&btf, AttachType::TRACE_FENTRY, function)));
            let inlined = "this kernel may have inlined or renamed it: /proc/kallsyms lists what there is";
            error.hint(match similar {
                Some(similar) => format!("{similar} If not, {inlined}"),
                None => inlined.to_owned(),
            })
        }
        Some(libc::EADDRNOTAVAIL) => {
            error.hint("several functions of this kernel have that name, or none has")
        }
        Some(libc::EILSEQ) => error.hint("no instruction begins there"),
        Some(libc::EINVAL | libc::EOPNOTSUPP) => error.hint(
            "the kernel does not let this place be probed (see kprobes/blacklist in debugfs); probe its caller",
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_decimal_or_hexadecimal() {
        let split = |target| KprobeOptions::parse(target).map(|at| (at.function, at.offset));
        let vfs_read = |offset| ("vfs_read".to_owned(), offset);
        assert_eq!(split("vfs_read").unwrap(), vfs_read(0));
        assert_eq!(split("vfs_read+0x1f").unwrap(), vfs_read(31));
        assert_eq!(split("vfs_read+8").unwrap(), vfs_read(8));
        let e = split("vfs_read+x").unwrap_err();
        assert!(e.to_string().contains("vfs_read+x"), "{e}");
    }
}
