//! A private apt with its own lists, sources and cache: the machine's apt is not affected by
//! lookups of kernels in other Debian releases, or of source packages.

use super::arch::Arch;
use super::cache::Cache;
use super::mirror::Mirror;
use crate::{Result, disk, program};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Suites with kernels; `true` if they belong to the security archive.
const SUITES: &[(&str, bool)] = &[
    ("bullseye", false),
    ("bullseye-security", true),
    ("bookworm", false),
    ("bookworm-security", true),
    ("trixie", false),
    ("trixie-security", true),
    ("trixie-backports", false),
    ("sid", false),
];

/// Suites with source packages, the preferred one first: a released suite does not change.
const SOURCE_SUITES: &[(&str, bool)] = &[("trixie", false), ("sid", false)];

/// Signs every suite above, where it is recent enough.
const KEYRINGS: &[&str] = &[
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/// Kind of the lists.
#[derive(Clone, Copy)]
enum Kind {
    /// Packages of an architecture.
    Packages(Arch),
    /// Sources of packages.
    Sources,
}

pub(super) struct Apt<'a> {
    cache: &'a Cache,
    dir: PathBuf,
    kind: Kind,
}

impl<'a> Apt<'a> {
    /// Opens the one for the packages of an architecture, which need not be this machine's.
    pub(super) fn open(cache: &'a Cache, arch: Arch) -> Result<Apt<'a>> {
        let name = match arch {
            Arch::Amd64 => "apt".to_owned(),
            other => format!("apt-{}", other.name()),
        };
        Apt::at(cache, &name, Kind::Packages(arch))
    }

    /// Opens the one for source packages.
    pub(super) fn of_sources(cache: &'a Cache) -> Result<Apt<'a>> {
        Apt::at(cache, "apt-sources", Kind::Sources)
    }

    fn at(cache: &'a Cache, name: &str, kind: Kind) -> Result<Apt<'a>> {
        let dir = cache.dir.join(name);
        for sub in ["lists/partial", "cache/archives/partial", "none"] {
            disk::create_dir(&dir.join(sub))?;
        }
        // apt requires a list of installed packages; none are installed here.
        disk::write(&dir.join("status"), b"")?;
        let arch = match kind {
            Kind::Packages(arch) => arch,
            Kind::Sources => Arch::Amd64,
        };
        disk::write(&dir.join("apt.conf"), configuration(&dir, arch).as_bytes())?;
        Ok(Apt { cache, dir, kind })
    }

    /// Updates the package lists. Suites that the mirror does not serve are left out with a note.
    ///
    /// # Errors
    ///
    /// If the mirror serves none of the suites.
    pub(super) fn update(&self) -> Result<()> {
        let mirror = self.cache.mirror()?;
        // Lists of an earlier run would hide that a suite is no longer served or signed.
        disk::empty_dir(&self.dir.join("lists/partial"))?;
        self.write_sources(&mirror, &[])?;
        let mut error = program::output(self.get().arg("update")).err();
        let mut missing = self.missing()?;
        if !missing.is_empty() {
            // A keyring older than a suite cannot vouch for it; the suite is still worth having,
            // for a kernel that only ever runs in a virtual machine.
            self.write_sources(&mirror, &missing)?;
            error = program::output(self.get().arg("update")).err();
            let still = self.missing()?;
            for suite in missing.iter().filter(|suite| !still.contains(suite)) {
                self.cache.note(&format!(
                    "no key on this machine signs {suite}; its lists are used unverified"
                ));
            }
            missing = still;
        }
        if missing.len() == self.suites().len() {
            let reason = error.unwrap_or_else(|| "it serves no suite".to_owned());
            return Err(format!("the Debian mirror cannot be used: {reason}"));
        }
        for suite in missing {
            self.cache.note(&format!(
                "the mirror does not serve {suite}; it is left out"
            ));
        }
        Ok(())
    }

    /// Returns the names of all packages with a prefix.
    pub(super) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let out = program::output(self.command("apt-cache").args(["pkgnames", prefix]))?;
        Ok(String::from_utf8_lossy(&out)
            .lines()
            .map(str::to_owned)
            .collect())
    }

    /// Returns name and version of every package of these names, in every suite.
    pub(super) fn versions(&self, names: &[&str]) -> Result<Vec<(String, String)>> {
        let out = program::output(self.command("apt-cache").arg("madison").args(names))?;
        let text = String::from_utf8_lossy(&out);
        let row = |line: &str| {
            let mut columns = line.split('|').map(|column| column.trim().to_owned());
            Some((columns.next()?, columns.next()?))
        };
        Ok(text.lines().filter_map(row).collect())
    }

    /// Returns the versions of a package's sources, those of the preferred suite first.
    pub(super) fn source_versions(&self, name: &str) -> Result<Vec<String>> {
        let out = program::output(self.command("apt-cache").args(["madison", name]))?;
        Ok(source_versions(&String::from_utf8_lossy(&out)))
    }

    /// Downloads the archives of `name=version` into a directory, as their author released them.
    /// apt verifies the checksums of its signed lists.
    pub(super) fn download_source(&self, package: &str, into: &Path) -> Result<()> {
        let mut get = self.get();
        get.args(["source", "--download-only", "--tar-only", "--only-source"]);
        program::output(get.arg(package).current_dir(into)).map(drop)
    }

    /// Downloads `name=version` into a directory.
    pub(super) fn download(&self, package: &str, into: &Path) -> Result<()> {
        program::output(self.get().args(["download", package]).current_dir(into)).map(drop)
    }

    fn write_sources(&self, mirror: &Mirror, trusted: &[&str]) -> Result<()> {
        let keyring = KEYRINGS.iter().find(|file| Path::new(file).exists());
        let mut text = String::new();
        let target = self.target();
        let line = match self.kind {
            Kind::Packages(arch) => format!("deb [arch={} ", arch.name()),
            Kind::Sources => "deb-src [".to_owned(),
        };
        for (suite, security) in self.suites() {
            let uri = if *security {
                mirror.security.as_deref()
            } else {
                Some(&*mirror.main)
            };
            let Some(uri) = uri else { continue };
            let trust = match keyring {
                _ if trusted.contains(suite) => " trusted=yes".to_owned(),
                Some(file) => format!(" signed-by={file}"),
                None => String::new(),
            };
            text += &format!("{line}target={target}{trust}] {uri} {suite} main\n");
        }
        disk::write(&self.dir.join("sources.list"), text.as_bytes())
    }

    fn suites(&self) -> &'static [(&'static str, bool)] {
        match self.kind {
            Kind::Packages(_) => SUITES,
            Kind::Sources => SOURCE_SUITES,
        }
    }

    /// Returns apt's name for the lists.
    fn target(&self) -> &'static str {
        match self.kind {
            Kind::Packages(_) => "Packages",
            Kind::Sources => "Sources",
        }
    }

    /// Returns the suites without a package list.
    fn missing(&self) -> Result<Vec<&'static str>> {
        let mut get = self.get();
        get.args(["indextargets", "--format", "$(RELEASE)"]);
        let out = program::output(get.arg(format!("Created-By: {}", self.target())))?;
        let text = String::from_utf8_lossy(&out);
        let served: Vec<&str> = text.lines().map(str::trim).collect();
        let suites = self.suites().iter().map(|(suite, _)| *suite);
        Ok(suites.filter(|suite| !served.contains(suite)).collect())
    }

    fn get(&self) -> Command {
        self.command("apt-get")
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.arg("-qq").arg("-c").arg(self.dir.join("apt.conf"));
        command
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}

/// Returns the versions of rows `NAME | VERSION | URI SUITE/COMPONENT Sources`.
fn source_versions(madison: &str) -> Vec<String> {
    let row = |line: &str| {
        let mut columns = line.split('|').map(str::trim);
        let (_, version, place) = (columns.next()?, columns.next()?, columns.next()?);
        let (suite, _) = place.split_whitespace().nth(1)?.split_once('/')?;
        let preference = SOURCE_SUITES.iter().position(|(name, _)| *name == suite)?;
        Some((preference, version.to_owned()))
    };
    let mut rows: Vec<_> = madison.lines().filter_map(row).collect();
    // Within a suite, apt lists the newest first.
    rows.sort_by_key(|(preference, _)| *preference);
    let mut versions: Vec<String> = rows.into_iter().map(|(_, version)| version).collect();
    versions.dedup();
    versions
}

/// Returns settings on top of the machine's own, which may name a proxy.
fn configuration(dir: &Path, arch: Arch) -> String {
    let (dir, arch) = (dir.display(), arch.name());
    format!(
        r#"Dir::State "{dir}";
Dir::State::Lists "{dir}/lists";
Dir::State::status "{dir}/status";
Dir::Cache "{dir}/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "{dir}/sources.list";
Dir::Etc::sourceparts "{dir}/none";
Dir::Etc::preferences "{dir}/none/preferences";
Dir::Etc::preferencesparts "{dir}/none";
APT::Architecture "{arch}";
APT::Architectures "{arch}";
# The sandbox user may not be able to write below a home directory.
APT::Sandbox::User "root";
# Suites out of support keep the date of their last update.
Acquire::Check-Valid-Until "false";
Acquire::GzipIndexes "true";
Acquire::Retries "2";
# Without it a mirror that cannot be reached is a warning, and the status 0.
APT::Update::Error-Mode "any";
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_the_preferred_suite_first() {
        let madison = " dpdk | 25.11.4-1 | http://mirror.example/debian sid/main Sources\n \
                        dpdk | 25.11.2-1 | http://mirror.example/debian sid/main Sources\n \
                        dpdk | 24.11.8-0+deb13u1 | http://mirror.example/debian trixie/main Sources\n";
        let versions = ["24.11.8-0+deb13u1", "25.11.4-1", "25.11.2-1"];
        assert_eq!(source_versions(madison), versions);
        let madison = " mimic | 0.7.0+ds-2 | http://mirror.example/debian trixie/main Sources\n \
                        mimic | 0.7.0+ds-2 | http://mirror.example/debian sid/main Sources\n";
        assert_eq!(source_versions(madison), ["0.7.0+ds-2"]);
    }
}
