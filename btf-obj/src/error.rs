//! The crate's one error type: what failed, where, why, and what to try.
//!
//! An error is built at the place that knows the reason and gains context on its way up
//! (instruction → program → object), so that the outermost name is read first.

use std::borrow::Cow;
use std::fmt;

/// Shorthand for a result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something failed, coarsely: enough to decide what to do next, while the text says the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes of an ELF object, `.BTF` or `.BTF.ext` are not well-formed.
    Malformed,
    /// The input is well-formed but uses something that this version does not know.
    Unsupported,
    /// A name, type, map, program or file that was asked for is not there.
    NotFound,
    /// A caller passed a value that does not fit (a key of the wrong size, a duplicate name).
    InvalidInput,
    /// A CO-RE relocation could not be carried out.
    Relocation,
    /// What a program attaches to has another prototype in this kernel than the program is built for.
    Prototype,
    /// The verifier refused a program; [`Error::verifier_log`] has its words.
    Verifier,
    /// The kernel refused for want of privileges (`EPERM`, `EACCES`).
    Permission,
    /// Any other system call or file operation that failed; [`Error::os_error`] has the number.
    Os,
}

/// An error of btf-core.
///
/// `{}` prints one line: the innermost reason behind the names of what it happened to, then the
/// hint and a note.
/// `{:#}` prints the same as a chain, one link a line, followed by the verifier's log when there is one.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    /// Innermost first; the last one pushed is the outermost name.
    context: Vec<String>,
    message: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    note: Option<String>,
    log: Option<String>,
    os: Option<std::io::Error>,
}

impl Error {
    /// Makes an error of `kind` whose reason is `message`, a sentence without a final stop.
    #[cold]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Error(Box::new(Inner {
            kind,
            context: Vec::new(),
            message: message.into(),
            hint: None,
            note: None,
            log: None,
            os: None,
        }))
    }

    /// Makes an error of [`ErrorKind::Malformed`].
    pub fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Malformed, message)
    }

    /// Makes an error of [`ErrorKind::NotFound`].
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// Makes an error from what the operating system answered: `doing` says what was asked of it.
    ///
    /// The kind is [`ErrorKind::Permission`] for `EPERM` and `EACCES`, [`ErrorKind::NotFound`] for `ENOENT`
    /// and [`ErrorKind::Os`] otherwise.
    pub fn os(doing: impl Into<Cow<'static, str>>, error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::PermissionDenied => ErrorKind::Permission,
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Os,
        };
        Self::new(kind, doing).with(|inner| inner.os = Some(error))
    }

    /// Adds the name of what it happened to (`program on_open`); the last one added is read first.
    #[must_use]
    pub fn context(self, what: impl Into<String>) -> Self {
        self.with(|inner| inner.context.push(what.into()))
    }

    /// Says what the reader can try.
    #[must_use]
    pub fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.hint = Some(hint.into()))
    }

    /// Adds what happened before and may be the cause.
    #[must_use]
    pub fn note(self, note: String) -> Self {
        self.with(|inner| inner.note = Some(note))
    }

    /// Attaches the verifier's log and makes this an error of [`ErrorKind::Verifier`].
    #[must_use]
    pub fn with_verifier_log(self, log: impl Into<String>) -> Self {
        let log = log.into();
        self.with(|inner| {
            inner.kind = ErrorKind::Verifier;
            inner.log = Some(log);
        })
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(&mut self.0);
        self
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The reason alone, without context, hint or log.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The errno behind the error, if a system call failed.
    pub fn os_error(&self) -> Option<i32> {
        self.0.os.as_ref().and_then(std::io::Error::raw_os_error)
    }

    /// Returns the operating system's error, if a system call or file operation failed.
    pub fn io_error(&self) -> Option<&std::io::Error> {
        self.0.os.as_ref()
    }

    /// What the verifier printed, whole, if it refused a program.
    pub fn verifier_log(&self) -> Option<&str> {
        self.0.log.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let separator = if f.alternate() { ":\n  " } else { ": " };
        for what in inner.context.iter().rev() {
            write!(f, "{what}{separator}")?;
        }
        f.write_str(&inner.message)?;
        if let Some(os) = &inner.os {
            write!(f, ": {os}")?;
        }
        if let Some(hint) = &inner.hint {
            if f.alternate() {
                write!(f, "\n  help: {hint}")?;
            } else {
                write!(f, " ({hint})")?;
            }
        }
        if let Some(note) = &inner.note {
            let separator = if f.alternate() {
                "\n  note: "
            } else {
                "; note: "
            };
            write!(f, "{separator}{note}")?;
        }
        if let (true, Some(log)) = (f.alternate(), &inner.log) {
            write!(f, "\nverifier log:\n{log}")?;
        }
        Ok(())
    }
}

/// The same text as `{:#}`: `main` returning this error prints something readable.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

/// `Display` has the whole chain in one line, down to the operating system's error, so `source()` is
/// `None`: a reporter that prints both would print it twice. [`Error::io_error`] returns that cause.
impl std::error::Error for Error {}

/// Adds context to the error of a `Result`.
pub trait Context<T> {
    /// Names what the failure happened to; the closure runs only on failure.
    fn context<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T>;
}

impl<T> Context<T> for Result<T> {
    fn context<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|e| e.context(what()))
    }
}

/// What stays as it is, converted by `TryFrom` to itself, cannot fail: a skeleton's untyped maps and programs.
impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Error {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Error {
        Error::os(
            "the kernel refused it",
            std::io::Error::from_raw_os_error(13),
        )
        .hint("run as root")
        .context("program `p`")
        .context("object `o`")
    }

    #[test]
    fn outermost_context_is_read_first() {
        assert_eq!(
            refused().to_string(),
            "object `o`: program `p`: the kernel refused it: Permission denied (os error 13) (run as root)"
        );
        assert_eq!(refused().kind(), ErrorKind::Permission);
        assert_eq!(refused().os_error(), Some(13));
    }

    #[test]
    fn reporters_print_the_cause_once() {
        let e = refused();
        assert!(std::error::Error::source(&e).is_none());
        assert_eq!(e.io_error().and_then(|e| e.raw_os_error()), Some(13));
    }

    #[test]
    fn note_follows_the_hint() {
        let e = refused().note("its BTF was rejected before".to_owned());
        assert!(
            e.to_string()
                .ends_with("(os error 13) (run as root); note: its BTF was rejected before")
        );
        assert!(
            format!("{e:#}")
                .ends_with("\n  help: run as root\n  note: its BTF was rejected before")
        );
    }

    #[test]
    fn alternate_form_is_a_chain_with_the_log() {
        let e = refused().with_verifier_log("R1 invalid");
        assert_eq!(
            format!("{e:?}"),
            "object `o`:\n  program `p`:\n  the kernel refused it: Permission denied (os error 13)\n  \
             help: run as root\nverifier log:\nR1 invalid"
        );
        assert_eq!(e.kind(), ErrorKind::Verifier);
        assert_eq!(e.verifier_log(), Some("R1 invalid"));
    }
}
