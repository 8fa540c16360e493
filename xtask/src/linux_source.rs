//! The parts of the kernel's sources that conformance needs, out of Debian's `linux-source` package: the BPF
//! selftests with the headers they include. They are under the kernel's license, so they are fetched and never
//! committed.

use crate::apt::Apt;
use crate::arch::Arch;
use crate::release::compare;
use crate::{Result, cache, disk, program, tool};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The series that the selftests are taken from: long-term, and served by every Debian since 12.
pub(crate) const SERIES: &str = "6.12";

/// What is unpacked, relative to the tree's root.
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
    /// The kept tree, or what the mirror has. `refresh` asks the mirror for a newer one, `offline` never asks it.
    ///
    /// # Errors
    /// If the package cannot be downloaded or unpacked, or is not kept and `offline` is given.
    pub(crate) fn fetch(refresh: bool, offline: bool) -> Result<LinuxSource> {
        let kept = LinuxSource::kept()?;
        match kept {
            Some(kept) if offline || !refresh => return Ok(kept),
            None if offline => {
                return Err(format!(
                    "no linux-source-{SERIES} in the cache, and --offline is given"
                ));
            }
            _ => {}
        }
        let _lock = cache::lock("linux-source")?;
        // Another run may have fetched it while this one waited.
        if let Some(kept) = LinuxSource::kept()?.filter(|_| !refresh) {
            return Ok(kept);
        }
        tool::install(tool::KERNEL)?;
        let version = newest(refresh)?;
        match LinuxSource::kept()? {
            Some(kept) if kept.version == version => Ok(kept),
            _ => unpack(&version),
        }
    }

    /// `tools/testing/selftests/bpf`.
    pub(crate) fn selftests(&self) -> PathBuf {
        self.dir.join("tools/testing/selftests/bpf")
    }

    fn kept() -> Result<Option<LinuxSource>> {
        let dir = place()?;
        // `version` is written last: where it is, everything is.
        Ok(disk::read_to_string(&dir.join("version"))
            .ok()
            .map(|version| LinuxSource {
                version: version.trim().to_owned(),
                dir: dir.join("tree"),
            }))
    }
}

fn place() -> Result<PathBuf> {
    Ok(cache::dir()?.join(format!("linux-source-{SERIES}")))
}

/// The newest version that the package lists name; they are fetched if they name none.
fn newest(refresh: bool) -> Result<String> {
    let apt = Apt::open(Arch::Amd64)?;
    let name = format!("linux-source-{SERIES}");
    let listed = |apt: &Apt| -> Option<String> {
        let versions = apt.versions(&[&name]).ok()?;
        let versions = versions.into_iter().map(|(_, version)| version);
        versions.max_by(|a, b| compare(a, b))
    };
    if let Some(version) = listed(&apt).filter(|_| !refresh) {
        return Ok(version);
    }
    apt.update()?;
    listed(&apt).ok_or_else(|| format!("the Debian mirror has no package {name}"))
}

/// Downloads the package and unpacks the parts of the archive in it.
fn unpack(version: &str) -> Result<LinuxSource> {
    let (dir, package) = (place()?, format!("linux-source-{SERIES}={version}"));
    let staging = dir.with_added_extension("new");
    disk::empty_dir(&staging)?;
    let done = fill(&package, &staging).and_then(|()| {
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

fn fill(package: &str, staging: &Path) -> Result<()> {
    eprintln!("fetching {package} (about 150 MB, once)");
    let debs = staging.join("debs");
    disk::empty_dir(&debs)?;
    // Several versions may fit in the mirror's lists and one of them be gone; apt says which.
    Apt::open(Arch::Amd64)?.download(package, &debs)?;
    for deb in disk::list(&debs)? {
        program::output(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&debs))?;
    }
    let files = disk::walk(&debs)?;
    let archive = files
        .iter()
        .find(|file| disk::name(file) == format!("linux-source-{SERIES}.tar.xz"))
        .ok_or_else(|| format!("package {package} holds no archive of sources"))?;
    let tree = staging.join("tree");
    disk::create_dir(&tree)?;
    let mut tar = Command::new("tar");
    tar.arg("-xJf")
        .arg(archive)
        .args(["--strip-components=1", "--no-same-owner", "-C"])
        .arg(&tree)
        .args(
            PARTS
                .iter()
                .map(|part| format!("linux-source-{SERIES}/{part}")),
        )
        .stdin(Stdio::null());
    program::output(&mut tar)?;
    disk::remove_dir(&debs)
}
