//! Requirements of live rows: conditions of the machine, each with the reason to print if it does
//! not hold.

use std::path::Path;
use std::process::Command;

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

/// The library that uprobes are attached to.
pub(super) fn llvm() -> Result<(), String> {
    crate::probed::llvm().map(|_| ())
}

/// A copy of that library with a symbol in a full symbol table, which is made if it is missing.
pub(super) fn llvm_with_symtab() -> Result<(), String> {
    let copy = crate::probed::llvm_with_symtab()?;
    if copy.exists() {
        return Ok(());
    }
    let library = crate::probed::llvm()?;
    let unfinished = copy.with_extension("tmp");
    let status = Command::new("objcopy")
        .arg("--add-symbol=bench=.text:0,function,global")
        .args([&library, &unfinished])
        .status()
        .map_err(|e| format!("cannot run objcopy: {e} (install binutils)"))?;
    if !status.success() {
        return Err(format!("objcopy of {} failed: {status}", library.display()));
    }
    std::fs::rename(&unfinished, &copy).map_err(|e| format!("{}: {e}", copy.display()))
}

/// The program whose USDT probes are attached to.
pub(super) fn python() -> Result<(), String> {
    const PATH: &str = crate::probed::PYTHON;
    match Path::new(PATH).exists() {
        true => Ok(()),
        false => Err(format!("{PATH} does not exist: install python3-minimal")),
    }
}
