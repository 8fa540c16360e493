//! The cache directory: outside the git tree, kept between runs.

use crate::{Result, disk};
use std::path::PathBuf;

/// Returns `$BTF_XTASK_CACHE`, else `btf-xtask` in the user's cache directory.
pub(crate) fn dir() -> Result<PathBuf> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let dir = set("BTF_XTASK_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("btf-xtask")))
        .or_else(|| set("HOME").map(|dir| dir.join(".cache/btf-xtask")))
        .ok_or("no cache directory: set BTF_XTASK_CACHE or HOME")?;
    let dir = std::path::absolute(&dir)
        .map_err(|e| format!("{} cannot be the cache directory: {e}", dir.display()))?;
    disk::create_dir(&dir)?;
    Ok(dir)
}
