//! Programs and libraries of user space: where their functions and static probes are, as the kernel wants it told.
//!
//! [`Binary`] is an ELF file for a machine, not a BPF object. What it has is read when asked for; nothing here asks the kernel,
//! but [`Binary::open`] looks for files.

mod apk;
mod arguments;
mod path;
mod probes;
mod symbols;

use std::path::{Path, PathBuf};

use object::elf::{FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader, SectionTable};
use object::{Endianness, elf};

use crate::error::{Context, Error, Result};

pub(crate) use apk::find as find_in_archive;
pub(crate) use arguments::{Machine, spec};
pub use probes::StaticProbe;
pub use symbols::Function;
pub(crate) use symbols::matches;

/// A program or library.
#[derive(Debug)]
pub struct Binary {
    name: String,
    /// The file that has it: itself, or the archive that it is in.
    path: PathBuf,
    /// Where it begins in that file.
    start: u64,
    bytes: Vec<u8>,
}

/// Runs a generic reader for the file's class.
macro_rules! by_class {
    ($binary:ident, $reader:path $(, $argument:expr)*) => {{
        let bytes: &[u8] = &$binary.bytes;
        match bytes.get(4) {
            Some(1) => Elf::<FileHeader32<Endianness>>::read(bytes).and_then(|elf| $reader(&elf $(, $argument)*)),
            _ => Elf::<FileHeader64<Endianness>>::read(bytes).and_then(|elf| $reader(&elf $(, $argument)*)),
        }
        .context(|| format!("binary `{}`", $binary.name))
    }};
}

impl Binary {
    /// Reads a file. A name without a `/` is searched for as libbpf does: `libc.so.6` where libraries are, `bash` where
    /// programs are. `base.apk!/lib/arm64-v8a/libx.so` is a library that is stored in an archive (zip), uncompressed.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if there is no such file, and what else the file system answers;
    /// [`crate::ErrorKind::Malformed`] if an archive is damaged, or the library compressed in it.
    pub fn open(path: &str) -> Result<Binary> {
        if let Some((archive, name)) = apk::split(path) {
            return Binary::open_in(Path::new(archive), name);
        }
        let path = path::resolve(path)?;
        let bytes = std::fs::read(&path)
            .map_err(|e| Error::os(format!("cannot read {}", path.display()), e))?;
        Ok(Binary::from_bytes(&path, bytes))
    }

    /// The file of this name that is stored in an archive. Programs execute it there, so its places are the archive's.
    fn open_in(path: &Path, name: &str) -> Result<Binary> {
        let archive = path.display();
        let mut bytes =
            std::fs::read(path).map_err(|e| Error::os(format!("cannot read {archive}"), e))?;
        let (start, length) = apk::find(&bytes, name).context(|| format!("archive `{archive}`"))?;
        let name = format!("{archive}!/{name}");
        bytes.drain(..start);
        bytes.truncate(length);
        Ok(Binary {
            name,
            path: path.to_owned(),
            start: start as u64,
            bytes,
        })
    }

    /// Takes a file's contents; `path` is its name in errors.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Binary {
        Binary {
            name: path.display().to_string(),
            path: path.to_owned(),
            start: 0,
            bytes,
        }
    }

    /// The path it was read from: of a library in an archive, the archive's.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A place in the file that has it.
    fn in_file(&self, offset: u64) -> u64 {
        self.start.wrapping_add(offset)
    }

    /// Where a function is in the file ([`Binary::path`]): `malloc`, or of this version `memcpy@GLIBC_2.2.5`. The symbols for dynamic linking
    /// are searched first. Of several versions without one being named, the one that programs are linked with counts;
    /// libbpf finds those ambiguous.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] with names that come close; [`crate::ErrorKind::InvalidInput`] if several functions have
    /// the name; [`crate::ErrorKind::Malformed`] if it is not an ELF file.
    pub fn function(&self, name: &str) -> Result<u64> {
        by_class!(self, symbols::function, name).map(|offset| self.in_file(offset))
    }

    /// The functions whose names match a pattern, in which `*` stands for any characters and `?` for any one: those of the
    /// full symbol table if it has any that match, else of that for dynamic linking. Each place is listed once.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if none matches; [`crate::ErrorKind::Malformed`] if it is not an ELF file.
    pub fn functions(&self, pattern: &str) -> Result<Vec<Function>> {
        let mut functions = by_class!(self, symbols::functions, pattern)?;
        for function in &mut functions {
            function.offset = self.in_file(function.offset);
        }
        Ok(functions)
    }

    /// Its static probes (USDT), in the order of their notes.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Malformed`] if it is not an ELF file, or a probe does not lie in it.
    pub fn static_probes(&self) -> Result<Vec<StaticProbe>> {
        let mut probes = by_class!(self, probes::all)?;
        for probe in &mut probes {
            probe.offset = self.in_file(probe.offset);
            probe.semaphore = probe.semaphore.map(|offset| self.in_file(offset));
        }
        Ok(probes)
    }

    /// Whether it is loaded to any address, as libraries are and most programs.
    pub(crate) fn is_relocatable(&self) -> Result<bool> {
        fn read<E: FileHeader<Endian = Endianness>>(elf: &Elf<'_, E>) -> Result<bool> {
            Ok(elf.header.e_type(elf.endian) == elf::ET_DYN)
        }
        by_class!(self, read)
    }
}

/// What the `object` crate says of bad ELF, as an error of ours.
fn elf_error(what: &str) -> impl Fn(object::Error) -> Error + '_ {
    move |e| Error::malformed(format!("{what}: {e}"))
}

/// The file with its tables, borrowed.
struct Elf<'d, E: FileHeader<Endian = Endianness>> {
    endian: Endianness,
    bytes: &'d [u8],
    header: &'d E,
    sections: SectionTable<'d, E>,
}

impl<'d, E: FileHeader<Endian = Endianness>> Elf<'d, E> {
    fn read(bytes: &'d [u8]) -> Result<Self> {
        let bad = elf_error("it is not an ELF file");
        let header = E::parse(bytes).map_err(&bad)?;
        let endian = header.endian().map_err(&bad)?;
        let sections = header
            .sections(endian, bytes)
            .map_err(elf_error("section table"))?;
        Ok(Elf {
            endian,
            bytes,
            header,
            sections,
        })
    }

    /// Where an address of the program lies in the file, and whether instructions do there.
    fn place(&self, address: u64) -> Result<Option<(u64, bool)>> {
        let segments = self
            .header
            .program_headers(self.endian, self.bytes)
            .map_err(elf_error("program headers"))?;
        Ok(segments
            .iter()
            .filter(|s| s.p_type(self.endian) == elf::PT_LOAD)
            .find_map(|s| {
                let start: u64 = s.p_vaddr(self.endian).into();
                let size: u64 = s.p_memsz(self.endian).into();
                let offset: u64 = s.p_offset(self.endian).into();
                let into = address.checked_sub(start).filter(|into| *into < size)?;
                let is_code = s.p_flags(self.endian).contains(elf::PF_X);
                Some((offset.checked_add(into)?, is_code))
            }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This very program: with symbols, and as every Rust program with functions of its own.
    fn own() -> Binary {
        let path = std::env::current_exe().unwrap();
        Binary::open(path.to_str().unwrap()).unwrap()
    }

    #[test]
    fn functions_are_found_by_name_and_pattern() {
        let own = own();
        let main = own.function("main").unwrap();
        assert!(main > 0);
        let like = own.functions("mai?").unwrap();
        assert!(like.iter().any(|f| f.name == "main" && f.offset == main));
        let e = own.function("maiin").unwrap_err();
        assert_eq!(e.kind(), crate::ErrorKind::NotFound);
        assert!(
            e.to_string()
                .contains("has no function `maiin` (did you mean `main`"),
            "{e}"
        );
        assert!(own.functions("no_such_*_function").is_err());
        assert!(own.static_probes().unwrap().len() < 1000);
    }

    #[test]
    fn libraries_are_searched_for() {
        let libc = Binary::open("libc.so.6").unwrap();
        assert!(libc.path().is_absolute());
        assert!(libc.is_relocatable().unwrap());
        let malloc = libc.function("malloc").unwrap();
        assert!(
            libc.functions("mallo?")
                .unwrap()
                .iter()
                .any(|f| f.offset == malloc)
        );
        let e = Binary::open("libno-such.so.1").unwrap_err();
        assert!(e.to_string().contains("is in none of"), "{e}");
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
    #[test]
    fn versions_tell_functions_apart() {
        let libc = Binary::open("libc.so.6").unwrap();
        let old = libc.function("memcpy@GLIBC_2.2.5");
        let new = libc.function("memcpy@GLIBC_2.14");
        // memcpy itself is chosen when the program starts (STT_GNU_IFUNC), so that it has no function of its own.
        assert!(old.is_ok() || new.is_err());
        let old = libc.function("pthread_cond_wait@GLIBC_2.2.5").unwrap();
        let new = libc.function("pthread_cond_wait@@GLIBC_2.3.2").unwrap();
        assert_ne!(old, new);
        assert_eq!(libc.function("pthread_cond_wait").unwrap(), new);
        assert!(libc.function("pthread_cond_wait@GLIBC_9").is_err());
    }

    /// Damage is answered, not followed.
    #[test]
    fn damaged_files_are_refused_or_read() {
        // Not all of it: what is read of this large file is its headers and the tables behind them.
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let path = Path::new("damaged");
        let try_all = |bytes: Vec<u8>| {
            let binary = Binary::from_bytes(path, bytes);
            let _ = binary.static_probes();
            let _ = binary.function("main");
        };
        for len in [
            0,
            1,
            4,
            5,
            16,
            63,
            64,
            65,
            200,
            4096,
            whole.len() / 2,
            whole.len() - 1,
        ] {
            try_all(whole[..len].to_vec());
        }
        for bit in 0..64 * 8 {
            let mut head = whole[..4096].to_vec();
            head[bit / 8] ^= 1 << (bit % 8);
            try_all(head);
        }
    }
}
