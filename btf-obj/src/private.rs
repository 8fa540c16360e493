//! Shared by the crates of this workspace, which have one version. Not part of the public API.

use crate::btf::Btf;
use crate::error::Result;
use crate::obj::Object;

pub use crate::btf::{Strings, assemble};
pub use crate::effort::Effort;
pub use crate::error::Context;
pub use crate::suggest::{closeness, did_you_mean, similar};

/// Returns the digest of an object that a skeleton embeds: all that [`Object::parse`] finds in the ELF
/// file, to be read by the same version of this crate.
pub fn digest(object: &Object) -> Vec<u8> {
    object.digest()
}

/// Reads a [`digest`].
///
/// # Errors
///
/// [`crate::ErrorKind::Malformed`] if `digest` is not one.
pub fn object(digest: &[u8]) -> Result<Object> {
    Object::from_digest(digest, |types| Btf::parse(types.to_vec()))
}
