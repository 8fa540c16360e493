//! Exact names in string tables: finds the positions of all that are wanted in one pass.
//!
//! A symbol may refer to the middle of a string, because linkers store `bar` as the end of
//! `foobar`. Every end of every string is therefore a possible name. To look for names where
//! strings end, instead of following each symbol to its string, keeps the time linear in the
//! table's size even if all symbols are ends of one long string.

use super::source::Source;
use crate::error::Result;

/// Most bytes at a name's end that are hashed.
const HASHED: usize = 8;

/// A function that is looked for: `NAME`, `NAME@VERSION` or `NAME@@VERSION`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) base: &'a str,
    pub(super) version: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    pub(super) fn parse(name: &'a str) -> Wanted<'a> {
        match name.split_once('@') {
            Some((base, version)) => Wanted {
                base,
                version: Some(version.strip_prefix('@').unwrap_or(version)),
            },
            None => Wanted {
                base: name,
                version: None,
            },
        }
    }
}

/// A wanted name in a string table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// Offset of its first byte in the table.
    pub(super) offset: u32,
    /// Its index among those wanted.
    pub(super) wanted: u32,
    pub(super) version: InName,
}

/// Version that is part of a string, as in full symbol tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InName {
    None,
    /// `NAME@@VERSION`: the one that programs are linked against.
    Default,
    /// `NAME@VERSION`: only programs linked against that version get it.
    Hidden,
}

/// Finds the wanted names in a string table: their positions in rising order. A version that is
/// part of a string is the wanted one, if one is wanted.
pub(super) fn positions(
    source: &Source,
    (offset, size): (u64, u64),
    wanted: &[Wanted<'_>],
) -> Result<Vec<Position>> {
    let ends = Ends::new(wanted);
    let mut positions = Vec::new();
    source.strings(offset, size, |start, text| {
        let mut add = |end: usize, version: InName, its_name: &[u8]| {
            ends.of(&text[..end], &mut |index| {
                let Wanted { base, version: own } = wanted[index];
                let is_right = |own: &str| version == InName::None || own.as_bytes() == its_name;
                if own.is_none_or(is_right) {
                    positions.push(Position {
                        offset: start + (end - base.len()) as u32,
                        wanted: index as u32,
                        version,
                    });
                }
            });
        };
        add(text.len(), InName::None, &[]);
        // A wanted name has no `@`: each one in the string may be the one behind it.
        for at in memchr::memchr_iter(b'@', text) {
            let name = &text[at + 1..];
            match name.strip_prefix(b"@") {
                Some(name) => add(at, InName::Default, name),
                None => add(at, InName::Hidden, name),
            }
        }
    })?;
    positions.sort_by_key(|p| (p.offset, p.wanted));
    Ok(positions)
}

/// Returns the positions at this offset.
pub(super) fn at(positions: &[Position], offset: u32) -> &[Position] {
    let start = positions.partition_point(|p| p.offset < offset);
    let rest = &positions[start..];
    &rest[..rest.iter().take_while(|p| p.offset == offset).count()]
}

/// The wanted names, hashed by their last bytes.
struct Ends<'a> {
    wanted: &'a [Wanted<'a>],
    /// How many last bytes the names are hashed by: [`HASHED`], and the lengths of shorter names.
    lengths: Vec<usize>,
    /// By hash, the first name of a chain: its index and 1, or 0.
    first: Vec<u32>,
    /// By name, the next one of its chain.
    next: Vec<u32>,
}

impl<'a> Ends<'a> {
    fn new(wanted: &'a [Wanted<'a>]) -> Ends<'a> {
        let mut ends = Ends {
            wanted,
            lengths: Vec::new(),
            first: vec![0; (2 * wanted.len()).next_power_of_two().max(16)],
            next: vec![0; wanted.len()],
        };
        for (index, Wanted { base, .. }) in wanted.iter().enumerate() {
            let len = base.len().min(HASHED);
            if len == 0 {
                continue;
            }
            if !ends.lengths.contains(&len) {
                ends.lengths.push(len);
            }
            let slot = ends.slot(&base.as_bytes()[base.len() - len..]);
            ends.next[index] = std::mem::replace(&mut ends.first[slot], index as u32 + 1);
        }
        ends
    }

    fn slot(&self, end: &[u8]) -> usize {
        let mut bytes = [0; HASHED];
        bytes[..end.len()].copy_from_slice(end);
        // The golden ratio's bits spread the differences into the upper half.
        let hash = u64::from_le_bytes(bytes).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        hash as usize & (self.first.len() - 1)
    }

    /// Calls `found` with each wanted name that the text ends with.
    fn of(&self, text: &[u8], found: &mut impl FnMut(usize)) {
        for len in &self.lengths {
            let Some(start) = text.len().checked_sub(*len) else {
                continue;
            };
            let mut next = self.first[self.slot(&text[start..])] as usize;
            while let Some(index) = next.checked_sub(1) {
                let base = self.wanted[index].base;
                if base.len().min(HASHED) == *len && text.ends_with(base.as_bytes()) {
                    found(index);
                }
                next = self.next[index] as usize;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(table: &str, wanted: &[&str]) -> Vec<(u32, u32, bool)> {
        let source = Source::from_bytes(table.as_bytes().to_vec());
        let wanted: Vec<_> = wanted.iter().map(|name| Wanted::parse(name)).collect();
        let found = positions(&source, (0, table.len() as u64), &wanted).unwrap();
        for p in &found {
            let text = &table[p.offset as usize..];
            assert!(text.starts_with(wanted[p.wanted as usize].base));
            assert!(at(&found, p.offset).contains(p));
        }
        found
            .iter()
            .map(|p| (p.offset, p.wanted, p.version == InName::Hidden))
            .collect()
    }

    #[test]
    fn finds_whole_strings_and_ends() {
        assert_eq!(
            find("\0foobar\0bar\0ar\0foo\0", &["bar", "foo", "r"]),
            [
                (4, 0, false),
                (6, 2, false),
                (8, 0, false),
                (10, 2, false),
                (13, 2, false),
                (15, 1, false)
            ]
        );
        assert_eq!(
            find(
                "a_function_of_ours\0",
                &["a_function_of_ours", "function_of_ours", "ours"]
            ),
            [(0, 0, false), (2, 1, false), (14, 2, false)]
        );
        assert!(find("foo\0", &["fo", "oo_", "", "foofoo"]).is_empty());
    }

    #[test]
    fn versions_in_strings_are_compared() {
        let table = "f@V1\0f@@V2\0f\0gf@V1\0";
        assert_eq!(
            find(table, &["f"]),
            [(0, 0, true), (5, 0, false), (11, 0, false), (14, 0, true)]
        );
        // Without a version in the string, the one beside the symbol is to be compared.
        assert_eq!(
            find(table, &["f@V1"]),
            [(0, 0, true), (11, 0, false), (14, 0, true)]
        );
        assert_eq!(find(table, &["f@@V2"]), [(5, 0, false), (11, 0, false)]);
        assert!(at(&[], 3).is_empty());
    }
}
