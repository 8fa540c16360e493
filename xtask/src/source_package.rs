//! Sources of Debian packages: parts of what their authors released, without Debian's own changes. They are under licenses of
//! their own, so they are fetched and never committed.

use crate::apt::Apt;
use crate::{Result, cache, disk, program, tool};
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

/// Where packages are had from: the cache, and a mirror unless `offline` is given.
pub(crate) struct SourcePackages {
    /// Whether what is kept is fetched anew.
    refresh: bool,
    offline: bool,
    /// Once the mirror was asked.
    apt: Option<Apt>,
}

impl SourcePackages {
    pub(crate) fn new(refresh: bool, offline: bool) -> SourcePackages {
        SourcePackages {
            refresh: refresh && !offline,
            offline,
            apt: None,
        }
    }

    /// Files and folders of a package, as they lie in its tree; patterns of tar's may name them.
    ///
    /// # Errors
    /// If no version of it can be downloaded or unpacked, or it is not kept and the mirror is not to be asked.
    pub(crate) fn fetch(&mut self, name: &str, parts: &[&str]) -> Result<SourcePackage> {
        let _lock = cache::lock("sources")?;
        match kept(name, parts)? {
            Some(kept) if !self.refresh => return Ok(kept),
            None if self.offline => {
                return Err(format!(
                    "the sources of {name} are not in the cache, and --offline is given"
                ));
            }
            _ => {}
        }
        tool::install(tool::SOURCES)?;
        let versions = self.apt()?.source_versions(name)?;
        let mut why = format!("the Debian mirror lists no sources of {name}");
        for version in versions {
            match unpack(self.apt()?, name, &version, parts) {
                Ok(package) => return Ok(package),
                // A mirror may list what it does not have, or no longer; another suite's is then the next best.
                Err(e) => {
                    eprintln!(
                        "note: {name} {version} is not to be had, another version is tried: {e}"
                    );
                    why = e;
                }
            }
        }
        Err(why)
    }

    /// The lists of sources, fetched once in a run.
    fn apt(&mut self) -> Result<&Apt> {
        match self.apt {
            Some(ref apt) => Ok(apt),
            None => {
                let apt = Apt::of_sources()?;
                apt.update()?;
                Ok(self.apt.insert(apt))
            }
        }
    }
}

fn place(name: &str) -> Result<PathBuf> {
    Ok(cache::dir()?.join("sources").join(name))
}

/// What a kept tree says of itself: its version, and a part a line.
fn mark(version: &str, parts: &[&str]) -> String {
    format!("{version}\n{}\n", parts.join("\n"))
}

/// The kept tree, if it has these parts.
fn kept(name: &str, parts: &[&str]) -> Result<Option<SourcePackage>> {
    let dir = place(name)?;
    // `version` is written last: where it is, everything is.
    let marked = disk::read_to_string(&dir.join("version")).unwrap_or_default();
    let version = marked.lines().next().unwrap_or_default();
    Ok((marked == mark(version, parts)).then(|| SourcePackage {
        name: name.to_owned(),
        version: version.to_owned(),
        dir: dir.join("tree"),
    }))
}

/// Downloads a version and unpacks these parts of it.
fn unpack(apt: &Apt, name: &str, version: &str, parts: &[&str]) -> Result<SourcePackage> {
    let dir = place(name)?;
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

fn fill(apt: &Apt, package: &str, staging: &Path, parts: &[&str]) -> Result<()> {
    eprintln!("fetching the sources of {package}");
    let archives = staging.join("archives");
    disk::empty_dir(&archives)?;
    apt.download_source(package, &archives)?;
    let archive = disk::list(&archives)?
        .into_iter()
        .find(|file| disk::name(file).contains(".tar."))
        .ok_or_else(|| format!("{package} holds no archive of sources"))?;
    let tree = staging.join("tree");
    disk::create_dir(&tree)?;
    let mut tar = Command::new("tar");
    tar.arg("-xf")
        .arg(archive)
        .args(["--strip-components=1", "--no-same-owner"])
        // The folder that all is in is named as its author pleases.
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
    fn another_choice_of_parts_is_another_tree() {
        assert_eq!(mark("1.0-1", &["src", "include"]), "1.0-1\nsrc\ninclude\n");
        assert_ne!(mark("1.0-1", &["src"]), mark("1.0-1", &["src", "include"]));
    }
}
