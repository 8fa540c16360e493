//! Functions of a binary, by name, version and pattern.

use std::collections::HashSet;

use object::elf;
use object::read::elf::{FileHeader, SectionHeader, Sym, SymbolTable, VersionTable};
use object::{Endianness, SymbolIndex};

use super::{Elf, elf_error};
use crate::error::{Error, ErrorKind, Result};
use crate::near::{did_you_mean, similar};

/// A function of a binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Where its first instruction is in the file.
    pub offset: u64,
}

/// A function's symbol.
struct Found<'d> {
    /// As the table has it; that for linking may end in `@VERSION`.
    name: &'d [u8],
    /// The version that the table for dynamic linking has beside it.
    version: Option<&'d [u8]>,
    /// Whether only programs that were linked with this version get it.
    is_hidden: bool,
    is_weak: bool,
    offset: u64,
}

/// Whether a name matches a pattern in which `*` stands for any characters and `?` for any one.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Where the last `*` is, and how much of the name it stands for.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, n) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// All functions of a table, of the type `SHT_SYMTAB` or `SHT_DYNSYM`.
fn table<'d, E: FileHeader<Endian = Endianness>>(
    elf: &Elf<'d, E>,
    kind: elf::SectionType,
) -> Result<Vec<Found<'d>>> {
    let symbols: SymbolTable<'d, E> = elf
        .sections
        .symbols(elf.endian, elf.bytes, kind)
        .map_err(elf_error("symbol table"))?;
    let versions: Option<VersionTable<'d, E>> = match kind {
        elf::SHT_DYNSYM => elf
            .sections
            .versions(elf.endian, elf.bytes)
            .map_err(elf_error("symbol versions"))?,
        _ => None,
    };
    let found = |(index, symbol): (SymbolIndex, &'d E::Sym)| {
        if symbol.st_type() != elf::STT_FUNC {
            return None;
        }
        let section = symbols
            .symbol_section(elf.endian, symbol, index)
            .ok()
            .flatten()?;
        let section = elf.sections.section(section).ok()?;
        let address: u64 = symbol.st_value(elf.endian).into();
        let start: u64 = section.sh_addr(elf.endian).into();
        let offset: u64 = section.sh_offset(elf.endian).into();
        let version = versions
            .as_ref()
            .map(|v| v.version_index(elf.endian, index));
        Some(Found {
            name: symbols.symbol_name(elf.endian, symbol).ok()?,
            version: version
                .and_then(|n| Some(versions.as_ref()?.version(n.index()).ok()??.name())),
            is_hidden: version.is_some_and(|n| n.is_hidden()),
            is_weak: symbol.st_bind() == elf::STB_WEAK,
            offset: address.wrapping_sub(start).wrapping_add(offset),
        })
    };
    Ok(symbols.enumerate().filter_map(found).collect())
}

/// A name and the version it asks for, from `NAME`, `NAME@VERSION` or `NAME@@VERSION`.
fn split(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        Some((base, version)) => (base, Some(version.strip_prefix('@').unwrap_or(version))),
        None => (name, None),
    }
}

impl Found<'_> {
    fn is_named(&self, wanted: &str) -> bool {
        let (base, version) = split(wanted);
        let own = std::str::from_utf8(self.name).map(split);
        let Ok((own, own_version)) = own else {
            return false;
        };
        let own_version = self.version.or(own_version.map(str::as_bytes));
        own == base && version.is_none_or(|v| own_version == Some(v.as_bytes()))
    }
}

pub(super) fn function<E: FileHeader<Endian = Endianness>>(
    elf: &Elf<'_, E>,
    name: &str,
) -> Result<u64> {
    // A stripped binary has only the first, a static one only the second.
    let dynamic = table(elf, elf::SHT_DYNSYM)?;
    if let Some(offset) = among(&dynamic, name)? {
        return Ok(offset);
    }
    let full = table(elf, elf::SHT_SYMTAB)?;
    if let Some(offset) = among(&full, name)? {
        return Ok(offset);
    }
    let names = dynamic.iter().chain(&full);
    let names = names.filter_map(|f| std::str::from_utf8(f.name).ok());
    let error = Error::not_found(format!("it has no function `{name}`"));
    Err(match did_you_mean(&similar(name, names)) {
        Some(hint) => error.hint(hint),
        None if full.is_empty() => error.hint(
            "it is stripped of the names that are not for other programs; name an offset, or a binary with its symbols",
        ),
        None => error.hint("it may be inlined, or named otherwise by its compiler (C++ and Rust names are mangled)"),
    })
}

/// The one place that a name stands for.
fn among(functions: &[Found<'_>], name: &str) -> Result<Option<u64>> {
    let named: Vec<&Found<'_>> = functions.iter().filter(|f| f.is_named(name)).collect();
    // What programs are linked with goes before older versions, and strong before weak.
    let best = |f: &&&Found<'_>| (f.is_hidden, f.is_weak);
    let Some(first) = named.iter().min_by_key(best) else {
        return Ok(None);
    };
    let is_other =
        |f: &&&Found<'_>| best(f) == best(&first) && f.offset != first.offset && !first.is_weak;
    match named.iter().find(is_other) {
        Some(other) => Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "it has several functions `{name}`, at {:#x} and {:#x} among others",
                first.offset, other.offset
            ),
        )
        .hint("name one by its offset")),
        None => Ok(Some(first.offset)),
    }
}

pub(super) fn functions<E: FileHeader<Endian = Endianness>>(
    elf: &Elf<'_, E>,
    pattern: &str,
) -> Result<Vec<Function>> {
    for kind in [elf::SHT_SYMTAB, elf::SHT_DYNSYM] {
        let mut seen = HashSet::new();
        let found: Vec<Function> = table(elf, kind)?
            .into_iter()
            .filter_map(|f| {
                let name = std::str::from_utf8(f.name).ok()?;
                let offset = f.offset;
                (matches(pattern, name) && seen.insert(offset)).then(|| Function {
                    name: name.to_owned(),
                    offset,
                })
            })
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Err(Error::not_found(format!(
        "it has no function that matches `{pattern}`"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("vfs_*", "vfs_read", true),
            ("vfs_*", "vfs_", true),
            ("vfs_*", "__vfs_read", false),
            ("*read*", "__vfs_readv", true),
            ("v?s_re*d", "vfs_read", true),
            ("v?s_re*d", "vfs_readd", true),
            ("v?s_re*d", "vfs_reads", false),
            ("vfs_read", "vfs_readv", false),
            ("a*b*c", "a-b-b-c", true),
            ("*", "", true),
            ("?", "", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        // Nothing but time could tell that it went wrong.
        assert!(!matches(&"*a".repeat(60), &"b".repeat(4000)));
    }

    fn found(
        name: &'static str,
        version: Option<&'static str>,
        hidden: bool,
        weak: bool,
        offset: u64,
    ) -> Found<'static> {
        Found {
            name: name.as_bytes(),
            version: version.map(str::as_bytes),
            is_hidden: hidden,
            is_weak: weak,
            offset,
        }
    }

    #[test]
    fn of_several_the_fitting_one_is_taken() {
        let all = [
            found("f", Some("V1"), true, false, 10),
            found("f", Some("V2"), false, false, 20),
            found("g", None, false, true, 30),
            found("g", None, false, false, 40),
            found("h@V1", None, false, false, 50),
            found("i", None, false, false, 60),
            found("i", None, false, false, 61),
            found("j", None, false, false, 70),
            found("j", None, false, false, 70),
        ];
        let at = |name| among(&all, name).unwrap();
        assert_eq!(at("f"), Some(20));
        assert_eq!(at("f@V1"), Some(10));
        assert_eq!(at("f@@V2"), Some(20));
        assert_eq!(at("f@V3"), None);
        assert_eq!(at("g"), Some(40));
        assert_eq!(at("h"), Some(50));
        assert_eq!(at("h@V1"), Some(50));
        assert_eq!(at("j"), Some(70));
        assert_eq!(at("k"), None);
        let e = among(&all, "i").unwrap_err();
        assert_eq!(
            e.to_string(),
            "it has several functions `i`, at 0x3c and 0x3d among others (name one by its offset)"
        );
    }
}
