//! Types of kernels that an application carries along, for those that have no BTF: of each only
//! what its objects ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use btf_obj::btf::{Archive, Btf};
use btf_obj::obj::{Object, minimise};

use crate::error::{Error, Result};
use crate::jobs;
use crate::output::{remove, write_if_changed};
use crate::target::{self, Target};
use crate::types::{self, Types};

/// Kernels whose types are at hand.
pub(crate) struct Kernels<'a> {
    target: &'a Target,
    /// By release.
    files: BTreeMap<String, PathBuf>,
}

impl<'a> Kernels<'a> {
    /// The files, and those that end in `.btf` below the folders, of the target's architecture.
    /// Cargo is told about them.
    ///
    /// # Errors
    ///
    /// If there are none, one cannot be read, or two are of kernels with one release.
    pub(crate) fn find(places: &[PathBuf], target: &'a Target) -> Result<Kernels<'a>> {
        let mut files = BTreeMap::new();
        for place in places {
            println!("cargo::rerun-if-changed={}", place.display());
            let mut found = BTreeSet::new();
            match place.is_dir() {
                true => search(place, target, &mut found)?,
                false => drop(found.insert(place.clone())),
            }
            if found.is_empty() {
                return Err(Error::new(format!(
                    "the folder {} has no kernel types for {}",
                    place.display(),
                    target.arch
                ))
                .help(HOW));
            }
            for file in found {
                add(&mut files, file)?;
            }
        }
        Ok(Kernels { target, files })
    }

    /// Leaves `NAME.btfs` beside the object `NAME.bpf.o`: what its relocations need of each kernel.
    /// There is no such file if it has none, or there are no kernels.
    ///
    /// # Errors
    ///
    /// If a kernel's types cannot be read or reduced, or the file not be written.
    pub(crate) fn keep(&self, object: &Object, elf: &[u8], place: &Path) -> Result<()> {
        let file = place.with_extension("").with_extension("btfs");
        let stamp = file.with_extension("btfs.key");
        let needs_types = object.functions().iter().any(|f| !f.core.is_empty());
        if self.files.is_empty() || !needs_types {
            remove(&file)?;
            return remove(&stamp);
        }
        let key = self.key(elf)?;
        let made = std::fs::read_to_string(&stamp);
        if file.is_file() && made.is_ok_and(|made| made == key) {
            return Ok(());
        }
        let files: Vec<(&String, &PathBuf)> = self.files.iter().collect();
        let reduced = jobs::run(&files, |(release, path)| {
            let btf = self.read(path)?;
            let bad = |e| Error::new(format!("cannot reduce {}: {e}", path.display()));
            let minimal = minimise(&[object], &btf).map_err(bad)?;
            Ok((release.to_string(), minimal.btf.to_target_bytes().to_vec()))
        });
        let reduced = reduced.into_iter().collect::<Result<BTreeMap<_, _>>>()?;
        let archive = Archive::write(&reduced).map_err(|e| Error::new(e.to_string()))?;
        write_if_changed(&file, &archive)?;
        write_if_changed(&stamp, key.as_bytes())
    }

    fn read(&self, path: &Path) -> Result<Btf> {
        match types::read(path, self.target)? {
            Types::Btf(btf) => Ok(btf),
            Types::Header(_) => Err(Error::new(format!(
                "{} is a header, and types to carry along are BTF",
                path.display()
            ))),
        }
    }

    /// Tells this object and these kernels from others, without reading the latter.
    fn key(&self, elf: &[u8]) -> Result<String> {
        let mut hasher = DefaultHasher::new();
        hasher.write(elf);
        let mut key = format!(
            "btf-build {} {:016x}",
            env!("CARGO_PKG_VERSION"),
            hasher.finish()
        );
        for (release, path) in &self.files {
            let unreadable = |e| Error::io("cannot read kernel types from", path, &e);
            let meta = std::fs::metadata(path).map_err(unreadable)?;
            let time = meta.modified().map_err(unreadable)?;
            let time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            let _ = write!(key, "\n{release} {} {}", meta.len(), time.as_nanos());
        }
        Ok(key)
    }
}

const HOW: &str =
    "a file is called by the release of its kernel, as `uname -r` tells it: 5.4.0-150-generic.btf";

fn add(files: &mut BTreeMap<String, PathBuf>, file: PathBuf) -> Result<()> {
    let stem = file.file_stem().unwrap_or_default();
    let Some(release) = stem.to_str() else {
        return Err(Error::new(format!("the name of {} is not text", file.display())).help(HOW));
    };
    match files.get(release) {
        Some(other) if *other != file => Err(Error::new(format!(
            "{} and {} are both of a kernel {release}",
            other.display(),
            file.display()
        ))
        .help("name only one of them: the running kernel is known by its release alone")),
        _ => {
            files.insert(release.to_owned(), file);
            Ok(())
        }
    }
}

/// Files below a folder, but for folders of other architectures, as `ubuntu/20.04/arm64` is for
/// x86-64.
fn search(folder: &Path, target: &Target, found: &mut BTreeSet<PathBuf>) -> Result<()> {
    let unreadable = |e| Error::io("cannot read the folder", folder, &e);
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_other = target::is_architecture(&name) && !target.names().contains(&&*name);
        // Not through links, which may lead in circles.
        if path.is_dir() && !path.is_symlink() && !is_other {
            search(&path, target, found)?;
        } else if path.extension().is_some_and(|e| e == "btf") && path.is_file() {
            found.insert(path);
        }
    }
    Ok(())
}
