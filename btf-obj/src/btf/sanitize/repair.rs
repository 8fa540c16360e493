//! Repairs what compilers write to BTF and every kernel rejects (`kernel/bpf/btf.c`).
//!
//! libbpf leaves it as it is: the kernel rejects all of the object's BTF, and programs load without
//! it if they can. IDs, sizes and offsets stay. What changes is only what the kernel gets; the
//! object keeps its names and types.

use std::collections::HashSet;

use crate::btf::raw::{Info, Slot, TYPE_WORDS, slots};
use crate::btf::{Btf, Kind, Type, TypeId};

/// The most bytes of a name that all kernels accept (`KSYM_NAME_LEN` before Linux 6.1).
const MAX_NAME: usize = 128;
/// Words of a member or a variable of a section.
const ENTRY: usize = 3;
/// Words of a parameter.
const PARAM: usize = 2;

/// Repairs of the records of one BTF.
pub(super) struct Repairs<'a> {
    btf: &'a Btf,
    /// FLOATs of a size, or at an offset in some struct, that kernels reject.
    floats: HashSet<TypeId>,
    /// Prototypes of functions, whose parameters need names.
    prototypes: HashSet<TypeId>,
    /// The empty struct that stands in for a type without a size.
    empty: TypeId,
    pub(super) needs_empty: bool,
}

impl<'a> Repairs<'a> {
    /// `empty` is the ID that an empty struct will have.
    pub(super) fn new(btf: &'a Btf, empty: TypeId) -> Repairs<'a> {
        let mut floats = HashSet::new();
        let mut prototypes = HashSet::new();
        for ty in btf.types() {
            match ty.kind() {
                Kind::FLOAT if !matches!(ty.own_size(), Some(2 | 4 | 8 | 12 | 16)) => {
                    floats.insert(ty.id());
                }
                Kind::STRUCT | Kind::UNION => floats.extend(misaligned_floats(ty)),
                Kind::FUNC => prototypes.extend(ty.func_proto().map(Type::id)),
                _ => {}
            }
        }
        Repairs {
            btf,
            floats,
            prototypes,
            empty,
            needs_empty: false,
        }
    }

    /// Repairs the record of type `id`, which ends the vector and starts at `start`.
    pub(super) fn apply(
        &mut self,
        id: TypeId,
        types: &mut Vec<u32>,
        start: usize,
        strings: &mut Vec<u8>,
    ) {
        match Info(types[start + 1]).kind() {
            // A declaration without a definition (`enum name;`). Nothing depends on the size.
            Kind::ENUM if types[start + 2] == 0 => types[start + 2] = 4,
            Kind::ENUM64 if types[start + 2] == 0 => types[start + 2] = 8,
            Kind::FLOAT if self.floats.contains(&id) => {
                (types[start], types[start + 1]) = (0, info(Kind::STRUCT, 0));
            }
            Kind::DATASEC => drop_empty_variables(types, start),
            _ => {}
        }
        // A type that was replaced for an older kernel refers to what was replaced, too.
        if Info(types[start + 1]).kind() == self.btf.ty(id).kind() {
            self.give_sizes(&mut types[start..]);
        }
        if self.prototypes.contains(&id) && Info(types[start + 1]).kind() == Kind::FUNC_PROTO {
            name_params(&mut types[start..], strings);
        }
        rename(&mut types[start..], strings);
    }

    /// Gives a type to what must have a size and refers to `void` or a forward declaration.
    fn give_sizes(&mut self, words: &mut [u32]) {
        let kind = Info(words[1]).kind();
        let slots: Vec<usize> = match kind {
            Kind::VAR => vec![2],
            Kind::ARRAY => vec![TYPE_WORDS],
            Kind::STRUCT | Kind::UNION => (TYPE_WORDS + 1..words.len()).step_by(ENTRY).collect(),
            Kind::FUNC_PROTO => {
                if words[2] != 0 && !self.has_size(words[2]) {
                    words[2] = 0;
                }
                let last = words.len() - 1;
                let is_variadic = |at: usize| at == last && words[at] == 0;
                let params = (TYPE_WORDS + 1..words.len()).step_by(PARAM);
                params.filter(|at| !is_variadic(*at)).collect()
            }
            _ => return,
        };
        for at in slots {
            if !self.has_size(words[at]) {
                words[at] = self.empty.0;
                self.needs_empty = true;
            }
        }
    }

    fn has_size(&self, id: u32) -> bool {
        matches!(
            self.btf.ty(TypeId(id)).strip().kind(),
            Kind::INT
                | Kind::FLOAT
                | Kind::PTR
                | Kind::ARRAY
                | Kind::STRUCT
                | Kind::UNION
                | Kind::ENUM
                | Kind::ENUM64
        )
    }
}

fn info(kind: Kind, vlen: u32) -> u32 {
    Info::new(kind, false, vlen).0
}

/// FLOAT members of a packed struct at offsets that are not a multiple of their size.
fn misaligned_floats(ty: Type<'_>) -> Vec<TypeId> {
    let members = ty.members().iter();
    members
        .filter_map(|member| {
            let float = member.ty().strip();
            let align = 8 * float.own_size()?.clamp(1, 8);
            let is_misaligned = !member.bit_offset().is_multiple_of(align);
            (float.kind() == Kind::FLOAT && is_misaligned).then(|| float.id())
        })
        .collect()
}

/// Removes variables without a size from a DATASEC. One that has no others, or no size, becomes an
/// empty struct.
fn drop_empty_variables(types: &mut Vec<u32>, start: usize) {
    let variables = &types[start + TYPE_WORDS..];
    let (variables, _) = variables.as_chunks::<ENTRY>();
    let left: Vec<u32> = variables
        .iter()
        .filter(|[_, _, size]| *size != 0)
        .flatten()
        .copied()
        .collect();
    if left.is_empty() || types[start + 2] == 0 {
        types.truncate(start);
        types.extend([0, info(Kind::STRUCT, 0), 0]);
    } else if left.len() != types.len() - start - TYPE_WORDS {
        types[start + 1] = info(Kind::DATASEC, (left.len() / ENTRY) as u32);
        types.truncate(start + TYPE_WORDS);
        types.extend(left);
    }
}

/// Names the parameters of a prototype that have a type and no name.
fn name_params(words: &mut [u32], strings: &mut Vec<u8>) {
    for param in words[TYPE_WORDS..].chunks_exact_mut(PARAM) {
        if param[0] == 0 && param[1] != 0 {
            param[0] = added(b"_", strings);
        }
    }
}

/// Replaces the names that are not accepted where they are.
fn rename(words: &mut [u32], strings: &mut Vec<u8>) {
    let kind = Info(words[1]).kind();
    let is_section = kind == Kind::DATASEC;
    // Kernels do not check the names of INTs and FLOATs, nor the values of tags.
    if matches!(
        kind,
        Kind::INT | Kind::FLOAT | Kind::DECL_TAG | Kind::TYPE_TAG
    ) {
        return;
    }
    for (_, at) in slots(words)
        .into_iter()
        .filter(|(slot, _)| *slot == Slot::Name)
    {
        let name = strings.get(words[at] as usize..).unwrap_or_default();
        let end = name.iter().position(|byte| *byte == 0);
        let name = &name[..end.unwrap_or(name.len())];
        if let Some(name) = accepted(name, is_section) {
            words[at] = added(&name, strings);
        }
    }
}

/// The name that stands in for one that kernels reject.
fn accepted(name: &[u8], is_section: bool) -> Option<Vec<u8>> {
    // As the kernel's isprint has it: Latin-1.
    let is_printed = |byte: u8| matches!(byte, 0x20..=0x7e | 0xa0..);
    let is_ok = |(at, byte): (usize, &u8)| match is_section {
        true => is_printed(*byte),
        false => is_identifier(at, *byte),
    };
    if name.len() <= MAX_NAME && name.iter().enumerate().all(is_ok) {
        return None;
    }
    let cut = name.iter().take(MAX_NAME).enumerate();
    Some(
        cut.map(|(at, byte)| if is_ok((at, byte)) { *byte } else { b'_' })
            .collect(),
    )
}

/// Returns `true` if an identifier may have this byte at position `at`.
pub(super) fn is_identifier(at: usize, byte: u8) -> bool {
    let is_letter = byte.is_ascii_alphabetic() || byte == b'_' || byte == b'.';
    is_letter || (at > 0 && byte.is_ascii_digit())
}

/// Adds a string, and returns its offset.
fn added(name: &[u8], strings: &mut Vec<u8>) -> u32 {
    let offset = strings.len() as u32;
    strings.extend_from_slice(name);
    strings.push(0);
    offset
}

#[cfg(test)]
mod tests {
    use super::super::sanitize;
    use crate::btf::{Btf, Builder, IntEncoding, Kind, Linkage, Type, TypeId};

    /// Returns the sanitized BTF for a kernel with all features.
    fn repaired(builder: Builder) -> Btf {
        let btf = builder.finish().unwrap();
        let after = Btf::parse(sanitize(&btf, |_| true).into_owned()).unwrap();
        assert!(after.end_id() - btf.end_id() <= 1);
        after
    }

    fn int(b: &mut Builder) -> TypeId {
        b.int("int", 4, IntEncoding::SIGNED)
    }

    #[test]
    fn forward_enums_get_a_size() {
        let mut b = Builder::new();
        let none = [("", 0i64); 0];
        let narrow = b.enumeration("later", 0, false, none);
        let wide = b.enumeration64("wide", 0, false, none);
        let btf = repaired(b);
        assert_eq!(btf.ty(narrow).own_size(), Some(4));
        assert_eq!(btf.ty(wide).own_size(), Some(8));
        assert_eq!((btf.ty(narrow).vlen(), btf.ty(narrow).name()), (0, "later"));
    }

    #[test]
    fn what_has_no_type_becomes_an_empty_struct() {
        let mut b = Builder::new();
        let int = int(&mut b);
        let nothing = b.typedef("nothing_t", TypeId::VOID);
        let variable = b.variable("v", nothing, Linkage::GLOBAL);
        let array = b.array(TypeId::VOID, int, 3);
        let structure = b.structure("s", 8, [("m", TypeId::VOID, 0), ("n", int, 32)]);
        let proto = b.prototype(nothing, [("a", TypeId::VOID), ("b", int)]);
        let variadic = b.prototype(int, [("a", int), ("", TypeId::VOID)]);
        let pointer = b.pointer(TypeId::VOID);
        let btf = repaired(b);
        let empty = |ty: Type<'_>| (ty.kind(), ty.own_size()) == (Kind::STRUCT, Some(0));
        assert!(btf.ty(variable).target().is_some_and(empty));
        assert!(btf.ty(array).array().is_some_and(|a| empty(a.element)));
        let members: Vec<bool> = btf
            .ty(structure)
            .members()
            .iter()
            .map(|m| empty(m.ty()))
            .collect();
        assert_eq!(members, [true, false]);
        let params: Vec<bool> = btf
            .ty(proto)
            .params()
            .iter()
            .map(|p| empty(p.ty()))
            .collect();
        assert_eq!(params, [true, false]);
        assert!(btf.ty(proto).return_type().is_some_and(Type::is_void));
        assert!(
            btf.ty(variadic)
                .params()
                .get(1)
                .is_some_and(|p| p.is_variadic())
        );
        assert!(btf.ty(pointer).target().is_some_and(Type::is_void));
    }

    #[test]
    fn names_become_identifiers() {
        let mut b = Builder::new();
        let int = int(&mut b);
        let structure = b.structure("s$", 4, [("x$y", int, 0)]);
        let enumeration = b.enumeration("e", 4, false, [("größe", 1)]);
        let long = "v".repeat(600);
        let variable = b.variable(&long, int, Linkage::GLOBAL);
        let proto = b.prototype(int, [("", int)]);
        b.function("f\u{e9}", proto, Linkage::STATIC);
        let section = b.section("my data\u{81}", 4, [(variable, 0, 4)]);
        let btf = repaired(b);
        let structure = btf.ty(structure);
        assert_eq!(structure.name(), "s_");
        assert_eq!(structure.members().get(0).map(|m| m.name()), Some("x_y"));
        let values = btf.ty(enumeration).enumerators();
        assert_eq!(values.get(0).map(|e| e.name()), Some("gr____e"));
        assert_eq!(btf.ty(variable).name(), "v".repeat(128));
        assert_eq!(btf.ty(proto).params().get(0).map(|p| p.name()), Some("_"));
        assert!(
            btf.types()
                .any(|ty| ty.kind() == Kind::FUNC && ty.name() == "f__")
        );
        assert_eq!(btf.ty(section).name_bytes(), b"my data\xc2_");
    }

    #[test]
    fn variables_without_a_size_leave_their_section() {
        let mut b = Builder::new();
        let int = int(&mut b);
        let nothing = b.structure("nothing", 0, [("", int, 0); 0]);
        let empty = b.variable("empty", nothing, Linkage::GLOBAL);
        let other = b.variable("other", int, Linkage::GLOBAL);
        let mixed = b.section(".bss", 4, [(empty, 0, 0), (other, 0, 4)]);
        let alone = b.section(".data.x", 0, [(empty, 0, 0)]);
        let btf = repaired(b);
        let names = |id| -> Vec<&str> {
            let variables = btf.ty(id).variables().iter();
            variables.map(|v| v.name()).collect()
        };
        assert_eq!(
            (btf.ty(mixed).kind(), names(mixed)),
            (Kind::DATASEC, vec!["other"])
        );
        assert_eq!(btf.ty(alone).kind(), Kind::STRUCT);
    }

    #[test]
    fn misaligned_floats_become_structs() {
        let mut b = Builder::new();
        let double = b.float("double", 8);
        let float = b.float("float", 4);
        let odd = b.float("odd", 10);
        b.structure("packed", 16, [("a", float, 0), ("b", double, 8)]);
        let btf = repaired(b);
        let kinds = [double, float, odd].map(|id| btf.ty(id).kind());
        assert_eq!(kinds, [Kind::STRUCT, Kind::FLOAT, Kind::STRUCT]);
        assert_eq!(btf.ty(double).own_size(), Some(8));
    }
}
