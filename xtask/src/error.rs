//! The result that everything here returns.

/// A result whose error is a sentence: what failed, on what, why and what to try.
pub(crate) type Result<T, E = String> = std::result::Result<T, E>;
