//! Programs on the entry and return of kernel functions.

use super::by_section::attaches;
use super::{AttachMode, Program, typed};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{self, Link};
use crate::obj::Attach;

/// A program in `SEC("kprobe/…")` or `SEC("kretprobe/…")`.
#[derive(Debug)]
pub struct Kprobe(pub(super) Program);
typed!(Kprobe, "a kprobe program", Kprobe | Kretprobe);
attaches!(Kprobe);

impl Kprobe {
    /// Whether it runs when the function returns.
    pub fn is_return(&self) -> bool {
        is_return(self)
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
        self.fd()?;
        link::kprobe(self, options, self.is_return()).context(|| self.what())
    }

    /// Attaches it to the first of these functions that the kernel has: `do_unlinkat`, say, or else `filename_unlinkat`,
    /// which it became in 7.0.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if the kernel has none of them; else those of [`Kprobe::attach_to`].
    pub fn attach_any<T: AsRef<str>>(&self, functions: &[T]) -> Result<Link> {
        self.attach_first(functions, |function| {
            link::kprobe(self, &KprobeOptions::new(function), self.is_return())
        })
    }
}

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    program.to_targets(&|target| {
        let at = KprobeOptions::parse(target)?.cookie(cookie);
        link::kprobe(program, &at, is_return(program))
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
