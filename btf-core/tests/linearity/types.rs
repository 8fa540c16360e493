//! BTF that is deduplicated, dumped as C, and used to show values.

use btf_core::btf::{Btf, Type, dump, value};

use super::btf::Types;
use super::measure::check;

fn parsed(bytes: &[u8], read: impl Fn(&Btf) -> String) -> String {
    match Btf::parse(bytes.to_vec()) {
        Ok(btf) => read(&btf),
        Err(e) => e.to_string(),
    }
}

fn deduplicated(bytes: &[u8]) -> String {
    parsed(bytes, |btf| match btf.deduplicate() {
        Ok(btf) => format!("{} types", btf.types().count()),
        Err(e) => e.to_string(),
    })
}

/// Dumps all types as a header, and the last one as a declaration.
fn dumped(bytes: &[u8]) -> String {
    parsed(bytes, |btf| {
        let header = dump::header(btf, &dump::Options::default());
        let declaration = btf
            .types()
            .last()
            .map(|ty| dump::declaration(ty, "x").len());
        match header {
            Ok(header) => format!("{} bytes, {declaration:?} of the last", header.len()),
            Err(e) => e.to_string(),
        }
    })
}

/// Shows a value of the last type in both forms.
fn shown(bytes: &[u8]) -> String {
    let show = |ty: Type<'_>| {
        let options = value::Options::default();
        let json = value::json(ty, &[0; 4096], &options);
        let c = value::c(ty, &[0; 4096], &options);
        let outcome = |text: btf_core::Result<String>| match text {
            Ok(text) => format!("{} bytes", text.len()),
            Err(e) => e.to_string(),
        };
        format!("{}; {}", outcome(json), outcome(c))
    };
    parsed(bytes, |btf| {
        btf.types().last().map_or_else(String::new, show)
    })
}

fn checked(name: &str, read: fn(&[u8]) -> String, make: impl Fn(usize) -> Types) -> String {
    check(name, 1, |size| make(size).bytes(), read)
}

/// Equality is known only from their ends.
#[test]
fn chains_of_pointers() {
    let outcome = checked("chains of pointers", deduplicated, |size| {
        let mut types = Types::new();
        let int = types.int();
        for _ in 0..2 {
            let mut last = int;
            for _ in 0..size / 24 {
                last = types.pointer(last);
            }
        }
        types
    });
    assert_eq!(outcome, format!("{} types", (1 << 20) / 24 + 1));
}

#[test]
fn cycles_of_structs() {
    checked("cycles of structs", deduplicated, |size| {
        let mut types = Types::new();
        let (name, next) = (types.string("s"), types.string("next"));
        let count = size as u32 / 36;
        for n in 0..count {
            let pointer = types.next_id() + 1;
            types.structure(name, 8, &[[next, pointer, 0]]);
            types.pointer(1 + 2 * ((n + 1) % count));
        }
        types
    });
}

/// What a declaration stands for decides what the next one does.
#[test]
fn forward_declarations() {
    checked("forward declarations", deduplicated, |size| {
        let mut types = Types::new();
        for n in 0..size / 60 {
            let name = types.string(&format!("e{n}"));
            types.enumeration(name, &[]);
            let member = types.string(&format!("E{n}"));
            types.enumeration(name, &[[member, 0]]);
        }
        types
    });
}

/// Two members of each type are the type before.
fn tree(types: &mut Types, levels: u32, named: bool) -> u32 {
    let (mut last, mut bytes) = (types.int(), 4u32);
    let (a, b) = (types.string("a"), types.string("b"));
    for n in 0..levels {
        bytes = bytes.wrapping_mul(2);
        let name = match named {
            true => types.string(&format!("s{n}")),
            false => 0,
        };
        last = types.structure(
            name,
            bytes,
            &[[a, last, 0], [b, last, bytes.wrapping_mul(4)]],
        );
    }
    last
}

#[test]
fn types_that_double() {
    for levels in [20, 29] {
        let name = format!("types that double {levels} times");
        checked(&format!("{name}: dump"), dumped, |size| {
            let mut types = Types::new();
            for n in 0..size / 1500 {
                let last = tree(&mut types, levels, false);
                let name = types.string(&format!("t{n}"));
                types.typedef(name, last);
            }
            types
        });
        checked(&format!("{name}: value"), shown, |size| {
            let mut types = Types::new();
            for _ in 0..size / 1500 {
                tree(&mut types, levels, true);
            }
            types
        });
    }
}

#[test]
fn unions_of_unions() {
    checked("unions of unions", shown, |size| {
        let mut types = Types::new();
        for _ in 0..size / 2500 {
            let (a, b) = (types.string("a"), types.string("b"));
            let mut last = types.int();
            for n in 0..60 {
                let name = types.string(&format!("u{n}"));
                last = types.union(name, 4, &[[a, last, 0], [b, last, 0]]);
            }
        }
        types
    });
}

/// More elements than bytes, and elements without bytes.
#[test]
fn long_arrays() {
    for is_empty in [false, true] {
        checked(&format!("long arrays, empty {is_empty}"), shown, |size| {
            let mut types = Types::new();
            let mut element = types.int();
            if is_empty {
                let name = types.string("e");
                element = types.structure(name, 0, &[]);
            }
            for _ in 0..size / 24 {
                types.array(element, u32::MAX);
            }
            types
        });
    }
}

/// Each typedef writes long names behind many pointers.
#[test]
fn long_declarations() {
    checked("long declarations", dumped, |size| {
        let mut types = Types::new();
        let name = types.string(&"n".repeat(size / 4));
        let mut last = types.structure(name, 0, &[]);
        for _ in 0..100 {
            last = types.pointer(last);
        }
        for n in 0..size / 40 {
            let name = types.string(&format!("t{n}"));
            types.typedef(name, last);
        }
        types
    });
}

#[test]
fn equal_names() {
    for read in [dumped, deduplicated] {
        checked("equal names", read, |size| {
            let mut types = Types::new();
            let (int, name) = (types.int(), types.string("s"));
            for n in 0..size / 36 {
                let member = types.string(&format!("m{n}"));
                types.structure(name, 4, &[[member, int, 0]]);
            }
            types
        });
    }
}
