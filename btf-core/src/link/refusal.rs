//! Errors of failed attachments.

use std::io;

use crate::error::{Error, ErrorKind, Result};
use crate::sys::{self, Capabilities};

/// Returns the error of a failed attachment, explained by its errno. `needs` is what the kernel
/// checks.
pub(crate) fn refused(doing: String, needs: Capabilities, e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = Error::os(doing, e);
    match errno {
        _ if error.kind() == ErrorKind::Permission => error.hint(sys::privileges_hint(needs)),
        Some(libc::EEXIST) => {
            error.hint("this program is attached there already: drop that link first")
        }
        Some(libc::EBUSY) => error.hint("something else is attached there that does not share"),
        Some(libc::E2BIG) => error.hint("as many programs are attached there as the kernel allows"),
        _ => match errno.and_then(sys::limit_hint) {
            Some(hint) => error.hint(hint),
            None => error,
        },
    }
}

/// The same of a request of netlink, with the kernel's own words if it has any.
pub(crate) fn refused_request(mut doing: String, refusal: sys::Refusal) -> Error {
    if let Some(words) = refusal.words {
        doing += &format!(" (the kernel says: {words})");
    }
    refused(doing, Capabilities::NET_ADMIN, refusal.error)
}

/// A name for the kernel to read.
pub(crate) fn c_string(name: &str) -> Result<std::ffi::CString> {
    std::ffi::CString::new(name).map_err(|_| {
        Error::new(
            ErrorKind::InvalidInput,
            format!("the name {name:?} has a NUL in it"),
        )
    })
}
