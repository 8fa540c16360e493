//! USDT probes: the notes that `<sys/sdt.h>` and its like leave in a binary.
//!
//! Source: the section `.note.stapsdt` as SystemTap documents it, and notes as the ELF
//! specification (gABI) does.

use super::Elf;
use super::headers::{Format, Section};
use crate::error::{Context, Error, Result};

/// Type and owner of a probe's note.
const TYPE: u32 = 3;
const OWNER: &[u8] = b"stapsdt\0";

/// A USDT probe at one of its locations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticProbe {
    /// Its provider: `libc`, `python`.
    pub provider: String,
    /// Its name. Several locations may have the same.
    pub name: String,
    /// Offset of its instruction in the file.
    pub offset: u64,
    /// Address of its instruction in the program as linked, which may be loaded to another one.
    pub address: u64,
    /// Offset of its semaphore in the file, if it has one: a counter that is above zero while
    /// something is attached.
    pub semaphore: Option<u64>,
    /// Locations of its arguments, as the compiler writes them: `-4@%esi 8@-24(%rbp)`.
    pub arguments: String,
}

/// Contents of a note.
struct Note<'d> {
    location: u64,
    /// Address of `.stapsdt.base` when the note was written.
    base: u64,
    semaphore: u64,
    provider: &'d [u8],
    name: &'d [u8],
    arguments: &'d [u8],
}

/// Reads all probes.
pub(super) fn all(elf: Elf<'_>) -> Result<Vec<StaticProbe>> {
    let named = |name| elf.headers.named(elf.source, name);
    let Some(section) = named(".note.stapsdt") else {
        return Ok(Vec::new());
    };
    let what = || "section .note.stapsdt";
    let bytes = elf
        .source
        .bytes(section.offset, section.size)
        .context(what)?;
    // If a linker or `prelink` moved the program, the base tells by how much.
    let base = named(".stapsdt.base").map(|section| section.address);
    let mut notes = Notes::new(elf.headers.format, section, &bytes);
    let mut probes = Vec::new();
    while let Some(contents) = notes.next().context(what)? {
        if let Some(note) = contents.and_then(|contents| read(elf.headers.format, contents)) {
            probes.push(probe(elf, &note, base)?);
        }
    }
    Ok(probes)
}

/// The notes of a section.
struct Notes<'d> {
    format: Format,
    /// Names and contents are padded to a multiple of this.
    padding: usize,
    rest: &'d [u8],
}

impl<'d> Notes<'d> {
    fn new(format: Format, section: &Section, bytes: &'d [u8]) -> Notes<'d> {
        Notes {
            format,
            padding: if section.alignment == 8 { 8 } else { 4 },
            rest: bytes,
        }
    }

    /// Returns the contents of the next note; `Some(None)` if it is not about a probe.
    fn next(&mut self) -> Result<Option<Option<&'d [u8]>>> {
        let Some((header, rest)) = self.rest.split_first_chunk::<12>() else {
            return Ok(None);
        };
        let [n0, n1, n2, n3, d0, d1, d2, d3, t0, t1, t2, t3] = *header;
        let name_size = self.format.u32([n0, n1, n2, n3]) as usize;
        let size = self.format.u32([d0, d1, d2, d3]) as usize;
        let kind = self.format.u32([t0, t1, t2, t3]);
        let cut_off = || Error::malformed("a note exceeds the section");
        let (name, rest) = rest.split_at_checked(name_size).ok_or_else(cut_off)?;
        let rest = self.after_padding(12 + name_size, rest);
        let (contents, rest) = rest.split_at_checked(size).ok_or_else(cut_off)?;
        self.rest = self.after_padding(size, rest);
        Ok(Some((kind == TYPE && name == OWNER).then_some(contents)))
    }

    /// The padding of the last note may be missing.
    fn after_padding(&self, len: usize, rest: &'d [u8]) -> &'d [u8] {
        let padding = len.next_multiple_of(self.padding) - len;
        rest.get(padding..).unwrap_or_default()
    }
}

/// Reads three addresses and three strings; `None` if a part is missing.
fn read(format: Format, contents: &[u8]) -> Option<Note<'_>> {
    let word = format.word();
    let address = |n: usize| {
        let bytes = contents.get(n * word..)?;
        Some(if format.is_64 {
            format.u64(*bytes.first_chunk()?)
        } else {
            format.u32(*bytes.first_chunk()?).into()
        })
    };
    let mut strings = contents.get(3 * word..)?.splitn(4, |b| *b == 0);
    let note = Note {
        location: address(0)?,
        base: address(1)?,
        semaphore: address(2)?,
        provider: strings.next()?,
        name: strings.next()?,
        arguments: strings.next()?,
    };
    // The third string is terminated only if something follows it, even if that is empty.
    strings.next()?;
    (!note.name.is_empty()).then_some(note)
}

fn probe(elf: Elf<'_>, note: &Note<'_>, base: Option<u64>) -> Result<StaticProbe> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (provider, name) = (text(note.provider), text(note.name));
    let moved = base.map_or(0, |base| base.wrapping_sub(note.base));
    let address = note.location.wrapping_add(moved);
    let outside = |what: &str| {
        Error::malformed(format!(
            "USDT probe `{provider}:{name}`: its {what} is not in a segment of that kind"
        ))
    };
    let instruction = elf
        .headers
        .place(address)
        .filter(|place| place.is_executable);
    let instruction = instruction.ok_or_else(|| outside("instruction"))?;
    let semaphore = match note.semaphore {
        0 => None,
        at => {
            let semaphore = elf.headers.place(at.wrapping_add(moved));
            let semaphore = semaphore.filter(|place| !place.is_executable);
            Some(semaphore.ok_or_else(|| outside("semaphore"))?.offset)
        }
    };
    let arguments = text(note.arguments);
    Ok(StaticProbe {
        offset: instruction.offset,
        address,
        semaphore,
        // A colon stands for no arguments.
        arguments: if arguments.starts_with(':') {
            String::new()
        } else {
            arguments
        },
        provider,
        name,
    })
}
