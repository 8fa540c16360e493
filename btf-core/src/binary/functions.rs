//! Functions whose names match a pattern.

use std::collections::HashSet;

use object::elf;

use super::Elf;
use super::pattern::Matching;
use super::symbols::{Symbol, Table, Target};
use super::unresolved;
use crate::error::{ErrorKind, Result};
use btf_obj::private::Effort;

const OVERLAP: &str = "the symbols' names overlap, and are longer than the tables by far";

/// A function of a binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Name of its symbol. In a full symbol table it may end in `@VERSION` or `@@VERSION`.
    pub name: String,
    /// Offset of its first instruction in the file.
    pub offset: u64,
}

/// The functions of a table that match a pattern.
struct Found<'a> {
    table: Table<'a>,
    /// Offsets of their first instructions in the binary and of their names in the string table.
    functions: Vec<(u64, u32)>,
}

/// Returns the offsets of the functions that match a pattern.
pub(super) fn offsets(elf: Elf<'_>, pattern: &str) -> Result<Vec<u64>> {
    let found = find(elf, pattern)?;
    Ok(found.functions.iter().map(|(offset, _)| *offset).collect())
}

/// Returns the functions that match a pattern.
pub(super) fn functions(elf: Elf<'_>, pattern: &str) -> Result<Vec<Function>> {
    let found = find(elf, pattern)?;
    let names = names(elf, &found, &mut effort(found.table))?;
    let functions = found.functions.iter().zip(names);
    Ok(functions
        .map(|((offset, _), name)| Function {
            name,
            offset: *offset,
        })
        .collect())
}

/// Finds the functions that match: in the full symbol table, and if none does, among the dynamic
/// symbols. As in libbpf, functions of all versions match, and IFUNCs do not.
fn find<'a>(elf: Elf<'a>, pattern: &str) -> Result<Found<'a>> {
    let mut ifunc = None;
    for kind in [elf::SHT_SYMTAB, elf::SHT_DYNSYM] {
        let Some(table) = Table::of(elf, kind)? else {
            continue;
        };
        let matching = Matching::find(elf.source, table.strings(), pattern)?;
        if matching.is_empty() {
            continue;
        }
        let (mut seen, mut functions) = (HashSet::new(), Vec::new());
        table.each(|symbol: Symbol| {
            if !symbol.is_function() || !matching.has(symbol.name) {
                return;
            }
            match symbol.target(elf) {
                Target::Function(offset) if seen.insert(offset) => {
                    functions.push((offset, symbol.name));
                }
                Target::Ifunc => {
                    ifunc.get_or_insert((table, symbol.name));
                }
                _ => {}
            }
        })?;
        if !functions.is_empty() {
            return Ok(Found { table, functions });
        }
    }
    Err(unresolved::pattern(elf, pattern, ifunc))
}

/// Returns the budget for reading names of a table. They share strings, but not all names of a
/// sound binary share one long string.
fn effort(table: Table<'_>) -> Effort {
    Effort::for_bytes(size(table), ErrorKind::Malformed, OVERLAP)
}

/// Size of a table with its strings.
fn size(table: Table<'_>) -> usize {
    let (_, strings) = table.strings();
    usize::try_from(strings.saturating_add(table.size())).unwrap_or(usize::MAX)
}

/// Reads the names of functions, in their order.
fn names(elf: Elf<'_>, found: &Found<'_>, effort: &mut Effort) -> Result<Vec<String>> {
    let (offset, size) = found.table.strings();
    let mut order: Vec<usize> = (0..found.functions.len()).collect();
    order.sort_by_key(|n| found.functions[*n].1);
    let mut names = vec![String::new(); order.len()];
    let mut rest = order.iter().peekable();
    let mut result = Ok(());
    elf.source.strings(offset, size, |start, text| {
        let end = u64::from(start) + text.len() as u64;
        while let Some(n) = rest.next_if(|n| u64::from(found.functions[**n].1) <= end) {
            // Strings begin where the last one ended, so that the name does not begin before.
            let name = &text[(found.functions[*n].1 - start) as usize..];
            if result.is_ok() {
                let name = String::from_utf8_lossy(name);
                result = effort.charge_kept(name.len());
                names[*n] = name.into_owned();
            }
        }
    })?;
    result.map(|()| names)
}

#[cfg(test)]
mod tests {
    use crate::binary::Binary;

    /// This test's own executable has as many symbols as any.
    #[test]
    fn names_of_a_sound_binary_are_far_from_the_budget() {
        let path = std::env::current_exe().unwrap();
        let binary = Binary::open(path.to_str().unwrap()).unwrap();
        let (count, percent) = binary
            .read(|elf| {
                let found = super::find(elf, "*")?;
                let mut effort = super::effort(found.table);
                let names = super::names(elf, &found, &mut effort)?;
                Ok((names.len(), effort.percent_of(super::size(found.table))))
            })
            .unwrap();
        println!("{count} functions: {percent:.1} % of the budget");
        assert!(count > 1000 && percent < 10.0, "{percent}");
    }
}
