//! Refuses sections that share bytes of the file: a small file of many such sections would become
//! gigabytes once each has a copy of its own.

use object::Endianness;
use object::elf;
use object::read::elf::{SectionHeader, SectionTable};

use crate::error::{Error, Result};

type Header = elf::FileHeader64<Endianness>;

/// Checks that no two sections have a byte in common. No compiler or linker lets them.
///
/// # Errors
///
/// [`crate::ErrorKind::Malformed`] naming two sections that do.
pub(super) fn check(
    endian: Endianness,
    sections: &SectionTable<'_, Header>,
    names: &[&str],
) -> Result<()> {
    let mut ranges: Vec<(u64, u64, usize)> = Vec::with_capacity(sections.len());
    for (index, section) in sections.enumerate() {
        let range = section.file_range(endian);
        let range = range.filter(|_| section.sh_type(endian) != elf::SHT_NULL);
        if let Some((start, size)) = range.filter(|(_, size)| *size > 0) {
            ranges.push((start, start.saturating_add(size), index.0));
        }
    }
    ranges.sort_by_key(|range| *range);
    for pair in ranges.windows(2) {
        if let [(_, end, first), (start, _, second)] = pair
            && start < end
        {
            let name = |index: usize| names.get(index).copied().unwrap_or_default();
            return Err(Error::malformed(format!(
                "sections {} and {} overlap in the file",
                name(*first),
                name(*second)
            )));
        }
    }
    Ok(())
}
