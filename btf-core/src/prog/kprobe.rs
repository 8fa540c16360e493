//! Programs on the entry and return of kernel functions.

use super::{Program, typed};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{self, Link};
use crate::obj::Attach;

/// A program in `SEC("kprobe/…")` or `SEC("kretprobe/…")`.
#[derive(Debug)]
pub struct Kprobe(pub(super) Program);
typed!(Kprobe, "a kprobe program", Kprobe | Kretprobe);

impl Kprobe {
    /// Whether it runs when the function returns.
    pub fn is_return(&self) -> bool {
        self.def.is_some_and(|def| def.attach == Attach::Kretprobe)
    }

    /// Attaches it to a function (`vfs_unlink`), whatever its section says; `offset` is in bytes from its start, 0 for its
    /// entry, and must be 0 for a return probe.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; [`crate::ErrorKind::NotFound`] if the kernel has no such function;
    /// else what the kernel answers.
    pub fn attach_to(&self, function: &str, offset: u64) -> Result<Link> {
        self.fd()?;
        link::kprobe(self, function, offset, self.is_return()).context(|| self.what())
    }
}

/// The parts of `vfs_unlink+0x10`, as libbpf reads them.
pub(super) fn split(target: &str) -> Result<(&str, u64)> {
    let Some((function, offset)) = target.split_once('+') else {
        return Ok((target, 0));
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
    Ok((function, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_decimal_or_hexadecimal() {
        assert_eq!(split("vfs_read").unwrap(), ("vfs_read", 0));
        assert_eq!(split("vfs_read+0x1f").unwrap(), ("vfs_read", 31));
        assert_eq!(split("vfs_read+8").unwrap(), ("vfs_read", 8));
        assert!(
            split("vfs_read+x")
                .unwrap_err()
                .to_string()
                .contains("vfs_read+x")
        );
    }
}
