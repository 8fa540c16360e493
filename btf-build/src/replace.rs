//! Replaces the contents of one section of an object.

use object::Endianness;
use object::elf;
use object::endian::U64;
use object::pod::bytes_of;
use object::read::elf::FileHeader as _;

type Header = elf::FileHeader64<Endianness>;
type Section = elf::SectionHeader64<Endianness>;

/// Puts `contents` behind everything else in the file, and lets the section's header refer to it.
/// Stripping rewrites the layout of the file.
///
/// # Errors
///
/// If it is not a 64-bit ELF object, or has no such section.
pub(crate) fn replace_section(elf: &[u8], name: &str, contents: &[u8]) -> Result<Vec<u8>, String> {
    let text = |e: object::Error| e.to_string();
    let header = Header::parse(elf).map_err(text)?;
    let endian = header.endian().map_err(text)?;
    let sections = header.sections(endian, elf).map_err(text)?;
    let found = sections.section_by_name(endian, name.as_bytes());
    let (index, section) = found.ok_or_else(|| format!("there is no section {name}"))?;
    let mut out = elf.to_vec();
    out.resize(out.len().next_multiple_of(8), 0);
    let mut section = *section;
    section.sh_offset = U64::new(endian, out.len() as u64);
    section.sh_size = U64::new(endian, contents.len() as u64);
    out.extend_from_slice(contents);
    let table = usize::try_from(header.e_shoff(endian)).unwrap_or(usize::MAX);
    let at = table.saturating_add(index.0 * size_of::<Section>());
    let slot = out
        .get_mut(at..)
        .and_then(|rest| rest.get_mut(..size_of::<Section>()));
    slot.ok_or("its section table is cut off")?
        .copy_from_slice(bytes_of(&section));
    Ok(out)
}
