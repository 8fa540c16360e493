//! Objects that are parsed, linked into images and put into digests.

use btf_core::obj::Object;
use btf_obj::private;

use super::btf::{EXTERN, GLOBAL, STATIC, Types, VOID, ext};
use super::elf::{
    Elf, GLOBAL as UNTYPED, GLOBAL_FUNC, GLOBAL_OBJECT, HIDDEN, NOBITS, PROGBITS, Section,
};
use super::measure::check;

pub(crate) const MOVE: [u8; 8] = [0xb7, 0, 0, 0, 0, 0, 0, 0];
pub(crate) const EXIT: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];
/// A call of a subprogram: what a relocation makes of it.
const CALL: [u8; 8] = [0x85, 0x10, 0, 0, 0xff, 0xff, 0xff, 0xff];
/// The halves of a load of 64 bits.
const LOAD: [[u8; 8]; 2] = [[0x18, 0, 0, 0, 0, 0, 0, 0], [0; 8]];

/// Names of the two forms of a test.
const FORMS: [&str; 2] = ["many", "one"];

/// An object with a program.
pub(crate) fn with_program() -> Elf {
    let mut elf = Elf::new();
    let code = elf.section(Section::code("raw_tp/x", &[MOVE, EXIT]));
    elf.symbol("prog", GLOBAL_FUNC, code, 0, 16);
    elf
}

/// Parses an object, links all of its programs, and reads its digest.
fn parse(elf: &[u8]) -> String {
    let object = match Object::parse("x", elf) {
        Ok(object) => object,
        Err(e) => return e.to_string(),
    };
    let mut insns = 0;
    for program in object.programs() {
        let image = object.link(program, |f| &object.functions()[f].insns);
        insns += image.map_or(0, |image| image.insns.len());
    }
    let digest = private::digest(&object);
    let read = private::object(&digest).map_or(0, |object| object.functions().len());
    assert_eq!(read, object.functions().len());
    format!("{insns} instructions")
}

fn checked(name: &str, make: impl Fn(usize) -> Elf) -> String {
    check(name, 1, |size| make(size).object(), parse)
}

#[test]
fn sections_that_overlap() {
    let outcome = checked("sections that overlap", |size| {
        let mut elf = with_program();
        elf.section(Section::new(".data.big", PROGBITS, vec![1; size / 2]));
        // Where that one is: the program is before it.
        let range = Some((136, size as u64 / 2));
        for _ in 0..size / 128 {
            let section = Section::new(".data.x", PROGBITS, Vec::new());
            elf.section(Section { range, ..section });
        }
        elf
    });
    assert!(outcome.contains("overlap in the file"), "{outcome}");
}

#[test]
fn sections_of_code() {
    checked("sections of code", |size| {
        let mut elf = Elf::new();
        for n in 0..size / 140 {
            let code = elf.section(Section::code(&format!("raw_tp/{n}"), &[MOVE, EXIT]));
            elf.symbol(&format!("p{n}"), GLOBAL_FUNC, code, 0, 16);
        }
        elf
    });
}

#[test]
fn functions_over_the_same_code() {
    let outcome = checked("functions over the same code", |size| {
        let mut elf = Elf::new();
        let code = elf.section(Section::code(".text", &vec![EXIT; size / 16]));
        for n in 0..size / 64 {
            let len = 8 * (size as u64 / 16);
            elf.symbol(&format!("f{n}"), GLOBAL_FUNC, code, 0, len);
        }
        elf
    });
    assert!(outcome.contains("too much work"), "{outcome}");
}

#[test]
fn symbols_named_by_ends_of_one_string() {
    let outcome = checked("symbols named by ends of one string", |size| {
        let mut elf = Elf::new();
        let count = size / 64;
        let code = elf.section(Section::code(".text", &vec![EXIT; count]));
        let name = elf.strings.add(&"a".repeat(size / 2));
        for n in 0..count {
            elf.tail(name + n as u32, GLOBAL_FUNC, code, 8 * n as u64, 8);
        }
        elf
    });
    assert!(outcome.contains("too much work"), "{outcome}");
}

#[test]
fn programs_of_a_section_with_a_long_name() {
    let outcome = checked("programs of a section with a long name", |size| {
        let mut elf = Elf::new();
        let count = size / 64;
        let name = format!("raw_tp/{}", "x".repeat(size / 2));
        let code = elf.section(Section::code(&name, &vec![EXIT; count]));
        for n in 0..count {
            elf.symbol(&format!("f{n}"), GLOBAL_FUNC, code, 8 * n as u64, 8);
        }
        elf
    });
    assert!(outcome.contains("too much work"), "{outcome}");
}

/// Calls of functions, which are of two sections.
#[test]
fn relocations_of_calls() {
    checked("relocations of calls", |size| {
        let count = size as u64 / 110;
        let mut elf = Elf::new();
        let main = elf.section(Section::code("raw_tp/x", &vec![CALL; count as usize]));
        let text = elf.section(Section::code(".text", &vec![EXIT; count as usize]));
        elf.symbol("prog", GLOBAL_FUNC, main, 0, 8 * count);
        for n in 0..count {
            elf.symbol(&format!("f{n}"), GLOBAL_FUNC, text, 8 * n, 8);
        }
        let relocs = (0..count).map(|n| (8 * n, (count - n) as u32 + 1));
        elf.section(Section::relocs(main, relocs));
        elf
    });
}

/// Calls within a section need no relocations.
#[test]
fn calls_within_a_section() {
    checked("calls within a section", |size| {
        let count = size as u64 / 64;
        let mut elf = Elf::new();
        let call = |n: u64| {
            let mut insn = CALL;
            // The next function, from the next instruction; the last one calls itself.
            let to: i32 = if n + 1 < count { 1 } else { -1 };
            insn[4..].copy_from_slice(&to.to_le_bytes());
            insn
        };
        let code: Vec<[u8; 8]> = (0..count).flat_map(|n| [call(n), EXIT]).collect();
        let text = elf.section(Section::code("raw_tp/x", &code));
        for n in 0..count {
            elf.symbol(&format!("f{n}"), GLOBAL_FUNC, text, 16 * n, 16);
        }
        elf
    });
}

#[test]
fn a_chain_of_calls() {
    checked("a chain of calls", |size| {
        let count = size as u64 / 80;
        let mut elf = Elf::new();
        let main = elf.section(Section::code("raw_tp/x", &[CALL, EXIT]));
        let text = elf.section(Section::code(".text", &[CALL, EXIT].repeat(count as usize)));
        elf.symbol("prog", GLOBAL_FUNC, main, 0, 16);
        for n in 0..count {
            elf.symbol(&format!("f{n}"), GLOBAL_FUNC, text, 16 * n, 16);
        }
        elf.section(Section::relocs(main, [(0, 2)].into_iter()));
        let relocs = (0..count - 1).map(|n| (16 * n, n as u32 + 3));
        elf.section(Section::relocs(text, relocs));
        elf
    });
}

#[test]
fn programs_that_share_a_function() {
    let outcome = checked("programs that share a function", |size| {
        let count = size as u64 / 128;
        let mut elf = Elf::new();
        let main = elf.section(Section::code(
            "raw_tp/x",
            &[CALL, EXIT].repeat(count as usize),
        ));
        let text = elf.section(Section::code(".text", &vec![EXIT; size / 16]));
        elf.symbol("f", GLOBAL_FUNC, text, 0, 8 * (size as u64 / 16));
        for n in 0..count {
            elf.symbol(&format!("p{n}"), GLOBAL_FUNC, main, 16 * n, 16);
        }
        elf.section(Section::relocs(main, (0..count).map(|n| (16 * n, 1))));
        elf
    });
    assert!(outcome.contains("too much work"), "{outcome}");
}

#[test]
fn relocations_of_maps() {
    checked("relocations of maps", |size| {
        let count = size / 130;
        let mut types = Types::new();
        let map = map_type(&mut types, 1);
        let mut elf = Elf::new();
        let main = elf.section(Section::code("raw_tp/x", &LOAD.repeat(count)));
        let maps = elf.section(Section::new(".maps", PROGBITS, vec![0; 16 * count]));
        elf.symbol("prog", GLOBAL_FUNC, main, 0, 16 * count as u64);
        let mut variables = Vec::new();
        for n in 0..count {
            let name = format!("m{n}");
            elf.symbol(&name, GLOBAL_OBJECT, maps, 16 * n as u64, 16);
            let name = types.string(&name);
            variables.push([types.variable(name, map, GLOBAL), 0, 16]);
        }
        let name = types.string(".maps");
        types.section(name, 0, &variables);
        let relocs = (0..count as u64).map(|n| (16 * n, (count as u64 - n) as u32 + 1));
        elf.section(Section::relocs(main, relocs));
        elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
        elf
    });
}

/// The type of a map with this many attributes, which all say the same.
pub(crate) fn map_type(types: &mut Types, attributes: usize) -> u32 {
    let int = types.int();
    let array = types.array(int, 1);
    let pointer = types.pointer(array);
    let name = types.string("type");
    types.structure(0, 16, &vec![[name, pointer, 0]; attributes])
}

#[test]
fn maps_of_a_type_with_many_attributes() {
    let outcome = checked("maps of a type with many attributes", |size| {
        let count = size / 200;
        let mut types = Types::new();
        let map = map_type(&mut types, count.min(60_000));
        let mut elf = with_program();
        let maps = elf.section(Section::new(".maps", PROGBITS, vec![0; 16 * count]));
        let mut variables = Vec::new();
        for n in 0..count {
            let name = format!("m{n}");
            elf.symbol(&name, GLOBAL_OBJECT, maps, 16 * n as u64, 16);
            let name = types.string(&name);
            variables.push([types.variable(name, map, GLOBAL), 0, 16]);
        }
        let name = types.string(".maps");
        types.section(name, 0, &variables);
        elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
        elf
    });
    assert!(outcome.contains("too much work"), "{outcome}");
}

/// Pointers in declarations of maps to a map whose name is long.
#[test]
fn slots_of_maps() {
    checked("slots of maps", |size| {
        let mut types = Types::new();
        let int = types.int();
        let [kind, max] = [13, 1].map(|n| {
            let array = types.array(int, n);
            types.pointer(array)
        });
        let names = ["type", "max_entries", "values"].map(|name| types.string(name));
        let array = types.array(int, 2);
        let inner_kind = types.pointer(array);
        let members = [[names[0], inner_kind, 0], [names[1], max, 64]];
        let inner = types.structure(0, 16, &members);
        let pointer = types.pointer(inner);
        let values = types.array(pointer, 0);
        let members = [
            [names[0], kind, 0],
            [names[1], max, 64],
            [names[2], values, 128],
        ];
        let outer = types.structure(0, 16, &members);
        let long = "n".repeat(size / 8);
        let mut elf = with_program();
        let slots = size as u64 / 40;
        let maps = elf.section(Section::new(
            ".maps",
            PROGBITS,
            vec![0; 32 + 8 * slots as usize],
        ));
        let inner_symbol = elf.symbol(&long, GLOBAL_OBJECT, maps, 0, 16);
        elf.symbol("outer", GLOBAL_OBJECT, maps, 16, 16 + 8 * slots);
        let variables = [(&*long, inner), ("outer", outer)].map(|(name, ty)| {
            let name = types.string(name);
            [types.variable(name, ty, GLOBAL), 0, 16]
        });
        let name = types.string(".maps");
        types.section(name, 0, &variables);
        let relocs = (0..slots).map(|n| (32 + 8 * n, inner_symbol));
        elf.section(Section::relocs(maps, relocs));
        elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
        elf
    });
}

#[test]
fn variables_in_sections_of_data() {
    checked("variables in sections of data", |size| {
        let count = size / 230;
        let mut types = Types::new();
        let int = types.int();
        let mut elf = with_program();
        for n in 0..count {
            let name = format!(".data.{n}");
            let data = elf.section(Section::new(&name, PROGBITS, vec![1; 4]));
            let section = types.string(&name);
            let name = format!("v{n}");
            elf.symbol(&name, GLOBAL_OBJECT, data, 0, 4);
            let name = types.string(&name);
            let variable = types.variable(name, int, GLOBAL);
            types.section(section, 0, &[[variable, 0, 4]]);
        }
        elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
        elf
    });
}

/// Variables of one section in BTF, which are each in another one.
#[test]
fn variables_that_change_their_sections() {
    checked("variables that change their sections", |size| {
        let count = size / 160;
        let mut types = Types::new();
        let int = types.int();
        let mut elf = with_program();
        let mut variables = Vec::new();
        for n in 0..count {
            let data = elf.section(Section::new(&format!(".bss.{n}"), PROGBITS, vec![1; 4]));
            let name = format!("v{n}");
            elf.symbol(&name, GLOBAL_OBJECT, data, 0, 4);
            let name = types.string(&name);
            variables.push([types.variable(name, int, GLOBAL), 0, 4]);
        }
        let section = types.string(".data");
        types.section(section, 0, &variables);
        elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
        elf
    });
}

#[test]
fn hidden_variables() {
    checked("hidden variables", |size| {
        let count = size / 80;
        let mut types = Types::new();
        let int = types.int();
        let mut elf = with_program();
        let data = elf.section(Section::new(".data", PROGBITS, vec![1; 4 * count]));
        let mut variables = Vec::new();
        for n in 0..count {
            let name = format!("v{n}");
            elf.symbol(&name, GLOBAL_OBJECT, data, 4 * n as u64, 4);
            let name = types.string(&name);
            variables.push([types.variable(name, int, GLOBAL), 0, 4]);
        }
        let section = types.string(".data");
        types.section(section, 0, &variables);
        elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
        for symbol in &mut elf.symbols {
            symbol.other = HIDDEN;
        }
        elf
    });
}

#[test]
fn zeros_without_end() {
    checked("zeros without end", |size| {
        let mut elf = with_program();
        let section = Section::new(".bss", NOBITS, Vec::new());
        let range = Some((0, 1 << 30));
        for _ in 0..size / 64 {
            elf.section(Section {
                range,
                ..section.clone()
            });
        }
        elf
    });
}

fn externs(size: usize, section: &str, ty: impl Fn(&mut Types) -> u32) -> Elf {
    let count = size as u64 / 120;
    let mut types = Types::new();
    let ty = ty(&mut types);
    let mut elf = Elf::new();
    let main = elf.section(Section::code("raw_tp/x", &LOAD.repeat(count as usize)));
    elf.symbol("prog", GLOBAL_FUNC, main, 0, 16 * count);
    let mut variables = Vec::new();
    for n in 0..count {
        let name = format!("e{n}");
        elf.symbol(&name, UNTYPED, 0, 0, 0);
        let name = types.string(&name);
        variables.push([types.variable(name, ty, EXTERN), 0, 4]);
    }
    let name = types.string(section);
    types.section(name, 0, &variables);
    elf.section(Section::relocs(
        main,
        (0..count).map(|n| (16 * n, n as u32 + 2)),
    ));
    elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
    elf
}

#[test]
fn externs_of_the_kernel() {
    checked("externs of the kernel", |size| {
        externs(size, ".ksyms", Types::int)
    });
}

#[test]
fn configuration_values() {
    checked("configuration values", |size| {
        externs(size, ".kconfig", Types::int)
    });
}

#[test]
fn a_configuration_value_of_nested_arrays() {
    checked("a configuration value of nested arrays", |size| {
        let mut types = Types::new();
        let mut array = types.int();
        for _ in 0..size / 24 {
            array = types.array(array, 1);
        }
        let name = types.string("e");
        let variable = types.variable(name, array, EXTERN);
        let name = types.string(".kconfig");
        types.section(name, 0, &[[variable, 0, 4]]);
        let mut elf = with_program();
        elf.symbol("e", UNTYPED, 0, 0, 0);
        elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
        elf
    });
}

/// Variables of operations that overlap, in sections of one name.
#[test]
fn operations_that_overlap() {
    for sections in [1, 200] {
        let name = format!("operations that overlap, {sections} sections");
        let outcome = checked(&name, |size| {
            let mut types = Types::new();
            let name = types.string("ops");
            let ops = types.structure(name, size as u32 / 2 / sections, &[]);
            let mut variables = Vec::new();
            for n in 0..size / 64 {
                let name = types.string(&format!("o{n}"));
                variables.push([types.variable(name, ops, GLOBAL), 0, 8]);
            }
            let name = types.string(".struct_ops.link");
            types.section(name, 8, &variables);
            let mut elf = with_program();
            for _ in 0..sections {
                let bytes = vec![0; size / 2 / sections as usize];
                elf.section(Section::new(".struct_ops.link", PROGBITS, bytes));
            }
            elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
            elf
        });
        assert!(outcome.contains("too much work"), "{outcome}");
    }
}

/// Pointers of operations to programs: many variables, or many members.
#[test]
fn operations_with_programs() {
    for is_one in [false, true] {
        let name = format!("operations with programs, {}", FORMS[usize::from(is_one)]);
        checked(&name, |size| {
            let count = (size as u64 / 90).min(60_000);
            let mut types = Types::new();
            let prototype = types.prototype();
            let pointer = types.pointer(prototype);
            let members = if is_one { count as u32 } else { 1 };
            let members: Vec<_> = (0..members).map(|n| [0, pointer, 64 * n]).collect();
            let name = types.string("ops");
            let bytes = 8 * members.len() as u32;
            let ops = types.structure(name, bytes, &members);
            let mut variables = Vec::new();
            for n in 0..count as u32 * 8 / bytes {
                let name = types.string(&format!("o{n}"));
                variables.push([types.variable(name, ops, GLOBAL), bytes * n, bytes]);
            }
            let name = types.string(".struct_ops");
            types.section(name, 8 * count as u32, &variables);
            let mut elf = with_program();
            let contents = vec![0; 8 * count as usize];
            let section = elf.section(Section::new(".struct_ops", PROGBITS, contents));
            elf.section(Section::relocs(section, (0..count).map(|n| (8 * n, 1))));
            elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
            elf
        });
    }
}

#[test]
fn relocations_with_a_long_access() {
    let outcome = checked("relocations with a long access", |size| {
        let count = size / 32;
        let mut types = Types::new();
        let int = types.int();
        let access = types.string(&"0:".repeat(size / 4));
        let section = types.string("raw_tp/x");
        let relos = vec![[0, int, access, 0]; count];
        let mut elf = with_program();
        elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
        let ext = ext(&[], &[(section, relos)]);
        elf.section(Section::new(".BTF.ext", PROGBITS, ext));
        elf
    });
    assert!(outcome.contains("too much work"), "{outcome}");
}

/// Records of `.BTF.ext` that alternate between functions.
#[test]
fn records_out_of_order() {
    checked("records out of order", |size| {
        let count = size as u64 / 64;
        let mut types = Types::new();
        types.int();
        let section = types.string(".text");
        let mut elf = Elf::new();
        let code = elf.section(Section::code(".text", &vec![EXIT; count as usize]));
        let name = elf.strings.add("f");
        for n in 0..count {
            elf.tail(name, GLOBAL_FUNC, code, 8 * n, 8);
        }
        let at = |n: u32| {
            if n.is_multiple_of(2) {
                n
            } else {
                count as u32 - n
            }
        };
        let lines = (0..count as u32).map(|n| [8 * at(n), 0, 0, 0]).collect();
        elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
        let ext = ext(&[(section, lines)], &[]);
        elf.section(Section::new(".BTF.ext", PROGBITS, ext));
        elf
    });
}

/// A jump table that many instructions refer to, by one symbol or by one each.
#[test]
fn references_to_jump_tables() {
    for is_one in [true, false] {
        let name = format!("references to jump tables, {}", FORMS[usize::from(is_one)]);
        checked(&name, |size| {
            let count = size as u64 / 96;
            let mut elf = Elf::new();
            let main = elf.section(Section::code("raw_tp/x", &LOAD.repeat(count as usize)));
            let tables = vec![0; size / 4 / 8 * 8];
            let len = tables.len() as u64;
            let tables = elf.section(Section::new(".jumptables", PROGBITS, tables));
            elf.symbol("prog", GLOBAL_FUNC, main, 0, 16 * count);
            let name = elf.strings.add("t");
            for _ in 0..count {
                elf.tail(name, GLOBAL_OBJECT, tables, 0, len);
            }
            let symbol = |n: u64| if is_one { 2 } else { n as u32 + 2 };
            let relocs = (0..count).map(|n| (16 * n, symbol(n)));
            elf.section(Section::relocs(main, relocs));
            elf
        });
    }
}

#[test]
fn exception_callbacks() {
    checked("exception callbacks", |size| {
        let count = size as u64 / 240;
        let mut types = Types::new();
        let prototype = types.prototype();
        let mut elf = Elf::new();
        let main = elf.section(Section::code("raw_tp/x", &vec![EXIT; count as usize]));
        let text = elf.section(Section::code(".text", &vec![EXIT; count as usize]));
        for n in 0..count {
            let (program, callback) = (format!("p{n}"), format!("callback_{n}"));
            elf.symbol(&program, GLOBAL_FUNC, main, 8 * n, 8);
            elf.symbol(&callback, GLOBAL_FUNC, text, 8 * n, 8);
            let names = [&*program, &*callback].map(|name| types.string(name));
            let [program, _] = names.map(|name| types.function(name, prototype, GLOBAL));
            let tag = types.string(&format!("exception_callback:{callback}"));
            types.decl_tag(tag, program);
        }
        elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
        elf
    });
}

/// Names in BTF that are the ends of one string.
#[test]
fn types_named_by_ends_of_one_string() {
    for linkage in [STATIC, GLOBAL] {
        checked(
            &format!("types named by ends of one string, {linkage}"),
            |size| {
                let mut types = Types::new();
                let prototype = types.prototype();
                let name = types.string(&"a".repeat(size / 2));
                for n in 0..size as u32 / 32 {
                    types.function(name + n, prototype, linkage);
                }
                let pointer = types.pointer(VOID);
                let variable = types.variable(name, pointer, linkage);
                let section = types.string(".data");
                types.section(section, 0, &vec![[variable, 0, 8]; (size / 64).min(60_000)]);
                let mut elf = with_program();
                elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
                elf
            },
        );
    }
}
