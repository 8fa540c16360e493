//! What the `type_id` cases expect: the numbers that some types happen to have. The kernel's runner looks them up, too.

use btf_core::btf::{Btf, Kind, Type};

/// The named types that the program asks for, in its order, in the object and in the target.
const NAMED: [(&str, Kind); 7] = [
    ("a_struct", Kind::STRUCT),
    ("a_union", Kind::UNION),
    ("an_enum", Kind::ENUM),
    ("int", Kind::INT),
    ("named_struct_typedef", Kind::TYPEDEF),
    ("func_proto_typedef", Kind::TYPEDEF),
    ("arr_typedef", Kind::TYPEDEF),
];

/// How the anonymous types that it asks for first are told from others.
const ANONYMOUS: [fn(Type<'_>) -> bool; 6] = [
    |t| t.kind() == Kind::STRUCT && has_marker(t),
    |t| t.kind() == Kind::UNION && has_marker(t),
    |t| {
        t.enumerators()
            .get(0)
            .is_some_and(|e| e.name() == "MARKER_ENUM_VAL")
    },
    |t| {
        t.kind() == Kind::PTR
            && t.target().is_some_and(|proto| {
                proto.kind() == Kind::FUNC_PROTO && proto.target().is_some_and(is_bool)
            })
    },
    |t| t.kind() == Kind::PTR && t.target().is_some_and(Type::is_void),
    |t| t.array().is_some_and(|array| is_bool(array.element)),
];

fn has_marker(ty: Type<'_>) -> bool {
    ty.members()
        .get(0)
        .is_some_and(|m| m.name() == "marker_field")
}

fn is_bool(ty: Type<'_>) -> bool {
    ty.kind() == Kind::INT && ty.name() == "_Bool"
}

/// The bytes of the program's output; a type that is not there has the number 0 in the target, and -1 in the object.
pub(crate) fn expected(local: &Btf, target: &Btf) -> Vec<u8> {
    let anonymous = ANONYMOUS.iter().map(|is_it| {
        let found = local.types().rfind(|t| t.is_anonymous() && is_it(*t));
        found.map_or(u32::MAX, |t| t.id().0)
    });
    let named = |btf: &'_ Btf, missing: u32| {
        NAMED.map(|(name, kind)| btf.find(name, kind).map_or(missing, |t| t.id().0))
    };
    anonymous
        .chain(named(local, u32::MAX))
        .chain(named(target, 0))
        .flat_map(u32::to_ne_bytes)
        .collect()
}
