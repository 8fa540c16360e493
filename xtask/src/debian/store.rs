//! The entry point: a store of Debian's kernels and sources.

use super::arch::Arch;
use super::cache::{Access, Cache, Listener};
use super::index::Index;
use super::kernel::Kernel;
use super::linux_source::LinuxSource;
use super::mirror::Mirror;
use super::package;
use super::release::Series;
use super::source_package::SourcePackages;
use super::types::Types;
use crate::Result;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// How many releases of a series are tried: the newest one may be listed before it can be
/// downloaded.
const ATTEMPTS: usize = 3;

/// Debian's kernels and sources, in a cache directory that is filled from a mirror.
pub(crate) struct Store {
    cache: Cache,
    /// The mirror is asked for it once at most.
    index: OnceLock<Index>,
}

impl Store {
    /// Opens the store in `dir`, a directory that exists. Without a mirror, the one that this
    /// machine's apt uses is asked. `listener` receives progress and notes.
    pub(crate) fn new(
        dir: PathBuf,
        access: Access,
        mirror: Option<Mirror>,
        listener: Listener,
    ) -> Store {
        Store {
            cache: Cache::new(dir, access, mirror, listener),
            index: OnceLock::new(),
        }
    }

    /// Returns the cache directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.cache.dir
    }

    pub(crate) fn is_offline(&self) -> bool {
        self.cache.is_offline()
    }

    /// Returns the directory of the kernels, one directory per series.
    ///
    /// # Errors
    ///
    /// If it cannot be created.
    pub(crate) fn kernels_dir(&self) -> Result<PathBuf> {
        self.cache.kernels()
    }

    /// Resolves kernel names: a series (`6.1`), `newest`, or `all`. No name means `newest`.
    ///
    /// # Errors
    ///
    /// If a name is none of these, or no kernel is available.
    pub(crate) fn series(&self, names: &[impl AsRef<str>]) -> Result<Vec<Series>> {
        let mut all = Vec::new();
        if names.is_empty() {
            all.extend(self.available()?.last());
        }
        for name in names {
            match name.as_ref() {
                "all" => all.extend(self.available()?),
                "newest" => all.extend(self.available()?.last()),
                series => all.push(series.parse()?),
            }
        }
        if all.is_empty() {
            return Err(self.cache.absent("a kernel"));
        }
        let mut seen = Vec::new();
        all.retain(|series| {
            let is_new = !seen.contains(series);
            seen.push(*series);
            is_new
        });
        Ok(all)
    }

    /// Returns the kernels of these names, as [`series`](Store::series) resolves them.
    ///
    /// # Errors
    ///
    /// For the first kernel that is not available.
    pub(crate) fn kernels(&self, names: &[impl AsRef<str>]) -> Result<Vec<Kernel>> {
        let series = self.series(names)?;
        series
            .into_iter()
            .map(|series| self.kernel(series))
            .collect()
    }

    /// Returns the newest kernel.
    ///
    /// # Errors
    ///
    /// If none is available.
    pub(crate) fn newest(&self) -> Result<Kernel> {
        let newest = self.kernels(&["newest"])?.pop();
        newest.ok_or_else(|| self.cache.absent("a kernel"))
    }

    /// Returns the kernel of one series: the cached one while the index is fresh, else the newest
    /// that the mirror has.
    ///
    /// # Errors
    ///
    /// If the series cannot be downloaded and is not in the cache.
    pub(crate) fn kernel(&self, series: Series) -> Result<Kernel> {
        let cached = Kernel::cached(&self.cache, series)?;
        if self.is_offline() {
            return cached.ok_or_else(|| self.cache.absent(&format!("kernel {series}")));
        }
        if let Some(cached) = &cached
            && !self.cache.is_refreshing()
            && Index::is_fresh(&self.cache)
            && cached.is_settled(&self.cache)
        {
            return Ok(cached.clone());
        }
        match (self.fetch(series), cached) {
            (Ok(kernel), _) => Ok(kernel),
            (Err(e), Some(cached)) => {
                self.cache.note(&e);
                self.cache
                    .note(&format!("using {} of the cache", cached.release));
                Ok(cached)
            }
            (Err(e), None) => Err(e),
        }
    }

    /// Returns the BTF of the kernel of a series on any architecture.
    ///
    /// # Errors
    ///
    /// If it cannot be downloaded and is not in the cache.
    pub(crate) fn types(&self, arch: Arch, series: Series) -> Result<Types> {
        Types::fetch(&self.cache, arch, series)
    }

    /// Returns the kernel's sources, as far as its BPF selftests need them.
    ///
    /// # Errors
    ///
    /// If they cannot be downloaded and are not in the cache.
    pub(crate) fn linux_source(&self) -> Result<LinuxSource> {
        LinuxSource::fetch(&self.cache)
    }

    /// Returns the sources of other packages.
    pub(crate) fn source_packages(&self) -> SourcePackages<'_> {
        SourcePackages::new(&self.cache)
    }

    /// Returns the directory `name`, with the content of a binary package of a name and version;
    /// `part` is a path in it.
    ///
    /// # Errors
    ///
    /// If it cannot be downloaded and is not in the cache.
    pub(crate) fn package(&self, name: &str, package: (&str, &str), part: &str) -> Result<PathBuf> {
        package::fetch(&self.cache, name, package, part)
    }

    /// Returns the series that can be asked for, oldest first.
    fn available(&self) -> Result<Vec<Series>> {
        match self.is_offline() {
            true => Kernel::cached_series(&self.cache),
            false => self.index().map(Index::series),
        }
    }

    fn index(&self) -> Result<&Index> {
        match self.index.get() {
            Some(index) => Ok(index),
            None => {
                let index = Index::load(&self.cache, Arch::Amd64)?;
                Ok(self.index.get_or_init(|| index))
            }
        }
    }

    fn fetch(&self, series: Series) -> Result<Kernel> {
        let _lock = self.cache.lock("kernels")?;
        let index = self.index()?;
        let mut reasons = Vec::new();
        for listed in index.of(series).take(ATTEMPTS) {
            match Kernel::fetch(&self.cache, listed) {
                Ok(kernel) => return Ok(kernel),
                Err(e) => {
                    let reason = format!("cannot fetch {}: {e}", listed.release);
                    self.cache.note(&reason);
                    reasons.push(reason);
                }
            }
        }
        if !reasons.is_empty() {
            return Err(format!("kernel {series}: {}", reasons.join("; ")));
        }
        let served: Vec<String> = index.series().iter().map(Series::to_string).collect();
        Err(format!(
            "the mirror has no kernel {series}, only {}; --refresh asks it again",
            served.join(", ")
        ))
    }
}
