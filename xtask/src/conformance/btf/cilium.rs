//! cilium/ebpf's compiled CO-RE programs, out of Debian's package of its sources.

use crate::apt::Apt;
use crate::arch::Arch;
use crate::{Result, cache, disk, program};
use std::path::PathBuf;
use std::process::Command;

/// The package, of the version in Debian 12: what is compared must not change by itself.
const PACKAGE: &str = "golang-github-cilium-ebpf-dev";
const VERSION: &str = "0.9.1-1";

/// Directory of the objects in the package.
const OBJECTS: &str = "usr/share/gocode/src/github.com/cilium/ebpf/btf/testdata";

/// The directory of the objects, from the cache or the mirror.
///
/// # Errors
/// If the package cannot be downloaded or unpacked, or is not in the cache and `offline` is given.
pub(super) fn fetch(offline: bool) -> Result<PathBuf> {
    let dir = cache::dir()?.join(format!("cilium-ebpf-{VERSION}"));
    let objects = dir.join(OBJECTS);
    if objects.is_dir() {
        return Ok(objects);
    }
    if offline {
        return Err(format!("no {PACKAGE} in the cache, and --offline is given"));
    }
    let _lock = cache::lock("cilium-ebpf")?;
    let staging = dir.with_added_extension("new");
    disk::empty_dir(&staging)?;
    let package = format!("{PACKAGE}={VERSION}");
    let apt = Apt::open(Arch::Amd64)?;
    if apt.download(&package, &staging).is_err() {
        // The lists may be missing, or older than the mirror.
        apt.update()?;
        apt.download(&package, &staging)?;
    }
    let unpacked = staging.join("unpacked");
    for deb in disk::list(&staging)? {
        program::output(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&unpacked))?;
    }
    disk::remove_dir(&dir)?;
    disk::rename(&unpacked, &dir)?;
    disk::remove_dir(&staging)?;
    Ok(objects)
}
