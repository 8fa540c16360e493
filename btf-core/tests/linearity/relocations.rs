//! CO-RE relocations of objects whose types are the target's, too.

use btf_core::btf::Btf;
use btf_core::obj::{self, Object};
use btf_core::relo::{Relo, Targets, explain, relocate};

use super::btf::{Types, ext};
use super::elf::{Elf, GLOBAL_FUNC, PROGBITS, Section};
use super::measure::check;
use super::objects::{EXIT, MOVE};

/// Relocation kinds: `bpf_core_relo_kind`.
const FIELD_BYTE_OFFSET: u32 = 0;
const FIELD_EXISTS: u32 = 2;
const TYPE_EXISTS: u32 = 8;
const ENUMVAL_EXISTS: u32 = 10;
const ENUMVAL_VALUE: u32 = 11;
const TYPE_MATCHES: u32 = 12;

/// A relocation: root type, access string and kind.
type Record = (u32, u32, u32);

/// An object with one instruction for each relocation.
fn object(mut types: Types, relos: &[Record]) -> Vec<u8> {
    let mut elf = Elf::new();
    let mut insns = vec![MOVE; relos.len()];
    insns.push(EXIT);
    let code = elf.section(Section::code("raw_tp/x", &insns));
    elf.symbol("prog", GLOBAL_FUNC, code, 0, 8 * insns.len() as u64);
    let section = types.string("raw_tp/x");
    let records = (0..).zip(relos);
    let records = records.map(|(n, (root, access, kind))| [8 * n, *root, *access, *kind]);
    let ext = ext(&[], &[(section, records.collect())]);
    elf.section(Section::new(".BTF", PROGBITS, types.bytes()));
    elf.section(Section::new(".BTF.ext", PROGBITS, ext));
    elf.object()
}

/// An object and its types, as the target.
fn parsed(elf: &[u8], read: impl Fn(&Object, &Btf) -> String) -> String {
    match Object::parse("x", elf) {
        Ok(object) => match object.btf() {
            Some(types) => read(&object, types),
            None => "no BTF".to_owned(),
        },
        Err(e) => e.to_string(),
    }
}

fn relocated(elf: &[u8]) -> String {
    parsed(elf, |object, types| {
        let relocated = object.relocate(object.programs(), &Targets::new(types));
        let outcome = relocated.map_or_else(|e| e.to_string(), |_| "relocated".to_owned());
        assert!(outcome.len() < 2000, "{} bytes of error", outcome.len());
        outcome
    })
}

fn reported(elf: &[u8]) -> String {
    parsed(elf, |object, types| {
        let report = object.report(object.programs(), &Targets::new(types));
        format!("{:?} reported", report.map(|report| report.len()).ok())
    })
}

fn minimized(elf: &[u8]) -> String {
    parsed(elf, |object, types| {
        let minimal = obj::minimise(&[object], types);
        minimal.map_or_else(|e| e.to_string(), |_| "minimized".to_owned())
    })
}

/// Checks each use of an object's relocations, and returns what relocating it comes to.
fn checked(name: &str, make: impl Fn(usize) -> (Types, Vec<Record>)) -> String {
    let make = |size| {
        let (types, relos) = make(size);
        object(types, &relos)
    };
    // The types are read as the object's and as the target's.
    check(&format!("{name}: report"), 2, make, reported);
    check(&format!("{name}: minimise"), 2, make, minimized);
    check(name, 2, make, relocated)
}

/// Every root is a candidate for every other one.
#[test]
fn flavors_of_one_name() {
    for kind in [FIELD_BYTE_OFFSET, FIELD_EXISTS, TYPE_EXISTS, TYPE_MATCHES] {
        checked(&format!("flavors of one name, kind {kind}"), |size| {
            let mut types = Types::new();
            let (int, x) = (types.int(), types.string("x"));
            let field = types.string("0:0");
            let whole = types.string("0");
            let access = if kind < TYPE_EXISTS { field } else { whole };
            let relos = (0..size / 80).map(|n| {
                let name = types.string(&format!("s___{n}"));
                (types.structure(name, 4, &[[x, int, 0]]), access, kind)
            });
            let relos = relos.collect();
            (types, relos)
        });
    }
}

#[test]
fn roots_that_begin_alike() {
    let outcome = checked("roots that begin alike", |size| {
        let mut types = Types::new();
        let (int, x, access) = (types.int(), types.string("x"), types.string("0:0"));
        let relos = (0..size / 80).map(|n| {
            let name = types.string(&format!("aa{n:06}"));
            let root = types.structure(name, 4, &[[x, int, 0]]);
            (root, access, FIELD_BYTE_OFFSET)
        });
        let relos = relos.collect();
        (types, relos)
    });
    assert_eq!(outcome, "relocated");
}

/// The error names the access, and each step of it a long member.
#[test]
fn long_accesses() {
    let outcome = checked("long accesses", |size| {
        let mut types = Types::new();
        let name = types.string(&"m".repeat(size / 2));
        let root = types.next_id();
        let s = types.string("s");
        types.structure(s, 4, &[[name, root, 0]]);
        let access = types.string(&format!("0{}", ":0".repeat(size / 4)));
        (types, vec![(root, access, FIELD_BYTE_OFFSET)])
    });
    assert!(outcome.contains("more than 64 steps"), "{outcome}");
}

#[test]
fn enumerators() {
    for kind in [ENUMVAL_EXISTS, ENUMVAL_VALUE] {
        checked(&format!("enumerators, kind {kind}"), |size| {
            let mut types = Types::new();
            let count = size / 64;
            let all: Vec<[u32; 2]> = (0..count as u32)
                .map(|n| [types.string(&format!("E{n}")), n])
                .collect();
            let name = types.string("e");
            let root = types.enumeration(name, &all);
            let relos = (0..count).map(|n| {
                let access = types.string(&(count - 1 - n).to_string());
                (root, access, kind)
            });
            let relos = relos.collect();
            (types, relos)
        });
    }
}

/// Two members of each struct are the struct before: twice as many ways at every level.
#[test]
fn structs_in_structs() {
    checked("structs in structs", |size| {
        let mut types = Types::new();
        let (mut last, mut bytes) = (types.int(), 4u32);
        let (a, b) = (types.string("a"), types.string("b"));
        for n in 0..28 {
            bytes = bytes.wrapping_mul(2);
            let name = types.string(&format!("s{n}"));
            last = types.structure(
                name,
                bytes,
                &[[a, last, 0], [b, last, bytes.wrapping_mul(4)]],
            );
        }
        let access = types.string("0");
        (types, vec![(last, access, TYPE_MATCHES); size / 40])
    });
}

/// Roots of which the target has none: each is compared with all names.
#[test]
fn absent_types_and_members() {
    check(
        "absent types",
        2,
        |size| {
            let mut types = Types::new();
            let (int, x) = (types.int(), types.string("x"));
            for n in 0..size / 80 {
                let name = types.string(&format!("root_of_size_{n}"));
                types.structure(name, 4, &[[x, int, 0]]);
            }
            types.bytes()
        },
        |bytes| {
            let Ok(local) = Btf::parse(bytes.to_vec()) else {
                return "no BTF".to_owned();
            };
            let mut kernel = Types::new();
            let (int, y) = (kernel.int(), kernel.string("y"));
            for n in 0..bytes.len() / 80 {
                let name = kernel.string(&format!("root_of_sise_{n}"));
                kernel.structure(name, 4, &[[y, int, 0]]);
            }
            let kernel = Btf::parse(kernel.bytes()).expect("it is well-formed");
            let targets = Targets::new(&kernel);
            let structs = local.types().skip(1);
            let relos: Vec<Relo<'_>> = structs
                .map(|ty| Relo {
                    kind: btf_core::btf::ext::CoreKind(FIELD_EXISTS),
                    root: ty.id(),
                    access: "0:0",
                })
                .collect();
            let fixups = relocate(&local, &targets, &relos).map_or(0, |fixups| fixups.len());
            let why = explain(&local, &targets, &relos, relos.len() - 1);
            format!("{fixups} fixups, {}", why.map_or(0, |why| why.near().len()))
        },
    );
}
