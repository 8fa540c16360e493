//! Choice of the token that an object is loaded with.

use std::path::{Path, PathBuf};

use super::Token;
use crate::error::Result;
use crate::sys;

/// Environment variable with the path of a BPF file system, as libbpf reads it.
const VARIABLE: &str = "LIBBPF_BPF_TOKEN_PATH";
/// Usual mount point of the BPF file system.
const DEFAULT: &str = "/sys/fs/bpf";

/// Source of the token.
#[derive(Debug, Default)]
pub(crate) enum TokenSource {
    /// The path in the environment; else the usual mount point, if it delegates anything.
    #[default]
    Usual,
    /// A path; no token if it is empty.
    Path(PathBuf),
    Given(Token),
}

impl TokenSource {
    /// Creates the token. A path that was asked for must yield one; the usual mount point need not
    /// delegate anything, as in libbpf.
    pub(crate) fn token(self) -> Result<Option<Token>> {
        let path = match self {
            TokenSource::Given(token) => return Ok(Some(token)),
            TokenSource::Path(path) => Some(path),
            TokenSource::Usual => sys::variable(VARIABLE).map(PathBuf::from),
        };
        match path {
            Some(path) if path == Path::new("") => Ok(None),
            Some(path) => Token::create(path).map(Some),
            None => Ok(Token::create(DEFAULT).ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_asked_for_must_yield_a_token() {
        let token = |path: &str| TokenSource::Path(path.into()).token();
        assert!(token("").unwrap().is_none());
        let e = token("/nowhere").unwrap_err();
        assert_eq!(e.kind(), crate::ErrorKind::NotFound);
    }
}
