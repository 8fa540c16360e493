//! What the dump writes for small BTFs made by hand, kind by kind, and for damaged ones.

mod hostile;
mod sample;

use super::*;
use sample::{Sample, bare};

const SIGNED: u32 = 1;
const BOOL: u32 = 4;

#[test]
fn the_whole_header() {
    let mut s = Sample::default();
    let int = s.int("int", 4, SIGNED);
    s.refer(Kind::TYPEDEF, "pid_t", int);
    assert_eq!(
        header(&s.btf(), &Options::default()).unwrap(),
        "#ifndef __VMLINUX_H__\n\
         #define __VMLINUX_H__\n\n\
         #ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n\
         #pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)\n\
         #endif\n\n\
         typedef int pid_t;\n\n\
         #ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n\
         #pragma clang attribute pop\n\
         #endif\n\n\
         #endif\n"
    );
}

#[test]
fn declarators() {
    let mut s = Sample::default();
    let char = s.int("char", 1, SIGNED);
    let int = s.int("int", 4, SIGNED);
    let constant = s.refer(Kind::CONST, "", char);
    let string = s.ptr(constant);
    let strings = s.array(string, 3);
    let fixed = s.refer(Kind::CONST, "", string);
    let restricted = s.refer(Kind::RESTRICT, "", string);
    let matrix = s.array(int, 3);
    let matrix = s.array(matrix, 2);
    let const_matrix = s.refer(Kind::CONST, "", matrix);
    let to_matrix = s.ptr(matrix);
    let anything = s.ptr(0);
    let proto = s.proto(int, &[("", anything), ("", 0)]);
    let function = s.ptr(proto);
    let returning = s.proto(function, &[]);
    let returning = s.ptr(returning);
    let vector = s.array(returning, 4);
    let btf = s.btf();
    for (ty, expected) in [
        (strings, "const char *x[3]"),
        (fixed, "const char *const x"),
        (restricted, "const char *restrict x"),
        (matrix, "int x[2][3]"),
        (const_matrix, "const int x[2][3]"),
        (to_matrix, "int (*x)[2][3]"),
        (function, "int (*x)(void *, ...)"),
        (returning, "int (*(*x)(void))(void *, ...)"),
        (vector, "int (*(*x[4])(void))(void *, ...)"),
    ] {
        assert_eq!(declaration(btf.ty(TypeId(ty)), "x"), expected);
    }
    assert_eq!(declaration(btf.ty(TypeId(string)), ""), "const char *");
    assert_eq!(declaration(btf.ty(TypeId(strings)), ""), "const char *[3]");
    assert_eq!(declaration(btf.ty(TypeId::VOID), ""), "void");
}

#[test]
fn prototypes_and_mentions() {
    let mut s = Sample::default();
    let int = s.int("int", 4, SIGNED);
    let inode = s.add("inode", Kind::FWD, false, 0, 0);
    let inode = s.ptr(inode);
    let anonymous = s.structure("", 4, &[("a", int, 0, 0)]);
    let anonymous = s.ptr(anonymous);
    let returned = s.refer(Kind::CONST, "", int);
    let proto = s.proto(returned, &[("dir", inode), ("what", anonymous)]);
    let func = s.refer(Kind::FUNC, "unlink", proto);
    let btf = s.btf();
    assert_eq!(
        prototype(btf.ty(TypeId(func))),
        "int unlink(struct inode *dir, struct { ... } *what)"
    );
    assert_eq!(
        types(&btf, &[TypeId(func)], &bare()).unwrap(),
        "struct inode;\n\nint unlink(struct inode *dir, void *what);\n"
    );
}

#[test]
fn a_type_comes_after_what_it_consists_of() {
    let mut s = Sample::default();
    let int = s.int("int", 4, SIGNED);
    // struct a { struct b b; } before struct b { struct a *up; handler_t h; }, where handler_t takes a struct a *.
    let b = 6;
    let a = s.structure("a", 16, &[("b", b, 0, 0)]);
    let to_a = s.ptr(a);
    let proto = s.proto(int, &[("", to_a)]);
    let handler = s.ptr(proto);
    assert_eq!(
        s.structure("b", 16, &[("up", to_a, 0, 0), ("h", 7, 64, 0)]),
        b
    );
    s.refer(Kind::TYPEDEF, "handler_t", handler);
    assert_eq!(
        s.c(),
        "struct a;\n\n\
         typedef int (*handler_t)(struct a *);\n\n\
         struct b {\n\tstruct a *up;\n\thandler_t h;\n};\n\n\
         struct a {\n\tstruct b b;\n};\n\n"
    );
}

#[test]
fn enums_without_constants_are_declared() {
    let mut s = Sample::default();
    let later = s.enumeration("later", 0, false, &[]);
    let later = s.ptr(later);
    s.structure("holder", 8, &[("e", later, 0, 0)]);
    s.enumeration("known", 4, false, &[]);
    assert_eq!(
        s.c(),
        "enum later;\n\nstruct holder {\n\tenum later *e;\n};\n\nenum known;\n\n"
    );
}

#[test]
fn forward_enum_and_its_definition_are_one_type() {
    let mut s = Sample::default();
    let forward = s.enumeration("x", 4, false, &[]);
    let fixed = s.refer(Kind::CONST, "", forward);
    let pointer = s.ptr(fixed);
    let x = s.enumeration("x", 4, false, &[("X", 1)]);
    s.structure(
        "s",
        16,
        &[("x", x, 0, 0), ("y", forward, 32, 0), ("p", pointer, 64, 0)],
    );
    assert_eq!(
        s.c(),
        "enum x;\n\nenum x {\n\tX = 1,\n};\n\n\
         struct s {\n\tenum x x;\n\tenum x y;\n\tconst enum x *p;\n};\n\n"
    );
}

#[test]
fn forward_enum_of_a_base_is_defined_by_split_btf() {
    use crate::btf::Builder;
    let mut base = Builder::new();
    let forward = base.enumeration("x", 4, false, [] as [(&str, i64); 0]);
    let pointer = base.pointer(forward);
    base.structure("user", 8, [("p", pointer, 0)]);
    let base = base.finish().unwrap();
    let mut split = Builder::split(&base);
    let x = split.enumeration("x", 4, false, [("X", 1)]);
    split.structure("s", 16, [("x", x, 0), ("p", pointer, 64)]);
    let split = split.finish().unwrap();
    assert_eq!(
        header(&split, &bare()).unwrap(),
        "enum x {\n\tX = 1,\n};\n\nstruct s {\n\tenum x x;\n\tenum x *p;\n};\n\n"
    );
    assert_eq!(
        header(&base, &bare()).unwrap(),
        "enum x;\n\nstruct user {\n\tenum x *p;\n};\n\n"
    );
}

#[test]
fn float_of_12_bytes_takes_its_room() {
    let mut s = Sample::default();
    let float = s.refer(Kind::FLOAT, "_Float80", 12);
    s.structure("s", 12, &[("f", float, 0, 0)]);
    let int = s.int("int", 4, SIGNED);
    s.refer(Kind::TYPEDEF, "pid_t", int);
    assert_eq!(
        s.c(),
        "struct s {\n\tstruct { unsigned int words[3]; } f;\n};\n\ntypedef int pid_t;\n\n"
    );
}

#[test]
fn members_lie_where_they_must() {
    let mut s = Sample::default();
    let char = s.int("char", 1, SIGNED);
    let int = s.int("int", 4, SIGNED);
    let long = s.int("long", 8, SIGNED);
    let wide = s.int("__int128", 16, SIGNED);
    s.structure("natural", 16, &[("c", char, 0, 0), ("l", long, 64, 0)]);
    s.structure("holes", 64, &[("c", char, 0, 0), ("l", long, 128, 0)]);
    s.structure("packed", 9, &[("c", char, 0, 0), ("l", long, 8, 0)]);
    s.structure("wide", 32, &[("l", long, 0, 0), ("w", wide, 128, 0)]);
    s.structure("crooked", 24, &[("l", long, 0, 0), ("w", wide, 64, 0)]);
    s.composite(Kind::UNION, "big", 16, &[("c", char, 0, 0)]);
    s.composite(Kind::UNION, "odd", 5, &[("i", int, 0, 0)]);
    s.structure("room", 4, &[]);
    s.structure("empty", 0, &[]);
    let text = s.array(char, 0);
    s.structure("tail", 8, &[("i", int, 0, 0), ("text", text, 32, 0)]);
    assert_eq!(
        s.c(),
        "struct natural {\n\tchar c;\n\tlong l;\n};\n\n\
         struct holes {\n\tchar c;\n\tlong: 56;\n\tlong: 64;\n\tlong l;\n\
         \tlong: 64;\n\tlong: 64;\n\tlong: 64;\n\tlong: 64;\n\tlong: 64;\n};\n\n\
         struct packed {\n\tchar c;\n\tlong l;\n} __attribute__((packed));\n\n\
         struct wide {\n\tlong l;\n\t__int128 w;\n};\n\n\
         struct crooked {\n\tlong l;\n\t__int128 w;\n} __attribute__((packed));\n\n\
         union big {\n\tchar c;\n\tstruct {\n\t\tlong: 64;\n\t\tlong: 64;\n\t};\n};\n\n\
         union odd {\n\tint i;\n\tstruct {\n\t\tint: 32;\n\t\tchar: 8;\n\t};\n} __attribute__((packed));\n\n\
         struct room {\n\tint: 32;\n};\n\n\
         struct empty {};\n\n\
         struct tail {\n\tint i;\n\tchar text[0];\n\tlong: 32;\n};\n\n"
    );
}

#[test]
fn bitfields_in_both_encodings() {
    let mut s = Sample::default();
    let int = s.int("int", 4, SIGNED);
    let bool = s.int("bool", 1, BOOL);
    let long = s.int("long", 8, SIGNED);
    s.structure(
        "bits",
        16,
        &[
            ("a", int, 0, 3),
            ("b", int, 5, 27),
            ("c", bool, 40, 1),
            ("d", long, 64, 60),
        ],
    );
    // 8 bits at bit 28 straddle an int, so only a packed struct can have them there.
    s.structure("straddling", 8, &[("a", int, 0, 28), ("b", int, 28, 8)]);
    // Before members had a flag, an INT of 3 bits at bit 2 of its size.
    let old = s.add("unsigned int", Kind::INT, false, 0, 4);
    s.words.push(2 << 16 | 3);
    s.add("old", Kind::STRUCT, false, 1, 4);
    let name = s.string("x");
    s.words.extend([name, old, 8]);
    assert_eq!(
        s.c(),
        "struct bits {\n\tint a: 3;\n\tchar: 2;\n\tint b: 27;\n\tchar: 8;\n\t_Bool c: 1;\n\tlong d: 60;\n};\n\n\
         struct straddling {\n\tint a: 28;\n\tint b: 8;\n\tlong: 28;\n} __attribute__((packed));\n\n\
         struct old {\n\tchar: 8;\n\tchar: 2;\n\tunsigned int x: 3;\n};\n\n"
    );
}

#[test]
fn anonymous_types_stand_where_they_are_used() {
    let mut s = Sample::default();
    let int = s.int("int", 4, SIGNED);
    let named = s.structure("head", 8, &[("a", int, 0, 0), ("b", int, 32, 0)]);
    let values = s.enumeration("", 4, false, &[("ONE", 1)]);
    let inner = s.structure("", 8, &[("x", int, 0, 0), ("e", values, 32, 0)]);
    let either = s.composite(
        Kind::UNION,
        "",
        8,
        &[("", inner, 0, 0), ("whole", inner, 0, 0)],
    );
    let elements = s.array(inner, 2);
    // `struct head;` as a member needs an extension of C, its members do not.
    s.structure(
        "outer",
        32,
        &[
            ("", named, 0, 0),
            ("", either, 64, 0),
            ("two", elements, 128, 0),
        ],
    );
    s.refer(Kind::TYPEDEF, "inner_t", inner);
    s.enumeration("", 4, true, &[("LEFT", -1), ("ONE", 2)]);
    assert_eq!(
        s.c(),
        "struct head {\n\tint a;\n\tint b;\n};\n\n\
         struct outer {\n\
         \tstruct {\n\t\tint a;\n\t\tint b;\n\t};\n\
         \tunion {\n\
         \t\tstruct {\n\t\t\tint x;\n\t\t\tenum {\n\t\t\t\tONE = 1,\n\t\t\t} e;\n\t\t};\n\
         \t\tstruct {\n\t\t\tint x;\n\t\t\tenum {\n\t\t\t\tONE___2 = 1,\n\t\t\t} e;\n\t\t} whole;\n\
         \t};\n\
         \tstruct {\n\t\tint x;\n\t\tenum {\n\t\t\tONE___3 = 1,\n\t\t} e;\n\t} two[2];\n\
         };\n\n\
         typedef struct {\n\tint x;\n\tenum {\n\t\tONE___4 = 1,\n\t} e;\n} inner_t;\n\n\
         enum {\n\tLEFT = -1,\n\tONE___5 = 2,\n};\n\n"
    );
}

#[test]
fn enums_have_their_size() {
    let mut s = Sample::default();
    s.enumeration("plain", 4, true, &[("A", -1), ("B", 1)]);
    s.enumeration("small", 1, false, &[("C", 255)]);
    s.enumeration("loose", 2, false, &[("D", 1)]);
    s.enumeration("long_by_value", 8, false, &[("E", -1)]);
    s.enumeration("long_by_wish", 8, true, &[("F", -1)]);
    s.enumeration("least", 8, true, &[("G", i64::MIN)]);
    s.enumeration("declared", 4, false, &[]);
    assert_eq!(
        s.c(),
        "enum plain {\n\tA = -1,\n\tB = 1,\n};\n\n\
         enum small {\n\tC = 255,\n} __attribute__((packed));\n\n\
         enum loose {\n\tD = 1,\n} __attribute__((mode(HI)));\n\n\
         enum long_by_value {\n\tE = 18446744073709551615ULL,\n};\n\n\
         enum long_by_wish {\n\tF = -1LL,\n} __attribute__((mode(DI)));\n\n\
         enum least {\n\tG = -9223372036854775807LL - 1,\n};\n\n\
         enum declared;\n\n"
    );
}

#[test]
fn one_name_for_each_type() {
    let mut s = Sample::default();
    let int = s.int("int", 4, SIGNED);
    let first = s.structure("s", 4, &[("a", int, 0, 0)]);
    let second = s.composite(Kind::UNION, "s", 4, &[("b", int, 0, 0)]);
    s.structure("s___2", 4, &[]);
    s.refer(Kind::TYPEDEF, "s", first);
    s.refer(Kind::TYPEDEF, "s", second);
    let forward = s.add("s", Kind::FWD, true, 0, 0);
    let pointer = s.ptr(forward);
    s.structure("user", 8, &[("p", pointer, 0, 0)]);
    s.enumeration("", 4, false, &[("s", 1)]);
    assert_eq!(
        s.c(),
        "struct s {\n\tint a;\n};\n\n\
         union s___3 {\n\tint b;\n};\n\n\
         struct s___2 {\n\tint: 32;\n};\n\n\
         typedef struct s s;\n\n\
         typedef union s___3 s___2;\n\n\
         struct user {\n\tunion s___3 *p;\n};\n\n\
         enum {\n\ts___3 = 1,\n};\n\n"
    );
}

#[test]
fn names_that_are_not_c() {
    let mut s = Sample::default();
    let poly = s.int("__Poly8_t", 1, 0);
    let long = s.int("long", 4, SIGNED);
    let double = s.add("long double", Kind::FLOAT, false, 0, 16);
    s.structure(
        "a b; }",
        32,
        &[
            ("x y", poly, 0, 0),
            ("2", long, 32, 0),
            ("f", double, 128, 0),
        ],
    );
    // The compiler has a type of this name, of another size.
    let list = s.structure("__va_list_tag", 4, &[("n", long, 0, 0)]);
    let list = s.array(list, 1);
    let builtin = s.refer(Kind::TYPEDEF, "__builtin_va_list", list);
    s.refer(Kind::TYPEDEF, "va_list", builtin);
    // The pointer size is `long`'s.
    assert_eq!(
        s.c(),
        "typedef unsigned char __Poly8_t;\n\n\
         struct a_b___ {\n\t__Poly8_t x_y;\n\tlong _2;\n\tunsigned __int128 f;\n};\n\n\
         struct __va_list_tag {\n\tlong n;\n};\n\n\
         typedef struct __va_list_tag va_list[1];\n\n"
    );
}

#[test]
fn kfuncs_are_declared_once_and_weak() {
    let mut s = Sample::default();
    let tag = |s: &mut Sample, name: &str, target: u32| {
        s.refer(Kind::DECL_TAG, name, target);
        s.words.push(u32::MAX);
    };
    let space = s.add("address_space(1)", Kind::TYPE_TAG, true, 0, 0);
    let arena = s.ptr(space);
    let user = s.refer(Kind::TYPE_TAG, "user", 0);
    let user = s.ptr(user);
    let plain = s.proto(user, &[("map", user), ("to", user)]);
    let spaced = s.proto(0, &[("map", user), ("to", arena)]);
    let kfunc = |s: &mut Sample, name: &str, proto: u32| {
        let func = s.refer(Kind::FUNC, name, proto);
        tag(s, "bpf_kfunc", func);
        func
    };
    for name in ["quick", "quick", "bpf_arena_alloc_pages"] {
        let func = kfunc(&mut s, name, plain);
        if name == "quick" {
            tag(&mut s, "bpf_fastcall", func);
        }
    }
    kfunc(&mut s, "bpf_arena_free_pages", spaced);
    s.refer(Kind::FUNC, "other", plain);
    let c = s.c();
    assert!(c.starts_with("#ifndef BPF_NO_KFUNC_PROTOTYPES\n"), "{c}");
    let (_, declared) = c.split_once("#endif\n#endif\n\n").unwrap();
    assert_eq!(
        declared,
        "extern void *quick(void *map, void *to) __weak __ksym __bpf_fastcall;\n\
         #if !defined(__BPF_FEATURE_ADDR_SPACE_CAST) || defined(BPF_ARENA_FORCE_ASM)\n\
         extern void *bpf_arena_alloc_pages(void *map, void *to) __weak __ksym;\n\
         #endif\n\
         #if defined(__BPF_FEATURE_ADDR_SPACE_CAST) && !defined(BPF_ARENA_FORCE_ASM)\n\
         extern void bpf_arena_free_pages(void *map, void __attribute__((address_space(1))) *to) __weak __ksym;\n\
         #endif\n\
         #endif\n\n"
    );
}

#[test]
fn what_c_cannot_place_is_left_out_and_said() {
    let mut s = Sample::default();
    let int = s.int("int", 4, SIGNED);
    let proto = s.proto(int, &[]);
    s.structure(
        "s",
        16,
        &[
            ("a", int, 0, 0),
            ("b", int, 16, 0),
            ("c", int, 33, 0),
            ("d", proto, 64, 0),
            ("e", int, 112, 0),
            ("f", int, 96, 40),
        ],
    );
    let comments = [
        "b at bit 16",
        "c at bit 33",
        "d at bit 64",
        "e at bit 112",
        "f at bit 96",
    ]
    .map(|what| format!("\t/* no C for member {what} */\n"))
    .concat();
    assert_eq!(
        s.c(),
        format!("struct s {{\n\tint a;\n{comments}\tlong: 32;\n\tlong: 64;\n}};\n\n")
    );
}
