//! Targets of the live rows that attach to programs and libraries.

#![allow(dead_code, reason = "each side and the table of rows use a part of it")]

use std::path::{Path, PathBuf};

/// Functions of LLVM's C interface, which is the same in all versions.
pub(crate) const FUNCTIONS: [&str; 20] = [
    "LLVMAddFunction",
    "LLVMAddGlobal",
    "LLVMAppendBasicBlock",
    "LLVMBuildAdd",
    "LLVMBuildAlloca",
    "LLVMBuildBr",
    "LLVMBuildCondBr",
    "LLVMBuildPhi",
    "LLVMBuildRet",
    "LLVMBuildStore",
    "LLVMConstInt",
    "LLVMContextCreate",
    "LLVMCreateBuilder",
    "LLVMDisposeBuilder",
    "LLVMFunctionType",
    "LLVMGetParam",
    "LLVMInt32Type",
    "LLVMModuleCreateWithName",
    "LLVMSetTarget",
    "LLVMVerifyModule",
];

/// A pattern of more than a hundred of its functions.
pub(crate) const PATTERN: &str = "LLVMBuild*";

/// Debian's Python, which is built with USDT probes.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// Its provider, and eight probes of it.
pub(crate) const PROVIDER: &str = "python";
pub(crate) const PROBES: [&str; 8] = [
    "audit",
    "function__entry",
    "function__return",
    "gc__done",
    "gc__start",
    "import__find__load__done",
    "import__find__load__start",
    "line",
];

/// Returns the shared library of LLVM, which Debian's clang brings: the oldest of several.
pub(crate) fn llvm() -> Result<PathBuf, String> {
    let directory = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let entries = std::fs::read_dir(&directory).map_err(|e| format!("{directory}: {e}"))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut libraries: Vec<PathBuf> = paths.filter(|path| is_llvm(path)).collect();
    libraries.sort();
    let first = libraries.into_iter().next();
    first.ok_or_else(|| format!("no libLLVM in {directory}: install Debian's clang"))
}

/// Returns the path of a copy of the library that has a full symbol table, beside this program.
///
/// libbpf 1.7 fails with ENOENT to resolve several names in a binary without one, as all of
/// Debian's libraries are, although it finds them.
pub(crate) fn llvm_with_symtab() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|e| format!("current executable: {e}"))?;
    Ok(own.with_file_name("libLLVM-with-symtab.so"))
}

/// Other names of the library are symbolic links.
fn is_llvm(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let is_library = name.is_some_and(|name| name.starts_with("libLLVM") && name.contains(".so"));
    is_library && path.symlink_metadata().is_ok_and(|file| file.is_file())
}
