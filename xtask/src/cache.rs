//! The folder outside the git tree where kernels and package indexes are kept between runs.

use crate::{Result, disk};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long an answer of the mirror is believed before it is asked again.
const FRESH: Duration = Duration::from_secs(7 * 24 * 3600);

/// `$BTF_XTASK_CACHE`, else `btf-xtask` in the user's cache folder.
pub(crate) fn dir() -> Result<PathBuf> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let dir = set("BTF_XTASK_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("btf-xtask")))
        .or_else(|| set("HOME").map(|dir| dir.join(".cache/btf-xtask")))
        .ok_or("no cache folder: set BTF_XTASK_CACHE, or HOME")?;
    let dir = std::path::absolute(&dir)
        .map_err(|e| format!("{} is no usable cache folder: {e}", dir.display()))?;
    disk::create_dir(&dir)?;
    Ok(dir)
}

/// One folder per kernel series: `release`, `vmlinuz`, `vmlinux.btf`, `config`, `modules/`.
pub(crate) fn kernels() -> Result<PathBuf> {
    let dir = dir()?.join("kernels");
    disk::create_dir(&dir)?;
    Ok(dir)
}

/// Whoever writes to this part of the cache holds its lock; dropping the file releases it.
pub(crate) fn lock(part: &str) -> Result<File> {
    let path = dir()?.join(format!("{part}.lock"));
    let file = File::create(&path).map_err(|e| format!("cannot open {}: {e}", path.display()))?;
    if file.try_lock().is_err() {
        eprintln!(
            "waiting for another cargo xtask to finish with {}",
            path.display()
        );
        file.lock()
            .map_err(|e| format!("cannot lock {}: {e}", path.display()))?;
    }
    Ok(file)
}

/// Whether a file of the cache exists and is younger than a week.
pub(crate) fn is_fresh(path: &Path) -> bool {
    let age = |written| SystemTime::now().duration_since(written).ok();
    written(path).and_then(age).is_some_and(|age| age < FRESH)
}

/// Whether a file of the cache was written after another one.
pub(crate) fn is_newer(path: &Path, other: &Path) -> bool {
    written(path)
        .zip(written(other))
        .is_some_and(|(path, other)| path >= other)
}

fn written(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path)
        .and_then(|meta| meta.modified())
        .ok()
}
