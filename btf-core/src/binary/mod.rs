//! Programs and libraries of user space: the offsets of their functions and USDT probes.
//!
//! [`Binary`] is an ELF file for a machine, not a BPF object. It reads what a question needs, when
//! it is asked: to find a function by its name takes a few system calls, whatever the file's size.
//! Nothing here asks the kernel about its features, but [`Binary::open`] searches directories.

mod apk;
mod arguments;
#[cfg(test)]
mod fixture;
mod functions;
mod gnu_hash;
mod headers;
mod names;
mod outcome;
mod path;
mod pattern;
mod probes;
mod resolve;
mod source;
mod symbols;
#[cfg(test)]
mod tests;
mod unresolved;
mod versions;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::error::{Context, Result};
use headers::Headers;
use source::Source;

pub(crate) use arguments::{Machine, spec};
pub use functions::Function;
pub(crate) use pattern::matches;
pub use probes::StaticProbe;

/// A program or library.
///
/// The file stays open, and is read with pread(2). Attaching opens it each time, so that a library
/// that a package manager replaced in the meantime is not attached to by the offsets of the old
/// one.
#[derive(Debug)]
pub struct Binary {
    /// Its name in errors.
    name: String,
    /// The file that has it: itself, or the archive that it is in.
    path: PathBuf,
    source: Source,
    headers: OnceLock<Headers>,
}

impl Binary {
    /// Opens a file. A name without a `/` is searched for as in libbpf: `libc.so.6` in the
    /// directories of libraries, `bash` in those of programs. `base.apk!/lib/arm64-v8a/libx.so` is
    /// a library that is stored uncompressed in an archive (zip).
    ///
    /// `LD_LIBRARY_PATH` and `PATH` count as in secure_getenv(3): not in a process with more rights
    /// than its caller (set-user-ID, file capabilities), where the usual directories alone are
    /// searched.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if there is no such file, and other errors of the file
    /// system; [`crate::ErrorKind::Malformed`] if the archive is damaged, or the library compressed
    /// in it.
    pub fn open(path: &str) -> Result<Binary> {
        let Some((archive, member)) = apk::split(path) else {
            let path = path::resolve(path)?;
            return Ok(Binary::of(&path, Source::open(&path)?));
        };
        let path = Path::new(archive);
        let source = Source::open(path)?;
        let (start, len) = apk::find(&source, member).context(|| format!("archive `{archive}`"))?;
        let mut binary = Binary::of(path, source.part(start, len));
        // Programs execute it out of the archive: offsets are the archive's.
        binary.name = format!("{archive}!/{member}");
        Ok(binary)
    }

    /// Takes a file's contents; `path` is its name in errors.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Binary {
        Binary::of(path, Source::from_bytes(bytes))
    }

    fn of(path: &Path, source: Source) -> Binary {
        Binary {
            name: path.display().to_string(),
            path: path.to_owned(),
            source,
            headers: OnceLock::new(),
        }
    }

    /// Returns the path that it was opened by: of a library in an archive, the archive's.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the offset of a function in the file ([`Binary::path`]): `malloc`, or of one version
    /// `memcpy@GLIBC_2.2.5`.
    ///
    /// The dynamic symbols are searched first, then the full symbol table. If a function has
    /// several versions and the name has none, the version that programs are linked against counts,
    /// where libbpf fails. Offsets follow from the loaded segments (`PT_LOAD`), as the kernel maps
    /// them.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] with names that are close; [`crate::ErrorKind::InvalidInput`]
    /// if several functions have the name; [`crate::ErrorKind::Unsupported`] if it is an IFUNC,
    /// whose implementation is chosen when a program starts, such as `memcpy` of glibc;
    /// [`crate::ErrorKind::Malformed`] if the file is not ELF.
    pub fn function(&self, name: &str) -> Result<u64> {
        self.function_offsets(&[name]).map(|offsets| offsets[0])
    }

    /// Returns the offsets of several functions, in the order of their names. Faster than one call
    /// of
    /// [`Binary::function`] for each name if the full symbol table must be searched.
    ///
    /// # Errors
    ///
    /// Those of [`Binary::function`], for the first name that has no offset.
    pub fn function_offsets<N: AsRef<str>>(&self, names: &[N]) -> Result<Vec<u64>> {
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        self.read(|elf| resolve::offsets(elf, &names))
            .map(|offsets| self.in_file(offsets))
    }

    /// Returns the functions whose names match a pattern, in which `*` stands for any characters
    /// and `?` for any one: those of the full symbol table, or if none matches there, of the
    /// dynamic symbols. Each offset is listed once. Functions of all versions match; IFUNCs and
    /// imported functions do not.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if none matches, [`crate::ErrorKind::Unsupported`]
    /// if only IFUNCs do; [`crate::ErrorKind::Malformed`] if the file is not ELF.
    pub fn functions(&self, pattern: &str) -> Result<Vec<Function>> {
        let mut functions = self.read(|elf| functions::functions(elf, pattern))?;
        for function in &mut functions {
            function.offset = self.offset_in_file(function.offset);
        }
        Ok(functions)
    }

    /// Returns the offsets of the functions whose names match a pattern.
    pub(crate) fn matching_offsets(&self, pattern: &str) -> Result<Vec<u64>> {
        self.read(|elf| functions::offsets(elf, pattern))
            .map(|offsets| self.in_file(offsets))
    }

    /// Returns its USDT probes, in the order of their notes.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Malformed`] if the file is not ELF, or a probe's address is in no
    /// segment.
    pub fn static_probes(&self) -> Result<Vec<StaticProbe>> {
        let mut probes = self.read(probes::all)?;
        for probe in &mut probes {
            probe.offset = self.offset_in_file(probe.offset);
            probe.semaphore = probe.semaphore.map(|offset| self.offset_in_file(offset));
        }
        Ok(probes)
    }

    /// Returns `true` if it is loaded to any address, as libraries are and most programs.
    pub(crate) fn is_relocatable(&self) -> Result<bool> {
        self.read(|elf| Ok(elf.headers.is_relocatable))
    }

    /// Reads it; its headers are read the first time only.
    fn read<'b, T>(&'b self, read: impl FnOnce(Elf<'b>) -> Result<T>) -> Result<T> {
        let read_headers = || match self.headers.get() {
            Some(headers) => Ok(headers),
            None => {
                let headers = Headers::read(&self.source)?;
                Ok(self.headers.get_or_init(|| headers))
            }
        };
        read_headers()
            .and_then(|headers| {
                read(Elf {
                    source: &self.source,
                    headers,
                })
            })
            .context(|| format!("binary `{}`", self.name))
    }

    /// Converts an offset in the binary to one in the file that has it.
    fn offset_in_file(&self, offset: u64) -> u64 {
        self.source.start().wrapping_add(offset)
    }

    fn in_file(&self, mut offsets: Vec<u64>) -> Vec<u64> {
        for offset in &mut offsets {
            *offset = self.offset_in_file(*offset);
        }
        offsets
    }
}

/// Finds a file in an archive: its offset and size.
pub(crate) fn find_in_archive(archive: &[u8], name: &str) -> Result<(usize, usize)> {
    let source = Source::from_bytes(archive.to_vec());
    let (start, len) = apk::find(&source, name)?;
    // Both are within the archive, which is in memory.
    Ok((start as usize, len as usize))
}

/// A binary and its headers, borrowed.
#[derive(Debug, Clone, Copy)]
struct Elf<'b> {
    source: &'b Source,
    headers: &'b Headers,
}
