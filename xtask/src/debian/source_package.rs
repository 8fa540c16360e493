//! Sources of Debian packages: parts of what their authors released, without Debian's changes. They
//! are under licenses of their own, so they are downloaded and never committed.

use super::apt::Apt;
use super::cache::Cache;
use crate::{Result, disk, program};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The unpacked parts of one version.
#[derive(Clone, Debug)]
pub(crate) struct SourcePackage {
    pub(crate) name: String,
    /// Debian's version of the package.
    pub(crate) version: String,
    /// Root of the tree.
    pub(crate) dir: PathBuf,
}

/// Sources of packages, in the cache and on the mirror.
pub(crate) struct SourcePackages<'a> {
    cache: &'a Cache,
    /// Its lists are updated once.
    apt: Option<Apt<'a>>,
}

impl<'a> SourcePackages<'a> {
    pub(super) fn new(cache: &'a Cache) -> SourcePackages<'a> {
        SourcePackages { cache, apt: None }
    }

    /// Returns files and directories of a package; `parts` are their paths in its tree, or patterns
    /// of tar.
    ///
    /// # Errors
    ///
    /// If no version can be downloaded or unpacked, or the package is not in the cache and the
    /// store is offline.
    pub(crate) fn fetch(&mut self, name: &str, parts: &[&str]) -> Result<SourcePackage> {
        let cache = self.cache;
        let _lock = cache.lock("sources")?;
        match cached(cache, name, parts) {
            Some(cached) if !cache.is_refreshing() => return Ok(cached),
            None if cache.is_offline() => {
                return Err(cache.absent(&format!("source package {name}")));
            }
            _ => {}
        }
        let versions = self.apt()?.source_versions(name)?;
        let mut why = format!("the Debian mirror lists no sources of {name}");
        for version in versions {
            match unpack(cache, self.apt()?, name, &version, parts) {
                Ok(package) => return Ok(package),
                // A mirror may list a version that it does not have; another suite's is next.
                Err(e) => {
                    cache.note(&format!(
                        "cannot fetch {name} {version}, trying another version: {e}"
                    ));
                    why = e;
                }
            }
        }
        Err(why)
    }

    fn apt(&mut self) -> Result<&Apt<'a>> {
        match self.apt {
            Some(ref apt) => Ok(apt),
            None => {
                let apt = Apt::of_sources(self.cache)?;
                apt.update()?;
                Ok(self.apt.insert(apt))
            }
        }
    }
}

fn dir(cache: &Cache, name: &str) -> PathBuf {
    cache.dir.join("sources").join(name)
}

/// Returns the content of a tree's `version` file: the version, and one part per line.
fn mark(version: &str, parts: &[&str]) -> String {
    format!("{version}\n{}\n", parts.join("\n"))
}

/// Returns the cached tree if it has these parts.
fn cached(cache: &Cache, name: &str, parts: &[&str]) -> Option<SourcePackage> {
    let dir = dir(cache, name);
    // `version` is written last: if it exists, the tree is complete.
    let marked = disk::read_to_string(&dir.join("version")).unwrap_or_default();
    let version = marked.lines().next().unwrap_or_default();
    (marked == mark(version, parts)).then(|| SourcePackage {
        name: name.to_owned(),
        version: version.to_owned(),
        dir: dir.join("tree"),
    })
}

/// Downloads a version and unpacks these parts of it.
fn unpack(
    cache: &Cache,
    apt: &Apt<'_>,
    name: &str,
    version: &str,
    parts: &[&str],
) -> Result<SourcePackage> {
    let dir = dir(cache, name);
    cache.progress(&format!("fetching the sources of {name}={version}"));
    let staging = dir.with_added_extension("new");
    disk::empty_dir(&staging)?;
    let done = fill(apt, &format!("{name}={version}"), &staging, parts).and_then(|()| {
        disk::write(&staging.join("version"), mark(version, parts).as_bytes())?;
        disk::remove_dir(&dir)?;
        disk::rename(&staging, &dir)
    });
    if done.is_err() {
        disk::remove_dir(&staging)?;
    }
    done?;
    Ok(SourcePackage {
        name: name.to_owned(),
        version: version.to_owned(),
        dir: dir.join("tree"),
    })
}

fn fill(apt: &Apt<'_>, package: &str, staging: &Path, parts: &[&str]) -> Result<()> {
    let archives = staging.join("archives");
    disk::empty_dir(&archives)?;
    apt.download_source(package, &archives)?;
    let archive = disk::list(&archives)?
        .into_iter()
        .find(|file| disk::name(file).contains(".tar."))
        .ok_or_else(|| format!("{package} has no source archive"))?;
    let tree = staging.join("tree");
    disk::create_dir(&tree)?;
    let mut tar = Command::new("tar");
    tar.arg("-xf")
        .arg(archive)
        .args(["--strip-components=1", "--no-same-owner"])
        // The name of the top directory is up to the author.
        .args(["--wildcards", "--no-wildcards-match-slash", "-C"])
        .arg(&tree)
        .args(parts.iter().map(|part| format!("*/{part}")))
        .stdin(Stdio::null());
    program::output(&mut tar)?;
    disk::remove_dir(&archives)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_parts_make_another_tree() {
        assert_eq!(mark("1.0-1", &["src", "include"]), "1.0-1\nsrc\ninclude\n");
        assert_ne!(mark("1.0-1", &["src"]), mark("1.0-1", &["src", "include"]));
    }
}
