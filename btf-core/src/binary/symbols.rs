//! Symbol tables: their entries and the string tables beside them.
//!
//! Source: the ELF specification (gABI), chapter "Symbol Table".

use object::elf;

use super::Elf;
use super::headers::{Format, Place, Section};
use crate::error::{Context, Error, Result};

/// A symbol.
#[derive(Debug, Clone, Copy)]
pub(super) struct Symbol {
    /// Its index in the table.
    pub(super) index: u32,
    /// Offset of its name in the string table.
    pub(super) name: u32,
    info: u8,
    section: u16,
    address: u64,
}

/// Kind of a symbol as the target of a uprobe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A function whose first instruction is at this offset of the binary.
    Function(u64),
    /// A function of several implementations, of which the dynamic linker chooses one.
    Ifunc,
    /// A function whose address is in a segment without instructions, or in none.
    NotExecutable,
    /// A function whose instructions are in another file.
    WithoutContents,
    /// A reference to another binary's function.
    Imported,
    /// A function whose value is not an address of the binary.
    Absolute,
    /// A variable or a label.
    NotFunction,
}

/// A table of symbols and its string table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    elf: Elf<'a>,
    pub(super) kind: elf::SectionType,
    /// Index of its section.
    pub(super) section: u32,
    offset: u64,
    size: u64,
    strings: &'a Section,
}

impl<'a> Table<'a> {
    /// Returns the table of this type; `None` if the binary is stripped of it.
    pub(super) fn of(elf: Elf<'a>, kind: elf::SectionType) -> Result<Option<Table<'a>>> {
        let Some((index, section)) = elf.headers.of_type(kind) else {
            return Ok(None);
        };
        let what = || match kind {
            elf::SHT_DYNSYM => "section .dynsym",
            _ => "section .symtab",
        };
        let strings = elf
            .headers
            .section(section.link)
            .filter(|strings| strings.kind == elf::SHT_STRTAB)
            .ok_or_else(|| Error::malformed("its string table is missing"))
            .context(what)?;
        for section in [section, strings] {
            if !elf.source.has(section.offset, section.size) {
                return Err(Error::malformed(
                    "the table or its string table exceeds the file",
                ))
                .context(what);
            }
        }
        Ok(Some(Table {
            elf,
            kind,
            section: index,
            offset: section.offset,
            size: section.size,
            strings,
        }))
    }

    /// Size of an entry.
    fn entry(&self) -> usize {
        if self.elf.headers.format.is_64 {
            24
        } else {
            16
        }
    }

    /// Returns the number of symbols.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.size / self.entry() as u64).unwrap_or(u32::MAX)
    }

    /// Returns the size of the table without its strings.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Returns offset and size of the string table.
    pub(super) fn strings(&self) -> (u64, u64) {
        (self.strings.offset, self.strings.size)
    }

    /// Passes on all symbols in their order.
    pub(super) fn each(&self, mut each: impl FnMut(Symbol)) -> Result<()> {
        let format = self.elf.headers.format;
        let mut index = 0;
        let (size, entry) = (self.size, self.entry());
        self.elf
            .source
            .records(self.offset, size, entry, |entries| {
                if format.is_64 {
                    for entry in entries.as_chunks().0 {
                        each(read_64(format, index, entry));
                        index += 1;
                    }
                } else {
                    for entry in entries.as_chunks().0 {
                        each(read_32(format, index, entry));
                        index += 1;
                    }
                }
                Ok(())
            })
    }

    /// Reads one symbol.
    pub(super) fn symbol(&self, index: u32) -> Result<Symbol> {
        let format = self.elf.headers.format;
        let at = self.offset + u64::from(index) * self.entry() as u64;
        Ok(if format.is_64 {
            read_64(format, index, &self.elf.source.array(at)?)
        } else {
            read_32(format, index, &self.elf.source.array(at)?)
        })
    }

    /// Returns `true` if the string at this offset of the string table is this one.
    pub(super) fn is_named(&self, offset: u32, name: &str) -> Result<bool> {
        let size = name.len() as u64 + 1;
        let end = u64::from(offset) + size;
        if end > self.strings.size {
            return Ok(false);
        }
        let at = self.strings.offset + u64::from(offset);
        let own = self.elf.source.bytes(at, size)?;
        Ok(own.strip_suffix(&[0]) == Some(name.as_bytes()))
    }
}

fn read_64(format: Format, index: u32, entry: &[u8; 24]) -> Symbol {
    let [
        n0,
        n1,
        n2,
        n3,
        info,
        _,
        s0,
        s1,
        a0,
        a1,
        a2,
        a3,
        a4,
        a5,
        a6,
        a7,
        ..,
    ] = *entry;
    Symbol {
        index,
        name: format.u32([n0, n1, n2, n3]),
        info,
        section: format.u16([s0, s1]),
        address: format.u64([a0, a1, a2, a3, a4, a5, a6, a7]),
    }
}

fn read_32(format: Format, index: u32, entry: &[u8; 16]) -> Symbol {
    let [n0, n1, n2, n3, a0, a1, a2, a3, _, _, _, _, info, _, s0, s1] = *entry;
    Symbol {
        index,
        name: format.u32([n0, n1, n2, n3]),
        info,
        section: format.u16([s0, s1]),
        address: format.u32([a0, a1, a2, a3]).into(),
    }
}

impl Symbol {
    /// Returns `true` for functions, also such as cannot be probed.
    pub(super) fn is_function(&self) -> bool {
        let kind = elf::SymbolType(self.info & 0xf);
        kind == elf::STT_FUNC || kind == elf::STT_GNU_IFUNC
    }

    pub(super) fn is_weak(&self) -> bool {
        self.info >> 4 == elf::STB_WEAK.0
    }

    /// Returns what the symbol stands for.
    ///
    /// libbpf takes `STT_FUNC` alone, and ignores all other symbols of the name. An IFUNC's symbol
    /// is the address of its resolver, which runs once: a probe there misses all calls. Here it
    /// counts as the name's owner, so that an older version that happens to be a plain function is
    /// not probed instead. Of other symbols, the reason why they are no function is reported.
    pub(super) fn target(&self, elf: Elf<'_>) -> Target {
        if !self.is_function() {
            return Target::NotFunction;
        }
        // The index itself says nothing more: it may be stale, or in another section
        // (SHN_XINDEX). A reference may have an address, of its entry in the PLT.
        let section = elf::SymbolSection(self.section);
        if section == elf::SHN_UNDEF {
            return Target::Imported;
        }
        if self.section >= elf::SHN_LORESERVE && section != elf::SHN_XINDEX {
            return Target::Absolute;
        }
        if self.info & 0xf == elf::STT_GNU_IFUNC.0 {
            return Target::Ifunc;
        }
        match elf.headers.place(self.address) {
            Some(Place {
                is_executable: false,
                ..
            })
            | None => Target::NotExecutable,
            Some(Place {
                has_contents: false,
                ..
            }) => Target::WithoutContents,
            Some(Place { offset, .. }) => Target::Function(offset),
        }
    }
}
