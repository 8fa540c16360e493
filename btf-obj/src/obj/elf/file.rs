//! The ELF file with its tables: sections and symbols by name, and what of them the rest goes by.

use object::elf;
use object::read::elf::{FileHeader, SectionHeader, SectionTable, Sym, SymbolTable};
use object::{Endianness, SectionIndex};

use crate::effort::Effort;
use crate::error::{Error, Result};
use crate::obj::datasec::Symbols;
use crate::obj::externs::Numbers;
use crate::obj::overlap;

type Header = elf::FileHeader64<Endianness>;
pub(super) type Section = elf::SectionHeader64<Endianness>;
pub(super) type Symbol = elf::Sym64<Endianness>;

/// The file with its tables, borrowed from the input.
pub(super) struct Elf<'d> {
    pub(super) endian: Endianness,
    pub(super) bytes: &'d [u8],
    pub(super) sections: SectionTable<'d, Header>,
    pub(super) symbols: SymbolTable<'d, Header>,
    /// Names by index, empty for those that are no text.
    section_names: Vec<&'d str>,
    symbol_names: Vec<&'d str>,
    /// Indices of symbols by their section's index, in order.
    by_section: Vec<Vec<u32>>,
}

/// What the `object` crate says of bad ELF, as an error of ours.
pub(super) fn elf_error(what: &str) -> impl Fn(object::Error) -> Error + '_ {
    move |e| Error::malformed(format!("{what}: {e}"))
}

impl<'d> Elf<'d> {
    /// Reads the tables. Names are read once, because each may be the end of one long string.
    pub(super) fn read(bytes: &'d [u8], effort: &mut Effort) -> Result<Elf<'d>> {
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
        let mut text = |name: object::Result<&'d [u8]>| {
            let name = name.unwrap_or_default();
            effort.charge_kept(name.len())?;
            Ok(std::str::from_utf8(name).unwrap_or_default())
        };
        let section_names = sections
            .iter()
            .map(|s| text(sections.section_name(endian, s)))
            .collect::<Result<Vec<_>>>()?;
        let symbol_names = symbols
            .iter()
            .map(|s| text(symbols.symbol_name(endian, s)))
            .collect::<Result<_>>()?;
        overlap::check(endian, &sections, &section_names)?;
        let mut by_section = vec![Vec::new(); sections.len()];
        for (index, symbol) in symbols.enumerate() {
            if let Some(section) = by_section.get_mut(usize::from(symbol.st_shndx(endian).0)) {
                section.push(index.0 as u32);
            }
        }
        Ok(Elf {
            endian,
            bytes,
            sections,
            symbols,
            section_names,
            symbol_names,
            by_section,
        })
    }

    pub(super) fn all_sections(&self) -> impl Iterator<Item = (usize, &'d Section, &'d str)> + '_ {
        self.sections
            .enumerate()
            .map(|(index, s)| (index.0, s, self.section_name(index.0)))
    }

    /// The name of the section of this index; empty if there is none.
    pub(super) fn section_name(&self, index: usize) -> &'d str {
        self.section_names.get(index).copied().unwrap_or_default()
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

    /// The name of the symbol of this index; empty if there is none.
    pub(super) fn symbol_name(&self, index: usize) -> &'d str {
        self.symbol_names.get(index).copied().unwrap_or_default()
    }

    /// All symbols with their names.
    pub(super) fn named_symbols(&self) -> impl Iterator<Item = (&'d Symbol, &'d str)> + '_ {
        self.symbols.iter().zip(self.symbol_names.iter().copied())
    }

    /// The symbols of one section with their names.
    pub(super) fn symbols_in(
        &self,
        section: usize,
    ) -> impl Iterator<Item = (&'d Symbol, &'d str)> + '_ {
        let indices = self.by_section.get(section).map_or(&[][..], Vec::as_slice);
        let mut symbols = indices.iter().map(|index| *index as usize);
        std::iter::from_fn(move || {
            let index = symbols.next()?;
            let symbol = self.symbols.iter().as_slice().get(index)?;
            Some((symbol, self.symbol_name(index)))
        })
    }

    /// Offsets of the named symbols of one section.
    pub(super) fn offsets_in(&self, section: usize) -> Numbers<'d> {
        self.symbols_in(section)
            .filter(|(s, _)| s.st_type() != elf::STT_SECTION)
            .map(|(s, name)| (name, s.st_value(self.endian)))
            .collect()
    }

    /// The symbols of data sections.
    pub(super) fn symbols_of_data(&self) -> Symbols<'d> {
        let mut symbols = Symbols::default();
        let named = self.named_symbols();
        for (symbol, name) in named.filter(|(symbol, _)| symbol.st_type() != elf::STT_SECTION) {
            let index = usize::from(symbol.st_shndx(self.endian).0);
            if self.sections.section(SectionIndex(index)).is_ok() {
                symbols.add(name, self.section_name(index));
            }
        }
        symbols
    }

    /// Symbols that are defined elsewhere (libbpf's `sym_is_extern`), and whether they are weak.
    pub(super) fn undefined(&self) -> impl Iterator<Item = (&'d str, bool)> + '_ {
        self.named_symbols()
            .filter(|(s, _)| s.st_shndx(self.endian) == elf::SHN_UNDEF)
            .filter(|(s, _)| s.st_type() == elf::STT_NOTYPE)
            .filter(|(s, _)| matches!(s.st_bind(), elf::STB_GLOBAL | elf::STB_WEAK))
            .map(|(s, name)| (name, s.st_bind() == elf::STB_WEAK))
    }

    /// Whether it has instructions.
    pub(super) fn is_code(&self, section: &Section) -> bool {
        section.sh_type(self.endian) == elf::SHT_PROGBITS
            && section.sh_flags(self.endian).contains(elf::SHF_EXECINSTR)
            && section.sh_size(self.endian) > 0
    }
}
