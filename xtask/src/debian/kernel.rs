//! One kernel of the cache: the image with its BTF, configuration and modules beside it.

use super::apt::Apt;
use super::arch::Arch;
use super::cache::{self, Cache};
use super::index::{Index, Listed};
use super::package;
use super::release::Series;
use super::vmlinux;
use crate::{Result, disk};
use std::path::{Path, PathBuf};

/// A kernel that is ready to boot.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    pub(crate) series: Series,
    pub(crate) release: String,
    dir: PathBuf,
}

impl Kernel {
    pub(crate) fn vmlinuz(&self) -> PathBuf {
        self.dir.join("vmlinuz")
    }

    pub(crate) fn btf(&self) -> PathBuf {
        self.dir.join("vmlinux.btf")
    }

    /// Returns the build configuration; `None` if the mirror no longer has it.
    pub(crate) fn config(&self) -> Option<PathBuf> {
        Some(self.dir.join("config")).filter(|file| file.exists())
    }

    /// Returns the directory of the modules; `None` if the mirror no longer has them.
    pub(crate) fn modules(&self) -> Option<PathBuf> {
        Some(self.dir.join("modules")).filter(|dir| dir.is_dir())
    }

    /// Returns the cached kernel of a series.
    pub(super) fn cached(cache: &Cache, series: Series) -> Result<Option<Kernel>> {
        let dir = cache.kernels()?.join(series.to_string());
        // `release` is written last: if it exists, the directory is complete.
        let Ok(release) = disk::read_to_string(&dir.join("release")) else {
            return Ok(None);
        };
        let release = release.trim().to_owned();
        Ok(Some(Kernel {
            series,
            release,
            dir,
        }))
    }

    /// Returns the series of all cached kernels, oldest first.
    pub(super) fn cached_series(cache: &Cache) -> Result<Vec<Series>> {
        let dirs = disk::list(&cache.kernels()?)?;
        let series = dirs.iter().filter_map(|dir| disk::name(dir).parse().ok());
        let mut series: Vec<Series> = series.collect();
        series.sort();
        Ok(series)
    }

    /// Returns a kernel of the index, downloading it if the cache has another release.
    pub(super) fn fetch(cache: &Cache, listed: &Listed) -> Result<Kernel> {
        match Kernel::cached(cache, listed.series)? {
            Some(cached) if cached.release == listed.release => {
                cached.settle()?;
                Ok(cached)
            }
            _ => unpack(cache, listed),
        }
    }

    /// Records that this is the kernel of its series according to the current index.
    fn settle(&self) -> Result<()> {
        let release = format!("{}\n", self.release);
        disk::write(&self.dir.join("release"), release.as_bytes())
    }

    /// Returns `true` if that was recorded after the index was written.
    pub(super) fn is_settled(&self, cache: &Cache) -> bool {
        cache::is_newer(&self.dir.join("release"), &Index::path(cache, Arch::Amd64))
    }
}

/// Downloads the packages of a release and puts its parts into the cache.
fn unpack(cache: &Cache, listed: &Listed) -> Result<Kernel> {
    let kernels = cache.kernels()?;
    let staging = kernels.join(format!(".{}.new", listed.series));
    disk::empty_dir(&staging)?;
    let done = fill(cache, listed, &staging).and_then(|()| {
        let dir = kernels.join(listed.series.to_string());
        disk::remove_dir(&dir)?;
        disk::rename(&staging, &dir)?;
        let (series, release) = (listed.series, listed.release.clone());
        let kernel = Kernel {
            series,
            release,
            dir,
        };
        kernel.settle()?;
        Ok(kernel)
    });
    if done.is_err() {
        disk::remove_dir(&staging)?;
    }
    done
}

fn fill(cache: &Cache, listed: &Listed, dir: &Path) -> Result<()> {
    let tree = dir.join("tree");
    disk::create_dir(&tree)?;
    let apt = Apt::open(cache, Arch::Amd64)?;
    let mut failed = None;
    for package in &listed.packages {
        if Parts::find(&tree, &listed.release)?.missing().is_empty() {
            break;
        }
        cache.progress(&format!("fetching {package}"));
        failed = failed.or(package::unpack(&apt, package, &tree).err());
    }
    let parts = Parts::find(&tree, &listed.release)?;
    let missing = parts.missing();
    // A listed package cannot be downloaded; an older release may be complete.
    if let Some(reason) = failed.filter(|_| !missing.is_empty()) {
        return Err(reason);
    }
    let vmlinuz = dir.join("vmlinuz");
    let Some(image) = &parts.image else {
        return Err(format!("no image in {}", listed.packages.join(" ")));
    };
    if !missing.is_empty() {
        // The mirror drops the side packages of kernels between two Debian releases first.
        let missing = missing.join(" and no ");
        cache.note(&format!(
            "the mirror has no {missing} for {}",
            listed.release
        ));
    }
    disk::rename(image, &vmlinuz)?;
    for (part, name) in [(&parts.config, "config"), (&parts.modules, "modules")] {
        if let Some(part) = part {
            disk::rename(part, &dir.join(name))?;
        }
    }
    disk::remove_dir(&tree)?;
    disk::write(&dir.join("vmlinux.btf"), &vmlinux::btf(&vmlinuz)?)
}

/// Files of a tree of unpacked packages.
struct Parts {
    image: Option<PathBuf>,
    config: Option<PathBuf>,
    modules: Option<PathBuf>,
}

impl Parts {
    /// Searches by name: the directories have changed over time.
    fn find(tree: &Path, release: &str) -> Result<Parts> {
        let files = disk::walk(tree)?;
        let named = |name: &str| {
            let names = [format!("{name}-{release}"), name.to_owned()];
            let file = files
                .iter()
                .find(|file| names.iter().any(|name| name == disk::name(file)));
            file.cloned()
        };
        let modules = ["lib/modules", "usr/lib/modules"].map(|dir| tree.join(dir));
        let modules = modules.map(|dir| dir.join(release).join("kernel"));
        Ok(Parts {
            image: named("vmlinuz"),
            config: named("config"),
            modules: modules.into_iter().find(|dir| dir.is_dir()),
        })
    }

    fn missing(&self) -> Vec<&'static str> {
        let parts = [
            (&self.image, "image"),
            (&self.config, "configuration"),
            (&self.modules, "modules"),
        ];
        parts
            .into_iter()
            .filter(|(part, _)| part.is_none())
            .map(|(_, name)| name)
            .collect()
    }
}
