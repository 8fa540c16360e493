//! What is written reads back the same, and what cannot be written is said.

use super::*;
use crate::btf::Type;

const SIGNED: IntEncoding = IntEncoding::SIGNED;

/// One of each kind, with references in both directions.
fn everything(mut b: Builder) -> Builder {
    let int = b.int("int", 4, SIGNED);
    let node = b.reserve();
    let next = b.pointer(node);
    let values = b.array(int, int, 3);
    b.at(node)
        .structure("node", 24, [("next", next, 0), ("values", values, 64)]);
    b.structure("bits", 4, [("a", int, 0, 3), ("b", int, 3, 29)]);
    b.union("either", 8, [("i", int, 0), ("", next, 0)]);
    b.enumeration("colour", 4, true, [("RED", -1), ("BLUE", 2)]);
    b.enumeration("mask", 1, false, [("ALL", 255)]);
    b.enumeration64("wide", 8, false, [("TOP", i64::MIN)]);
    b.forward_struct("later");
    b.forward_union("later_too");
    let alias = b.typedef("node_t", node);
    let constant = b.const_(alias);
    let volatile = b.volatile(constant);
    b.restrict(next);
    let proto = b.prototype(int, [("n", volatile), ("", TypeId::VOID)]);
    let func = b.function("f", proto, Linkage::GLOBAL);
    let var = b.variable("v", int, Linkage::STATIC);
    b.section(".data", 8, [(var, 4, 4)]);
    b.float("double", 8);
    b.decl_tag("tag", func, Some(0));
    b.decl_attribute("used", var, None);
    let user = b.type_tag("user", int);
    b.type_attribute("address_space(1)", user);
    b.int_within("old", 4, IntEncoding::BOOL, 2, 3);
    b
}

fn find<'a>(btf: &'a Btf, name: &str) -> Type<'a> {
    btf.types().find(|t| t.name() == name).unwrap()
}

fn check(btf: &Btf) {
    let node = find(btf, "node");
    let next = node.members().get(0).unwrap();
    assert_eq!(next.ty().target(), Some(node));
    let values = node.members().get(1).unwrap();
    assert_eq!((values.bit_offset(), values.bitfield_size()), (64, None));
    assert_eq!(values.ty().array().unwrap().len, 3);

    let b = find(btf, "bits").members().get(1).unwrap();
    assert_eq!((b.bit_offset(), b.bitfield_size()), (3, Some(29)));
    assert_eq!(find(btf, "either").kind(), Kind::UNION);
    let value = |name, n| find(btf, name).enumerators().get(n).unwrap().value();
    assert_eq!((value("colour", 0), value("colour", 1)), (-1, 2));
    assert_eq!((value("mask", 0), value("wide", 0)), (255, i64::MIN));
    assert!(!find(btf, "later").flag() && find(btf, "later_too").flag());

    let f = find(btf, "f");
    assert_eq!(f.linkage(), Some(Linkage::GLOBAL));
    let params: Vec<_> = f
        .params()
        .iter()
        .map(|p| (p.name(), p.is_variadic()))
        .collect();
    assert_eq!(params, [("n", false), ("", true)]);
    assert_eq!(f.params().get(0).unwrap().ty().strip(), node);
    let v = find(btf, ".data").variables().get(0).unwrap();
    assert_eq!((v.name(), v.offset(), v.size()), ("v", 4, 4));
    assert_eq!(
        (find(btf, "tag").component(), find(btf, "tag").flag()),
        (Some(0), false)
    );
    assert_eq!(
        (find(btf, "used").component(), find(btf, "used").flag()),
        (Some(-1), true)
    );
    assert!(!find(btf, "user").flag() && find(btf, "address_space(1)").flag());
    let old = find(btf, "old").int().unwrap();
    assert_eq!(
        (old.bit_offset, old.bits, old.encoding),
        (2, 3, IntEncoding::BOOL)
    );
}

#[test]
fn every_kind_reads_back() {
    let btf = everything(Builder::new()).finish().unwrap();
    for kind in 1..=19 {
        assert!(
            btf.types().any(|t| t.kind() == Kind(kind)),
            "{}",
            Kind(kind)
        );
    }
    check(&btf);
    let mut strings: Vec<_> = btf.strings().map(|(_, text)| text).collect();
    let all = strings.len();
    strings.sort_unstable();
    strings.dedup();
    assert_eq!(strings.len(), all, "each string once");
    for (offset, text) in btf.strings() {
        assert_eq!(btf.string_bytes(offset), Some(text));
    }
}

#[test]
fn a_foreign_byte_order_is_remembered() {
    for little in [true, false] {
        let mut b = everything(Builder::new());
        b.set_little_endian(little);
        let btf = b.finish().unwrap();
        assert_eq!(btf.is_little_endian(), little);
        check(&btf);
    }
}

#[test]
fn split_btf_continues_its_base() {
    let base = everything(Builder::new()).finish().unwrap();
    let mut b = Builder::split(&base);
    let node = find(&base, "node").id();
    assert_eq!(b.next_id().0, base.end_id());
    let list = b.structure("list", 8, [("next", node, 0)]);
    let inner = b.typedef("list_t", list);
    assert_eq!(
        b.copy(base.ty(node)),
        node,
        "what the base has is not copied"
    );
    let btf = b.finish().unwrap();
    assert_eq!(
        btf.ty(inner).strip().members().get(0).unwrap().ty().name(),
        "node"
    );
    let own: Vec<_> = btf.strings().map(|(_, text)| text).collect();
    assert_eq!(own, [&b"list"[..], b"list_t"], "`next` is the base's");
    let all = btf.find_all("node").chain(btf.find_all("list"));
    assert_eq!(all.map(|t| t.id()).collect::<Vec<_>>(), [node, list]);
    // And a split on a split.
    let mut b = Builder::split(&btf);
    b.typedef("list_t", list);
    let btf = b.finish().unwrap();
    assert_eq!(btf.strings().count(), 0);
    assert_eq!(
        btf.find("list_t", Kind::TYPEDEF)
            .unwrap()
            .target()
            .unwrap()
            .id(),
        list
    );
}

#[test]
fn a_copy_brings_what_it_refers_to_once() {
    let from = everything(Builder::new()).finish().unwrap();
    let mut b = Builder::new();
    b.float("first", 4);
    let f = b.copy(find(&from, "f"));
    let types = b.next_id();
    let node = b.copy(find(&from, "node"));
    assert_eq!(b.next_id(), types, "the prototype brought it");
    let btf = b.finish().unwrap();
    assert_eq!(btf.ty(f).params().get(0).unwrap().ty().strip().id(), node);
    assert_eq!(
        btf.ty(node)
            .members()
            .get(0)
            .unwrap()
            .ty()
            .target()
            .unwrap()
            .id(),
        node
    );

    let mut b = Builder::new();
    for t in from.types() {
        b.copy(t);
    }
    let all = b.finish().unwrap();
    assert_eq!(all.end_id(), from.end_id());
    check(&all);

    let mut b = Builder::new();
    let mine = b.forward_struct("node");
    b.substitute(find(&from, "node"), mine);
    let alias = b.copy(find(&from, "node_t"));
    let btf = b.finish().unwrap();
    assert_eq!(btf.ty(alias).target().unwrap().kind(), Kind::FWD);
}

#[test]
fn a_copy_of_a_long_chain_needs_no_stack() {
    let mut b = Builder::new();
    let mut last = TypeId::VOID;
    for _ in 0..200_000 {
        last = b.pointer(last);
    }
    let from = b.finish().unwrap();
    let mut b = Builder::new();
    b.copy(from.ty(last));
    assert_eq!(b.finish().unwrap().end_id(), from.end_id());
}

/// What `finish` says after `make`.
fn refused(make: impl FnOnce(&mut Builder)) -> String {
    let mut b = Builder::new();
    make(&mut b);
    b.finish().unwrap_err().to_string()
}

#[test]
fn what_cannot_be_encoded_is_said() {
    assert_eq!(
        refused(|b| {
            let int = b.int("int", 4, SIGNED);
            b.structure("s", 4, [("far", int, 1 << 24, 1)]);
        }),
        "member `far` of `s` has 1 bits from bit 16777216, but beside bitfields an offset has 24 bits and a bitfield's size 8"
    );
    assert_eq!(
        refused(|b| {
            b.structure("s", 4, (0..1 << 24).map(|_| ("", TypeId::VOID, 0)));
        }),
        "STRUCT `s` has a count of 16777216, which does not fit 24 bits"
    );
    assert_eq!(
        refused(|b| {
            b.enumeration("e", 4, false, [("A", -1)]);
        }),
        "enumerator `A` of `e` is -1, which does not fit unsigned 32 bits; use enumeration64"
    );
    assert_eq!(
        refused(|b| {
            b.reserve();
        }),
        "type [1] was reserved and never written"
    );
    assert_eq!(
        refused(|b| {
            let id = b.float("f", 4);
            b.at(id).float("g", 4);
        }),
        "type [1] is written twice"
    );
    assert_eq!(
        refused(|b| {
            b.at(TypeId(7)).float("g", 4);
        }),
        "type [7] was not reserved"
    );
    assert_eq!(
        refused(|b| {
            b.typedef("t", TypeId(9));
        }),
        "BTF type [1] refers to type [9], but there are 2 types"
    );
    assert_eq!(
        refused(|b| {
            b.float("a\0b", 4);
        }),
        "the name \"a\\0b\" has a NUL byte within"
    );
    assert_eq!(
        refused(|b| {
            b.int("big", 64, SIGNED);
        }),
        "integer `big` has 512 bits from bit 0, which is more than BTF can say"
    );
    // Without bitfields an offset has all 32 bits.
    let mut b = Builder::new();
    let int = b.int("int", 4, SIGNED);
    b.structure("s", u32::MAX, [("far", int, 1 << 24)]);
    let btf = b.finish().unwrap();
    assert_eq!(
        find(&btf, "s").members().get(0).unwrap().bit_offset(),
        1 << 24
    );
}

#[test]
fn extended_btf_keeps_ids_and_strings() {
    let mut b = Builder::new();
    let int = b.int("int", 4, IntEncoding::SIGNED);
    let variable = b.variable("hits", TypeId::VOID, Linkage::GLOBAL);
    let structure = b.structure("s", 8, [("a", int, 0), ("b", TypeId::VOID, 32)]);
    let proto = b.prototype(int, [("x", TypeId::VOID)]);
    let before = b.finish().unwrap();
    let mut b = Builder::extending(&before);
    let long = b.int("long", 8, IntEncoding::SIGNED);
    b.set_reference(variable, 0, long)
        .set_reference(structure, 1, int)
        .set_reference(proto, 1, long);
    let after = b.finish().unwrap();
    assert_eq!(long.0, before.end_id());
    assert_eq!(after.ty(variable).target().map(|t| t.id()), Some(long));
    let members: Vec<TypeId> = after
        .ty(structure)
        .members()
        .iter()
        .map(|m| m.type_id())
        .collect();
    assert_eq!(members, [int, int]);
    assert_eq!(after.ty(proto).return_type().map(|t| t.id()), Some(int));
    assert_eq!(
        after.ty(proto).params().get(0).map(|p| p.ty().id()),
        Some(long)
    );
    for (offset, string) in before.strings() {
        assert_eq!(after.string_bytes(offset), Some(string));
    }
    let mut b = Builder::extending(&before);
    b.set_reference(int, 0, long);
    assert!(b.finish().is_err());
}
