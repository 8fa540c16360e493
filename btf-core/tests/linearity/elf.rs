//! Writes ELF files that no compiler would: headers say what they are told to say.

use std::collections::HashMap;

/// `st_info` of symbols.
pub(crate) const GLOBAL_FUNC: u8 = 0x12;
pub(crate) const WEAK_FUNC: u8 = 0x22;
pub(crate) const GLOBAL_OBJECT: u8 = 0x11;
pub(crate) const GLOBAL: u8 = 0x10;

/// `st_other` of a hidden symbol.
pub(crate) const HIDDEN: u8 = 2;

pub(crate) const PROGBITS: u32 = 1;
pub(crate) const STRTAB: u32 = 3;
pub(crate) const NOTE: u32 = 7;
pub(crate) const NOBITS: u32 = 8;
pub(crate) const REL: u32 = 9;
pub(crate) const DYNSYM: u32 = 11;
pub(crate) const GNU_HASH: u32 = 0x6fff_fff6;
pub(crate) const GNU_VERDEF: u32 = 0x6fff_fffd;
pub(crate) const GNU_VERSYM: u32 = 0x6fff_ffff;

/// A section. Those that are added by [`Elf::write`] come after all others.
#[derive(Clone, Default)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) link: u32,
    pub(crate) info: u32,
    pub(crate) align: u64,
    pub(crate) bytes: Vec<u8>,
    /// Offset and size in the header, instead of those of the bytes.
    pub(crate) range: Option<(u64, u64)>,
}

impl Section {
    pub(crate) fn new(name: &str, kind: u32, bytes: Vec<u8>) -> Section {
        Section {
            name: name.to_owned(),
            kind,
            align: 8,
            bytes,
            ..Section::default()
        }
    }

    /// A section of instructions.
    pub(crate) fn code(name: &str, insns: &[[u8; 8]]) -> Section {
        Section {
            flags: 6,
            ..Section::new(name, PROGBITS, insns.concat())
        }
    }

    /// Relocations of section `about`: offset and symbol of each.
    pub(crate) fn relocs(about: u32, relocs: impl Iterator<Item = (u64, u32)>) -> Section {
        let entry = |(offset, symbol): (u64, u32)| [offset, u64::from(symbol) << 32 | 1];
        let bytes = relocs.flat_map(entry).flat_map(u64::to_le_bytes).collect();
        Section {
            info: about,
            ..Section::new(".rel", REL, bytes)
        }
    }
}

/// A symbol.
#[derive(Clone, Copy)]
pub(crate) struct Symbol {
    /// Offset of its name in the string table.
    pub(crate) name: u32,
    pub(crate) info: u8,
    /// Visibility.
    pub(crate) other: u8,
    pub(crate) section: u16,
    pub(crate) value: u64,
    pub(crate) size: u64,
}

impl Symbol {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = self.name.to_le_bytes().to_vec();
        out.extend([self.info, self.other]);
        out.extend(self.section.to_le_bytes());
        out.extend(self.value.to_le_bytes());
        out.extend(self.size.to_le_bytes());
        out
    }
}

/// A table of symbols: the first stands for none.
pub(crate) fn symbol_table(symbols: &[Symbol]) -> Vec<u8> {
    let entries = symbols.iter().flat_map(Symbol::bytes);
    vec![0; 24].into_iter().chain(entries).collect()
}

/// A string table in the making.
pub(crate) struct Strings(pub(crate) Vec<u8>);

impl Strings {
    pub(crate) fn new() -> Strings {
        Strings(vec![0])
    }

    /// Appends a string, and returns its offset.
    pub(crate) fn add(&mut self, string: &str) -> u32 {
        let at = self.0.len() as u32;
        self.0.extend(string.bytes());
        self.0.push(0);
        at
    }
}

/// A file.
pub(crate) struct Elf {
    pub(crate) sections: Vec<Section>,
    pub(crate) symbols: Vec<Symbol>,
    pub(crate) strings: Strings,
}

impl Elf {
    pub(crate) fn new() -> Elf {
        Elf {
            sections: Vec::new(),
            symbols: Vec::new(),
            strings: Strings::new(),
        }
    }

    /// Adds a section, and returns its index.
    pub(crate) fn section(&mut self, section: Section) -> u32 {
        self.sections.push(section);
        self.sections.len() as u32
    }

    /// Adds a symbol, and returns its index.
    pub(crate) fn symbol(
        &mut self,
        name: &str,
        info: u8,
        section: u32,
        value: u64,
        size: u64,
    ) -> u32 {
        let name = self.strings.add(name);
        self.tail(name, info, section, value, size)
    }

    /// Adds a symbol whose name begins at an offset of the string table.
    pub(crate) fn tail(&mut self, name: u32, info: u8, section: u32, value: u64, size: u64) -> u32 {
        let section = section as u16;
        self.symbols.push(Symbol {
            name,
            info,
            other: 0,
            section,
            value,
            size,
        });
        self.symbols.len() as u32
    }

    /// Writes a BPF object.
    pub(crate) fn object(mut self) -> Vec<u8> {
        let table = self.sections.len() as u32 + 1;
        for section in self.sections.iter_mut().filter(|s| s.kind == REL) {
            section.link = table;
        }
        let symbols = symbol_table(&self.symbols);
        self.section(Section {
            link: table + 1,
            info: 1,
            ..Section::new(".symtab", 2, symbols)
        });
        let strings = std::mem::take(&mut self.strings.0);
        self.section(Section::new(".strtab", STRTAB, strings));
        self.write(1, 247)
    }

    /// Writes a library for x86-64 whose code is all of the file.
    pub(crate) fn library(self) -> Vec<u8> {
        self.write(3, 62)
    }

    fn write(self, kind: u16, machine: u16) -> Vec<u8> {
        let mut sections = self.sections;
        let mut names = Strings::new();
        let mut offsets: HashMap<String, u32> = HashMap::new();
        sections.push(Section::new(".shstrtab", STRTAB, Vec::new()));
        for section in &sections {
            if !offsets.contains_key(&section.name) {
                offsets.insert(section.name.clone(), names.add(&section.name));
            }
        }
        if let Some(last) = sections.last_mut() {
            last.bytes = std::mem::take(&mut names.0);
        }
        let mut out = vec![0; 120];
        let mut headers = vec![0u8; 64];
        for section in &sections {
            out.resize(out.len().next_multiple_of(8), 0);
            let own = (out.len() as u64, section.bytes.len() as u64);
            let (offset, size) = section.range.unwrap_or(own);
            out.extend(&section.bytes);
            headers.extend(offsets[&section.name].to_le_bytes());
            headers.extend(section.kind.to_le_bytes());
            headers.extend(
                [section.flags, 0, offset, size]
                    .map(u64::to_le_bytes)
                    .concat(),
            );
            headers.extend([section.link, section.info].map(u32::to_le_bytes).concat());
            let entry = match section.kind {
                REL => 16,
                2 | DYNSYM => 24,
                _ => 0,
            };
            headers.extend([section.align, entry].map(u64::to_le_bytes).concat());
        }
        out.resize(out.len().next_multiple_of(8), 0);
        let table = out.len() as u64;
        out.extend(headers);
        let count = sections.len() as u32 + 1;
        // A count that the header cannot hold is the size of section 0.
        if count >= 0xff00 {
            let at = table as usize;
            out[at + 32..at + 40].copy_from_slice(&u64::from(count).to_le_bytes());
            out[at + 40..at + 44].copy_from_slice(&(count - 1).to_le_bytes());
        }
        let half = |n: u32, other: u16| if count >= 0xff00 { other } else { n as u16 };
        let whole = out.len() as u64;
        let mut header = b"\x7fELF\x02\x01\x01".to_vec();
        header.resize(16, 0);
        header.extend([kind, machine].map(u16::to_le_bytes).concat());
        header.extend(1u32.to_le_bytes());
        header.extend([0, 64, table].map(u64::to_le_bytes).concat());
        header.extend(0u32.to_le_bytes());
        let segments = u16::from(kind == 3);
        let last = half(count - 1, 0xffff);
        let halves = [64, 56, segments, 64, half(count, 0), last];
        header.extend(halves.map(u16::to_le_bytes).concat());
        out[..64].copy_from_slice(&header);
        // A segment of the whole file, readable and executable.
        let mut segment = [1u32, 5].map(u32::to_le_bytes).concat();
        segment.extend(
            [0, 0, 0, whole, whole, 0x1000]
                .map(u64::to_le_bytes)
                .concat(),
        );
        out[64..120].copy_from_slice(&segment);
        out
    }
}
