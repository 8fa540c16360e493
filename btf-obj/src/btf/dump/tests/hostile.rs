//! Types that are none, that go on without end, or that were damaged: each is an error, or an answer.

use super::*;

#[test]
fn what_consists_of_itself_is_an_error() {
    let mut s = Sample::default();
    let a = s.array(2, 3);
    s.structure("s", 8, &[("again", a, 0, 0)]);
    assert_eq!(
        s.error(),
        "BTF type [2] STRUCT 's' is part of itself ([2] STRUCT 's' > [1] ARRAY)"
    );

    for kind in [Kind::TYPEDEF, Kind::CONST, Kind::PTR] {
        let mut s = Sample::default();
        s.refer(kind, if kind == Kind::TYPEDEF { "t" } else { "" }, 1);
        s.refer(Kind::TYPEDEF, "user", 1);
        assert!(s.error().contains("is part of itself"), "{kind}");
        let declared = declaration(s.btf().ty(TypeId(1)), "x");
        match kind {
            // Its name is all that a declaration needs of a typedef.
            Kind::TYPEDEF => assert_eq!(declared, "t x"),
            _ => assert!(declared.starts_with("/* BTF type [1] "), "{declared}"),
        }
    }
}

#[test]
fn what_is_no_type_is_an_error() {
    let mut s = Sample::default();
    let section = s.add(".bss", Kind::DATASEC, false, 0, 0);
    s.refer(Kind::TYPEDEF, "t", section);
    assert_eq!(
        s.error(),
        "BTF type [2] TYPEDEF 't' refers to [1] DATASEC '.bss', which is no C type"
    );
    let mut s = Sample::default();
    s.int("int", 3, SIGNED);
    s.refer(Kind::TYPEDEF, "t", 1);
    assert_eq!(
        s.error(),
        "[1] INT 'int' has a size of 3 bytes, for which C has no type"
    );
    let mut s = Sample::default();
    s.array(0, 3);
    s.refer(Kind::TYPEDEF, "t", 1);
    assert_eq!(s.error(), "[1] ARRAY has elements of a type without a size");
}

#[test]
fn no_chain_is_too_long_for_an_answer() {
    const LENGTH: u32 = 200_000;
    let mut s = Sample::default();
    let mut last = s.int("int", 4, SIGNED);
    for _ in 0..LENGTH {
        last = s.ptr(last);
    }
    s.refer(Kind::TYPEDEF, "t", last);
    assert!(s.error().contains("more than 128 pointers"));

    // Structs within each other are as deep, but each is written by itself.
    let mut s = Sample::default();
    let mut last = s.int("int", 4, SIGNED);
    for n in 0..LENGTH / 10 {
        last = s.structure(&format!("s{n}"), 4, &[("m", last, 0, 0)]);
    }
    assert_eq!(s.c().matches("struct s19999").count(), 1);

    let mut s = Sample::default();
    let mut last = s.int("int", 4, SIGNED);
    for _ in 0..LENGTH {
        last = s.structure("", 4, &[("m", last, 0, 0)]);
    }
    s.structure("s", 4, &[("m", last, 0, 0)]);
    assert!(s.error().contains("nested more than 128 deep"));
}

#[test]
fn no_text_is_without_end() {
    // Each level has the one below twice.
    let mut s = Sample::default();
    let mut last = s.int("int", 4, SIGNED);
    for _ in 0..64 {
        last = s.composite(Kind::UNION, "", 4, &[("a", last, 0, 0), ("b", last, 0, 0)]);
    }
    s.structure("s", 4, &[("m", last, 0, 0)]);
    assert!(s.error().contains("which no sound BTF of this size needs"));

    let mut s = Sample::default();
    let mut last = s.int("int", 4, SIGNED);
    for _ in 0..64 {
        let proto = s.proto(0, &[("", last), ("", last)]);
        last = s.ptr(proto);
    }
    s.refer(Kind::TYPEDEF, "t", last);
    assert!(s.error().contains("which no sound BTF of this size needs"));
}

#[test]
fn no_gap_is_without_end() {
    let mut s = Sample::default();
    s.structure("vast", u32::MAX - 7, &[]);
    assert!(s.error().contains("which no sound BTF of this size needs"));
}

#[test]
fn every_bit_flip_is_an_answer() {
    let mut s = Sample::default();
    let int = s.int("int", 4, SIGNED);
    let inner = s.structure("", 4, &[("x", int, 0, 3), ("y", int, 3, 5)]);
    let outer = s.structure("outer", 16, &[("i", inner, 0, 0), ("p", 4, 64, 0)]);
    assert_eq!(s.ptr(outer), 4);
    let proto = s.proto(outer, &[("a", 4), ("", 0)]);
    let pointer = s.ptr(proto);
    let array = s.array(pointer, 2);
    s.refer(Kind::TYPEDEF, "t", array);
    s.enumeration("e", 8, true, &[("A", -5), ("B", 7)]);
    let func = s.refer(Kind::FUNC, "f", proto);
    s.refer(Kind::DECL_TAG, "bpf_kfunc", func);
    s.words.push(u32::MAX);
    let bytes = s.bytes();
    let mut written = 0;
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(btf) = Btf::parse(bytes) else { continue };
        written += usize::from(header(&btf, &Options::default()).is_ok());
        for ty in btf.types() {
            let _ = (declaration(ty, "x"), prototype(ty));
            let _ = types(&btf, &[ty.id()], &bare());
        }
    }
    assert!(written > 0);
}
