//! Settings of a build, as plain data.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::sources::{Given, Link};

/// Settings of a build; the setters of `Builder` have the documentation of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) sources: Vec<Given>,
    pub(crate) links: Vec<Link>,
    pub(crate) clang: Option<OsString>,
    pub(crate) includes: Vec<PathBuf>,
    pub(crate) flags: Vec<OsString>,
    pub(crate) deny_warnings: bool,
    pub(crate) target_arch: Option<String>,
    pub(crate) vmlinux: Option<PathBuf>,
    pub(crate) kernel_btfs: Vec<PathBuf>,
    pub(crate) out_dir: Option<PathBuf>,
    pub(crate) keep_dwarf: bool,
    pub(crate) compile_commands: bool,
}

impl Settings {
    /// Returns the flags for clang that the user chose.
    pub(crate) fn clang_flags(&self) -> Vec<OsString> {
        let deny = self.deny_warnings.then(|| OsString::from("-Werror"));
        deny.into_iter().chain(self.flags.iter().cloned()).collect()
    }
}
