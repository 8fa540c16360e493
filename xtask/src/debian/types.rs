//! BTF of kernels of any architecture: of those that are not booted, nothing else is kept.

use super::apt::Apt;
use super::arch::Arch;
use super::cache::Cache;
use super::index::{Index, Listed};
use super::package;
use super::release::Series;
use super::vmlinux;
use crate::{Result, disk};
use std::path::{Path, PathBuf};

/// The BTF of one kernel.
#[derive(Clone, Debug)]
pub(crate) struct Types {
    pub(crate) arch: Arch,
    pub(crate) series: Series,
    pub(crate) release: String,
    pub(crate) btf: PathBuf,
}

impl Types {
    /// Returns the cached BTF, or that of the newest kernel of the series that the mirror has.
    pub(super) fn fetch(cache: &Cache, arch: Arch, series: Series) -> Result<Types> {
        if let Some(cached) = Types::cached(cache, arch, series).filter(|_| !cache.is_refreshing())
        {
            return Ok(cached);
        }
        let what = format!("kernel {series} for {}", arch.name());
        if cache.is_offline() {
            return Err(cache.absent(&what));
        }
        let _lock = cache.lock(&format!("kernels-{}", arch.name()))?;
        let index = Index::load(cache, arch)?;
        let mut failures = 0;
        // Mirrors lose old kernels one by one. Types hardly differ within a series.
        for listed in index.of(series) {
            match unpack(cache, arch, listed) {
                Ok(types) => return Ok(types),
                Err(e) => {
                    cache.note(&format!("cannot fetch {}: {e}", listed.release));
                    failures += 1;
                }
            }
        }
        match failures {
            0 => Err(format!("the mirror has no {what}")),
            count => Err(format!(
                "the mirror lists {count} releases of {what}, but none can be downloaded"
            )),
        }
    }

    fn cached(cache: &Cache, arch: Arch, series: Series) -> Option<Types> {
        let dir = dir(cache, arch, series);
        // `release` is written last: if it exists, the directory is complete.
        let release = disk::read_to_string(&dir.join("release")).ok()?;
        Some(Types {
            arch,
            series,
            release: release.trim().to_owned(),
            btf: dir.join("vmlinux.btf"),
        })
    }
}

/// Returns the directory of a series, which is not among the kernels that are booted.
fn dir(cache: &Cache, arch: Arch, series: Series) -> PathBuf {
    let name = format!("kernels-{}", arch.name());
    cache.dir.join(name).join(series.to_string())
}

fn unpack(cache: &Cache, arch: Arch, listed: &Listed) -> Result<Types> {
    let dir = dir(cache, arch, listed.series);
    let tree = dir.join("tree");
    disk::empty_dir(&tree)?;
    let btf = image(cache, arch, listed, &tree).and_then(|image| vmlinux::btf(&image));
    disk::remove_dir(&tree)?;
    disk::write(&dir.join("vmlinux.btf"), &btf?)?;
    let release = format!("{}\n", listed.release);
    disk::write(&dir.join("release"), release.as_bytes())?;
    Types::cached(cache, arch, listed.series)
        .ok_or_else(|| format!("{} was removed by another process", dir.display()))
}

/// Returns the image of the first package that has one.
fn image(cache: &Cache, arch: Arch, listed: &Listed, tree: &Path) -> Result<PathBuf> {
    let apt = Apt::open(cache, arch)?;
    let mut failed = None;
    for package in &listed.packages {
        cache.progress(&format!("fetching {package}"));
        failed = failed.or(package::unpack(&apt, package, tree).err());
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
