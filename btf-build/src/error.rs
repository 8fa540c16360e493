//! The crate's error: clang's own words if it had any, then one sentence of ours and what to try.

use std::fmt;
use std::path::Path;

/// Why a BPF object could not be built.
///
/// `{}` prints what clang printed, unchanged, then the sentence and what to try, each on a line of its own. If several sources
/// have errors, all are printed; the methods give the first.
pub struct Error {
    message: String,
    help: Option<String>,
    compiler: String,
    /// Of other sources.
    more: Vec<Error>,
}

/// Shorthand for a result with this crate's [`Error`].
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Error {
            message: message.into(),
            help: None,
            compiler: String::new(),
            more: Vec::new(),
        }
    }

    /// A file operation that failed: `doing` is a verb phrase, `cannot write` for instance.
    pub(crate) fn io(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        Error::new(format!("{doing} {}: {error}", path.display()))
    }

    /// Says what the reader can try.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Error {
            help: Some(help.into()),
            ..self
        }
    }

    /// Puts what clang printed before the message.
    pub(crate) fn compiler_output(self, text: impl Into<String>) -> Self {
        Error {
            compiler: text.into(),
            ..self
        }
    }

    /// One error of several, `None` if there are none.
    pub(crate) fn all(errors: Vec<Error>) -> Option<Error> {
        let mut errors = errors.into_iter();
        let mut first = errors.next()?;
        first.more.extend(errors);
        Some(first)
    }

    /// What clang printed, if it was clang that failed.
    pub fn compiler_text(&self) -> Option<&str> {
        Some(self.compiler.as_str()).filter(|text| !text.is_empty())
    }

    /// The sentence alone.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.compiler_text() {
            writeln!(f, "{}", text.trim_end())?;
        }
        write!(f, "error: {}", self.message)?;
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        self.more
            .iter()
            .try_for_each(|error| write!(f, "\n{error}"))
    }
}

/// The same text as `{}`: a build script whose `main` returns this error prints something readable.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
