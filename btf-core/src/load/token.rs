//! Which token an object is loaded with, if any.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::probe::{Features, Token};
use crate::sys;

/// The variable that libbpf reads, too.
const VARIABLE: &str = "LIBBPF_BPF_TOKEN_PATH";
/// Where BPF file systems are mounted.
const DEFAULT: &str = "/sys/fs/bpf";

/// Where a token comes from.
#[derive(Debug, Default)]
pub(super) enum TokenSource {
    /// The variable's path, else the default one as far as it goes.
    #[default]
    Usual,
    /// A path, or none at all if it is empty.
    Path(PathBuf),
    Given(Token),
}

impl TokenSource {
    /// Answers for who has the token, or those that are given if there is none. What was asked for must be there; the usual
    /// place need not delegate anything, as with libbpf.
    pub(super) fn apply(self, features: Features) -> Result<Features> {
        let path = match self {
            TokenSource::Given(token) => return Ok(features.with_token(token)),
            TokenSource::Path(path) => Some(path),
            TokenSource::Usual => sys::variable(VARIABLE).map(PathBuf::from),
        };
        match path {
            Some(path) if path == Path::new("") => Ok(features),
            Some(path) => Ok(features.with_token(Token::create(path)?)),
            None => Ok(match Token::create(DEFAULT) {
                Ok(token) => features.with_token(token),
                Err(_) => features,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_was_asked_for_must_do() {
        let apply = |path: &str| TokenSource::Path(path.into()).apply(Features::running());
        assert!(apply("").unwrap().token().is_none());
        let e = apply("/nowhere").unwrap_err();
        assert_eq!(e.kind(), crate::ErrorKind::NotFound);
    }
}
