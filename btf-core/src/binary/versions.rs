//! Versions of dynamic symbols: `.gnu.version` and `.gnu.version_d`.
//!
//! Source: the Linux Standard Base, chapter "Symbol Versioning".

use object::elf;

use super::Elf;
use super::headers::Section;
use super::symbols::Table;
use crate::error::{Error, Result};

/// Versions that are read. glibc has about 50.
const MOST: usize = 4096;

/// Longest name of a version that an error shows.
const SHOWN: u64 = 64;

/// `VERSYM_HIDDEN`: only programs linked against this version get the symbol.
const HIDDEN: u16 = 0x8000;

/// The versions of a table of dynamic symbols.
#[derive(Debug)]
pub(super) struct Versions<'a> {
    elf: Elf<'a>,
    symbols: Table<'a>,
    /// The version of each symbol, if they have any.
    each: Option<&'a Section>,
    /// Indices of versions, and the offsets of their names in the symbols' string table.
    defined: Vec<(u16, u32)>,
}

/// A symbol's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) index: u16,
    pub(super) is_hidden: bool,
}

impl<'a> Versions<'a> {
    pub(super) fn of(elf: Elf<'a>, symbols: Table<'a>) -> Result<Versions<'a>> {
        let of_symbols = |kind| {
            let (_, section) = elf.headers.of_type(kind)?;
            elf.source
                .has(section.offset, section.size)
                .then_some(section)
        };
        let each = match symbols.kind {
            elf::SHT_DYNSYM => of_symbols(elf::SHT_GNU_VERSYM),
            // In a full symbol table, versions are part of the names.
            _ => None,
        };
        let defined = match each.and_then(|_| of_symbols(elf::SHT_GNU_VERDEF)) {
            Some(section) => definitions(elf, section)?,
            None => Vec::new(),
        };
        Ok(Versions {
            elf,
            symbols,
            each,
            defined,
        })
    }

    /// Reads the version of a symbol; `None` if it has none.
    pub(super) fn version(&self, symbol: u32) -> Result<Option<Version>> {
        let at = 2 * u64::from(symbol);
        let Some(each) = self.each.filter(|each| at + 2 <= each.size) else {
            return Ok(None);
        };
        let bytes = self.elf.source.array(each.offset + at)?;
        let version = self.elf.headers.format.u16(bytes);
        Ok(Some(Version {
            index: version & !HIDDEN,
            is_hidden: version & HIDDEN != 0,
        }))
    }

    /// Returns the indices of the versions of a name, in rising order.
    pub(super) fn named(&self, name: &str) -> Result<Vec<u16>> {
        let mut found = Vec::new();
        for (index, at) in &self.defined {
            if self.symbols.is_named(*at, name)? {
                found.push(*index);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Returns the name of a version, for an error.
    pub(super) fn name(&self, index: u16) -> Option<String> {
        let (_, at) = self.defined.iter().find(|(own, _)| *own == index)?;
        let (offset, size) = self.symbols.strings();
        let size = size.checked_sub(u64::from(*at))?.min(SHOWN);
        let text = self.elf.source.bytes(offset + u64::from(*at), size).ok()?;
        let end = memchr::memchr(0, &text).unwrap_or(text.len());
        Some(String::from_utf8_lossy(&text[..end]).into_owned())
    }
}

/// Reads the definitions: records that each say how far the next one and their names are.
fn definitions(elf: Elf<'_>, section: &Section) -> Result<Vec<(u16, u32)>> {
    let format = elf.headers.format;
    let mut found = Vec::new();
    let (mut at, mut records) = (0, 0);
    while at + 20 <= section.size {
        let record: [u8; 20] = elf.source.array(section.offset + at)?;
        let [
            _,
            _,
            _,
            _,
            i0,
            i1,
            _,
            _,
            _,
            _,
            _,
            _,
            a0,
            a1,
            a2,
            a3,
            n0,
            n1,
            n2,
            n3,
        ] = record;
        let names = at + u64::from(format.u32([a0, a1, a2, a3]));
        if names + 4 <= section.size {
            // The first name is the version's own, the others those of its predecessors.
            let name = elf.source.array(section.offset + names)?;
            found.push((format.u16([i0, i1]), format.u32(name)));
        }
        records += 1;
        if records > MOST {
            return Err(Error::malformed(format!(
                "section .gnu.version_d: more than {MOST} versions"
            )));
        }
        match format.u32([n0, n1, n2, n3]) {
            0 => break,
            next => at += u64::from(next),
        }
    }
    Ok(found)
}
