//! Values of each kind, in both styles and byte orders, and of types that are made to do harm.

use super::super::{Btf, Builder, Field, IntEncoding, Linkage, TypeId};
use super::*;
use crate::error::ErrorKind;

const NONE: IntEncoding = IntEncoding(0);
const SIGNED: IntEncoding = IntEncoding::SIGNED;

fn short() -> Options {
    Options {
        pretty: false,
        ..Options::default()
    }
}

/// JSON and C of the type that `make` adds last.
fn both(little: bool, bytes: &[u8], make: impl FnOnce(&mut Builder) -> TypeId) -> (String, String) {
    let mut b = Builder::new();
    b.set_little_endian(little);
    let id = make(&mut b);
    let btf = b.finish().unwrap();
    let ty = btf.ty(id);
    (
        json(ty, bytes, &short()).unwrap(),
        c(ty, bytes, &short()).unwrap(),
    )
}

fn same(bytes: &[u8], expected: &str, make: impl FnOnce(&mut Builder) -> TypeId) {
    let (json, c) = both(true, bytes, make);
    assert_eq!((json.as_str(), c.as_str()), (expected, expected));
}

#[test]
fn scalars() {
    same(&[0xfe, 0xff, 0xff, 0xff], "-2", |b| b.int("int", 4, SIGNED));
    same(&[0xfe, 0xff, 0xff, 0xff], "4294967294", |b| {
        b.int("u", 4, NONE)
    });
    same(&[0xff; 8], "18446744073709551615", |b| {
        b.int("u64", 8, NONE)
    });
    same(&[0x80], "-128", |b| b.int("s8", 1, SIGNED));
    same(&[1], "true", |b| b.int("bool", 1, IntEncoding::BOOL));
    same(&[0], "false", |b| b.int("bool", 1, IntEncoding::BOOL));
    same(&1.5f32.to_le_bytes(), "1.5", |b| b.float("float", 4));
    same(&0.1f32.to_le_bytes(), "0.1", |b| b.float("float", 4));
    same(&(-2e300f64).to_le_bytes(), "-2e300", |b| {
        b.float("double", 8)
    });
    same(&[0, 0x3c], "1.0", |b| b.float("half", 2));
    same(&[0xab; 10], "\"abababababababababab\"", |b| {
        b.float("long double", 10)
    });
    let (json, c) = both(true, &f64::NAN.to_le_bytes(), |b| b.float("double", 8));
    assert_eq!((json.as_str(), c.as_str()), ("\"NaN\"", "NaN"));
    let (json, c) = both(true, &[0x41], |b| b.int("char", 1, SIGNED));
    assert_eq!((json.as_str(), c.as_str()), ("65", "'A'"));
    let (json, c) = both(true, &[0xff; 16], |b| b.int("__int128", 16, SIGNED));
    let hex = "0xffffffffffffffffffffffffffffffff";
    assert_eq!((json, c), (format!("\"{hex}\""), hex.to_owned()));
    let (json, c) = both(true, &0xffff_8000_1234u64.to_le_bytes(), |b| {
        b.pointer(TypeId::VOID)
    });
    assert_eq!(
        (json.as_str(), c.as_str()),
        ("\"0xffff80001234\"", "0xffff80001234")
    );
}

#[test]
fn names_and_modifiers_are_looked_through() {
    same(&[5, 0, 0, 0], "5", |b| {
        let int = b.int("int", 4, SIGNED);
        let t = b.typedef("pid_t", int);
        let t = b.const_(t);
        let t = b.type_tag("user", t);
        let t = b.volatile(t);
        b.variable("pid", t, Linkage::GLOBAL)
    });
}

#[test]
fn enums_by_name() {
    let value = |v: i64, size: u32, signed: bool| {
        let (json, c) = both(true, &v.to_le_bytes()[..size as usize], |b| {
            let values = [("MINUS", -1), ("TWO", 2)];
            let values = values.into_iter().filter(|(_, v)| signed || *v >= 0);
            if size == 8 {
                b.enumeration64("e", 8, signed, values)
            } else {
                b.enumeration("e", size, signed, values)
            }
        });
        format!("{json} {c}")
    };
    for size in [1, 4, 8] {
        assert_eq!(value(2, size, false), "\"TWO\" TWO");
        assert_eq!(value(-1, size, true), "\"MINUS\" MINUS");
        assert_eq!(value(3, size, true), "3 3");
    }
    assert_eq!(value(-1, 4, false), "4294967295 4294967295");
    assert_eq!(value(-7, 8, true), "-7 -7");
}

#[test]
fn arrays_of_char_are_text() {
    let array = |bytes: &[u8], name: &str, typedef: bool| {
        let (json, _) = both(true, bytes, |b| {
            let char = b.int(name, 1, SIGNED);
            let char = b.const_(char);
            let element = if typedef {
                b.typedef("char_t", char)
            } else {
                char
            };
            b.array(element, char, bytes.len() as u32)
        });
        json
    };
    assert_eq!(array(b"bash\0\xff\0", "char", false), "\"bash\"");
    assert_eq!(array(b"a\"\\", "char", false), r#""a\"\\""#);
    assert_eq!(array(b"\0\0", "char", false), "\"\"");
    assert_eq!(array(b"a\n\0", "char", false), "[97,10,0]");
    assert_eq!(array(b"a\0", "char", true), "[97,0]");
    assert_eq!(array(b"a\0", "signed char", false), "[97,0]");
    assert_eq!(array(b"", "char", false), "[]");
    let (json, c) = both(true, b"ab\0cd\0", |b| {
        let char = b.int("any", 1, IntEncoding::CHAR);
        let row = b.array(char, char, 3);
        b.array(row, char, 2)
    });
    assert_eq!(
        (json.as_str(), c.as_str()),
        (r#"["ab","cd"]"#, r#"{ "ab", "cd" }"#)
    );
}

/// `{ int a:3; unsigned b:13; enum e:2; bool f:1 }` and two old bitfields after it.
fn bitfields(b: &mut Builder) -> TypeId {
    let int = b.int("int", 4, SIGNED);
    let unsigned = b.int("unsigned int", 4, NONE);
    let bool = b.int("bool", 1, IntEncoding::BOOL);
    let e = b.enumeration("e", 4, false, [("ONE", 1), ("TWO", 2)]);
    let old = b.int_within("unsigned int", 4, NONE, 4, 3);
    let inner = b.structure("", 4, [("x", old, 0)]);
    b.structure(
        "bits",
        8,
        [
            ("a", int, 0, 3),
            ("b", unsigned, 3, 13),
            ("e", e, 16, 2),
            ("f", bool, 18, 1),
            ("", inner, 32, 0),
        ],
    )
}

#[test]
fn bitfields_in_both_encodings_and_orders() {
    let expected = r#"{"a":-3,"b":4097,"e":"TWO","f":true,"x":5}"#;
    let little = 0b101u64 | 4097 << 3 | 2 << 16 | 1 << 18 | 5 << (32 + 4);
    assert_eq!(both(true, &little.to_le_bytes(), bitfields).0, expected);
    let big = 0b101u64 << 61 | 4097 << 48 | 2 << 46 | 1 << 45 | 5 << (32 - 7);
    assert_eq!(both(false, &big.to_be_bytes(), bitfields).0, expected);
    assert_eq!(
        both(false, &[0x12, 0x34], |b| b.int("u16", 2, NONE)).0,
        "4660"
    );
}

#[test]
fn nested_anonymous_and_flexible() {
    let mut b = Builder::new();
    b.set_little_endian(true);
    let short_int = b.int("unsigned short", 2, NONE);
    let byte = b.int("unsigned char", 1, NONE);
    let bytes = b.array(byte, byte, 2);
    let either = b.union("", 2, [("whole", short_int, 0), ("bytes", bytes, 0)]);
    let point = b.structure("point", 4, [("x", short_int, 0), ("y", short_int, 16)]);
    let rest = b.array(point, byte, 0);
    let s = b.structure(
        "s",
        8,
        [
            ("p", point, 0),
            ("", either, 32),
            ("none", rest, 48),
            ("tail", rest, 64),
        ],
    );
    let btf = b.finish().unwrap();
    let bytes: Vec<u8> = (1..=14).collect();
    assert_eq!(
        c(btf.ty(s), &bytes, &Options::default()).unwrap(),
        "{\n\t.p = {\n\t\t.x = 513,\n\t\t.y = 1027,\n\t},\n\t.whole = 1541,\n\t.bytes = {\n\t\t5,\n\t\t6,\n\t},\n\
         \t.none = {},\n\t.tail = {\n\t\t{\n\t\t\t.x = 2569,\n\t\t\t.y = 3083,\n\t\t},\n\t},\n}"
    );
    assert_eq!(
        json(btf.ty(s), &bytes[..8], &Options::default()).unwrap(),
        "{\n\t\"p\": {\n\t\t\"x\": 513,\n\t\t\"y\": 1027\n\t},\n\t\"whole\": 1541,\n\t\"bytes\": [\n\t\t5,\n\t\t6\n\t],\n\
         \t\"none\": [],\n\t\"tail\": []\n}"
    );
}

#[test]
fn a_section_of_variables() {
    let (json, c) = both(true, &[7, 0, 0, 0, 9, 0, 0, 0], |b| {
        let int = b.int("int", 4, SIGNED);
        let first = b.variable("first", int, Linkage::GLOBAL);
        let second = b.variable("second", int, Linkage::STATIC);
        b.section(".bss", 8, [(first, 4, 4), (second, 0, 4)])
    });
    assert_eq!(json, r#"{"first":9,"second":7}"#);
    assert_eq!(c, "{ .first = 9, .second = 7 }");
}

fn refused(
    bytes: &[u8],
    limit: usize,
    make: impl FnOnce(&mut Builder) -> TypeId,
) -> (ErrorKind, String) {
    let mut b = Builder::new();
    let id = make(&mut b);
    let btf = b.finish().unwrap();
    let options = Options { limit, ..short() };
    let e = json(btf.ty(id), bytes, &options).unwrap_err();
    (e.kind(), e.to_string())
}

#[test]
fn too_few_bytes_are_said() {
    let (kind, text) = refused(&[0; 6], 1000, |b| {
        let int = b.int("int", 4, SIGNED);
        let inner = b.structure("inner", 4, [("deep", int, 0)]);
        b.structure("s", 8, [("a", int, 0), ("i", inner, 32)])
    });
    assert_eq!(kind, ErrorKind::InvalidInput);
    assert_eq!(
        text,
        "value of [3] STRUCT 's': member `i`: member `deep`: [1] INT 'int' is at bytes 4 to 8, but there are 6"
    );
    let (_, text) = refused(&[0; 6], 1000, |b| b.structure("s", 8, [] as [Field<'_>; 0]));
    assert_eq!(
        text,
        "value of [1] STRUCT 's': [1] STRUCT 's' is at bytes 0 to 8, but there are 6"
    );
}

#[test]
fn what_has_no_value_is_said() {
    let (kind, text) = refused(&[], 1000, |b| b.forward_struct("later"));
    assert_eq!(
        (kind, text.as_str()),
        (
            ErrorKind::Unsupported,
            "value of [1] FWD 'later': [1] FWD 'later' has no value"
        )
    );
    let (_, text) = refused(&[], 1000, |b| {
        let t = b.next_id();
        b.typedef("t", t)
    });
    assert_eq!(
        text,
        "value of [1] TYPEDEF 't': [1] TYPEDEF 't' has no value"
    );
    let (_, text) = refused(&[], 1000, |_| TypeId::VOID);
    assert_eq!(text, "value of [0] void: [0] void has no value");
}

#[test]
fn types_that_are_made_to_do_harm_end() {
    let empty = |b: &mut Builder| b.structure("empty", 0, [] as [Field<'_>; 0]);
    // Elements without a size cost no bytes, but text.
    let (kind, _) = refused(&[], 1 << 16, |b| {
        let empty = empty(b);
        b.array(empty, empty, u32::MAX)
    });
    assert_eq!(kind, ErrorKind::InvalidInput);
    // Each level shows the one below twice.
    let (kind, _) = refused(&[0; 4], 1 << 16, |b| {
        let mut last = b.int("int", 4, SIGNED);
        for _ in 0..64 {
            last = b.union("", 4, [("a", last, 0), ("b", last, 0)]);
        }
        last
    });
    assert_eq!(kind, ErrorKind::InvalidInput);
    // The same without anything to show.
    let (kind, _) = refused(&[0; 4], 1 << 16, |b| {
        let mut last = empty(b);
        for _ in 0..64 {
            last = b.union("", 0, [("", last, 0), ("", last, 0)]);
        }
        last
    });
    assert_eq!(kind, ErrorKind::InvalidInput);
    // Many names to look through for each of many elements.
    let (kind, _) = refused(&[0xff; 1 << 12], 1 << 16, |b| {
        let names: Vec<String> = (0..200).map(|n| format!("E{n}")).collect();
        let values = names.iter().map(|name| (name.as_str(), 0));
        let e = b.enumeration("e", 1, false, values);
        b.array(e, e, 1 << 12)
    });
    assert_eq!(kind, ErrorKind::InvalidInput);
    let (_, text) = refused(&[0; 4], 1 << 16, |b| {
        let s = b.next_id();
        b.structure("s", 4, [("again", s, 0)])
    });
    assert!(
        text.ends_with("it is nested deeper than 128 levels"),
        "{text}"
    );
    let (_, text) = refused(&[0; 64], 1 << 16, |b| {
        b.enumeration("e", 1 << 30, false, [])
    });
    assert!(text.contains("more than 128"), "{text}");
    let (_, text) = refused(&[0; 4], 1 << 16, |b| {
        let s = b.structure("s", 4, [] as [Field<'_>; 0]);
        b.structure("t", 4, [("x", s, 0, 4)])
    });
    assert!(text.contains("a bitfield is of [1] STRUCT 's'"), "{text}");
}

#[test]
fn every_bit_flip_and_truncation_is_an_answer() {
    let mut b = Builder::new();
    let id = bitfields(&mut b);
    let pointer = b.pointer(id);
    let double = b.float("double", 8);
    let values = b.array(double, id, 2);
    b.structure(
        "all",
        32,
        [("s", id, 0), ("p", pointer, 64), ("v", values, 128)],
    );
    let whole = b.finish().unwrap().as_bytes().to_vec();
    let bytes = [0x5a; 40];
    let options = Options {
        limit: 4096,
        ..short()
    };
    let mut shown = 0;
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let Ok(btf) = Btf::parse(damaged) else {
            continue;
        };
        for ty in btf.types() {
            for len in [0, 1, 8, 31, 40] {
                shown += usize::from(json(ty, &bytes[..len], &options).is_ok());
                let _ = c(ty, &bytes[..len], &options);
            }
        }
    }
    assert!(shown > 0);
}
