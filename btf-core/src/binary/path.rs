//! Paths of programs and libraries that are named without a directory.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::sys;

/// Directory of this architecture's libraries, on systems that have libraries of several.
const LIBRARIES: &str = if cfg!(target_arch = "x86_64") {
    "/lib/x86_64-linux-gnu"
} else if cfg!(target_arch = "aarch64") {
    "/lib/aarch64-linux-gnu"
} else if cfg!(target_arch = "riscv64") {
    "/lib/riscv64-linux-gnu"
} else if cfg!(target_arch = "s390x") {
    "/lib/s390x-linux-gnu"
} else if cfg!(target_arch = "powerpc64") {
    "/lib/powerpc64le-linux-gnu"
} else if cfg!(target_arch = "arm") {
    "/lib/arm-linux-gnueabihf"
} else {
    "/lib"
};

/// Returns the path of a name; a name with a `/` is a path already.
pub(super) fn resolve(name: &str) -> Result<PathBuf> {
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    let is_library = name.ends_with(".so") || name.contains(".so.");
    let (variable, rest) = if is_library {
        ("LD_LIBRARY_PATH", ["/usr/lib64", "/usr/lib", LIBRARIES])
    } else {
        ("PATH", ["/usr/bin", "/usr/sbin", "/bin"])
    };
    let own = sys::variable(variable).unwrap_or_default();
    std::env::split_paths(&own)
        .filter(|dir| !dir.as_os_str().is_empty())
        .chain(rest.map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|path| is_usable(path, !is_library))
        .ok_or_else(|| {
            Error::not_found(format!(
                "`{name}` is in no directory of {variable}, and not in {}",
                rest.join(", ")
            ))
            .hint("pass its path")
        })
}

fn is_usable(path: &Path, must_be_executable: bool) -> bool {
    let Ok(metadata) = path.metadata() else {
        return false;
    };
    let is_executable = metadata.permissions().mode() & 0o111 != 0;
    metadata.is_file() && (is_executable || !must_be_executable)
}
