//! Programs and libraries of user space in which functions and USDT probes are looked up.

use btf_core::binary::Binary;

use super::elf::{
    DYNSYM, Elf, GLOBAL_FUNC, GLOBAL_OBJECT, GNU_HASH, GNU_VERDEF, GNU_VERSYM, NOTE, PROGBITS,
    STRTAB, Section, Strings, Symbol, WEAK_FUNC, symbol_table,
};
use super::measure::check;

fn binary(bytes: &[u8]) -> Binary {
    Binary::from_bytes("x".as_ref(), bytes.to_vec())
}

fn outcome<T>(result: btf_core::Result<Vec<T>>) -> String {
    match result {
        Ok(all) => format!("{} found", all.len()),
        Err(e) => e.to_string(),
    }
}

/// Looks functions up by a name that is there or not, by one with a version, by many names, and by
/// patterns.
fn lookups(bytes: &[u8]) -> String {
    let binary = binary(bytes);
    let many: Vec<String> = (0..100).map(|n| format!("function_{n}@V{n}")).collect();
    let all = [
        outcome(binary.function_offsets(&["main"])),
        outcome(binary.function_offsets(&["function@V"])),
        outcome(binary.function_offsets(&many)),
        outcome(binary.functions("a*b*c?")),
        outcome(binary.functions("*")),
    ];
    all.map(|text| text.chars().take(60).collect::<String>())
        .join("; ")
}

/// A library of dynamic symbols.
fn library(symbols: &[Symbol], strings: Strings, others: Vec<Section>) -> Vec<u8> {
    let mut elf = Elf::new();
    elf.section(Section::code(".text", &[[0xc3; 8]; 8]));
    elf.section(Section {
        link: 3,
        ..Section::new(".dynsym", DYNSYM, symbol_table(symbols))
    });
    elf.section(Section::new(".dynstr", STRTAB, strings.0));
    for other in others {
        elf.section(other);
    }
    elf.library()
}

fn function(name: u32, at: u64) -> Symbol {
    Symbol {
        name,
        info: GLOBAL_FUNC,
        other: 0,
        section: 1,
        value: 0x80 + at,
        size: 1,
    }
}

#[test]
fn symbols_named_by_ends_of_one_string() {
    let found = check(
        "functions named by ends of one string",
        1,
        |size| {
            let mut strings = Strings::new();
            let name = strings.add(&"a".repeat(size / 2));
            let count = size as u32 / 48;
            let symbols: Vec<_> = (0..count).map(|n| function(name + n, n.into())).collect();
            library(&symbols, strings, Vec::new())
        },
        lookups,
    );
    assert!(found.contains("the symbols' names overlap"), "{found}");
}

/// Names of invalid UTF-8, which grow when they are converted.
#[test]
fn symbols_named_by_ends_of_one_string_that_is_no_text() {
    check(
        "functions named by ends of bytes",
        1,
        |size| {
            let mut strings = Strings::new();
            strings.0.resize(size / 2, 0xff);
            strings.0.push(0);
            let count = size as u32 / 48;
            let symbols: Vec<_> = (0..count).map(|n| function(1 + n, n.into())).collect();
            library(&symbols, strings, Vec::new())
        },
        lookups,
    );
}

/// Names that all come close to the one that is missing.
#[test]
fn names_that_are_close() {
    check(
        "names that are close",
        1,
        |size| {
            let mut strings = Strings::new();
            let mut symbols = Vec::new();
            for n in 0..size as u64 / 32 {
                symbols.push(function(strings.add(&format!("ma{}", n % 100)), n));
            }
            library(&symbols, strings, Vec::new())
        },
        lookups,
    );
}

#[test]
fn symbols_of_one_name() {
    for info in [GLOBAL_FUNC, WEAK_FUNC, GLOBAL_OBJECT] {
        check(
            &format!("symbols of one name, {info:#x}"),
            1,
            |size| {
                let mut strings = Strings::new();
                let name = strings.add("main");
                let symbol = |n: u64| Symbol {
                    info,
                    ..function(name, n)
                };
                let symbols: Vec<_> = (0..size as u64 / 24).map(symbol).collect();
                library(&symbols, strings, Vec::new())
            },
            lookups,
        );
    }
}

/// Strings of nothing but the mark of a version, or of names before it.
#[test]
fn versions_in_one_string() {
    for part in ["@", "main@", "function@V"] {
        check(
            &format!("versions in one string, {part}"),
            1,
            |size| {
                let mut strings = Strings::new();
                let name = strings.add(&part.repeat(size / 2 / part.len()));
                let count = size as u32 / 48;
                let symbols: Vec<_> = (0..count).map(|n| function(name + n, n.into())).collect();
                library(&symbols, strings, Vec::new())
            },
            lookups,
        );
    }
}

/// A hash table with one bucket, in which no symbol is the last.
#[test]
fn a_hash_table_of_one_bucket() {
    check(
        "a hash table of one bucket",
        1,
        |size| {
            let mut strings = Strings::new();
            let name = strings.add("other");
            let count = size as u64 / 28;
            let symbols: Vec<_> = (0..count).map(|n| function(name, n)).collect();
            // One bucket, the first symbol that is hashed, one word of bloom filter; the filter,
            // the bucket, the hashes.
            let mut table = [1, 1, 1, 0, !0, !0, 1].map(u32::to_le_bytes).concat();
            table.extend((0..count).flat_map(|_| 2u32.to_le_bytes()));
            let hash = Section {
                link: 2,
                ..Section::new(".gnu.hash", GNU_HASH, table)
            };
            library(&symbols, strings, vec![hash])
        },
        lookups,
    );
}

/// Definitions of versions whose names are there, or outside of the section.
#[test]
fn definitions_of_versions() {
    for (what, names) in [("named", 8), ("nameless", u32::MAX)] {
        check(
            &format!("definitions of versions, {what}"),
            1,
            |size| {
                let mut strings = Strings::new();
                let name = strings.add("function");
                let symbols: Vec<_> = (0..100).map(|n| function(name, n)).collect();
                // Five words, of which the last two are offsets: of names, and of the next record.
                let record = [0, 0, 0, names, 20].map(u32::to_le_bytes).concat();
                let own = Section::new(".gnu.version", GNU_VERSYM, vec![0; 202]);
                let bytes = record.repeat(size / record.len());
                let definitions = Section::new(".gnu.version_d", GNU_VERDEF, bytes);
                library(&symbols, strings, vec![own, definitions])
            },
            lookups,
        );
    }
}

#[test]
fn sections_and_their_names() {
    check(
        "sections of a binary",
        1,
        |size| {
            let mut elf = Elf::new();
            for _ in 0..size / 64 {
                elf.section(Section::new(".note", PROGBITS, Vec::new()));
            }
            elf.library()
        },
        lookups,
    );
}

/// A note of a USDT probe with arguments.
fn note(arguments: &str) -> Vec<u8> {
    let mut contents = [0x80u64, 0, 0].map(u64::to_le_bytes).concat();
    contents.extend(b"provider\0name\0");
    contents.extend(arguments.bytes());
    contents.push(0);
    let mut note = [8, contents.len() as u32, 3].map(u32::to_le_bytes).concat();
    note.extend(b"stapsdt\0");
    contents.resize(contents.len().next_multiple_of(4), 0);
    note.extend(contents);
    note
}

#[test]
fn notes_of_probes() {
    for (name, arguments) in [
        ("short", "8@%rax".to_owned()),
        ("long", "8@%rax ".repeat(5000)),
    ] {
        let found = check(
            &format!("notes of probes, {name}"),
            1,
            |size| {
                let note = note(&arguments);
                let mut elf = Elf::new();
                elf.section(Section {
                    align: 4,
                    ..Section::new(".note.stapsdt", NOTE, note.repeat(size / note.len()))
                });
                elf.library()
            },
            |bytes| outcome(binary(bytes).static_probes()),
        );
        assert!(found.ends_with("found"), "{found}");
    }
}
