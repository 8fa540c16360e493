//! C types as Rust types of the same layout: which Rust type stands for each, and where its parts lie.
//!
//! Layout never rests on Rust's rules alone: padding is spelled out, a struct whose members do not lie at their natural
//! alignment is packed, and every size and offset is checked when the skeleton is compiled.

use std::collections::HashMap;

use btf_core::btf::{Kind, Member, Type, TypeId, dump};

use crate::names::Scope;

/// A use of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TypeRef {
    /// A number: its name in Rust and size.
    Number(&'static str, u64),
    Bool,
    /// A pointer: an address of the other side, never followed here.
    Pointer,
    /// An array of C's `char`.
    Chars(u64),
    Array(Box<TypeRef>, u64),
    /// One of the skeleton's types.
    Named(usize),
    /// Bytes of a type that has no better form.
    Bytes(u64),
}

/// A type that the skeleton defines.
#[derive(Debug)]
pub(crate) struct TypeDef {
    pub(crate) name: String,
    /// `struct event`
    pub(crate) c_name: String,
    pub(crate) size: u64,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    Struct {
        packed: bool,
        align: u64,
        parts: Vec<Part>,
    },
    /// Bytes with a typed view for each variant.
    Union(Vec<Variant>),
    /// A number with names for some values.
    Enum {
        repr: &'static str,
        values: Vec<(String, i128)>,
    },
    /// Members that overlap in a way that only bytes can show.
    Opaque,
}

/// A piece of a struct, in order of offset.
#[derive(Debug)]
pub(crate) enum Part {
    Field(Field),
    /// Bytes with no name.
    Padding(u64),
    /// Bytes shared by bitfields.
    Bits {
        offset: u64,
        size: u64,
        fields: Vec<Bits>,
    },
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) ty: TypeRef,
    pub(crate) offset: u64,
    /// As in C.
    pub(crate) declaration: String,
}

/// A bitfield.
#[derive(Debug)]
pub(crate) struct Bits {
    pub(crate) c_name: String,
    pub(crate) name: String,
    /// First bit, from the start of the struct.
    pub(crate) offset: u64,
    pub(crate) bits: u64,
    pub(crate) ty: TypeRef,
    pub(crate) signed: bool,
    pub(crate) declaration: String,
}

/// A member of a union.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) ty: TypeRef,
    pub(crate) declaration: String,
}

/// The skeleton's types as they are found.
pub(crate) struct Types {
    scope: Scope,
    defs: Vec<Option<TypeDef>>,
    known: HashMap<TypeId, usize>,
}

impl Types {
    pub(super) fn new(scope: Scope) -> Self {
        Types {
            scope,
            defs: Vec::new(),
            known: HashMap::new(),
        }
    }

    pub(super) fn finish(self) -> Vec<TypeDef> {
        self.defs.into_iter().flatten().collect()
    }

    /// What stands for a type, which is defined if it has to be.
    pub(super) fn reference(&mut self, ty: Type<'_>) -> TypeRef {
        self.named(ty, None)
    }

    /// As [`Types::reference`]; `hint` names a type that has no name itself.
    fn named(&mut self, ty: Type<'_>, hint: Option<&str>) -> TypeRef {
        let alias = typedef_name(ty);
        let ty = ty.strip();
        let size = ty.byte_size().unwrap_or(0);
        match ty.kind() {
            Kind::INT => number(ty, size),
            Kind::FLOAT => match size {
                4 => TypeRef::Number("f32", 4),
                8 => TypeRef::Number("f64", 8),
                _ => TypeRef::Bytes(size),
            },
            Kind::PTR => TypeRef::Pointer,
            Kind::ARRAY => self.array(ty, size, hint),
            Kind::STRUCT | Kind::UNION | Kind::ENUM | Kind::ENUM64 => {
                TypeRef::Named(self.define(ty, alias.or(hint), size))
            }
            _ => TypeRef::Bytes(size),
        }
    }

    fn array(&mut self, ty: Type<'_>, size: u64, hint: Option<&str>) -> TypeRef {
        let Some(array) = ty.array() else {
            return TypeRef::Bytes(size);
        };
        let element = array.element.strip();
        let is_char = element.kind() == Kind::INT
            && element.name() == "char"
            && element.byte_size() == Some(1);
        if is_char {
            return TypeRef::Chars(array.len.into());
        }
        TypeRef::Array(Box::new(self.named(array.element, hint)), array.len.into())
    }

    fn define(&mut self, ty: Type<'_>, hint: Option<&str>, size: u64) -> usize {
        if let Some(known) = self.known.get(&ty.id()) {
            return *known;
        }
        let c_name = if ty.is_anonymous() {
            hint.unwrap_or("anonymous")
        } else {
            ty.name()
        };
        let name = self.scope.ty(c_name);
        let index = self.defs.len();
        self.known.insert(ty.id(), index);
        self.defs.push(None);
        let body = match ty.kind() {
            Kind::STRUCT => self.structure(ty, c_name, size),
            Kind::UNION => Body::Union(self.variants(ty, c_name)),
            _ => enumeration(ty, size),
        };
        let c_name = match (ty.is_anonymous(), hint) {
            (true, Some(hint)) => hint.to_owned(),
            (true, None) => "(no name)".to_owned(),
            (false, _) => format!("{} {}", keyword(ty.kind()), ty.name()),
        };
        self.defs[index] = Some(TypeDef {
            name,
            c_name,
            size,
            body,
        });
        index
    }

    fn variants(&mut self, ty: Type<'_>, c_name: &str) -> Vec<Variant> {
        let mut scope = Scope::default();
        let mut out = Vec::new();
        for m in ty.members().iter() {
            // A bitfield in a union has no bytes of its own; the others show its bits.
            if bitfield(m).is_some() {
                continue;
            }
            let (member, hint) = member_name(m, c_name);
            out.push(Variant {
                name: scope.value(&member),
                ty: self.named(m.ty(), Some(&hint)),
                declaration: dump::declaration(m.ty(), m.name()),
            });
        }
        out
    }

    fn structure(&mut self, ty: Type<'_>, c_name: &str, size: u64) -> Body {
        let mut scope = Scope::default();
        let (mut fields, mut bits) = (Vec::new(), Vec::new());
        for m in ty.members().iter() {
            let (member, hint) = member_name(m, c_name);
            let declaration = dump::declaration(m.ty(), m.name());
            match bitfield(m) {
                // Padding between bitfields.
                Some(_) if m.name_bytes().is_empty() => {}
                Some((offset, width)) => bits.push(Bits {
                    c_name: m.name().to_owned(),
                    name: scope.value(&member),
                    offset,
                    bits: width,
                    ty: self.named(m.ty(), Some(&hint)),
                    signed: is_signed(m.ty()),
                    declaration: format!("{declaration} : {width}"),
                }),
                None => fields.push(Field {
                    name: scope.value(&member),
                    ty: self.named(m.ty(), Some(&hint)),
                    offset: u64::from(m.bit_offset()) / 8,
                    declaration,
                }),
            }
        }
        match lay_out(self, fields, bits, size) {
            Some((parts, packed, align)) => Body::Struct {
                packed,
                align,
                parts,
            },
            None => Body::Opaque,
        }
    }

    /// Size and alignment of what stands for a type.
    pub(super) fn measure(&self, ty: &TypeRef) -> (u64, u64) {
        match ty {
            TypeRef::Number(_, size) => (*size, *size),
            TypeRef::Bool => (1, 1),
            TypeRef::Pointer => (8, 8),
            TypeRef::Chars(n) | TypeRef::Bytes(n) => (*n, 1),
            TypeRef::Array(element, n) => {
                let (size, align) = self.measure(element);
                (size.saturating_mul(*n), align)
            }
            TypeRef::Named(index) => match self.defs.get(*index).and_then(Option::as_ref) {
                Some(def) => match def.body {
                    Body::Struct { align, .. } => (def.size, align),
                    Body::Enum { .. } => (def.size, def.size),
                    Body::Union(_) | Body::Opaque => (def.size, 1),
                },
                // Only a struct that contains itself is asked for before it is done.
                None => (0, 1),
            },
        }
    }
}

/// Parts in order with padding between them, whether the struct must be packed, and its alignment; `None` if they overlap.
pub(super) fn lay_out(
    types: &Types,
    fields: Vec<Field>,
    bits: Vec<Bits>,
    size: u64,
) -> Option<(Vec<Part>, bool, u64)> {
    let mut pieces: Vec<(u64, u64, Part)> = Vec::new();
    let (mut packed, mut align) = (false, 1);
    for field in fields {
        let (field_size, field_align) = types.measure(&field.ty);
        packed |= !field.offset.is_multiple_of(field_align);
        align = align.max(field_align);
        pieces.push((field.offset, field_size, Part::Field(field)));
    }
    for run in runs(bits) {
        let start = run.first()?.offset / 8;
        let end = run.iter().map(|b| (b.offset + b.bits).div_ceil(8)).max()?;
        pieces.push((
            start,
            end - start,
            Part::Bits {
                offset: start,
                size: end - start,
                fields: run,
            },
        ));
    }
    // A flexible array takes no room and may lie where another part does.
    pieces.sort_by_key(|(offset, size, _)| (*offset, *size));
    packed |= !size.is_multiple_of(align);
    let mut parts = Vec::new();
    let mut at = 0;
    for (offset, part_size, part) in pieces {
        if offset < at {
            return None;
        }
        if offset > at {
            parts.push(Part::Padding(offset - at));
        }
        at = offset.checked_add(part_size)?;
        parts.push(part);
    }
    match size.checked_sub(at)? {
        0 => {}
        rest => parts.push(Part::Padding(rest)),
    }
    Some((parts, packed, if packed { 1 } else { align }))
}

/// Bitfields that share bytes, together.
fn runs(mut bits: Vec<Bits>) -> Vec<Vec<Bits>> {
    bits.sort_by_key(|b| b.offset);
    let mut runs: Vec<Vec<Bits>> = Vec::new();
    let mut end = 0;
    for b in bits {
        let next = (b.offset + b.bits).div_ceil(8);
        match runs.last_mut() {
            Some(run) if b.offset / 8 < end => run.push(b),
            _ => runs.push(vec![b]),
        }
        end = next;
    }
    runs
}

/// First bit and width of a bitfield; compilers of old put both into the INT.
fn bitfield(m: Member<'_>) -> Option<(u64, u64)> {
    if let Some(bits) = m.bitfield_size() {
        return Some((m.bit_offset().into(), bits.into()));
    }
    let int = m.ty().strip().int()?;
    let size = m.ty().byte_size()?;
    let is_bits = u64::from(int.bits) != size * 8 || int.bit_offset != 0;
    is_bits.then(|| {
        (
            u64::from(m.bit_offset()) + u64::from(int.bit_offset),
            int.bits.into(),
        )
    })
}

fn is_signed(ty: Type<'_>) -> bool {
    let ty = ty.strip();
    match ty.int() {
        Some(int) => int.encoding.contains(btf_core::btf::IntEncoding::SIGNED),
        None => ty.kind().is_any_enum() && ty.flag(),
    }
}

fn number(ty: Type<'_>, size: u64) -> TypeRef {
    if ty
        .int()
        .is_some_and(|int| int.encoding.contains(btf_core::btf::IntEncoding::BOOL))
        && size == 1
    {
        return TypeRef::Bool;
    }
    match integer(size, is_signed(ty)) {
        Some(name) => TypeRef::Number(name, size),
        None => TypeRef::Bytes(size),
    }
}

fn integer(size: u64, signed: bool) -> Option<&'static str> {
    Some(match (size, signed) {
        (1, false) => "u8",
        (1, true) => "i8",
        (2, false) => "u16",
        (2, true) => "i16",
        (4, false) => "u32",
        (4, true) => "i32",
        (8, false) => "u64",
        (8, true) => "i64",
        (16, false) => "u128",
        (16, true) => "i128",
        _ => return None,
    })
}

fn enumeration(ty: Type<'_>, size: u64) -> Body {
    let Some(repr) = integer(size, ty.flag()) else {
        return Body::Opaque;
    };
    let mut scope = Scope::default();
    let values = ty
        .enumerators()
        .iter()
        .map(|e| {
            let value = if ty.flag() {
                e.value().into()
            } else {
                e.value().cast_unsigned().into()
            };
            (scope.constant(e.name()), value)
        })
        .collect();
    Body::Enum { repr, values }
}

fn keyword(kind: Kind) -> &'static str {
    match kind {
        Kind::STRUCT => "struct",
        Kind::UNION => "union",
        _ => "enum",
    }
}

/// The name of the innermost typedef, which an anonymous type is known by.
fn typedef_name<'a>(ty: Type<'a>) -> Option<&'a str> {
    let mut name = None;
    let mut ty = ty;
    // As many levels as `strip` follows.
    for _ in 0..32 {
        if ty.kind() == Kind::TYPEDEF {
            name = Some(ty.name());
        } else if ty.strip() == ty {
            break;
        }
        match ty.target() {
            Some(target) => ty = target,
            None => break,
        }
    }
    name
}

/// A member's name, made up if it has none, and a name for its type in case that has none.
fn member_name(m: Member<'_>, parent: &str) -> (String, String) {
    let name = match m.name() {
        "" => format!("anon_{}", m.index()),
        name => name.to_owned(),
    };
    let hint = format!("{parent}_{name}");
    (name, hint)
}
