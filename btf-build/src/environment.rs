//! Environment variables: those that cargo sets, and those of ours, which cargo is told about.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// A variable of this crate's; cargo runs the build script again when it changes.
pub(crate) fn own(name: &str) -> Option<OsString> {
    println!("cargo::rerun-if-env-changed={name}");
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// A variable that cargo sets for build scripts.
///
/// # Errors
///
/// If it is not set: then this is no build script.
pub(crate) fn cargo(name: &str) -> Result<String> {
    std::env::var(name).map_err(|_| {
        Error::new(format!("the environment variable {name} is not set"))
            .help("btf-build is called from build.rs, which cargo runs with that variable set")
    })
}

/// The only folder that is written to.
pub(crate) fn out_dir() -> Result<PathBuf> {
    cargo("OUT_DIR").map(PathBuf::from)
}
