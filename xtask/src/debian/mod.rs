//! Debian's kernels, packages and sources: downloaded from a mirror by a private apt, unpacked into
//! a cache directory.
//!
//! [`Store`] is the entry point. This directory is a library within xtask: it prints nothing, reads
//! no environment variable, knows no task, and uses nothing of the crate but `disk` and `program`.
//! The programs that it runs (apt, dpkg-deb, tar, xz, lz4, zstd) are for the caller to install.

mod apt;
mod arch;
mod cache;
pub(crate) mod compression;
mod index;
mod kernel;
mod linux_source;
mod mirror;
mod package;
mod release;
mod source_package;
mod store;
mod types;
mod vmlinux;

pub(crate) use arch::Arch;
pub(crate) use cache::{Access, Event};
pub(crate) use kernel::Kernel;
pub(crate) use linux_source::{LinuxSource, SERIES};
pub(crate) use mirror::Mirror;
pub(crate) use source_package::SourcePackage;
pub(crate) use store::Store;
