//! BTF as an older kernel takes it: what it does not know is replaced by something of the same size, so that ids,
//! sizes and offsets stay. Which kinds a kernel takes is the caller's to find out.
//!
//! The replacements are those of libbpf's `bpf_object__sanitize_btf`.

use std::borrow::Cow;

pub(crate) use super::builder::assemble;
use super::raw::{HEADER_LEN, TYPE_WORDS};
use super::{Btf, Kind, Linkage, Type, TypeId};

/// Something in BTF that not every kernel takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Feature {
    /// From 5.13.
    Float,
    /// From 5.16.
    DeclTag,
    /// From 5.17.
    TypeTag,
    /// ENUM64, and the sign of an ENUM: from 6.0.
    Enum64,
    /// A DATASEC whose name begins with a question mark, for `SEC("?.struct_ops")`: from 6.9.
    QuestionMark,
}

/// The bytes of `btf` with every kind replaced that `is_known` denies, and what is external hidden; the bytes as they
/// are if nothing has to change.
pub(crate) fn sanitize(btf: &Btf, is_known: impl Fn(Feature) -> bool) -> Cow<'_, [u8]> {
    let plan = Plan::of(btf, is_known);
    let bytes = btf.as_bytes();
    let has_old_header = btf.0.types.start == HEADER_LEN as usize;
    if has_old_header && !btf.types().any(|t| plan.changes(t)) {
        return Cow::Borrowed(bytes);
    }
    let mut strings = bytes[btf.0.strings.clone()].to_vec();
    let mut types = Vec::with_capacity(btf.0.types.len() / 4);
    for t in btf.types() {
        let record = btf.record_range(t.id()).unwrap_or_default();
        let start = types.len();
        let (words, _) = bytes[record].as_chunks::<4>();
        types.extend(words.iter().map(|w| u32::from_ne_bytes(*w)));
        plan.replace(t, &mut types, start, &mut strings);
    }
    if plan.needs_placeholder {
        let name = strings.len() as u32;
        strings.extend_from_slice(b"enum64_placeholder\0");
        types.extend([name, info(Kind::INT, 0), 1, INT_OF_8_BITS]);
    }
    Cow::Owned(assemble(&types, &strings))
}

/// The word after an INT's fixed three: 8 bits, no flags.
const INT_OF_8_BITS: u32 = 8;

/// The info word of a type record without the flag.
const fn info(kind: Kind, vlen: u32) -> u32 {
    (kind.0 as u32) << 24 | vlen
}

/// What is to be replaced.
struct Plan {
    float: bool,
    decl_tag: bool,
    type_tag: bool,
    enum64: bool,
    question_mark: bool,
    /// The int that stands in for the type of a 64-bit enumerator.
    placeholder: TypeId,
    needs_placeholder: bool,
}

impl Plan {
    /// Asks about a kind only if the BTF has it: asking may cost a system call.
    fn of(btf: &Btf, is_known: impl Fn(Feature) -> bool) -> Plan {
        let lacks = |kind, feature| btf.types().any(|t| t.kind() == kind) && !is_known(feature);
        // A kernel that does not take ENUM64 does not take the sign of an ENUM either.
        let has_enum64 =
            |t: Type<'_>| t.kind() == Kind::ENUM64 || t.kind() == Kind::ENUM && t.flag();
        let enum64 = btf.types().any(has_enum64) && !is_known(Feature::Enum64);
        Plan {
            float: lacks(Kind::FLOAT, Feature::Float),
            decl_tag: lacks(Kind::DECL_TAG, Feature::DeclTag),
            type_tag: lacks(Kind::TYPE_TAG, Feature::TypeTag),
            enum64,
            question_mark: btf.types().any(is_optional) && !is_known(Feature::QuestionMark),
            placeholder: TypeId(btf.end_id()),
            needs_placeholder: enum64 && btf.types().any(|t| t.kind() == Kind::ENUM64),
        }
    }

    fn changes(&self, t: Type<'_>) -> bool {
        match t.kind() {
            Kind::FLOAT => self.float,
            Kind::DECL_TAG => self.decl_tag || t.target().is_some_and(is_extern),
            Kind::TYPE_TAG => self.type_tag,
            Kind::ENUM64 => self.enum64,
            Kind::ENUM => self.enum64 && t.flag(),
            Kind::FUNC | Kind::VAR => is_extern(t),
            Kind::DATASEC => holds_externs(t) || self.question_mark && is_optional(t),
            _ => false,
        }
    }

    /// Rewrites the record of `t`, which starts at `start` and ends the vector.
    fn replace(&self, t: Type<'_>, types: &mut Vec<u32>, start: usize, strings: &mut Vec<u8>) {
        if !self.changes(t) {
            return;
        }
        let vlen = t.vlen() as u32;
        let words = &mut types[start..];
        match t.kind() {
            // An anonymous struct of the same size: `float` is no name for a struct.
            Kind::FLOAT => (words[0], words[1]) = (0, info(Kind::STRUCT, 0)),
            // Nobody refers to a tag, so its size is free. The word after it becomes the int's.
            Kind::DECL_TAG => {
                (words[1], words[2], words[3]) = (info(Kind::INT, 0), 1, INT_OF_8_BITS)
            }
            Kind::TYPE_TAG => (words[0], words[1]) = (0, info(Kind::CONST, 0)),
            Kind::ENUM => words[1] = info(Kind::ENUM, vlen),
            // A union of the same size; enumerators become members, whose records have the same three words.
            Kind::ENUM64 => {
                words[1] = info(Kind::UNION, vlen);
                for member in words[TYPE_WORDS..].chunks_exact_mut(3) {
                    (member[1], member[2]) = (self.placeholder.0, 0);
                }
            }
            // What the kernel defines has no place in BTF that is loaded: kernels refuse its linkage and its section.
            Kind::FUNC => (words[0], words[1]) = (0, info(Kind::PTR, 0)),
            Kind::VAR => (words[1], words[2], words[3]) = (info(Kind::INT, 0), 1, INT_OF_8_BITS),
            // Its name, with `_` for the question mark, is put at the end of the strings.
            Kind::DATASEC if !holds_externs(t) => {
                words[0] = strings.len() as u32;
                strings.push(b'_');
                strings.extend_from_slice(&t.name_bytes()[1..]);
                strings.push(0);
            }
            Kind::DATASEC => {
                (words[0], words[1], words[2]) = (0, info(Kind::STRUCT, 0), 0);
                types.truncate(start + TYPE_WORDS);
            }
            _ => {}
        }
    }
}

fn is_extern(t: Type<'_>) -> bool {
    t.linkage() == Some(Linkage::EXTERN)
}

/// A section of what is not loaded unless it is asked for.
fn is_optional(t: Type<'_>) -> bool {
    t.kind() == Kind::DATASEC && t.name_bytes().starts_with(b"?")
}

fn holds_externs(t: Type<'_>) -> bool {
    t.variables().iter().any(|v| is_extern(v.ty()))
}

#[cfg(test)]
mod tests {
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

    fn sanitized(is_known: impl Fn(Feature) -> bool) -> Btf {
        Btf::parse(sanitize(&everything(), is_known).into_owned()).unwrap()
    }

    #[test]
    fn what_a_kernel_lacks_is_replaced_in_the_same_size() {
        let (before, after) = (everything(), sanitized(|_| false));
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
