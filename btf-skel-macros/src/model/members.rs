//! Members of structs and unions, as C reaches them: those of an anonymous member count as the outer type's own.

use btf_obj::btf::{Kind, Member, Type, dump};

use super::layout::{Field, Layout, Tail, bitfield, is_signed, lay_out};
use super::types::{Accessor, Hint, Place, TypeRef, Types};
use crate::names::Scope;

/// Anonymous members nest no deeper than this in C that somebody wrote.
const MAX_NESTING: u32 = 16;

/// A struct's members, sorted by what stands for them.
#[derive(Default)]
struct Members {
    fields: Vec<Field>,
    bits: Vec<Accessor>,
}

/// A struct or union that members are collected of.
pub(super) struct Outer<'a> {
    /// Name that its anonymous types are named after.
    pub(super) name: &'a str,
    /// What it is in C, for docs.
    pub(super) phrase: &'a str,
}

impl Outer<'_> {
    /// A member's name, made up if it has none, and what its type is called in case that has no name either.
    fn name(&self, m: Member<'_>) -> (String, Hint) {
        let name = match m.name() {
            "" => format!("anon_{}", m.index()),
            name => name.to_owned(),
        };
        let phrase = match m.name() {
            "" => format!("the anonymous member {} of {}", m.index(), self.phrase),
            name => format!("the type of `{name}` in {}", self.phrase),
        };
        let hint = Hint {
            name: format!("{}_{name}", self.name),
            phrase,
        };
        (name, hint)
    }
}

/// The layout of a struct; `None` if members overlap in a way that only bytes can show.
pub(super) fn structure(
    types: &mut Types<'_>,
    ty: Type<'_>,
    outer: &Outer<'_>,
    size: u64,
) -> Option<Layout> {
    let mut scope = Scope::default();
    let mut members = Members::default();
    types.collect(ty, outer, (0, 0), &mut scope, &mut members);
    let anonymous = members.fields.iter_mut().flat_map(|f| &mut f.members);
    name_setters(anonymous.chain(&mut members.bits), &mut scope);
    let tails = tails(&members.fields, &mut scope);
    let layout = lay_out(types, &mut scope, members.fields, members.bits, size)?;
    Some(Layout { tails, ..layout })
}

/// Accessors of a union's members.
pub(super) fn union(
    types: &mut Types<'_>,
    ty: Type<'_>,
    outer: &Outer<'_>,
    size: u64,
) -> Vec<Accessor> {
    let mut scope = Scope::default();
    let mut members = types.accessors(ty, outer, (0, 0), &mut scope);
    members.retain(|member| match member.place {
        Place::Byte(at) => at.saturating_add(types.measure(&member.ty).0) <= size,
        Place::Bits { offset, width, .. } => offset.saturating_add(width) <= size * 8,
    });
    name_setters(members.iter_mut(), &mut scope);
    members
}

/// After all getters have their names, so that a member `set_x` keeps its own.
fn name_setters<'a>(members: impl Iterator<Item = &'a mut Accessor>, scope: &mut Scope) {
    for member in members {
        member.setter = scope.value(&format!("set_{}", member.name));
    }
}

fn tails(fields: &[Field], scope: &mut Scope) -> Vec<Tail> {
    let mut of = |name: &str, ty: &TypeRef, offset, declaration: &str| {
        let element = match ty.bare() {
            TypeRef::Array(element, 0) => (**element).clone(),
            TypeRef::Chars(0) => TypeRef::Number("u8", 1),
            _ => return None,
        };
        Some(Tail {
            name: scope.value(&format!("{name}_in")),
            element,
            offset,
            declaration: declaration.to_owned(),
        })
    };
    let mut tails = Vec::new();
    for field in fields {
        tails.extend(of(&field.name, &field.ty, field.offset, &field.declaration));
        for m in &field.members {
            if let Place::Byte(at) = m.place {
                tails.extend(of(&m.name, &m.ty, field.offset + at, &m.declaration));
            }
        }
    }
    tails
}

impl Types<'_> {
    /// Fields and bitfields of a struct, `base` bits into the outer one, `depth` anonymous ones down.
    fn collect(
        &mut self,
        ty: Type<'_>,
        outer: &Outer<'_>,
        (base, depth): (u64, u32),
        scope: &mut Scope,
        out: &mut Members,
    ) {
        for m in ty.members().iter() {
            let offset = base + u64::from(m.bit_offset());
            let inner = m.ty().strip();
            let is_anonymous = m.name_bytes().is_empty();
            if is_anonymous && inner.kind() == Kind::STRUCT && depth < MAX_NESTING {
                self.collect(inner, outer, (offset, depth + 1), scope, out);
                continue;
            }
            if bitfield(m).is_some() {
                out.bits.extend(self.accessor(m, outer, base, scope));
                continue;
            }
            let (name, hint) = outer.name(m);
            let name = scope.value(&name);
            let members = if is_anonymous && inner.kind() == Kind::UNION {
                self.accessors(inner, outer, (0, depth + 1), scope)
            } else {
                Vec::new()
            };
            out.fields.push(Field {
                name,
                ty: self.named(m.ty(), Some(&hint)),
                offset: offset / 8,
                declaration: dump::declaration(m.ty(), m.name()),
                comment: self.docs.member(outer.name, m.name()),
                members,
            });
        }
    }

    /// All that can be read of a union without naming an anonymous member, `base` bits into its bytes.
    fn accessors(
        &mut self,
        ty: Type<'_>,
        outer: &Outer<'_>,
        (base, depth): (u64, u32),
        scope: &mut Scope,
    ) -> Vec<Accessor> {
        let mut out = Vec::new();
        for m in ty.members().iter() {
            let inner = m.ty().strip();
            let is_anonymous = m.name_bytes().is_empty() && inner.kind().is_composite();
            if !is_anonymous {
                out.extend(self.accessor(m, outer, base, scope));
            } else if depth < MAX_NESTING {
                let at = base + u64::from(m.bit_offset());
                out.extend(self.accessors(inner, outer, (at, depth + 1), scope));
            }
        }
        out
    }

    /// `None` for padding between bitfields. The setter has no name yet.
    fn accessor(
        &mut self,
        m: Member<'_>,
        outer: &Outer<'_>,
        base: u64,
        scope: &mut Scope,
    ) -> Option<Accessor> {
        let bits = bitfield(m);
        if bits.is_some() && m.name_bytes().is_empty() {
            return None;
        }
        let (name, hint) = outer.name(m);
        let declaration = dump::declaration(m.ty(), m.name());
        let (place, declaration) = match bits {
            Some((first, width)) => (
                Place::Bits {
                    offset: base + first,
                    width,
                    signed: is_signed(m.ty()),
                },
                format!("{declaration} : {width}"),
            ),
            None => (
                Place::Byte((base + u64::from(m.bit_offset())) / 8),
                declaration,
            ),
        };
        Some(Accessor {
            name: scope.value(&name),
            setter: String::new(),
            ty: self.named(m.ty(), Some(&hint)),
            place,
            declaration,
            comment: self.docs.member(outer.name, m.name()),
        })
    }
}
