//! A target with nothing in it but what answers rest on.
//!
//! Members and enumerators that nobody asked for go, sizes and offsets stay. Typedefs and modifiers between types go too,
//! because relocation looks through them. Each type that stays is written once, under its name, so that no candidate is
//! there twice.

use std::collections::HashMap;

use super::footprint::Footprint;
use crate::btf::{Btf, Builder, Field, IntEncoding, Kind, Type, TypeId};
use crate::error::Result;

/// How much is left out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// All that C's rules make superfluous: a struct has no two members of one name, for instance.
    Usual,
    /// Composites keep all their members, and pointers that were not followed point at what nothing is compatible with.
    Great,
}

/// A smaller BTF, and what number each type of the target has in it.
pub(crate) struct Shrunk {
    pub(crate) btf: Btf,
    pub(crate) ids: HashMap<TypeId, TypeId>,
}

impl Footprint {
    /// The types of `target` that count.
    ///
    /// # Errors
    ///
    /// As [`Builder::finish`], for a target that is not well-formed in what a builder writes.
    pub(crate) fn shrink(&self, target: &Btf, care: Care) -> Result<Shrunk> {
        let mut writer = Writer {
            footprint: self,
            care,
            builder: Builder::new(),
            ids: HashMap::new(),
            pending: Vec::new(),
            pointer: None,
        };
        writer.builder.set_little_endian(target.is_little_endian());
        if target.pointer_size() != 8 {
            let size = target.pointer_size().into();
            writer.builder.int("long", size, IntEncoding::SIGNED);
        }
        for root in &self.roots {
            writer.claim(target.ty(*root));
        }
        while let Some(ty) = writer.pending.pop() {
            writer.write(ty);
        }
        Ok(Shrunk {
            btf: writer.builder.finish()?,
            ids: writer.ids,
        })
    }
}

struct Writer<'a> {
    footprint: &'a Footprint,
    care: Care,
    builder: Builder,
    ids: HashMap<TypeId, TypeId>,
    pending: Vec<Type<'a>>,
    /// The one pointer that stands for all that were not followed.
    pointer: Option<TypeId>,
}

impl<'a> Writer<'a> {
    /// The number of a type under typedefs and modifiers.
    fn refer(&mut self, ty: Type<'a>) -> TypeId {
        let ty = ty.strip();
        if ty.is_void() {
            TypeId::VOID
        } else if ty.kind() == Kind::PTR && !self.footprint.followed.contains(&ty.id()) {
            self.any_pointer()
        } else {
            self.claim(ty)
        }
    }

    fn claim(&mut self, ty: Type<'a>) -> TypeId {
        if let Some(known) = self.ids.get(&ty.id()) {
            return *known;
        }
        let id = self.builder.reserve();
        self.ids.insert(ty.id(), id);
        self.pending.push(ty);
        id
    }

    fn any_pointer(&mut self) -> TypeId {
        if let Some(known) = self.pointer {
            return known;
        }
        let to = match self.care {
            Care::Usual => TypeId::VOID,
            Care::Great => self.builder.float("float", 4),
        };
        let id = self.builder.pointer(to);
        self.pointer = Some(id);
        id
    }

    fn write(&mut self, ty: Type<'a>) {
        let Some(&id) = self.ids.get(&ty.id()) else {
            return;
        };
        let size = ty.own_size().unwrap_or(0);
        match ty.kind() {
            Kind::INT => {
                if let Some(int) = ty.int() {
                    let (offset, bits) = (int.bit_offset.into(), int.bits.into());
                    self.builder
                        .at(id)
                        .int_within(ty.name(), size, int.encoding, offset, bits);
                }
            }
            Kind::FWD if ty.flag() => {
                self.builder.at(id).forward_union(ty.name());
            }
            Kind::FWD => {
                self.builder.at(id).forward_struct(ty.name());
            }
            Kind::PTR => {
                let to = ty.target().map_or(TypeId::VOID, |to| self.refer(to));
                self.builder.at(id).pointer(to);
            }
            Kind::TYPEDEF => {
                let to = ty.target().map_or(TypeId::VOID, |to| self.refer(to));
                self.builder.at(id).typedef(ty.name(), to);
            }
            Kind::ARRAY => {
                if let Some(array) = ty.array() {
                    let element = self.refer(array.element);
                    // Nothing looks at the type of an index.
                    self.builder.at(id).array(element, TypeId::VOID, array.len);
                }
            }
            Kind::FUNC_PROTO => {
                let returns = ty.target().map_or(TypeId::VOID, |to| self.refer(to));
                let params: Vec<TypeId> = ty.params().iter().map(|p| self.refer(p.ty())).collect();
                let params = params.into_iter().map(|ty| ("", ty));
                self.builder.at(id).prototype(returns, params);
            }
            Kind::STRUCT | Kind::UNION => self.write_composite(ty, id, size),
            Kind::ENUM | Kind::ENUM64 => self.write_enum(ty, id, size),
            // FLOAT; and what no access leads to in a sound BTF.
            _ => {
                self.builder.at(id).float(ty.name(), size);
            }
        }
    }

    fn write_composite(&mut self, ty: Type<'a>, id: TypeId, size: u32) {
        let kept = self.footprint.members.get(&ty.id());
        let all = self.care == Care::Great;
        let mut members = Vec::new();
        for m in ty.members().iter() {
            if all || kept.is_some_and(|kept| kept.contains(&m.index())) {
                members.push(Field {
                    name: m.name(),
                    ty: self.refer(m.ty()),
                    bit_offset: m.bit_offset(),
                    bits: m.bitfield_size().unwrap_or(0),
                });
            }
        }
        self.builder
            .at(id)
            .composite(ty.kind(), ty.name(), size, members);
    }

    fn write_enum(&mut self, ty: Type<'a>, id: TypeId, size: u32) {
        let kept = self.footprint.enumerators.get(&ty.id());
        let values = ty
            .enumerators()
            .iter()
            .filter(|e| kept.is_some_and(|kept| kept.contains(&e.index())))
            .map(|e| (e.name(), e.value()));
        let builder = self.builder.at(id);
        if ty.kind() == Kind::ENUM {
            builder.enumeration(ty.name(), size, ty.flag(), values);
        } else {
            builder.enumeration64(ty.name(), size, ty.flag(), values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::ext::CoreKind;
    use crate::relo::{Fixup, Relo};

    const SIGNED: IntEncoding = IntEncoding::SIGNED;

    fn relo(kind: CoreKind, root: TypeId, access: &str) -> Relo<'_> {
        Relo { kind, root, access }
    }

    /// The answers of a target, and those of what is left of it.
    fn both(local: &Btf, target: &Btf, relos: &[Relo<'_>], care: Care) -> [Vec<String>; 2] {
        let mut footprint = Footprint::default();
        let whole = footprint.answer(local, target, relos);
        let less = footprint.shrink(target, care).unwrap().btf;
        let less = Footprint::default().answer(local, &less, relos);
        let text = |answers: Vec<Result<Fixup>>| {
            let text = |a: Result<Fixup>| match a {
                Ok(fixup) => format!("{fixup:?}"),
                Err(e) => format!("{:?}", e.kind()),
            };
            answers.into_iter().map(text).collect()
        };
        [text(whole), text(less)]
    }

    #[test]
    fn two_candidates_that_differ_stay_two() {
        let mut b = Builder::new();
        let int = b.int("int", 4, SIGNED);
        let s = b.structure("s", 8, [("x", int, 0), ("y", int, 32)]);
        let local = b.finish().unwrap();
        let mut b = Builder::new();
        let int = b.int("int", 4, SIGNED);
        b.structure("s", 8, [("x", int, 0), ("y", int, 32)]);
        b.structure("s___old", 8, [("x", int, 32)]);
        let target = b.finish().unwrap();
        for access in ["0:0", "0:1"] {
            let relos = [relo(CoreKind::FIELD_BYTE_OFFSET, s, access)];
            let [whole, less] = both(&local, &target, &relos, Care::Usual);
            assert_eq!(whole, less);
            assert_eq!(whole[0] == "Relocation", access == "0:0");
        }
        // Asked for `y` first, the second is out; and stays out if only `x` is asked for later.
        let relos = ["0:1", "0:0"].map(|access| relo(CoreKind::FIELD_BYTE_OFFSET, s, access));
        let [whole, less] = both(&local, &target, &relos, Care::Usual);
        assert_eq!(whole, less);
        assert!(whole[1].contains("target: 0"), "{}", whole[1]);
    }

    #[test]
    fn the_targets_machine_counts() {
        let mut b = Builder::new();
        b.set_little_endian(false);
        let long = b.int("long", 4, SIGNED);
        let pointer = b.pointer(TypeId::VOID);
        let s = b.structure("s", 8, [("p", pointer, 0, 0), ("bits", long, 35, 7)]);
        let target = b.finish().unwrap();
        let relos = [
            relo(CoreKind::FIELD_BYTE_SIZE, s, "0:0"),
            relo(CoreKind::FIELD_LSHIFT_U64, s, "0:1"),
        ];
        let [whole, less] = both(&target, &target, &relos, Care::Usual);
        assert_eq!(whole, less);
        assert!(whole[0].contains("target: 4"), "{}", whole[0]);
    }

    #[test]
    fn what_is_left_is_what_was_asked_for() {
        let mut b = Builder::new();
        let int = b.int("int", 4, SIGNED);
        let hidden = b.typedef("hidden_t", int);
        let inner = b.union("", 8, [("a", hidden, 0), ("b", int, 0)]);
        let far = b.structure("far", 4, [("z", int, 0)]);
        let far = b.pointer(far);
        let s = b.structure(
            "s",
            32,
            [("", inner, 0), ("far", far, 64), ("more", int, 128)],
        );
        let values = [("ONE", 1), ("TWO", 2)];
        let e = b.enumeration("e", 4, false, values);
        b.structure("other", 4, [("z", int, 0)]);
        let target = b.finish().unwrap();
        let mut footprint = Footprint::default();
        let relos = [
            relo(CoreKind::FIELD_BYTE_OFFSET, s, "0:0:0"),
            relo(CoreKind::FIELD_EXISTS, s, "0:1"),
            relo(CoreKind::ENUMVAL_VALUE, e, "1"),
        ];
        footprint.answer(&target, &target, &relos);
        let less = footprint.shrink(&target, Care::Usual).unwrap().btf;
        let list: Vec<String> = less
            .types()
            .map(|t| format!("{} {}", t.kind(), t.name()))
            .collect();
        assert_eq!(
            list,
            ["STRUCT s", "ENUM e", "UNION ", "PTR ", "INT int"].map(str::to_owned)
        );
        let s = less.find("s", Kind::STRUCT).unwrap();
        assert_eq!((s.byte_size(), s.vlen()), (Some(32), 2));
        let e = less.find("e", Kind::ENUM).unwrap();
        assert_eq!(
            e.enumerators().iter().map(|e| e.name()).collect::<Vec<_>>(),
            ["TWO"]
        );
    }

    #[test]
    fn a_pointer_that_nobody_followed_is_compatible_with_nothing() {
        // Locally a pointer to void; in the target to a struct, so that the type does not exist there.
        let mut b = Builder::new();
        let pointer = b.pointer(TypeId::VOID);
        let array = b.array(pointer, TypeId::VOID, 2);
        let t = b.typedef("t", array);
        let local = b.finish().unwrap();
        let mut b = Builder::new();
        let x = b.structure("x", 4, [] as [Field<'_>; 0]);
        let pointer = b.pointer(x);
        let array = b.array(pointer, TypeId::VOID, 2);
        b.typedef("t", array);
        let target = b.finish().unwrap();
        // The access keeps the typedef, the question about the type does not.
        let relos = [
            relo(CoreKind::FIELD_BYTE_SIZE, t, "0:1"),
            relo(CoreKind::TYPE_EXISTS, t, "0"),
        ];
        let [whole, less] = both(&local, &target, &relos, Care::Usual);
        assert_ne!(whole, less);
        let [whole, less] = both(&local, &target, &relos, Care::Great);
        assert_eq!(whole, less);
    }

    /// `struct s { struct far *far; enum e e; union { int a; int b; }; int more; }`, and a type beside it.
    fn matching(b: &mut Builder, far: &str, extra: bool) -> TypeId {
        let int = b.int("int", 4, SIGNED);
        let far = b.structure(far, 4, [("z", int, 0)]);
        let far = b.pointer(far);
        let values = [("ONE", 1), ("TWO", 2), ("THREE", 3)];
        let values = values.into_iter().take(if extra { 3 } else { 1 });
        let e = b.enumeration("e", 4, false, values);
        let either = b.union("", 4, [("a", int, 0), ("b", int, 0)]);
        let mut members = vec![("far", far, 0), ("e", e, 64), ("", either, 96)];
        if extra {
            members.push(("more", int, 128));
        }
        b.structure("s", 24, members)
    }

    #[test]
    fn what_matches_goes_on_matching_and_nothing_else() {
        let mut b = Builder::new();
        let s = matching(&mut b, "far", false);
        let local = b.finish().unwrap();
        for (far, extra, expected) in [
            ("far", true, "target: 1"),
            ("far___old", false, "target: 1"),
            ("near", true, "target: 0"),
        ] {
            let mut b = Builder::new();
            matching(&mut b, far, extra);
            let target = b.finish().unwrap();
            let relos = [
                relo(CoreKind::TYPE_MATCHES, s, "0"),
                relo(CoreKind::FIELD_EXISTS, s, "0:0"),
            ];
            let [whole, less] = both(&local, &target, &relos, Care::Usual);
            assert_eq!(whole, less);
            assert!(whole[0].contains(expected), "{far}: {}", whole[0]);
            assert!(whole[1].contains("target: 1"), "{}", whole[1]);
        }
    }

    #[test]
    fn a_struct_in_itself_ends() {
        let mut b = Builder::new();
        let s = b.next_id();
        b.structure("s", 4, [("again", s, 0), ("", s, 0)]);
        let btf = b.finish().unwrap();
        let relos = [relo(CoreKind::FIELD_EXISTS, s, "0:0:1:0")];
        for care in [Care::Usual, Care::Great] {
            let [whole, less] = both(&btf, &btf, &relos, care);
            assert_eq!(whole, less);
        }
    }
}
