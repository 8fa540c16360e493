//! Objects that are linked with each other.

use btf_core::obj::link_objects;

use super::btf::{EXTERN, GLOBAL, STATIC, Types, ext};
use super::elf::{Elf, GLOBAL as UNTYPED, GLOBAL_OBJECT, PROGBITS, Section, WEAK_FUNC};
use super::measure::check;
use super::objects::{EXIT, map_type, with_program};

/// Links an object with another one like it.
fn link(elf: &[u8]) -> String {
    match link_objects(&[("a", elf), ("b", elf)]) {
        Ok(linked) => format!("{} bytes", linked.len()),
        Err(e) => e.to_string(),
    }
}

fn checked(name: &str, make: impl Fn(usize) -> Elf) -> String {
    check(name, 2, |size| make(size / 2).object(), link)
}

/// Declarations of `count` variables of a type.
fn declarations(types: &mut Types, elf: &mut Elf, count: usize, ty: u32, section: &str) {
    let mut variables = Vec::new();
    for n in 0..count {
        let name = format!("v{n}");
        elf.symbol(&name, UNTYPED, 0, 0, 0);
        let name = types.string(&name);
        variables.push([types.variable(name, ty, EXTERN), 0, 4]);
    }
    let name = types.string(section);
    types.section(name, 0, &variables);
}

#[test]
fn declared_variables() {
    let outcome = checked("declared variables", |size| {
        let mut types = Types::new();
        let int = types.int();
        let mut elf = Elf::new();
        declarations(&mut types, &mut elf, size / 72, int, ".ksyms");
        elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
        elf
    });
    assert!(outcome.ends_with(" bytes"), "{outcome}");
}

/// Structs that each have the one before twice: as many parts as two to the power of the types.
#[test]
fn declared_variables_of_a_tree() {
    let outcome = checked("declared variables of a tree", |size| {
        let mut types = Types::new();
        let mut part = types.int();
        for n in 0..100 {
            let names = [format!("s{n}"), "a".into(), "b".into()].map(|name| types.string(&name));
            let members = [[names[1], part, 0], [names[2], part, 0]];
            part = types.structure(names[0], 4, &members);
        }
        let mut elf = Elf::new();
        declarations(&mut types, &mut elf, size / 72, part, ".ksyms");
        elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
        elf
    });
    assert!(outcome.ends_with(" bytes"), "{outcome}");
}

/// Maps of one type with many attributes, which are compared for each map.
#[test]
fn declared_maps_with_many_attributes() {
    checked("declared maps with many attributes", |size| {
        let count = size / 160;
        let mut types = Types::new();
        let map = map_type(&mut types, count.min(60_000));
        let mut elf = Elf::new();
        declarations(&mut types, &mut elf, count, map, ".maps");
        elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
        elf
    });
}

#[test]
fn types_named_by_ends_of_one_string() {
    for linkage in [STATIC, GLOBAL] {
        let name = format!("linked types named by ends of one string, {linkage}");
        let outcome = checked(&name, |size| {
            let mut types = Types::new();
            let prototype = types.prototype();
            let name = types.string(&"a".repeat(size / 2));
            for n in 0..size as u32 / 32 {
                types.function(name + n, prototype, linkage);
            }
            let mut elf = with_program();
            elf.symbols.clear();
            elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
            elf
        });
        assert!(outcome.contains("too much work"), "{outcome}");
    }
}

#[test]
fn source_lines_that_are_ends_of_one_string() {
    let outcome = checked("source lines that are ends of one string", |size| {
        let mut types = Types::new();
        types.int();
        let section = types.string("raw_tp/x");
        let text = types.string(&"a".repeat(size / 2));
        let lines = (0..size as u32 / 32).map(|n| [0, text, text + n, 0]);
        let ext = ext(&[(section, lines.collect())], &[]);
        let mut elf = with_program();
        elf.symbols.clear();
        elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
        elf.section(Section::new(".BTF.ext", PROGBITS, ext));
        elf
    });
    assert!(outcome.contains("too much work"), "{outcome}");
}

/// Parts of one section, each aligned to a megabyte.
#[test]
fn sections_with_a_large_alignment() {
    let outcome = checked("sections with a large alignment", |size| {
        let mut elf = with_program();
        elf.symbols.clear();
        for _ in 0..size / 72 {
            elf.section(Section {
                align: 1 << 20,
                ..Section::new(".data", PROGBITS, vec![1])
            });
        }
        elf
    });
    assert!(outcome.contains("too much work"), "{outcome}");
}

#[test]
fn sections_of_data_with_variables() {
    checked("linked sections of data with variables", |size| {
        let count = size / 230;
        let mut types = Types::new();
        let int = types.int();
        let mut elf = with_program();
        elf.symbols.clear();
        for n in 0..count {
            let name = format!(".data.{n}");
            let data = elf.section(Section::new(&name, PROGBITS, vec![1; 4]));
            let section = types.string(&name);
            let name = format!("v{n}");
            elf.symbol(&name, GLOBAL_OBJECT & 0xf, data, 0, 4);
            let name = types.string(&name);
            let variable = types.variable(name, int, STATIC);
            types.section(section, 0, &[[variable, 0, 4]]);
        }
        elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
        elf
    });
}

/// Weak functions, of which the first of each name counts.
#[test]
fn weak_functions() {
    checked("weak functions", |size| {
        let count = size as u64 / 90;
        let mut types = Types::new();
        let prototype = types.prototype();
        let mut elf = Elf::new();
        let text = elf.section(Section::code(".text", &vec![EXIT; count as usize]));
        for n in 0..count {
            let name = format!("f{n}");
            elf.symbol(&name, WEAK_FUNC, text, 8 * n, 8);
            let name = types.string(&name);
            types.function(name, prototype, GLOBAL);
        }
        elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
        elf
    });
}

#[test]
fn sections_that_overlap() {
    let outcome = checked("linked sections that overlap", |size| {
        let mut elf = with_program();
        elf.section(Section::new(".data.big", PROGBITS, vec![1; size / 2]));
        let range = Some((136, size as u64 / 2));
        for _ in 0..size / 128 {
            let section = Section::new(".data.x", PROGBITS, Vec::new());
            elf.section(Section { range, ..section });
        }
        elf
    });
    assert!(outcome.contains("overlap in the file"), "{outcome}");
}
