//! Functions whose names match a pattern.

use std::collections::HashSet;

use object::elf;

use super::Elf;
use super::pattern::Matching;
use super::symbols::{Symbol, Table, Target};
use super::unresolved;
use crate::effort::Effort;
use crate::error::{ErrorKind, Result};
use crate::sort;

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
    let names = names(elf, &found)?;
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

/// Reads the names of functions, in their order.
fn names(elf: Elf<'_>, found: &Found<'_>) -> Result<Vec<String>> {
    let (offset, size) = found.table.strings();
    let mut order: Vec<usize> = (0..found.functions.len()).collect();
    sort::by_key(&mut order, |n| found.functions[*n].1);
    let mut names = vec![String::new(); order.len()];
    let mut rest = order.iter().peekable();
    // Names share strings, but not all names of a sound binary share one long string.
    let tables = usize::try_from(size.saturating_add(found.table.size())).unwrap_or(usize::MAX);
    let mut effort = Effort::for_bytes(tables, ErrorKind::Malformed, OVERLAP);
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
