//! BTF as an older kernel takes it: what it does not know is replaced by something of the same size, so that ids,
//! sizes and offsets stay. What a kernel takes is the caller's to find out.
//!
//! The replacements are those of libbpf's `bpf_object__sanitize_btf`. Beyond them, what is external is hidden, which libbpf
//! rewrites where it resolves externs; a name that has to change is written anew, where libbpf
//! overwrites it for all who share it; and `repair` mends what every kernel rejects.

mod plan;
mod repair;

use std::borrow::Cow;

pub(crate) use super::builder::assemble;
use super::raw::HEADER_LEN;
use super::{Btf, Kind, Linkage, Type};
use plan::{INT_OF_8_BITS, Plan, info};
use repair::{Repairs, is_identifier};

/// What not every kernel takes in BTF.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feature {
    /// FUNC and FUNC_PROTO.
    Func,
    /// VAR and DATASEC.
    Datasec,
    /// FUNC with a linkage.
    GlobalFunc,
    /// FLOAT.
    Float,
    /// DECL_TAG.
    DeclTag,
    /// TYPE_TAG.
    TypeTag,
    /// ENUM64, and the sign of an ENUM.
    Enum64,
    /// DATASEC whose name is not an identifier: `?.struct_ops`.
    QuestionMark,
}

impl Feature {
    /// What a kernel must take to take this type as it is.
    fn of(t: Type<'_>) -> Option<Feature> {
        match t.kind() {
            Kind::FUNC if t.linkage() == Some(Linkage::STATIC) => Some(Feature::Func),
            Kind::FUNC => Some(Feature::GlobalFunc),
            Kind::FUNC_PROTO => Some(Feature::Func),
            Kind::DATASEC if !has_identifier(t) => Some(Feature::QuestionMark),
            Kind::VAR | Kind::DATASEC => Some(Feature::Datasec),
            Kind::FLOAT => Some(Feature::Float),
            Kind::DECL_TAG => Some(Feature::DeclTag),
            Kind::TYPE_TAG => Some(Feature::TypeTag),
            Kind::ENUM64 => Some(Feature::Enum64),
            Kind::ENUM if t.flag() => Some(Feature::Enum64),
            _ => None,
        }
    }

    /// What else a kernel takes that takes this.
    fn implies(self) -> Option<Feature> {
        match self {
            Feature::GlobalFunc => Some(Feature::Func),
            Feature::QuestionMark => Some(Feature::Datasec),
            _ => None,
        }
    }
}

fn has_identifier(t: Type<'_>) -> bool {
    let mut name = t.name_bytes().iter().enumerate();
    name.all(|(at, byte)| is_identifier(at, *byte))
}

/// The bytes of `btf` with all replaced that needs a feature that `has` denies, what is external
/// hidden, and what every kernel rejects repaired; the bytes as they are if nothing has to change.
pub fn sanitize(btf: &Btf, has: impl Fn(Feature) -> bool) -> Cow<'_, [u8]> {
    let plan = Plan::of(btf, has);
    let mut repairs = Repairs::new(btf, plan.end_id());
    let bytes = btf.as_bytes();
    let mut strings = bytes[btf.0.strings.clone()].to_vec();
    let mut types = Vec::with_capacity(btf.0.types.len() / 4);
    let mut has_changed = btf.0.types.start != HEADER_LEN as usize;
    for t in btf.types() {
        let start = types.len();
        let record = btf.record(t.id());
        types.extend_from_slice(&record);
        if let Some(change) = plan.change(t) {
            plan.replace(t, change, &mut types, start, &mut strings);
        }
        repairs.apply(t.id(), &mut types, start, &mut strings);
        has_changed |= types[start..] != record;
    }
    if !has_changed {
        return Cow::Borrowed(bytes);
    }
    if plan.needs_placeholder {
        let name = strings.len() as u32;
        strings.extend_from_slice(b"enum64_placeholder\0");
        types.extend([name, info(Kind::INT, 0), 1, INT_OF_8_BITS]);
    }
    if repairs.needs_empty {
        types.extend([0, info(Kind::STRUCT, 0), 0]);
    }
    Cow::Owned(assemble(&types, &strings))
}

#[cfg(test)]
mod tests {
    use super::super::{Builder, IntEncoding, TypeId};
    use super::*;

    const STRINGS: &[u8] = b"\0int\0float\0e\0v\0tag\0s\0m\0.ksyms\0f\0?.ops\0";
    const INT: u32 = 1;
    const FLOAT: u32 = 5;
    const E: u32 = 11;
    const V: u32 = 13;
    const TAG: u32 = 15;
    const S: u32 = 19;
    const M: u32 = 21;
    const KSYMS: u32 = 23;
    const F: u32 = 30;
    const OPTIONAL: u32 = 32;
    const FLAG: u32 = 1 << 31;

    fn everything() -> Btf {
        #[rustfmt::skip]
        let types = [
            /* 1 */ INT, info(Kind::INT, 0), 4, 1 << 24 | 32,
            /* 2 */ FLOAT, info(Kind::FLOAT, 0), 4,
            /* 3 */ E, info(Kind::ENUM64, 2) | FLAG, 8, V, 1, 2, M, 3, 4,
            /* 4 */ TAG, info(Kind::TYPE_TAG, 0), 1,
            /* 5 */ S, info(Kind::STRUCT, 2), 16, V, 2, 0, M, 3, 64,
            /* 6 */ TAG, info(Kind::DECL_TAG, 0), 5, 1,
            /* 7 */ E, info(Kind::ENUM, 1) | FLAG, 4, V, u32::MAX,
            /* 8 */ V, info(Kind::VAR, 0), 1, Linkage::EXTERN.0,
            /* 9 */ 0, info(Kind::FUNC_PROTO, 0), 1,
            /* 10 */ F, info(Kind::FUNC, Linkage::EXTERN.0), 9,
            /* 11 */ KSYMS, info(Kind::DATASEC, 2), 0, 8, 0, 4, 10, 0, 0,
            /* 12 */ TAG, info(Kind::DECL_TAG, 0), 10, u32::MAX,
            /* 13 */ S, info(Kind::TYPEDEF, 0), 5,
            /* 14 */ V, info(Kind::VAR, 0), 1, Linkage::GLOBAL.0,
            /* 15 */ OPTIONAL, info(Kind::DATASEC, 1), 4, 14, 0, 4,
        ];
        Btf::parse(assemble(&types, STRINGS)).unwrap()
    }

    fn sanitized(has: impl Fn(Feature) -> bool) -> Btf {
        Btf::parse(sanitize(&everything(), has).into_owned()).unwrap()
    }

    #[test]
    fn what_a_kernel_lacks_is_replaced_in_the_same_size() {
        let lacks = [
            Feature::Float,
            Feature::Enum64,
            Feature::TypeTag,
            Feature::DeclTag,
            Feature::QuestionMark,
        ];
        let (before, after) = (everything(), sanitized(|f| !lacks.contains(&f)));
        let kind = |id| after.ty(TypeId(id)).kind();
        assert_eq!(
            [kind(2), kind(3), kind(4), kind(6), kind(7)],
            [
                Kind::STRUCT,
                Kind::UNION,
                Kind::CONST,
                Kind::INT,
                Kind::ENUM
            ]
        );
        for id in [1, 2, 3, 4, 5, 7, 13] {
            let id = TypeId(id);
            assert_eq!(before.ty(id).byte_size(), after.ty(id).byte_size(), "{id}");
        }
        let union = after.ty(TypeId(3));
        let names: Vec<&str> = union.members().iter().map(|m| m.name()).collect();
        assert_eq!(names, ["v", "m"]);
        assert_eq!(
            union.members().get(0).unwrap().ty().name(),
            "enum64_placeholder"
        );
        assert!(!after.ty(TypeId(7)).flag());
        assert_eq!(after.ty(TypeId(13)).name(), "s");
        let optional = after.ty(TypeId(15));
        assert_eq!((optional.kind(), optional.name()), (Kind::DATASEC, "_.ops"));
        assert_eq!(optional.variables().get(0).map(|v| v.name()), Some("v"));
    }

    #[test]
    fn each_feature_is_asked_about_and_mended_alone() {
        use Feature::{DeclTag, Enum64, Float, QuestionMark, TypeTag};
        let before = everything();
        for (lacking, changed) in [
            (Float, vec![2]),
            (DeclTag, vec![6]),
            (TypeTag, vec![4]),
            (Enum64, vec![3, 7]),
            (QuestionMark, vec![15]),
        ] {
            let after = sanitized(|feature| feature != lacking);
            let differs = |id: &u32| {
                let (a, b) = (before.ty(TypeId(*id)), after.ty(TypeId(*id)));
                (a.kind(), a.flag(), a.name()) != (b.kind(), b.flag(), b.name())
            };
            // What is external changes for every kernel.
            let ids = (1..before.end_id()).filter(|id| ![8, 10, 11, 12].contains(id));
            assert_eq!(
                ids.filter(differs).collect::<Vec<_>>(),
                changed,
                "{lacking:?}"
            );
        }
    }

    #[test]
    fn externs_are_hidden_from_every_kernel() {
        let after = sanitized(|_| true);
        let kind = |id| after.ty(TypeId(id)).kind();
        assert_eq!(
            [kind(8), kind(10), kind(11), kind(12)],
            [Kind::INT, Kind::PTR, Kind::STRUCT, Kind::INT]
        );
        // The rest stays.
        assert_eq!(
            [kind(2), kind(3), kind(6)],
            [Kind::FLOAT, Kind::ENUM64, Kind::DECL_TAG]
        );
        assert_eq!(after.end_id(), everything().end_id());
    }

    /// A function of each linkage and sections of variables, in an order that kernels take.
    fn program() -> Btf {
        let mut b = Builder::new();
        let int = b.int("int", 4, IntEncoding::SIGNED);
        let proto = b.prototype(int, [("a", int), ("", int)]);
        b.function("shared", proto, Linkage::GLOBAL);
        b.function("own", proto, Linkage::STATIC);
        let x = b.variable("x", int, Linkage::GLOBAL);
        let y = b.variable("y", int, Linkage::STATIC);
        b.section(".data.x", 8, [(x, 0, 4), (y, 4, 4)]);
        b.section("?.struct_ops", 4, [(x, 0, 4)]);
        b.finish().unwrap()
    }

    /// What stands in the program's BTF for a kernel without these, and its unchanged size.
    fn program_without(lacks: &[Feature]) -> (Btf, [String; 8]) {
        let before = program();
        let after = sanitize(&before, |f| !lacks.contains(&f)).into_owned();
        let after = Btf::parse(after).unwrap();
        assert_eq!(after.end_id(), before.end_id());
        let shown = std::array::from_fn(|n| format!("{:?}", after.ty(TypeId(n as u32 + 1))));
        (after, shown)
    }

    #[test]
    fn functions_become_names_of_an_enum() {
        let (btf, shown) = program_without(&[Feature::Func, Feature::GlobalFunc]);
        assert_eq!(
            shown[1..4],
            ["[2] ENUM", "[3] TYPEDEF 'shared'", "[4] TYPEDEF 'own'"]
        );
        let params: Vec<_> = btf.ty(TypeId(2)).enumerators().iter().collect();
        assert_eq!(format!("{params:?}"), "[a = 1, _ = 1]");
        assert_eq!(btf.ty(TypeId(3)).byte_size(), Some(4));
    }

    #[test]
    fn global_functions_become_static() {
        let (btf, shown) = program_without(&[Feature::GlobalFunc]);
        assert_eq!(shown[2..4], ["[3] FUNC 'shared'", "[4] FUNC 'own'"]);
        for id in [3, 4] {
            assert_eq!(btf.ty(TypeId(id)).linkage(), Some(Linkage::STATIC));
        }
    }

    #[test]
    fn sections_become_structs_of_their_variables() {
        let (btf, shown) = program_without(&[Feature::Datasec, Feature::QuestionMark]);
        assert_eq!(
            shown[4..],
            [
                "[5] INT 'x'",
                "[6] INT 'y'",
                "[7] STRUCT '_data_x'",
                "[8] STRUCT '__struct_ops'"
            ]
        );
        let data = btf.ty(TypeId(7));
        let members: Vec<_> = data.members().iter().collect();
        let places = members
            .iter()
            .map(|m| (m.name(), m.ty().id().0, m.bit_offset()));
        assert_eq!(places.collect::<Vec<_>>(), [("x", 5, 0), ("y", 6, 32)]);
        assert_eq!(data.byte_size(), Some(8));
        assert_eq!(btf.ty(TypeId(5)).byte_size(), Some(1));
    }

    #[test]
    fn a_question_mark_is_replaced_alone() {
        let (_, shown) = program_without(&[Feature::QuestionMark]);
        assert_eq!(
            shown[6..],
            ["[7] DATASEC '.data.x'", "[8] DATASEC '_.struct_ops'"]
        );
    }

    #[test]
    fn each_feature_is_asked_for_once_and_if_needed() {
        let asked = std::cell::RefCell::new(Vec::new());
        let ask = |btf: &Btf, answer: bool| {
            asked.borrow_mut().clear();
            sanitize(btf, |f| {
                asked.borrow_mut().push(f);
                answer
            });
            asked.borrow().clone()
        };
        assert_eq!(
            ask(&program(), true),
            [
                Feature::Func,
                Feature::GlobalFunc,
                Feature::Datasec,
                Feature::QuestionMark
            ]
        );
        let mut b = Builder::new();
        b.float("float", 4);
        assert_eq!(ask(&b.finish().unwrap(), false), [Feature::Float]);
    }

    #[test]
    fn what_needs_no_change_is_not_copied() {
        let types = [
            INT,
            info(Kind::INT, 0),
            4,
            1 << 24 | 32,
            0,
            info(Kind::PTR, 0),
            1,
        ];
        let btf = Btf::parse(assemble(&types, STRINGS)).unwrap();
        let asked = |feature| panic!("{feature:?} is not in it");
        assert!(matches!(sanitize(&btf, asked), Cow::Borrowed(_)));
    }
}
