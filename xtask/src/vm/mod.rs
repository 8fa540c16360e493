//! Programs of this machine in booted kernels: qemu without KVM, an initramfs with one program, its
//! libraries and files.
//!
//! [`Machine`] is the entry point. This directory is a library within xtask: it prints nothing,
//! reads no environment variable, knows no task, and uses nothing of the crate but `debian`, `disk`
//! and `program`. qemu is for the caller to install.

mod console;
mod cpio;
mod guest;
mod initramfs;
mod machine;
mod module;
mod outcome;
mod qemu;
pub(crate) mod shared_library;

pub(crate) use guest::Guest;
pub(crate) use machine::Machine;
pub(crate) use outcome::Outcome;
pub(crate) use qemu::Port;
