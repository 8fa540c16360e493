//! Requirements of live rows: conditions of the machine, each with the reason to print if it does not hold.

use std::path::Path;

/// Fails with the reason for which a row is skipped.
pub(super) type Need = fn() -> Result<(), String>;

/// Permission to load and attach.
pub(super) fn root() -> Result<(), String> {
    // SAFETY: it has no arguments and cannot fail.
    match unsafe { libc::geteuid() } {
        0 => Ok(()),
        _ => Err("requires root, to load and attach BPF programs".to_owned()),
    }
}

/// The running kernel's BTF.
pub(super) fn kernel_btf() -> Result<(), String> {
    const PATH: &str = "/sys/kernel/btf/vmlinux";
    match Path::new(PATH).exists() {
        true => Ok(()),
        false => Err(format!("{PATH} does not exist")),
    }
}
