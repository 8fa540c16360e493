//! Types of kernels of an architecture that is not booted: only the raw BTF of each is kept.

use crate::arch::Arch;
use crate::kernel;
use crate::package::{Index, Listed};
use crate::release::Series;
use crate::{Result, cache, disk, vmlinux};
use std::path::{Path, PathBuf};

/// The types of one kernel.
#[derive(Clone, Debug)]
pub(crate) struct Types {
    pub(crate) arch: Arch,
    pub(crate) series: Series,
    pub(crate) release: String,
    pub(crate) btf: PathBuf,
}

impl Types {
    /// The kept ones, or those of the newest kernel of the series that the mirror has.
    ///
    /// # Errors
    /// If none can be fetched, or none is kept and `offline` is given.
    pub(crate) fn fetch(arch: Arch, series: Series, refresh: bool, offline: bool) -> Result<Types> {
        let kept = Types::kept(arch, series)?;
        if let Some(kept) = kept.filter(|_| offline || !refresh) {
            return Ok(kept);
        }
        let what = format!("kernel {series} for {}", arch.name());
        if offline {
            return Err(format!("no {what} in the cache, and --offline is given"));
        }
        let _lock = cache::lock(&format!("kernels-{}", arch.name()))?;
        let index = Index::read(arch, refresh)?;
        let mut failures = 0;
        // Mirrors lose old kernels one by one, and any of a series will do: types within it hardly differ.
        for listed in index.of(series) {
            match unpack(arch, listed) {
                Ok(types) => return Ok(types),
                Err(e) => {
                    eprintln!("note: {} cannot be had: {e}", listed.release);
                    failures += 1;
                }
            }
        }
        match failures {
            0 => Err(format!("the mirror serves no {what}")),
            count => Err(format!(
                "the mirror lists {count} releases of {what} and has none of them"
            )),
        }
    }

    fn kept(arch: Arch, series: Series) -> Result<Option<Types>> {
        let dir = place(arch, series)?;
        // `release` is written last: where it is, everything is.
        Ok(disk::read_to_string(&dir.join("release"))
            .ok()
            .map(|release| Types {
                arch,
                series,
                release: release.trim().to_owned(),
                btf: dir.join("vmlinux.btf"),
            }))
    }
}

/// Beside the kernels that are booted, and not among them.
fn place(arch: Arch, series: Series) -> Result<PathBuf> {
    let folder = format!("kernels-{}", arch.name());
    Ok(cache::dir()?.join(folder).join(series.to_string()))
}

fn unpack(arch: Arch, listed: &Listed) -> Result<Types> {
    let dir = place(arch, listed.series)?;
    let tree = dir.join("tree");
    disk::empty_dir(&tree)?;
    let btf = image(arch, listed, &tree).and_then(|image| vmlinux::btf(&image));
    disk::remove_dir(&tree)?;
    disk::write(&dir.join("vmlinux.btf"), &btf?)?;
    disk::write(
        &dir.join("release"),
        format!("{}\n", listed.release).as_bytes(),
    )?;
    Types::kept(arch, listed.series)?.ok_or_else(|| format!("{} went away", dir.display()))
}

/// The image out of the first package that has one.
fn image(arch: Arch, listed: &Listed, tree: &Path) -> Result<PathBuf> {
    let mut failed = None;
    for package in &listed.packages {
        failed = failed.or(kernel::add(arch, package, tree).err());
        let files = disk::walk(tree)?;
        let image = files.into_iter().find(|file| {
            let name = disk::name(file);
            name == "vmlinuz" || name == format!("vmlinuz-{}", listed.release)
        });
        if let Some(image) = image {
            return Ok(image);
        }
    }
    Err(failed.unwrap_or_else(|| format!("no image in {}", listed.packages.join(" "))))
}
