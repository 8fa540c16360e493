//! Every kind of relocation over types made by hand: one side as compiled, one as the kernel has them.

mod types;

use super::*;
use crate::btf::{Builder, IntEncoding};

const SIGNED: IntEncoding = IntEncoding::SIGNED;
const UNSIGNED: IntEncoding = IntEncoding(0);

/// BTF that starts with `int`, `unsigned long` and `void *`, which `make` is given the ids of.
fn btf(make: impl FnOnce(&mut Builder, [TypeId; 3])) -> Btf {
    let mut b = Builder::new();
    b.set_little_endian(true);
    basics(&mut b, make)
}

fn basics(b: &mut Builder, make: impl FnOnce(&mut Builder, [TypeId; 3])) -> Btf {
    let int = b.int("int", 4, SIGNED);
    let long = b.int("unsigned long", 8, UNSIGNED);
    let pointer = b.pointer(TypeId::VOID);
    make(b, [int, long, pointer]);
    std::mem::take(b).finish().unwrap()
}

fn named(btf: &Btf, name: &str) -> TypeId {
    let found = btf.types().find(|t| t.name() == name);
    found.unwrap_or_else(|| panic!("no {name}")).id()
}

fn all<'a>(
    local: &Btf,
    targets: &Targets<'_>,
    relos: &[(CoreKind, &str, &'a str)],
) -> Result<Vec<Fixup>, ReloError> {
    let relos: Vec<Relo<'a>> = relos
        .iter()
        .map(|&(kind, root, access)| Relo {
            kind,
            root: named(local, root),
            access,
        })
        .collect();
    relocate(local, targets, &relos)
}

fn fixup(local: &Btf, kernel: &Btf, kind: CoreKind, root: &str, access: &str) -> Fixup {
    all(local, &Targets::new(kernel), &[(kind, root, access)]).unwrap()[0]
}

/// The answer; `None` poisons.
fn answer(local: &Btf, kernel: &Btf, kind: CoreKind, root: &str, access: &str) -> Option<u64> {
    let fixup = fixup(local, kernel, kind, root, access);
    (!fixup.poison).then_some(fixup.target)
}

fn offset(local: &Btf, kernel: &Btf, root: &str, access: &str) -> Option<u64> {
    answer(local, kernel, CoreKind::FIELD_BYTE_OFFSET, root, access)
}

#[test]
fn the_essential_name_ends_at_the_last_separator() {
    let essential = |s: &str| String::from_utf8_lossy(essential_name(s.as_bytes())).into_owned();
    assert_eq!(essential("task_struct___old"), "task_struct");
    assert_eq!(essential("a___b___c"), "a___b");
    assert_eq!(essential("a____b"), "a____b");
    assert_eq!(essential("___a"), "___a");
    assert_eq!(essential("a___"), "a___");
    assert_eq!(essential("x"), "x");
    assert_eq!(essential(""), "");
}

/// A field at another place, of another size; a bitfield of another width; and one that is gone.
fn fields(little_endian: bool) -> [Btf; 2] {
    let side = |make: fn(&mut Builder, [TypeId; 3])| {
        let mut b = Builder::new();
        b.set_little_endian(little_endian);
        basics(&mut b, make)
    };
    let local = side(|b, [int, long, _]| {
        let members = [
            ("a", int, 0, 0),
            ("bits", int, 32, 3),
            ("gone", int, 64, 0),
            ("u", long, 128, 0),
        ];
        b.structure("s", 24, members);
    });
    let kernel = side(|b, [int, long, _]| {
        let members = [
            ("before", long, 0, 0),
            ("a", long, 64, 0),
            ("bits", int, 132, 5),
            ("u", int, 192, 0),
        ];
        b.structure("s", 32, members);
    });
    [local, kernel]
}

#[test]
fn field_kinds() {
    let [local, kernel] = fields(true);
    let ask = |kind, access| {
        let fixup = fixup(&local, &kernel, kind, "s", access);
        (fixup.local, (!fixup.poison).then_some(fixup.target))
    };
    let (a, bits, gone, u) = ("0:0", "0:1", "0:2", "0:3");
    assert_eq!(ask(CoreKind::FIELD_BYTE_OFFSET, a), (0, Some(8)));
    assert_eq!(ask(CoreKind::FIELD_BYTE_OFFSET, bits), (4, Some(16)));
    assert_eq!(ask(CoreKind::FIELD_BYTE_OFFSET, gone), (8, None));
    assert_eq!(ask(CoreKind::FIELD_BYTE_SIZE, a), (4, Some(8)));
    assert_eq!(ask(CoreKind::FIELD_BYTE_SIZE, bits), (4, Some(4)));
    assert_eq!(ask(CoreKind::FIELD_BYTE_SIZE, gone), (4, None));
    assert_eq!(ask(CoreKind::FIELD_EXISTS, a), (1, Some(1)));
    assert_eq!(ask(CoreKind::FIELD_EXISTS, gone), (1, Some(0)));
    assert_eq!(ask(CoreKind::FIELD_SIGNED, a), (1, Some(0)));
    assert_eq!(ask(CoreKind::FIELD_SIGNED, u), (0, Some(1)));
    // Bits 0 to 2 of a word there, 4 to 8 here.
    assert_eq!(ask(CoreKind::FIELD_LSHIFT_U64, bits), (61, Some(55)));
    assert_eq!(ask(CoreKind::FIELD_RSHIFT_U64, bits), (61, Some(59)));
    assert_eq!(ask(CoreKind::FIELD_LSHIFT_U64, a), (32, Some(0)));
    assert_eq!(ask(CoreKind::FIELD_RSHIFT_U64, gone), (32, None));
}

#[test]
fn the_left_shift_depends_on_the_byte_order() {
    let [local, kernel] = fields(false);
    let fixup = fixup(&local, &kernel, CoreKind::FIELD_LSHIFT_U64, "s", "0:1");
    assert_eq!((fixup.local, fixup.target), (32, 36));
}

#[test]
fn what_must_not_be_checked_or_resized_is_marked() {
    let [local, kernel] = fields(true);
    let of = |access| fixup(&local, &kernel, CoreKind::FIELD_BYTE_OFFSET, "s", access);
    // The compiler chooses how a bitfield is loaded; signed to unsigned would change the value.
    assert!(!of("0:1").validate && of("0:0").validate);
    assert!(of("0:0").refuse_resize && of("0:3").refuse_resize);
    assert_eq!((of("0:0").local_size, of("0:0").target_size), (4, 8));
    assert_eq!((of("0:1").local_size, of("0:1").target_size), (0, 0));
}

#[test]
fn members_without_a_name_are_looked_through() {
    let local = btf(|b, [int, _, _]| {
        let inner = b.union("", 4, [("x", int, 0), ("y", int, 0)]);
        b.structure("s", 8, [("a", int, 0), ("", inner, 32)]);
        b.structure("flat", 8, [("a", int, 0), ("y", int, 32)]);
    });
    let kernel = btf(|b, [int, long, _]| {
        let deepest = b.structure("", 8, [("x", int, 0), ("y", int, 32)]);
        let inner = b.union("", 8, [("z", long, 0), ("", deepest, 0)]);
        b.structure("s", 16, [("a", int, 0), ("", inner, 64)]);
        b.structure("flat", 16, [("", inner, 64), ("a", int, 0)]);
    });
    assert_eq!(offset(&local, &kernel, "s", "0:1:0"), Some(8));
    assert_eq!(offset(&local, &kernel, "s", "0:1:1"), Some(12));
    assert_eq!(offset(&local, &kernel, "flat", "0:1"), Some(12));
    // And the other way: the object has them nested, the kernel flat.
    let flat = btf(|b, [int, _, _]| {
        b.structure("s", 12, [("a", int, 0), ("x", int, 32), ("y", int, 64)]);
    });
    assert_eq!(offset(&local, &flat, "s", "0:1:1"), Some(8));
}

#[test]
fn arrays_are_indexed_within_their_bounds() {
    let side = |len: u32, rows: u32, tail: u32| {
        btf(move |b, [int, long, _]| {
            let array = b.array(int, int, len);
            let matrix = b.array(array, int, rows);
            let flexible = b.array(long, int, tail);
            let members = [("m", matrix, 64), ("tail", flexible, 1024)];
            b.structure("s", 128, members);
            b.structure(
                "inside",
                128,
                [("tail", flexible, 64), ("after", long, 512)],
            );
        })
    };
    let (local, kernel) = (side(4, 3, 0), side(5, 2, 0));
    // The first index counts whole structs.
    assert_eq!(
        offset(&local, &kernel, "s", "2:0:1:3"),
        Some(256 + 8 + 4 * (5 + 3))
    );
    assert_eq!(offset(&local, &kernel, "s", "0:0:2:0"), None);
    assert_eq!(offset(&local, &kernel, "s", "0:1:7"), Some(128 + 56));
    // Only the last member has no end.
    let fixed = side(4, 3, 4);
    assert_eq!(offset(&local, &fixed, "s", "0:1:3"), Some(128 + 24));
    assert_eq!(offset(&local, &fixed, "s", "0:1:4"), None);
    assert_eq!(offset(&fixed, &local, "inside", "0:0:3"), None);
    let too_far = all(
        &local,
        &Targets::new(&kernel),
        &[(CoreKind::FIELD_BYTE_OFFSET, "s", "0:0:3:0")],
    );
    assert_eq!(
        too_far.unwrap_err().error.to_string(),
        "s.m[3][0]: the access asks for element 3 of an array of 3"
    );
    assert_eq!(
        answer(&local, &kernel, CoreKind::FIELD_BYTE_SIZE, "s", "0:0:1"),
        Some(20)
    );
}

#[test]
fn modules_are_searched_for_what_the_kernel_lacks() {
    let local = btf(|b, [int, _, _]| {
        b.structure("s", 4, [("x", int, 0)]);
        b.structure("of_module", 4, [("x", int, 0)]);
        b.structure("nowhere", 4, [("x", int, 0)]);
    });
    let kernel = btf(|b, [int, _, _]| {
        b.structure("s", 8, [("y", int, 0), ("x", int, 32)]);
    });
    let int = named(&kernel, "int");
    let module = |at: u32| {
        let mut b = Builder::split(&kernel);
        b.structure("s", 4, [("x", int, 0)]);
        b.structure("of_module", 64, [("x", int, at)]);
        b.finish().unwrap()
    };
    let modules = [module(128)];
    let targets = Targets::new(&kernel).with_modules(&modules);
    let field = |root| (CoreKind::FIELD_BYTE_OFFSET, root, "0:0");
    let id = (CoreKind::TYPE_ID_TARGET, "of_module", "0");
    let answers = all(
        &local,
        &targets,
        &[field("s"), field("of_module"), field("nowhere"), id],
    )
    .unwrap();
    assert_eq!((answers[0].target, answers[1].target), (4, 16));
    assert!(answers[2].poison);
    assert_eq!(
        answers[3].target,
        u64::from(named(&modules[0], "of_module").0)
    );
    assert!(all(&local, &Targets::new(&kernel), &[field("of_module")]).unwrap()[0].poison);
    // Two modules may have it, and then have to agree.
    let two = [module(128), module(128)];
    let both = all(
        &local,
        &Targets::new(&kernel).with_modules(&two),
        &[field("of_module")],
    );
    assert_eq!(both.unwrap()[0].target, 16);
    let two = [module(128), module(160)];
    let both = all(
        &local,
        &Targets::new(&kernel).with_modules(&two),
        &[field("of_module")],
    );
    assert!(both.is_err());
    // A module's BTF may be the target itself: what it continues is searched with it.
    assert_eq!(
        all(&local, &Targets::new(&modules[0]), &[field("of_module")]).unwrap()[0].target,
        16
    );
}

#[test]
fn accesses_that_are_none_are_refused() {
    let local = btf(|b, [int, _, _]| {
        let unnamed = b.structure("", 4, [("x", int, 0)]);
        b.structure("s", 4, [("x", int, 0), ("in", unnamed, 0)]);
        b.enumeration("e", 4, false, [("A", 0)]);
        b.forward_struct("declared");
    });
    let refused = |kind, root, access: &str| {
        let e = all(&local, &Targets::new(&local), &[(kind, root, access)]).unwrap_err();
        e.error.message().to_owned()
    };
    let field = CoreKind::FIELD_BYTE_OFFSET;
    assert_eq!(
        refused(field, "s", "0:x"),
        "access `0:x` is not a list of indexes"
    );
    assert_eq!(
        refused(field, "s", "0:7"),
        "the access asks for member 7 of [5] STRUCT 's', which has 2"
    );
    assert_eq!(
        refused(field, "s", "0:0:1"),
        "the access asks for part 1 of [1] INT 'int', which has no parts"
    );
    assert_eq!(
        refused(field, "declared", "0"),
        "[7] FWD 'declared' has no size"
    );
    assert_eq!(
        refused(CoreKind::TYPE_SIZE, "s", "0:1"),
        "a relocation of a type has access `0:1`, not `0`"
    );
    assert_eq!(
        refused(CoreKind::ENUMVAL_VALUE, "e", "3"),
        "access `3` is not an enumerator of [6] ENUM 'e'"
    );
    assert!(refused(CoreKind(99), "s", "0").contains("is not known to this version"));
    let deep = format!("0{}", ":1".repeat(access::MAX_LEN));
    assert!(
        refused(field, "s", &deep).starts_with("the access asks for"),
        "{deep}"
    );
    let anonymous = Relo {
        kind: field,
        root: TypeId(4),
        access: "0:0",
    };
    let e = relocate(&local, &Targets::new(&local), &[anonymous]).unwrap_err();
    assert_eq!(e.error.kind(), ErrorKind::Unsupported);
}
