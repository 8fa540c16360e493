//! Errors about functions that cannot be probed: the reason, and what to try.

use std::collections::HashMap;

use object::elf;

use super::Elf;
use super::names::Wanted;
use super::outcome::{Outcome, Unresolved};
use super::symbols::{Table, Target};
use super::versions::Versions;
use crate::error::{Error, ErrorKind, Result};
use btf_obj::private::{closeness, did_you_mean, similar};

/// Longest name of a symbol that an error shows or suggests.
const LONGEST: usize = 256;

/// Names that are kept while the closest are looked for.
const KEPT: usize = 128;

/// Builds the error about a name.
#[cold]
pub(super) fn error(elf: Elf<'_>, name: &str, outcome: &Outcome, why: Unresolved) -> Error {
    match why {
        Unresolved::Several(first, other) => Error::new(
            ErrorKind::InvalidInput,
            format!(
                "several functions are named `{name}`, at offsets {first:#x} and {other:#x} among others"
            ),
        )
        .hint("attach by offset"),
        Unresolved::Owner(target) => unsuitable(elf, name, target, outcome),
        Unresolved::Missing => {
            let versions = version_names(elf, &outcome.versions);
            match Wanted::parse(name) {
                Wanted {
                    base,
                    version: Some(version),
                } if !versions.is_empty() => {
                    Error::not_found(format!("function `{base}` has no version `{version}`"))
                        .hint(format!("it has {}", versions.join(", ")))
                }
                _ => missing(elf, name, outcome),
            }
        }
    }
}

/// Returns the names of versions of dynamic symbols.
fn version_names(elf: Elf<'_>, indices: &[u16]) -> Vec<String> {
    let Ok(Some(table)) = Table::of(elf, elf::SHT_DYNSYM) else {
        return Vec::new();
    };
    Versions::of(elf, table).map_or_else(
        |_| Vec::new(),
        |versions| indices.iter().filter_map(|n| versions.name(*n)).collect(),
    )
}

/// Builds the error about a name that something owns which cannot be probed.
fn unsuitable(elf: Elf<'_>, name: &str, target: Target, outcome: &Outcome) -> Error {
    match target {
        Target::Ifunc => {
            let older = version_names(elf, outcome.older.as_slice());
            ifunc(name, older.first().map(String::as_str))
        }
        Target::WithoutContents => Error::new(
            ErrorKind::InvalidInput,
            format!("function `{name}` has no instructions in this file, a separate debug file"),
        )
        .hint("attach to the program or library that the debug file belongs to"),
        _ => Error::malformed(format!(
            "the address of function `{name}` is in no executable segment"
        ))
        .hint("`readelf -lsW` prints the segments and symbols"),
    }
}

/// Builds the error about an IFUNC.
fn ifunc(name: &str, older: Option<&str>) -> Error {
    let error = Error::new(
        ErrorKind::Unsupported,
        format!(
            "`{name}` is an IFUNC (STT_GNU_IFUNC): its symbol is the resolver that chooses an \
             implementation when the program starts, and a uprobe there misses all calls"
        ),
    );
    let implementation = "attach to an implementation, by its own name or by offset";
    error.hint(match older {
        Some(version) => format!(
            "{implementation}; `{name}@{version}` is a function, but only programs linked against \
             that version call it"
        ),
        None => implementation.to_owned(),
    })
}

/// Builds the error about a name that no function has.
fn missing(elf: Elf<'_>, name: &str, outcome: &Outcome) -> Error {
    let not_found = || Error::not_found(format!("function `{name}` not found"));
    match outcome.unsuitable {
        Some(Target::Imported) => {
            return Error::not_found(format!(
                "function `{name}` is imported from another library, not defined in this binary"
            ))
            .hint("attach to the library that defines it");
        }
        Some(Target::Absolute) => {
            return Error::not_found(format!(
                "symbol `{name}` is absolute (SHN_ABS): its value is not an address of this binary"
            ));
        }
        Some(_) => {
            return Error::not_found(format!(
                "symbol `{name}` is not marked as a function (STT_FUNC)"
            ))
            .hint("if it is code, attach by offset");
        }
        None => {}
    }
    match close_names(elf, name)
        .ok()
        .and_then(|names| did_you_mean(&names))
    {
        Some(hint) => not_found().hint(hint),
        None => not_found().hint(elsewhere(elf)),
    }
}

/// Builds the error about a pattern that no function matches. `ifunc` is one that matches.
#[cold]
pub(super) fn pattern(elf: Elf<'_>, pattern: &str, ifunc: Option<(Table<'_>, u32)>) -> Error {
    let name = |(table, offset)| text(elf, table, offset);
    match ifunc.and_then(name) {
        Some(name) => Error::new(
            ErrorKind::Unsupported,
            format!(
                "only IFUNCs match `{pattern}`, such as `{name}`: their symbols are resolvers that \
                 choose implementations when the program starts, and uprobes there miss all calls"
            ),
        )
        .hint("attach to the implementations, by their own names or by offset"),
        None => Error::not_found(format!("no function matches `{pattern}`")).hint(elsewhere(elf)),
    }
}

/// Says where else a binary's functions may be named.
fn elsewhere(elf: Elf<'_>) -> String {
    const OTHERS: &str = "functions that other binaries cannot call are named";
    let headers = elf.headers;
    if !headers.has_sections() {
        return "the file has no section headers, so that its symbols cannot be found; attach by \
                offset"
            .to_owned();
    }
    if headers.of_type(elf::SHT_SYMTAB).is_some() {
        return "it may be inlined, or the compiler mangled its name (C++, Rust)".to_owned();
    }
    if headers.named(elf.source, ".gnu_debugdata").is_some() {
        return format!(
            "the file is stripped: {OTHERS} in its compressed section .gnu_debugdata, which is not \
             read; attach by offset"
        );
    }
    match debug_file(elf) {
        Some(file) => format!(
            "the file is stripped: {OTHERS} in its separate debug file `{file}` (.gnu_debuglink), \
             which is not read; attach by offset"
        ),
        None => format!(
            "the file is stripped: {OTHERS} in no section; attach by offset, or to an unstripped \
             binary"
        ),
    }
}

/// Reads the name of the separate debug file.
fn debug_file(elf: Elf<'_>) -> Option<String> {
    let link = elf.headers.named(elf.source, ".gnu_debuglink")?;
    let bytes = elf
        .source
        .bytes(link.offset, link.size.min(LONGEST as u64))
        .ok()?;
    let end = memchr::memchr(0, &bytes)?;
    (end > 0).then(|| String::from_utf8_lossy(&bytes[..end]).into_owned())
}

/// Reads the string at an offset of the string table, if it is short enough to be shown.
fn text(elf: Elf<'_>, table: Table<'_>, offset: u32) -> Option<String> {
    let (start, size) = table.strings();
    let size = size.checked_sub(offset.into())?.min(LONGEST as u64);
    let bytes = elf.source.bytes(start + u64::from(offset), size).ok()?;
    let end = memchr::memchr(0, &bytes)?;
    Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

/// Finds names of functions that come close to one that is missing.
fn close_names(elf: Elf<'_>, name: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for kind in [elf::SHT_DYNSYM, elf::SHT_SYMTAB] {
        let Some(table) = Table::of(elf, kind)? else {
            continue;
        };
        let mut close: Vec<(usize, u32, String)> = Vec::new();
        let mut worst = usize::MAX;
        elf.source
            .strings(table.strings().0, table.strings().1, |at, text| {
                let Some(text) = (text.len() <= LONGEST)
                    .then(|| str::from_utf8(text).ok())
                    .flatten()
                else {
                    return;
                };
                if let Some(distance) = closeness(name, text).filter(|d| *d < worst) {
                    close.push((distance, at, text.to_owned()));
                    if close.len() >= 2 * KEPT {
                        close.sort_unstable();
                        close.truncate(KEPT);
                        worst = close[KEPT - 1].0;
                    }
                }
            })?;
        // Strings are also the names of variables, libraries and imported functions.
        let mut functions = vec![false; close.len()];
        if !close.is_empty() {
            let offsets = close.iter().map(|(_, at, _)| *at);
            let positions: HashMap<u32, usize> = offsets.zip(0..).collect();
            table.each(|symbol| {
                if let Some(at) = positions.get(&symbol.name).copied()
                    && matches!(symbol.target(elf), Target::Function(_))
                {
                    functions[at] = true;
                }
            })?;
        }
        let close = close.into_iter().zip(functions);
        found.extend(close.filter(|(_, is)| *is).map(|((_, _, name), _)| name));
    }
    let names = similar(name, found.iter().map(String::as_str));
    Ok(names.into_iter().map(str::to_owned).collect())
}
