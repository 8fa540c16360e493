//! `vmlinux.h`, made once for all crates of a build that take it from the same types.
//!
//! Dumping takes longer than compiling most programs, so it is done when a source asks for the
//! header and nobody has made it of these types. It lies in a folder named after what it is made
//! from, which the crate keeps a note of in `OUT_DIR`.

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use btf_obj::btf::dump;

use crate::error::{Error, Result};
use crate::output::{make_dir, remove, write_if_changed};
use crate::target::Target;
use crate::types::{Source, Types, read, unusable};

/// The header of one target and one source of types.
pub(crate) struct Header<'a> {
    source: &'a Source,
    target: &'a Target,
    /// Where headers are, each in a folder of its own.
    shared: PathBuf,
    /// What was made last for this crate: the key of its types, and the folder.
    note: PathBuf,
    /// A directory with a file for each object that the header was read for.
    marks: PathBuf,
}

impl<'a> Header<'a> {
    pub(crate) fn new(out_dir: &Path, source: &'a Source, target: &'a Target) -> Header<'a> {
        Header {
            source,
            target,
            shared: shared(out_dir),
            note: out_dir.join("btf-build/vmlinux.note"),
            marks: out_dir.join("btf-build/reads-vmlinux"),
        }
    }

    /// Where headers are made.
    pub(crate) fn place(&self) -> &Path {
        &self.shared
    }

    /// Returns `true` if the last build of this object read the header.
    pub(crate) fn was_read_for(&self, object: &str) -> bool {
        self.marks.join(object).exists()
    }

    /// Records whether this build of an object read the header.
    ///
    /// # Errors
    ///
    /// If the mark cannot be made or removed.
    pub(crate) fn mark(&self, object: &str, is_read: bool) -> Result<()> {
        let mark = self.marks.join(object);
        match is_read {
            true => make_dir(&self.marks).and_then(|()| write_if_changed(&mark, b"")),
            false => remove(&mark),
        }
    }

    /// The folder with `vmlinux.h`, which is made unless that was done before of the same types.
    ///
    /// # Errors
    ///
    /// If there are no types to make it from, saying what ways there are to get some.
    pub(crate) fn provide(&self) -> Result<PathBuf> {
        if let Source::Running(path) = self.source {
            usable(path, self.target)?;
        }
        let key = self.source.key()?;
        if let Ok(note) = std::fs::read_to_string(&self.note)
            && let Some((made, folder)) = note.rsplit_once('\n')
            && made == key
            && Path::new(folder).join("vmlinux.h").is_file()
        {
            return Ok(folder.into());
        }
        let folder = self.make()?;
        if let Some(dir) = self.note.parent() {
            make_dir(dir)?;
        }
        let note = format!("{key}\n{}", folder.display());
        write_if_changed(&self.note, note.as_bytes())?;
        Ok(folder)
    }

    fn make(&self) -> Result<PathBuf> {
        let path = self.source.path();
        let types = read(path, self.target)?;
        let folder = self.shared.join(name_of(&types));
        let header = folder.join("vmlinux.h");
        if header.is_file() {
            return Ok(folder);
        }
        make_dir(&folder)?;
        // Other build scripts may be about to make it, too; the first does, and the others find it
        // made.
        let lock = folder.join("lock");
        let locked = File::create(&lock).and_then(|file| file.lock().map(|()| file));
        let _locked = locked.map_err(|e| Error::io("cannot lock", &lock, &e))?;
        if header.is_file() {
            return Ok(folder);
        }
        let text = match types {
            Types::Header(text) => text,
            Types::Btf(btf) => dump::header(&btf, &dump::Options::default())
                .map(String::into_bytes)
                .map_err(|e| unusable(path, &e))?,
        };
        write_if_changed(&header, &text)?;
        Ok(folder)
    }
}

/// A name that other types do not have.
fn name_of(types: &Types) -> String {
    let mut hasher = DefaultHasher::new();
    // What a header looks like is up to this.
    dump::EDITION.hash(&mut hasher);
    let len = match types {
        Types::Btf(btf) => {
            hasher.write(btf.as_bytes());
            btf.as_bytes().len()
        }
        Types::Header(text) => {
            hasher.write(text);
            text.len()
        }
    };
    format!("vmlinux-{:016x}-{len}", hasher.finish())
}

/// A folder that all crates of a build know: `target/PROFILE/btf-build` if `out_dir` is where cargo
/// has it, `target/PROFILE/build/…/out`, and one of this crate alone otherwise.
fn shared(out_dir: &Path) -> PathBuf {
    let is_build = |dir: &&Path| dir.file_name().is_some_and(|name| name == "build");
    let build = out_dir.ancestors().take(6).find(is_build);
    let profile = build.and_then(Path::parent).filter(|profile| {
        let marks = [".fingerprint", ".cargo-lock", ".cargo-build-lock"];
        marks.iter().any(|mark| profile.join(mark).exists())
    });
    profile.unwrap_or(out_dir).join("btf-build")
}

/// Whether the running kernel's types are there, and those of the target.
fn usable(path: &Path, target: &Target) -> Result<()> {
    if !path.exists() {
        return Err(Error::new(format!(
            "a source includes vmlinux.h, but this machine's kernel has no BTF to make it from ({} is missing)",
            path.display()
        ))
        .help(
            "name a BTF file, a vmlinux with BTF or a ready vmlinux.h with Builder::vmlinux or the environment \
             variable BTF_BUILD_VMLINUX, or build on a kernel with CONFIG_DEBUG_INFO_BTF=y",
        ));
    }
    if !target.is_host() {
        return Err(Error::new(format!(
            "a source includes vmlinux.h, but the running kernel is of {}, not of {}, which is built for",
            std::env::consts::ARCH,
            target.arch
        ))
        .help(
            "name the BTF of a kernel of the target, or a folder of one for each architecture, with Builder::vmlinux \
             or the environment variable BTF_BUILD_VMLINUX",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_lies_where_cargo_builds_and_nowhere_else() {
        let base = std::env::temp_dir().join(format!("btf-shared-{}", std::process::id()));
        let profile = base.join("target/debug");
        std::fs::create_dir_all(profile.join(".fingerprint")).unwrap();
        for out in [
            "build/hello-0123/out",
            "build/hello/0123/out",
            "build/hello-0123/out/5_10",
        ] {
            assert_eq!(shared(&profile.join(out)), profile.join("btf-build"));
        }
        for out in ["build/hello/out", "out"] {
            assert_eq!(shared(&base.join(out)), base.join(out).join("btf-build"));
        }
        std::fs::remove_dir_all(base).unwrap();
    }
}
