//! Static probes (USDT): the notes that `<sys/sdt.h>` and its like leave in a binary.
//!
//! Source: the section `.note.stapsdt` as SystemTap documents it.

use object::Endianness;
use object::read::elf::{FileHeader, NoteIterator, SectionHeader};

use super::{Elf, elf_error};
use crate::error::{Error, Result};

/// The type and owner of a probe's note.
const TYPE: u32 = 3;
const OWNER: &[u8] = b"stapsdt";

/// A place where a static probe is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticProbe {
    /// Who provides it: `libc`, `python`.
    pub provider: String,
    /// Its name. Several places may have the same.
    pub name: String,
    /// Where its instruction is in the file.
    pub offset: u64,
    /// Where its instruction is in the program, before that is loaded to another address.
    pub address: u64,
    /// Where its counter of those who listen is in the file, if it has one.
    pub semaphore: Option<u64>,
    /// Where its arguments are, in the compiler's words: `-4@%esi 8@-24(%rbp)`.
    pub arguments: String,
}

/// A note's contents.
struct Note<'d> {
    location: u64,
    /// The address that `.stapsdt.base` had when the note was written.
    base: u64,
    semaphore: u64,
    provider: &'d [u8],
    name: &'d [u8],
    arguments: &'d [u8],
}

pub(super) fn all<E: FileHeader<Endian = Endianness>>(
    elf: &Elf<'_, E>,
) -> Result<Vec<StaticProbe>> {
    let named = |wanted: &[u8]| {
        elf.sections
            .section_by_name(elf.endian, wanted)
            .map(|(_, section)| section)
    };
    let Some(notes) = named(b".note.stapsdt") else {
        return Ok(Vec::new());
    };
    let bytes = notes
        .data(elf.endian, elf.bytes)
        .map_err(elf_error("section .note.stapsdt"))?;
    let mut notes = NoteIterator::<E>::new(elf.endian, notes.sh_addralign(elf.endian), bytes)
        .map_err(elf_error("section .note.stapsdt"))?;
    // Where a linker or `prelink` moved things, the base tells by how much.
    let base: Option<u64> = named(b".stapsdt.base").map(|s| s.sh_addr(elf.endian).into());
    let mut probes = Vec::new();
    while let Some(note) = notes.next().map_err(elf_error("section .note.stapsdt"))? {
        if note.n_type(elf.endian).0 != TYPE || note.name() != OWNER {
            continue;
        }
        if let Some(note) = read(elf, note.desc()) {
            probes.push(place(elf, &note, base)?);
        }
    }
    Ok(probes)
}

/// Reads three addresses and three strings; none if they are not all there.
fn read<'d, E: FileHeader<Endian = Endianness>>(
    elf: &Elf<'_, E>,
    desc: &'d [u8],
) -> Option<Note<'d>> {
    let word = if elf.header.is_type_64() { 8 } else { 4 };
    let number = |n: usize| {
        let bytes = desc.get(n * word..(n + 1) * word)?;
        let mut wide = [0; 8];
        let is_little = elf.endian == Endianness::Little;
        let at = if is_little { 0 } else { 8 - word };
        wide[at..at + word].copy_from_slice(bytes);
        Some(if is_little {
            u64::from_le_bytes(wide)
        } else {
            u64::from_be_bytes(wide)
        })
    };
    let mut strings = desc.get(3 * word..)?.splitn(4, |b| *b == 0);
    let note = Note {
        location: number(0)?,
        base: number(1)?,
        semaphore: number(2)?,
        provider: strings.next()?,
        name: strings.next()?,
        arguments: strings.next()?,
    };
    // What is behind the third string's end tells that it has one.
    strings.next()?;
    (!note.name.is_empty()).then_some(note)
}

fn place<E: FileHeader<Endian = Endianness>>(
    elf: &Elf<'_, E>,
    note: &Note<'_>,
    base: Option<u64>,
) -> Result<StaticProbe> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (provider, name) = (text(note.provider), text(note.name));
    let moved = base.map_or(0, |base| base.wrapping_sub(note.base));
    let address = note.location.wrapping_add(moved);
    let outside = |what: &str| {
        Error::malformed(format!(
            "static probe `{provider}:{name}` has its {what} outside of what is loaded of the file"
        ))
    };
    let (offset, _) = elf
        .place(address)?
        .filter(|(_, is_code)| *is_code)
        .ok_or_else(|| outside("instruction"))?;
    let semaphore = match note.semaphore {
        0 => None,
        at => {
            let place = elf.place(at.wrapping_add(moved))?;
            let (offset, _) = place
                .filter(|(_, is_code)| !*is_code)
                .ok_or_else(|| outside("semaphore"))?;
            Some(offset)
        }
    };
    let arguments = text(note.arguments);
    Ok(StaticProbe {
        offset,
        address,
        semaphore,
        // A colon stands for none.
        arguments: if arguments.starts_with(':') {
            String::new()
        } else {
            arguments
        },
        provider,
        name,
    })
}
