//! Parts of the kernel's sources, from Debian's `linux-source` package: the BPF selftests with the
//! headers that they include. They are under the kernel's license, so they are downloaded and never
//! committed.

use super::apt::Apt;
use super::arch::Arch;
use super::cache::Cache;
use super::package;
use super::release::compare;
use crate::{Result, disk, program};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The series that the selftests are taken from: long-term, and served by every Debian since 12.
pub(crate) const SERIES: &str = "6.12";

/// Paths that are unpacked, relative to the tree's root.
const PARTS: &[&str] = &[
    "include/uapi",
    "scripts/bpf_doc.py",
    "tools/arch",
    "tools/include",
    "tools/lib/bpf",
    "tools/testing/selftests/bpf",
];

/// The unpacked parts of one version.
#[derive(Clone, Debug)]
pub(crate) struct LinuxSource {
    /// Debian's version of the package.
    pub(crate) version: String,
    /// Root of the tree.
    pub(crate) dir: PathBuf,
}

impl LinuxSource {
    /// Returns the cached tree, or the newest that the mirror has.
    pub(super) fn fetch(cache: &Cache) -> Result<LinuxSource> {
        match LinuxSource::cached(cache) {
            Some(cached) if !cache.is_refreshing() => return Ok(cached),
            None if cache.is_offline() => {
                return Err(cache.absent(&format!("linux-source-{SERIES}")));
            }
            _ => {}
        }
        let _lock = cache.lock("linux-source")?;
        // Another process may have downloaded it while this one waited.
        if let Some(cached) = LinuxSource::cached(cache).filter(|_| !cache.is_refreshing()) {
            return Ok(cached);
        }
        let version = newest(cache)?;
        match LinuxSource::cached(cache) {
            Some(cached) if cached.version == version => Ok(cached),
            _ => unpack(cache, &version),
        }
    }

    /// Returns `tools/testing/selftests/bpf`.
    pub(crate) fn selftests(&self) -> PathBuf {
        self.dir.join("tools/testing/selftests/bpf")
    }

    fn cached(cache: &Cache) -> Option<LinuxSource> {
        let dir = dir(cache);
        // `version` is written last: if it exists, the tree is complete.
        let version = disk::read_to_string(&dir.join("version")).ok()?;
        Some(LinuxSource {
            version: version.trim().to_owned(),
            dir: dir.join("tree"),
        })
    }
}

fn dir(cache: &Cache) -> PathBuf {
    cache.dir.join(format!("linux-source-{SERIES}"))
}

/// Returns the newest version in apt's lists, which are updated if they have none.
fn newest(cache: &Cache) -> Result<String> {
    let apt = Apt::open(cache, Arch::Amd64)?;
    let name = format!("linux-source-{SERIES}");
    let listed = |apt: &Apt<'_>| -> Option<String> {
        let versions = apt.versions(&[&name]).ok()?;
        let versions = versions.into_iter().map(|(_, version)| version);
        versions.max_by(|a, b| compare(a, b))
    };
    if let Some(version) = listed(&apt).filter(|_| !cache.is_refreshing()) {
        return Ok(version);
    }
    apt.update()?;
    listed(&apt).ok_or_else(|| format!("the Debian mirror has no package {name}"))
}

/// Downloads the package and unpacks the parts of the archive in it.
fn unpack(cache: &Cache, version: &str) -> Result<LinuxSource> {
    let dir = dir(cache);
    let staging = dir.with_added_extension("new");
    disk::empty_dir(&staging)?;
    let done = fill(cache, version, &staging).and_then(|()| {
        disk::write(&staging.join("version"), format!("{version}\n").as_bytes())?;
        disk::remove_dir(&dir)?;
        disk::rename(&staging, &dir)
    });
    if done.is_err() {
        disk::remove_dir(&staging)?;
    }
    done?;
    Ok(LinuxSource {
        version: version.to_owned(),
        dir: dir.join("tree"),
    })
}

fn fill(cache: &Cache, version: &str, staging: &Path) -> Result<()> {
    let (name, content) = (format!("linux-source-{SERIES}"), staging.join("package"));
    let package = format!("{name}={version}");
    cache.progress(&format!("fetching {package} (about 150 MB, once)"));
    package::unpack(&Apt::open(cache, Arch::Amd64)?, &package, &content)?;
    let files = disk::walk(&content)?;
    let archive = files
        .iter()
        .find(|file| disk::name(file) == format!("{name}.tar.xz"))
        .ok_or_else(|| format!("package {package} has no source archive"))?;
    let tree = staging.join("tree");
    disk::create_dir(&tree)?;
    let mut tar = Command::new("tar");
    tar.arg("-xJf")
        .arg(archive)
        .args(["--strip-components=1", "--no-same-owner", "-C"])
        .arg(&tree)
        .args(PARTS.iter().map(|part| format!("{name}/{part}")))
        .stdin(Stdio::null());
    program::output(&mut tar)?;
    disk::remove_dir(&content)
}
