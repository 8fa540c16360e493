//! Functions by exact name and version: which symbol is a name's, and where its instructions are.

use std::collections::HashMap;

use object::elf;

use super::Elf;
use super::gnu_hash::GnuHash;
use super::names::{self, InName, Position, Wanted};
use super::outcome::Outcome;
use super::symbols::{Symbol, Table, Target};
use super::unresolved;
use super::versions::{Version, Versions};
use crate::error::{Error, ErrorKind, Result};

/// Versions of a name that are kept for an error.
const SHOWN: usize = 4;

/// Returns the offsets of functions, in the order of their names, which may be repeated.
pub(super) fn offsets(elf: Elf<'_>, names: &[&str]) -> Result<Vec<u64>> {
    let (mut unique, mut order) = (Vec::new(), Vec::new());
    let mut indices = HashMap::new();
    for name in names {
        let next = unique.len();
        let index = *indices.entry(*name).or_insert(next);
        if index == next {
            unique.push(*name);
        }
        order.push(index);
    }
    let offsets = offsets_of_unique(elf, &unique)?;
    Ok(order.into_iter().map(|n| offsets[n]).collect())
}

/// Returns the offsets of functions, in the order of their names.
///
/// The dynamic symbols come first, as in libbpf: a stripped binary has only those, a static one
/// only the full symbol table.
fn offsets_of_unique(elf: Elf<'_>, names: &[&str]) -> Result<Vec<u64>> {
    let mut search = Search::new(elf, names)?;
    let dynamic = Table::of(elf, elf::SHT_DYNSYM)?;
    let is_complete = match dynamic {
        Some(dynamic) => search.by_hash(dynamic)? || search.scan(dynamic)?,
        None => false,
    };
    if !is_complete && let Some(full) = Table::of(elf, elf::SHT_SYMTAB)? {
        search.scan(full)?;
    }
    // The hash table has neither imported functions, which an error should name, nor what a tool
    // forgot that wrote it.
    if let Some(dynamic) = dynamic {
        search.scan(dynamic)?;
    }
    let found = search.outcomes.iter().zip(names);
    found
        .map(|(outcome, name)| {
            outcome
                .offset()
                .map_err(|why| unresolved::error(elf, name, outcome, why))
        })
        .collect()
}

struct Search<'a> {
    elf: Elf<'a>,
    wanted: Vec<Wanted<'a>>,
    outcomes: Vec<Outcome>,
}

/// Versions of the symbols of a table, and those that are wanted.
struct Versioned<'a> {
    versions: Versions<'a>,
    /// For each wanted name, the indices of the version that it asks for.
    wanted: Vec<Vec<u16>>,
}

impl<'a> Search<'a> {
    fn new(elf: Elf<'a>, names: &[&'a str]) -> Result<Search<'a>> {
        let wanted: Vec<_> = names.iter().map(|name| Wanted::parse(name)).collect();
        if wanted.iter().any(|wanted| wanted.base.is_empty()) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "the name of a function is empty",
            ));
        }
        Ok(Search {
            elf,
            outcomes: wanted.iter().map(|_| Outcome::default()).collect(),
            wanted,
        })
    }

    /// Returns the indices of names that nothing owns so far.
    fn open(&self) -> Vec<usize> {
        let is_open = |n: &usize| !self.outcomes[*n].is_owned();
        (0..self.wanted.len()).filter(is_open).collect()
    }

    fn versioned(&self, table: Table<'a>) -> Result<Versioned<'a>> {
        let versions = Versions::of(self.elf, table)?;
        // Many names are of few versions.
        let mut known: HashMap<&str, Vec<u16>> = HashMap::new();
        let mut wanted = Vec::with_capacity(self.wanted.len());
        for Wanted { version, .. } in &self.wanted {
            let Some(version) = version else {
                wanted.push(Vec::new());
                continue;
            };
            if !known.contains_key(version) {
                known.insert(version, versions.named(version)?);
            }
            wanted.push(known[version].clone());
        }
        Ok(Versioned { versions, wanted })
    }

    /// Looks all names up in the hash table, if there is a sound one; `true` if all are found.
    fn by_hash(&mut self, table: Table<'a>) -> Result<bool> {
        let Some(hash) = GnuHash::of(self.elf, table)? else {
            return Ok(false);
        };
        let versioned = self.versioned(table)?;
        let mut effort = hash.effort();
        for n in 0..self.wanted.len() {
            let symbols = hash.symbols(self.wanted[n].base, &mut effort)?;
            for symbol in symbols.unwrap_or_default() {
                self.add(&versioned, n, symbol, InName::None)?;
            }
        }
        Ok(self.open().is_empty())
    }

    /// Looks at all symbols for the names that are not found yet; `true` if all are found.
    fn scan(&mut self, table: Table<'a>) -> Result<bool> {
        let open = self.open();
        if open.is_empty() {
            return Ok(true);
        }
        let wanted: Vec<Wanted<'a>> = open.iter().map(|n| self.wanted[*n]).collect();
        let positions = names::positions(self.elf.source, table.strings(), &wanted)?;
        if positions.is_empty() {
            return Ok(false);
        }
        let versioned = self.versioned(table)?;
        let mut result = Ok(());
        table.each(|symbol| {
            for Position {
                wanted, version, ..
            } in names::at(&positions, symbol.name)
            {
                if result.is_ok() {
                    result = self.add(&versioned, open[*wanted as usize], symbol, *version);
                }
            }
        })?;
        result?;
        Ok(self.open().is_empty())
    }

    /// Adds a symbol of the name at this index, if it has the version that is wanted.
    fn add(
        &mut self,
        of: &Versioned<'a>,
        index: usize,
        symbol: Symbol,
        in_name: InName,
    ) -> Result<()> {
        let version = of.versions.version(symbol.index)?;
        let is_wanted = self.wanted[index].version.is_none()
            || in_name != InName::None
            || version
                .is_some_and(|version| of.wanted[index].binary_search(&version.index).is_ok());
        let target = symbol.target(self.elf);
        let outcome = &mut self.outcomes[index];
        let is_function = matches!(target, Target::Function(_));
        if !is_wanted {
            if outcome.versions.len() < SHOWN
                && let Some(Version { index, .. }) = version
                && !outcome.versions.contains(&index)
            {
                outcome.versions.push(index);
            }
            return Ok(());
        }
        let is_hidden =
            in_name == InName::Hidden || version.is_some_and(|version| version.is_hidden);
        if is_hidden && is_function && outcome.older.is_none() {
            outcome.older = version.map(|version| version.index);
        }
        outcome.add(target, symbol.is_weak(), is_hidden);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Unresolved;
    use super::*;

    const STRONG: bool = false;
    const WEAK: bool = true;
    const DEFAULT: bool = false;
    const HIDDEN: bool = true;

    fn outcome(symbols: &[(Target, bool, bool)]) -> Result<u64, Unresolved> {
        let mut outcome = Outcome::default();
        for (target, is_weak, is_hidden) in symbols {
            outcome.add(*target, *is_weak, *is_hidden);
        }
        outcome.offset()
    }

    #[test]
    fn prefers_the_default_version_and_strong_symbols() {
        use Target::Function;
        for (symbols, expected) in [
            (
                vec![
                    (Function(1), STRONG, HIDDEN),
                    (Function(2), STRONG, DEFAULT),
                ],
                2,
            ),
            (
                vec![(Function(1), STRONG, HIDDEN), (Function(2), WEAK, DEFAULT)],
                2,
            ),
            (
                vec![(Function(1), WEAK, DEFAULT), (Function(2), STRONG, DEFAULT)],
                2,
            ),
            (
                vec![(Function(1), WEAK, DEFAULT), (Function(2), WEAK, DEFAULT)],
                1,
            ),
            // Aliases, and what only refers to a function.
            (
                vec![
                    (Function(1), STRONG, DEFAULT),
                    (Function(1), STRONG, DEFAULT),
                ],
                1,
            ),
            (
                vec![
                    (Target::Imported, STRONG, DEFAULT),
                    (Function(1), WEAK, HIDDEN),
                ],
                1,
            ),
            (
                vec![
                    (Target::NotFunction, STRONG, DEFAULT),
                    (Function(1), WEAK, HIDDEN),
                ],
                1,
            ),
            // Of equal rank, a function comes before what cannot be probed.
            (
                vec![
                    (Target::Ifunc, STRONG, DEFAULT),
                    (Function(1), STRONG, DEFAULT),
                ],
                1,
            ),
        ] {
            assert_eq!(outcome(&symbols), Ok(expected), "{symbols:?}");
            let mut turned = symbols.clone();
            turned.reverse();
            if expected != 1 || symbols[0].0 != Function(1) || symbols[1].0 == Function(1) {
                assert_eq!(outcome(&turned), Ok(expected), "{turned:?}");
            }
        }
    }

    #[test]
    fn an_ifunc_is_not_replaced_by_an_older_function() {
        let old = (Target::Function(1), STRONG, HIDDEN);
        for owner in [
            Target::Ifunc,
            Target::NotExecutable,
            Target::WithoutContents,
        ] {
            let new = (owner, STRONG, DEFAULT);
            assert_eq!(outcome(&[old, new]), Err(Unresolved::Owner(owner)));
            assert_eq!(outcome(&[new, old]), Err(Unresolved::Owner(owner)));
        }
    }

    #[test]
    fn several_strong_functions_are_ambiguous() {
        let f = |offset| (Target::Function(offset), STRONG, DEFAULT);
        assert_eq!(outcome(&[f(60), f(61)]), Err(Unresolved::Several(60, 61)));
        assert_eq!(outcome(&[]), Err(Unresolved::Missing));
        assert_eq!(
            outcome(&[(Target::Imported, STRONG, DEFAULT)]),
            Err(Unresolved::Missing)
        );
    }
}
