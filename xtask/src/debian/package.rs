//! Binary packages, unpacked without being installed.

use super::apt::Apt;
use super::arch::Arch;
use super::cache::Cache;
use crate::{Result, disk, program};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Downloads `package` (`name=version`) and unpacks it into the directory `tree`.
pub(super) fn unpack(apt: &Apt<'_>, package: &str, tree: &Path) -> Result<()> {
    let debs = tree.join("debs");
    disk::empty_dir(&debs)?;
    apt.download(package, &debs)?;
    // Several versions may match; apt downloads the one that the mirror has.
    for deb in disk::list(&debs)? {
        program::output(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(tree))?;
    }
    disk::remove_dir(&debs)
}

/// Returns the directory `name`, with the content of `package` at `version`; `part` is a path that
/// exists if the package is unpacked.
///
/// # Errors
///
/// If the package cannot be downloaded or unpacked, or is not in the cache and the store is
/// offline.
pub(super) fn fetch(
    cache: &Cache,
    name: &str,
    (package, version): (&str, &str),
    part: &str,
) -> Result<PathBuf> {
    let dir = cache.dir.join(format!("{name}-{version}"));
    if dir.join(part).exists() {
        return Ok(dir);
    }
    let package = format!("{package}={version}");
    if cache.is_offline() {
        return Err(cache.absent(&package));
    }
    let _lock = cache.lock(name)?;
    let staging = dir.with_added_extension("new");
    disk::empty_dir(&staging)?;
    let apt = Apt::open(cache, Arch::Amd64)?;
    if unpack(&apt, &package, &staging).is_err() {
        // The lists may be missing, or older than the mirror.
        apt.update()?;
        unpack(&apt, &package, &staging)?;
    }
    disk::remove_dir(&dir)?;
    disk::rename(&staging, &dir)?;
    Ok(dir)
}
