//! What is replaced in a BTF for a kernel, and by what: words of a record by as many others.

use super::Feature;
use super::repair::is_identifier;
use crate::btf::raw::TYPE_WORDS;
use crate::btf::{Btf, Kind, Linkage, Type, TypeId};

/// The word after an INT's fixed three: 8 bits, no flags.
pub(super) const INT_OF_8_BITS: u32 = 8;

/// The info word of a type record without the flag.
pub(super) const fn info(kind: Kind, vlen: u32) -> u32 {
    (kind.0 as u32) << 24 | vlen
}

/// What stands in for a type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// An int of one byte. The word after a VAR or DECL_TAG becomes the int's. A larger one would not fit where the
    /// variable is smaller, and nobody refers to a tag.
    Int,
    /// A struct with the variables as members.
    Struct,
    /// An anonymous struct of no size.
    Nothing,
    /// `_` for characters that an identifier cannot have.
    Name,
    /// An enum; parameters and enumerators both have two words.
    Enum,
    Typedef,
    /// No linkage.
    Static,
    Pointer,
    /// An anonymous struct of the same size: `float` is no name for a struct.
    Opaque,
    Const,
    /// No sign.
    Unsigned,
    /// A union of the same size; members and enumerators both have three words.
    Union,
}

/// What is to be replaced.
pub(super) struct Plan {
    lacks: Vec<Feature>,
    /// The int that stands in for the type of a 64-bit enumerator.
    placeholder: TypeId,
    pub(super) needs_placeholder: bool,
}

impl Plan {
    /// Asks about a feature only if the BTF needs it: asking may cost a system call.
    pub(super) fn of(btf: &Btf, has: impl Fn(Feature) -> bool) -> Plan {
        let mut asked: Vec<Feature> = Vec::new();
        for feature in btf.types().filter_map(Feature::of) {
            if !asked.contains(&feature) {
                asked.push(feature);
            }
        }
        let mut lacks = Vec::new();
        for feature in asked {
            if !has(feature) {
                lacks.push(feature);
                lacks.extend(feature.implies().filter(|implied| !has(*implied)));
            }
        }
        Plan {
            needs_placeholder: lacks.contains(&Feature::Enum64)
                && btf.types().any(|t| t.kind() == Kind::ENUM64),
            placeholder: TypeId(btf.end_id()),
            lacks,
        }
    }

    /// The ID after that of the last type.
    pub(super) fn end_id(&self) -> TypeId {
        TypeId(self.placeholder.0 + u32::from(self.needs_placeholder))
    }

    fn lacks(&self, feature: Feature) -> bool {
        self.lacks.contains(&feature)
    }

    pub(super) fn change(&self, t: Type<'_>) -> Option<Change> {
        // What the kernel defines has no place in BTF that is loaded: kernels refuse its linkage and its section.
        match t.kind() {
            Kind::FUNC if is_extern(t) => return Some(Change::Pointer),
            Kind::VAR if is_extern(t) => return Some(Change::Int),
            Kind::DATASEC if holds_externs(t) => return Some(Change::Nothing),
            Kind::DECL_TAG if t.target().is_some_and(is_extern) => return Some(Change::Int),
            _ => {}
        }
        let feature = Feature::of(t)?;
        let feature = match feature.implies() {
            Some(implied) if self.lacks(implied) => implied,
            _ => feature,
        };
        self.lacks(feature).then_some(match (feature, t.kind()) {
            (Feature::Datasec, Kind::DATASEC) => Change::Struct,
            (Feature::Datasec | Feature::DeclTag, _) => Change::Int,
            (Feature::QuestionMark, _) => Change::Name,
            (Feature::Func, Kind::FUNC) => Change::Typedef,
            (Feature::Func, _) => Change::Enum,
            (Feature::GlobalFunc, _) => Change::Static,
            (Feature::Float, _) => Change::Opaque,
            (Feature::TypeTag, _) => Change::Const,
            (Feature::Enum64, Kind::ENUM64) => Change::Union,
            (Feature::Enum64, _) => Change::Unsigned,
        })
    }

    /// Rewrites the record of `t`, which starts at `start` and ends the vector.
    pub(super) fn replace(
        &self,
        t: Type<'_>,
        change: Change,
        types: &mut Vec<u32>,
        start: usize,
        strings: &mut Vec<u8>,
    ) {
        let vlen = t.vlen() as u32;
        let words = &mut types[start..];
        match change {
            Change::Int => (words[1], words[2], words[3]) = (info(Kind::INT, 0), 1, INT_OF_8_BITS),
            Change::Struct => {
                words[0] = renamed(t, strings, |at, byte| {
                    is_identifier(at, byte) && byte != b'.'
                });
                words[1] = info(Kind::STRUCT, vlen);
                let members = words[TYPE_WORDS..].chunks_exact_mut(3);
                for (member, v) in members.zip(t.variables().iter()) {
                    member.copy_from_slice(&[
                        v.ty().name_offset(),
                        v.ty().id().0,
                        v.offset().wrapping_mul(8),
                    ]);
                }
            }
            Change::Nothing => {
                (words[0], words[1], words[2]) = (0, info(Kind::STRUCT, 0), 0);
                types.truncate(start + TYPE_WORDS);
            }
            Change::Name => words[0] = renamed(t, strings, is_identifier),
            Change::Enum => {
                // The kernel wants that size, and a name of every value, which parameters need not have.
                (words[1], words[2]) = (info(Kind::ENUM, vlen), 4);
                let params = words[TYPE_WORDS..].chunks_exact_mut(2);
                for param in params.filter(|param| param[0] == 0) {
                    param[0] = strings.len() as u32;
                    strings.extend_from_slice(b"_\0");
                }
            }
            Change::Typedef => words[1] = info(Kind::TYPEDEF, 0),
            Change::Static => words[1] = info(Kind::FUNC, 0),
            Change::Pointer => (words[0], words[1]) = (0, info(Kind::PTR, 0)),
            Change::Opaque => (words[0], words[1]) = (0, info(Kind::STRUCT, 0)),
            Change::Const => (words[0], words[1]) = (0, info(Kind::CONST, 0)),
            Change::Unsigned => words[1] = info(Kind::ENUM, vlen),
            Change::Union => {
                words[1] = info(Kind::UNION, vlen);
                for member in words[TYPE_WORDS..].chunks_exact_mut(3) {
                    (member[1], member[2]) = (self.placeholder.0, 0);
                }
            }
        }
    }
}

/// Adds the name of `t` with `_` for each byte that is not allowed at its position, and returns its
/// offset.
fn renamed(t: Type<'_>, strings: &mut Vec<u8>, is_allowed: impl Fn(usize, u8) -> bool) -> u32 {
    let offset = strings.len() as u32;
    let name = t.name_bytes().iter().enumerate();
    strings.extend(name.map(|(at, byte)| if is_allowed(at, *byte) { *byte } else { b'_' }));
    strings.push(0);
    offset
}

fn is_extern(t: Type<'_>) -> bool {
    t.linkage() == Some(Linkage::EXTERN)
}

fn holds_externs(t: Type<'_>) -> bool {
    t.variables().iter().any(|v| is_extern(v.ty()))
}
