//! ELF header, segments and section headers of a binary, in one form for both classes and byte
//! orders.
//!
//! Source: the ELF specification (gABI), chapters "Object Files" and "Program Loading".

use object::elf;

use super::source::Source;
use crate::error::{Context, Error, Result};

/// `e_phnum` of a file whose number of segments is in `sh_info` of section 0.
const MANY_SEGMENTS: u16 = 0xffff;

/// Class and byte order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) is_64: bool,
    pub(super) is_little: bool,
}

impl Format {
    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.is_little {
            u16::from_le_bytes(bytes)
        } else {
            u16::from_be_bytes(bytes)
        }
    }

    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.is_little {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        }
    }

    pub(super) fn u64(self, bytes: [u8; 8]) -> u64 {
        if self.is_little {
            u64::from_le_bytes(bytes)
        } else {
            u64::from_be_bytes(bytes)
        }
    }

    /// Size of an address or offset.
    pub(super) fn word(self) -> usize {
        if self.is_64 { 8 } else { 4 }
    }

    fn fields(self, bytes: &[u8]) -> Fields<'_> {
        Fields {
            format: self,
            bytes,
        }
    }
}

/// A header's fields, taken from its front one by one.
struct Fields<'a> {
    format: Format,
    bytes: &'a [u8],
}

impl Fields<'_> {
    /// Headers are read with the size that the specification gives them: nothing is missing.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.bytes.split_first_chunk().unwrap_or((&[0; N], &[]));
        self.bytes = rest;
        *taken
    }

    fn half(&mut self) -> u16 {
        let bytes = self.take();
        self.format.u16(bytes)
    }

    fn word(&mut self) -> u32 {
        let bytes = self.take();
        self.format.u32(bytes)
    }

    /// An address, an offset or a size.
    fn long(&mut self) -> u64 {
        if self.format.is_64 {
            let bytes = self.take();
            self.format.u64(bytes)
        } else {
            self.word().into()
        }
    }
}

/// A segment that is loaded (`PT_LOAD`).
#[derive(Debug, Clone, Copy)]
struct Segment {
    address: u64,
    memory_size: u64,
    offset: u64,
    file_size: u64,
    is_executable: bool,
}

/// A section header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    name: u32,
    pub(super) kind: elf::SectionType,
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) link: u32,
    info: u32,
    pub(super) alignment: u64,
}

/// Location in the file of an address of the loaded program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) is_executable: bool,
    /// `false` for memory that starts as zero, and for the segments of a separate debug file.
    pub(super) has_contents: bool,
}

/// Headers of a binary: its format, segments and sections.
#[derive(Debug)]
pub(super) struct Headers {
    pub(super) format: Format,
    pub(super) is_relocatable: bool,
    /// In the order of their addresses.
    segments: Vec<Segment>,
    sections: Vec<Section>,
    /// Index of the section with the names of sections.
    names: u32,
}

impl Headers {
    pub(super) fn read(source: &Source) -> Result<Headers> {
        let format = format(source)?;
        let mut header = [0; 64];
        let size = if format.is_64 { 64 } else { 52 };
        source
            .read(0, &mut header[..size])
            .context(|| "ELF header")?;
        let mut fields = format.fields(&header[16..size]);
        let kind = fields.half();
        // Machine and version, then the address of the first instruction.
        let _ = (fields.half(), fields.word(), fields.long());
        let (segments_at, sections_at) = (fields.long(), fields.long());
        // Flags and the header's own size.
        let _ = (fields.word(), fields.half());
        let (segment_size, segments) = (fields.half(), fields.half());
        let (section_size, sections) = (fields.half(), fields.half());
        let names = fields.half();

        let sections = Table {
            offset: sections_at,
            record: section_size,
            count: sections.into(),
        };
        let sections = read_sections(source, format, sections)?;
        // Section 0 holds the counts that do not fit into the ELF header.
        let first = sections.first().copied();
        let segments = Table {
            offset: segments_at,
            record: segment_size,
            count: match (segments, first) {
                (MANY_SEGMENTS, Some(first)) => first.info.into(),
                _ => segments.into(),
            },
        };
        Ok(Headers {
            format,
            is_relocatable: kind == elf::ET_DYN.0,
            segments: read_segments(source, format, segments)?,
            names: match first {
                Some(first) if names == elf::SHN_XINDEX.0 => first.link,
                _ => names.into(),
            },
            sections,
        })
    }

    /// Returns where an address is in the file; `None` if no segment is loaded there.
    ///
    /// Segments, not sections, decide what is mapped where. Tools that rewrite binaries leave
    /// symbols with the index of another section, by whose offset libbpf computes.
    pub(super) fn place(&self, address: u64) -> Option<Place> {
        let after = self.segments.partition_point(|s| s.address <= address);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        let into = address - segment.address;
        (into < segment.memory_size).then_some(Place {
            offset: segment.offset.checked_add(into)?,
            is_executable: segment.is_executable,
            has_contents: into < segment.file_size,
        })
    }

    /// Returns `true` unless all section headers were removed.
    pub(super) fn has_sections(&self) -> bool {
        !self.sections.is_empty()
    }

    pub(super) fn section(&self, index: u32) -> Option<&Section> {
        self.sections.get(index as usize)
    }

    /// Returns the first section of a type, and its index.
    pub(super) fn of_type(&self, kind: elf::SectionType) -> Option<(u32, &Section)> {
        let index = self.sections.iter().position(|s| s.kind == kind)?;
        Some((index as u32, &self.sections[index]))
    }

    /// Returns the section of this name.
    pub(super) fn named(&self, source: &Source, name: &str) -> Option<&Section> {
        let names = self.section(self.names)?;
        let mut wanted = name.as_bytes().to_vec();
        wanted.push(0);
        // Compared byte by byte in the table: each header costs as much as the wanted name has.
        let table = source.bytes(names.offset, names.size).ok()?;
        self.sections.iter().find(|s| {
            let own = table.get(s.name as usize..);
            own.is_some_and(|own| own.starts_with(&wanted))
        })
    }
}

/// A table of headers.
struct Table {
    offset: u64,
    record: u16,
    count: u64,
}

/// Finds class and byte order.
fn format(source: &Source) -> Result<Format> {
    let bad = |why: &str| Error::malformed(format!("not an ELF file: {why}"));
    let ident: [u8; 16] = source
        .array(0)
        .map_err(|_| bad("it is shorter than an ELF header"))?;
    if ident[..4] != elf::ELFMAG {
        return Err(bad("it does not start with \\x7fELF"));
    }
    let is_64 = match ident[4] {
        1 => false,
        2 => true,
        class => return Err(bad(&format!("class {class} is neither 32-bit nor 64-bit"))),
    };
    let is_little = match ident[5] {
        1 => true,
        2 => false,
        order => return Err(bad(&format!("byte order {order} is unknown"))),
    };
    Ok(Format { is_64, is_little })
}

/// Reads the section headers.
fn read_sections(source: &Source, format: Format, mut table: Table) -> Result<Vec<Section>> {
    if table.offset == 0 {
        return Ok(Vec::new());
    }
    let size = if format.is_64 { 64 } else { 40 };
    let check = |is_right: bool, why: &str| match is_right {
        true => Ok(()),
        false => Err(Error::malformed(format!("section headers: {why}"))),
    };
    check(usize::from(table.record) == size, "wrong size of an entry")?;
    if table.count == 0 {
        // There are more than the ELF header can count.
        let mut first = [0; 64];
        source.read(table.offset, &mut first[..size])?;
        table.count = read_section(format, &first[..size]).size;
    }
    let all = table.count.checked_mul(size as u64);
    check(
        all.is_some_and(|all| source.has(table.offset, all)),
        "they lie outside of the file",
    )?;
    let mut sections = Vec::with_capacity(table.count as usize);
    source.records(table.offset, all.unwrap_or(0), size, |records| {
        let read = |record| read_section(format, record);
        sections.extend(records.chunks_exact(size).map(read));
        Ok(())
    })?;
    Ok(sections)
}

fn read_section(format: Format, record: &[u8]) -> Section {
    let mut fields = format.fields(record);
    let (name, kind) = (fields.word(), fields.word());
    let _flags = fields.long();
    let (address, offset, size) = (fields.long(), fields.long(), fields.long());
    let (link, info) = (fields.word(), fields.word());
    Section {
        name,
        kind: elf::SectionType(kind),
        address,
        offset,
        size,
        link,
        info,
        alignment: fields.long(),
    }
}

/// Reads the segments that are loaded.
fn read_segments(source: &Source, format: Format, table: Table) -> Result<Vec<Segment>> {
    let size = if format.is_64 { 56 } else { 32 };
    if table.count == 0 {
        return Ok(Vec::new());
    }
    let all = table.count.checked_mul(size as u64);
    let is_right =
        usize::from(table.record) == size && all.is_some_and(|all| source.has(table.offset, all));
    if !is_right {
        return Err(Error::malformed(
            "program headers: wrong size of an entry, or outside of the file",
        ));
    }
    let mut segments = Vec::new();
    source.records(table.offset, all.unwrap_or(0), size, |records| {
        let read = |record| read_segment(format, record);
        segments.extend(records.chunks_exact(size).filter_map(read));
        Ok(())
    })?;
    // They should be in this order; looking an address up depends on it.
    segments.sort_by_key(|s: &Segment| s.address);
    Ok(segments)
}

fn read_segment(format: Format, record: &[u8]) -> Option<Segment> {
    let mut fields = format.fields(record);
    let kind = fields.word();
    // Flags are second in the 64-bit form, and second to last in the other.
    let early = if format.is_64 { fields.word() } else { 0 };
    let (offset, address, _physical) = (fields.long(), fields.long(), fields.long());
    let (file_size, memory_size) = (fields.long(), fields.long());
    let flags = if format.is_64 { early } else { fields.word() };
    (kind == elf::PT_LOAD.0).then_some(Segment {
        address,
        memory_size,
        offset,
        file_size,
        is_executable: flags & elf::PF_X.0 != 0,
    })
}
