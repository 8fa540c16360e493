//! The ELF file with its tables: sections and symbols by name, and what of them the rest goes by.

use object::elf;
use object::read::elf::{FileHeader, SectionHeader, SectionTable, Sym, SymbolTable};
use object::{Endianness, SectionIndex};

use super::Numbers;
use crate::error::{Error, Result};
use crate::obj::datasec::Symbols;

type Header = elf::FileHeader64<Endianness>;
pub(super) type Section = elf::SectionHeader64<Endianness>;
pub(super) type Symbol = elf::Sym64<Endianness>;

/// The file with its tables, borrowed from the input.
pub(super) struct Elf<'d> {
    pub(super) endian: Endianness,
    pub(super) bytes: &'d [u8],
    pub(super) sections: SectionTable<'d, Header>,
    pub(super) symbols: SymbolTable<'d, Header>,
}

/// What the `object` crate says of bad ELF, as an error of ours.
pub(super) fn elf_error(what: &str) -> impl Fn(object::Error) -> Error + '_ {
    move |e| Error::malformed(format!("{what}: {e}"))
}

impl<'d> Elf<'d> {
    pub(super) fn read(bytes: &'d [u8]) -> Result<Elf<'d>> {
        let bad = elf_error("it is not a 64-bit ELF object");
        let header = Header::parse(bytes).map_err(&bad)?;
        let endian = header.endian().map_err(&bad)?;
        let machine = header.e_machine(endian);
        if machine != elf::EM_BPF {
            return Err(Error::malformed(format!(
                "it is an ELF file of machine {machine:?}, not of BPF"
            ))
            .hint("compile it with `clang -target bpf`"));
        }
        let sections = header
            .sections(endian, bytes)
            .map_err(elf_error("section table"))?;
        let symbols = sections
            .symbols(endian, bytes, elf::SHT_SYMTAB)
            .map_err(elf_error("symbol table"))?;
        Ok(Elf {
            endian,
            bytes,
            sections,
            symbols,
        })
    }

    pub(super) fn all_sections(&self) -> impl Iterator<Item = (usize, &'d Section, &'d str)> + '_ {
        self.sections
            .enumerate()
            .map(|(index, s)| (index.0, s, self.section_name(s)))
    }

    pub(super) fn section_name(&self, section: &Section) -> &'d str {
        let name = self
            .sections
            .section_name(self.endian, section)
            .unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    pub(super) fn contents(&self, section: &'d Section, name: &str) -> Result<&'d [u8]> {
        section
            .data(self.endian, self.bytes)
            .map_err(|e| Error::malformed(format!("section {name}: {e}")))
    }

    pub(super) fn section_bytes(&self, name: &str) -> Result<Option<&'d [u8]>> {
        match self.all_sections().find(|(_, _, n)| *n == name) {
            Some((_, section, _)) => self.contents(section, name).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn license(&self) -> Result<String> {
        let bytes = self.section_bytes("license")?.unwrap_or_default();
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        match std::str::from_utf8(&bytes[..end]) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(Error::malformed("section license is not text")),
        }
    }

    pub(super) fn symbol_name(&self, symbol: &Symbol) -> &'d str {
        let name = self
            .symbols
            .symbol_name(self.endian, symbol)
            .unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// Offsets of the named symbols of one section.
    pub(super) fn offsets_in(&self, section: usize) -> Numbers<'d> {
        self.symbols
            .iter()
            .filter(|s| usize::from(s.st_shndx(self.endian).0) == section)
            .filter(|s| s.st_type() != elf::STT_SECTION)
            .map(|s| (self.symbol_name(s), s.st_value(self.endian)))
            .collect()
    }

    /// The symbols of data sections.
    pub(super) fn symbols_of_data(&self) -> Symbols<'d> {
        let mut symbols = Symbols::default();
        let named = self.symbols.iter();
        for symbol in named.filter(|symbol| symbol.st_type() != elf::STT_SECTION) {
            let index = SectionIndex(symbol.st_shndx(self.endian).0.into());
            if let Ok(section) = self.sections.section(index) {
                symbols.add(self.symbol_name(symbol), self.section_name(section));
            }
        }
        symbols
    }

    /// Symbols that are defined elsewhere (libbpf's `sym_is_extern`), and whether they are weak.
    pub(super) fn undefined(&self) -> impl Iterator<Item = (&'d str, bool)> + '_ {
        self.symbols
            .iter()
            .filter(|s| s.st_shndx(self.endian) == elf::SHN_UNDEF)
            .filter(|s| s.st_type() == elf::STT_NOTYPE)
            .filter(|s| matches!(s.st_bind(), elf::STB_GLOBAL | elf::STB_WEAK))
            .map(|s| (self.symbol_name(s), s.st_bind() == elf::STB_WEAK))
    }

    /// Whether it has instructions.
    pub(super) fn is_code(&self, section: &Section) -> bool {
        section.sh_type(self.endian) == elf::SHT_PROGBITS
            && section.sh_flags(self.endian).contains(elf::SHF_EXECINSTR)
            && section.sh_size(self.endian) > 0
    }
}
