//! Writing an ELF object.

use object::elf;

use crate::error::{Error, Result};

/// A section to be written.
pub(super) struct Section {
    pub(super) name: String,
    pub(super) kind: u32,
    pub(super) flags: u64,
    pub(super) align: u64,
    pub(super) entry_size: u64,
    pub(super) link: u32,
    pub(super) info: u32,
    /// Size of what has no bytes.
    pub(super) size: u64,
    pub(super) bytes: Vec<u8>,
}

impl Section {
    pub(super) fn of_bytes(name: &str, align: u64, bytes: Vec<u8>) -> Section {
        Section {
            name: name.to_owned(),
            kind: elf::SHT_PROGBITS.0,
            flags: 0,
            align,
            entry_size: 0,
            link: 0,
            info: 0,
            size: bytes.len() as u64,
            bytes,
        }
    }
}

/// Numbers in the order of bytes of the machine that the object is for.
pub(super) struct Out {
    pub(super) bytes: Vec<u8>,
    little_endian: bool,
}

impl Out {
    pub(super) fn new(little_endian: bool) -> Self {
        Out {
            bytes: Vec::new(),
            little_endian,
        }
    }

    pub(super) fn u8(&mut self, n: u8) {
        self.bytes.push(n);
    }

    pub(super) fn u16(&mut self, n: u16) {
        self.bytes.extend(match self.little_endian {
            true => n.to_le_bytes(),
            false => n.to_be_bytes(),
        });
    }

    pub(super) fn u32(&mut self, n: u32) {
        self.bytes.extend(match self.little_endian {
            true => n.to_le_bytes(),
            false => n.to_be_bytes(),
        });
    }

    pub(super) fn u64(&mut self, n: u64) {
        self.bytes.extend(match self.little_endian {
            true => n.to_le_bytes(),
            false => n.to_be_bytes(),
        });
    }

    fn align(&mut self, align: u64) {
        let len = (self.bytes.len() as u64).next_multiple_of(align.max(1));
        self.bytes.resize(len as usize, 0);
    }
}

/// Names, one after the other.
#[derive(Default)]
pub(super) struct Names(Vec<u8>);

impl Names {
    pub(super) fn new() -> Self {
        Names(vec![0])
    }

    pub(super) fn add(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let at = self.0.len() as u32;
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(0);
        at
    }
}

/// Bytes of the file's header, and of a section's.
const HEADER: usize = 64;
/// What sections are aligned to in the file at most: nobody maps it.
const IN_FILE: u64 = 16;

/// Writes an object of these sections, of which the first has index 1; `names` has those of symbols, and those of sections
/// are added to it: it is the last section, to which the symbol table links.
///
/// # Errors
///
/// If there are more sections than a file can have.
pub(super) fn object(
    mut sections: Vec<Section>,
    mut names: Names,
    little_endian: bool,
) -> Result<Vec<u8>> {
    let mut offsets: Vec<u32> = sections.iter().map(|s| names.add(&s.name)).collect();
    offsets.push(names.add(".strtab"));
    let mut strings = Section::of_bytes(".strtab", 1, names.0);
    strings.kind = elf::SHT_STRTAB.0;
    sections.push(strings);
    let count = u16::try_from(sections.len() + 1)
        .ok()
        .filter(|n| *n < 0xff00)
        .ok_or_else(|| Error::malformed("it has more sections than an object can have"))?;

    let mut out = Out::new(little_endian);
    out.bytes.resize(HEADER, 0);
    let mut places = Vec::with_capacity(sections.len());
    for s in &sections {
        out.align(s.align.min(IN_FILE));
        places.push(out.bytes.len() as u64);
        out.bytes.extend_from_slice(&s.bytes);
    }
    out.align(8);
    let table = out.bytes.len() as u64;
    out.bytes.extend([0; HEADER]);
    for ((s, name), place) in sections.iter().zip(offsets).zip(places) {
        out.u32(name);
        out.u32(s.kind);
        out.u64(s.flags);
        out.u64(0);
        out.u64(place);
        out.u64(s.size);
        out.u32(s.link);
        out.u32(s.info);
        out.u64(s.align);
        out.u64(s.entry_size);
    }
    let header = header(table, count, little_endian);
    out.bytes[..HEADER].copy_from_slice(&header.bytes);
    Ok(out.bytes)
}

fn header(table: u64, sections: u16, little_endian: bool) -> Out {
    const CLASS_64: u8 = 2;
    const VERSION: u8 = 1;
    let mut out = Out::new(little_endian);
    out.bytes.extend(b"\x7fELF");
    out.u8(CLASS_64);
    out.u8(if little_endian { 1 } else { 2 });
    out.u8(VERSION);
    out.bytes.resize(16, 0);
    out.u16(elf::ET_REL.0);
    out.u16(elf::EM_BPF.0);
    out.u32(VERSION.into());
    out.u64(0);
    out.u64(0);
    out.u64(table);
    out.u32(0);
    out.u16(HEADER as u16);
    out.u16(0);
    out.u16(0);
    out.u16(HEADER as u16);
    out.u16(sections);
    out.u16(sections - 1);
    out
}
