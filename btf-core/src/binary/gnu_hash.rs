//! Hash table of dynamic symbols (`.gnu.hash`): finds the few that may have a name without reading
//! the others.
//!
//! Source: the layout that GNU ld writes and glibc and musl read: a header of four words, the bloom
//! filter, the first symbol of each bucket, and per symbol its hash, whose bit 0 ends the bucket.

use object::elf;

use super::Elf;
use super::symbols::{Symbol, Table};
use crate::error::{ErrorKind, Result};
use btf_obj::private::Effort;

/// Hashes that are read at once.
const AT_ONCE: u32 = 32;

/// Steps for each hash of a bucket after those that are read first.
const STEPS: usize = 4;

/// Symbols of one hash that are compared before the table is given up. Few names have the same
/// hash, and a name has few versions; many are a sign of a file made to take long.
const MOST: usize = 64;

/// The hash table.
#[derive(Debug)]
pub(super) struct GnuHash<'a> {
    elf: Elf<'a>,
    symbols: Table<'a>,
    /// Number and offset of the buckets.
    buckets: u32,
    buckets_at: u64,
    /// Index of the first symbol that has a hash, and the offset of that hash.
    first: u32,
    hashes_at: u64,
}

impl<'a> GnuHash<'a> {
    /// Returns the hash table of these symbols; `None` if there is none, or it is damaged.
    pub(super) fn of(elf: Elf<'a>, symbols: Table<'a>) -> Result<Option<GnuHash<'a>>> {
        let Some((_, section)) = elf.headers.of_type(elf::SHT_GNU_HASH) else {
            return Ok(None);
        };
        if section.link != symbols.section || section.size < 16 {
            return Ok(None);
        }
        let format = elf.headers.format;
        let header: [u8; 16] = elf.source.array(section.offset)?;
        let word = |n: usize| {
            let bytes = header[4 * n..].first_chunk().copied();
            format.u32(bytes.unwrap_or_default())
        };
        let (buckets, first, bloom) = (word(0), word(1), word(2));
        let buckets_at = 16 + u64::from(bloom) * format.word() as u64;
        let hashes_at = buckets_at + 4 * u64::from(buckets);
        let hashed = symbols.count().checked_sub(first);
        let end = hashed.map(|hashed| hashes_at + 4 * u64::from(hashed));
        if buckets == 0 || end.is_none_or(|end| end > section.size) {
            return Ok(None);
        }
        Ok(Some(GnuHash {
            elf,
            symbols,
            buckets,
            buckets_at: section.offset + buckets_at,
            first,
            hashes_at: section.offset + hashes_at,
        }))
    }

    /// Returns the budget for looking names up: a sound bucket has few symbols, and a damaged one
    /// may have all of them.
    pub(super) fn effort(&self) -> Effort {
        let size = 4 * self.symbols.count() as usize;
        Effort::for_bytes(
            size,
            ErrorKind::Malformed,
            "the hash table has long buckets",
        )
    }

    /// Returns the symbols of a name; `None` if the table is damaged, or the budget is spent.
    pub(super) fn symbols(&self, name: &str, effort: &mut Effort) -> Result<Option<Vec<Symbol>>> {
        let (format, source) = (self.elf.headers.format, self.elf.source);
        let hash = hash(name.as_bytes());
        let bucket = u64::from(hash % self.buckets);
        let start = format.u32(source.array(self.buckets_at + 4 * bucket)?);
        if start == 0 {
            return Ok(Some(Vec::new()));
        }
        let mut index = start;
        let mut found = Vec::new();
        let mut compared = 0;
        while index >= self.first && index < self.symbols.count() {
            let mut hashes = [0; 4 * AT_ONCE as usize];
            let count = AT_ONCE.min(self.symbols.count() - index);
            if index != start && effort.charge(STEPS * count as usize).is_err() {
                return Ok(None);
            }
            let at = self.hashes_at + 4 * u64::from(index - self.first);
            let hashes = &mut hashes[..4 * count as usize];
            source.read(at, hashes)?;
            for own in hashes.as_chunks().0 {
                let own = format.u32(*own);
                if own | 1 == hash | 1 {
                    compared += 1;
                    if compared > MOST {
                        return Ok(None);
                    }
                    let symbol = self.symbols.symbol(index)?;
                    if self.symbols.is_named(symbol.name, name)? {
                        found.push(symbol);
                    }
                }
                if own & 1 != 0 {
                    return Ok(Some(found));
                }
                index += 1;
            }
        }
        Ok(None)
    }
}

fn hash(name: &[u8]) -> u32 {
    name.iter().fold(5381, |hash: u32, c| {
        hash.wrapping_mul(33).wrapping_add(u32::from(*c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_like_the_dynamic_linker() {
        assert_eq!(hash(b""), 5381);
        assert_eq!(hash(b"printf"), 0x156b_2bb8);
        assert_eq!(hash(b"flapenguin.me"), 0x8ae9_f18e);
    }
}
