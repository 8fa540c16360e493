//! The crate's error: clang's output if clang failed, one message, and help.

use std::fmt;
use std::path::Path;

/// An error of a build.
///
/// `{}` prints clang's output, then the message and the help, each on a line of its own. If several
/// sources have errors, all are printed; the methods return the first.
pub struct Error {
    message: String,
    help: Option<String>,
    compiler: String,
    /// Errors of other sources.
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

    /// Returns the error of a file operation: `doing` is a verb phrase, `cannot write` for
    /// instance.
    pub(crate) fn io(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        Error::new(format!("{doing} {}: {error}", path.display()))
    }

    /// Adds help: something to try.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Error {
            help: Some(help.into()),
            ..self
        }
    }

    /// Prints clang's output before the message.
    pub(crate) fn compiler_output(self, text: impl Into<String>) -> Self {
        Error {
            compiler: text.into(),
            ..self
        }
    }

    /// Combines errors into one; `None` if there are none.
    pub(crate) fn all(errors: Vec<Error>) -> Option<Error> {
        let mut errors = errors.into_iter();
        let mut first = errors.next()?;
        first.more.extend(errors);
        Some(first)
    }

    /// Returns clang's output, if clang failed.
    pub fn compiler_text(&self) -> Option<&str> {
        Some(self.compiler.as_str()).filter(|text| !text.is_empty())
    }

    /// Returns the message alone, without clang's output and help.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl Error {
    /// Returns the text that a build script prints: like `{}`, with `error: ` before each message,
    /// as in clang's own.
    pub(crate) fn report(&self) -> impl fmt::Display {
        fmt::from_fn(|f| self.write(f, "error: "))
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, prefix: &str) -> fmt::Result {
        if let Some(text) = self.compiler_text() {
            writeln!(f, "{}", text.trim_end())?;
        }
        write!(f, "{prefix}{}", self.message)?;
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        self.more.iter().try_for_each(|error| {
            writeln!(f)?;
            error.write(f, prefix)
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "")
    }
}

/// The same text as `{}`: a build script whose `main` returns this error prints something readable.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_report_has_a_prefix() {
        let first = Error::new("cannot compile a.bpf.c")
            .help("include it")
            .compiler_output("a.bpf.c:1:1: error: unknown type\n");
        let error = Error::all(vec![first, Error::new("cannot compile b.bpf.c")]).unwrap();
        let text = "a.bpf.c:1:1: error: unknown type\n\
                    cannot compile a.bpf.c\n  help: include it\n\
                    cannot compile b.bpf.c";
        assert_eq!(error.to_string(), text);
        assert_eq!(
            error.report().to_string(),
            text.replace("cannot", "error: cannot")
        );
        assert_eq!(error.message(), "cannot compile a.bpf.c");
    }
}
