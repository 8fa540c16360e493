//! The error of a failed detach.

use std::fmt;

use super::Link;
use crate::error::Error;

/// Error of [`Link::detach`], with the link: what it names is still attached, and can be detached
/// again.
///
/// `?` converts it into an [`Error`], which drops the link; that tries to detach once more.
///
/// ```no_run
/// # fn stop(link: btf_core::link::Link) -> btf_core::Result<()> {
/// if let Err(e) = link.detach() {
///     eprintln!("{e}");
///     // Later, when the cause is gone.
///     e.into_link().detach()?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct DetachError {
    pub(super) link: Link,
    pub(super) error: Error,
}

impl DetachError {
    /// Returns the reason.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// Returns the link.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Returns the link, to be detached later or dropped.
    pub fn into_link(self) -> Link {
        self.link
    }
}

impl fmt::Display for DetachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// The text of the reason, as [`Error`] prints it.
impl fmt::Debug for DetachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

impl std::error::Error for DetachError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.error)
    }
}

impl From<DetachError> for Error {
    fn from(failed: DetachError) -> Error {
        failed.error
    }
}
