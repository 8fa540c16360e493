//! Where the parts of a struct lie.
//!
//! Layout never rests on Rust's rules alone: padding is spelled out, a struct whose members do not lie at their natural
//! alignment is packed, and every size, offset and alignment is checked when the skeleton is compiled.

use btf_obj::btf::{Member, Type};

use super::types::{Accessor, Place, TypeRef, Types};
use crate::names::Scope;

/// A struct, part by part.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) packed: bool,
    /// Alignment in C, as far as BTF tells: that of its members, or 1 if one of them is not aligned.
    pub(crate) align: u64,
    /// In order of offset.
    pub(crate) parts: Vec<Part>,
    /// Flexible arrays among its fields.
    pub(crate) tails: Vec<Tail>,
}

/// A piece of a struct.
#[derive(Debug)]
pub(crate) enum Part {
    Field(Field),
    /// Bytes with no name in C.
    Padding {
        name: String,
        size: u64,
    },
    /// No bytes, but an alignment that the fields do not have by themselves.
    Align {
        name: String,
        align: u64,
    },
    /// Bytes shared by bitfields.
    Bits {
        name: String,
        size: u64,
        fields: Vec<Accessor>,
    },
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) ty: TypeRef,
    pub(crate) offset: u64,
    /// As in C.
    pub(crate) declaration: String,
    /// What the source says of it.
    pub(crate) comment: String,
    /// What C reaches through it without naming it, if it is an anonymous union.
    pub(crate) members: Vec<Accessor>,
}

/// A flexible array: its elements follow the struct.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) name: String,
    pub(crate) element: TypeRef,
    pub(crate) offset: u64,
    pub(crate) declaration: String,
}

/// Lays out fields and bitfields (placed from the start of the struct) in `size` bytes; `None` if they overlap.
pub(super) fn lay_out(
    types: &Types<'_>,
    scope: &mut Scope,
    fields: Vec<Field>,
    bits: Vec<Accessor>,
    size: u64,
) -> Option<Layout> {
    let mut pieces: Vec<(u64, u64, Part)> = Vec::new();
    let (mut packed, mut align, mut fields_align) = (false, 1, 1);
    for bits in &bits {
        align = align.max(types.measure(&bits.ty).1);
    }
    for field in fields {
        let (field_size, field_align) = types.measure(&field.ty);
        packed |= !field.offset.is_multiple_of(field_align);
        fields_align = fields_align.max(field_align);
        pieces.push((field.offset, field_size, Part::Field(field)));
    }
    for run in runs(bits) {
        let (offset, piece) = bits_of(run, scope)?;
        pieces.push((offset, piece.0, piece.1));
    }
    align = align.max(fields_align);
    packed |= !size.is_multiple_of(align);
    // A flexible array takes no room and may lie where another part does.
    pieces.sort_by_key(|(offset, size, _)| (*offset, *size));
    let mut parts = Vec::new();
    if !packed && align > fields_align {
        let name = scope.value("__align");
        parts.push(Part::Align { name, align });
    }
    let mut at = 0;
    for (offset, part_size, part) in pieces {
        pad(&mut parts, scope, offset.checked_sub(at)?);
        at = offset.checked_add(part_size)?;
        parts.push(part);
    }
    pad(&mut parts, scope, size.checked_sub(at)?);
    Some(Layout {
        packed,
        align: if packed { 1 } else { align },
        parts,
        tails: Vec::new(),
    })
}

fn pad(parts: &mut Vec<Part>, scope: &mut Scope, size: u64) {
    if size > 0 {
        let name = scope.value(&format!("__padding_{}", parts.len()));
        parts.push(Part::Padding { name, size });
    }
}

/// The bytes of bitfields that share some: their offset, size, and part.
fn bits_of(mut run: Vec<Accessor>, scope: &mut Scope) -> Option<(u64, (u64, Part))> {
    let start = span(run.first()?)?.0 / 8;
    let end = run.iter().filter_map(span).map(|(_, end)| end).max()?;
    let size = end.div_ceil(8) - start;
    let name = scope.value(&format!("__bits_from_{}", run.first()?.name));
    for bits in &mut run {
        if let Place::Bits { offset, .. } = &mut bits.place {
            *offset -= start * 8;
        }
    }
    let fields = run;
    Some((start, (size, Part::Bits { name, size, fields })))
}

/// Bitfields that share bytes, together.
fn runs(mut bits: Vec<Accessor>) -> Vec<Vec<Accessor>> {
    bits.sort_by_key(span);
    let mut runs: Vec<Vec<Accessor>> = Vec::new();
    let mut end = 0;
    for b in bits {
        let Some((first, past)) = span(&b) else {
            continue;
        };
        match runs.last_mut() {
            Some(run) if first / 8 < end => run.push(b),
            _ => runs.push(vec![b]),
        }
        end = past.div_ceil(8).max(end);
    }
    runs
}

/// First bit of a bitfield and the one past its last.
fn span(bits: &Accessor) -> Option<(u64, u64)> {
    match bits.place {
        Place::Bits { offset, width, .. } => Some((offset, offset + width)),
        Place::Byte(_) => None,
    }
}

/// First bit and width of a bitfield, from the start of what it is a member of; compilers of old put both into the INT.
pub(super) fn bitfield(m: Member<'_>) -> Option<(u64, u64)> {
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

pub(super) fn is_signed(ty: Type<'_>) -> bool {
    let ty = ty.strip();
    match ty.int() {
        Some(int) => int.encoding.contains(btf_obj::btf::IntEncoding::SIGNED),
        None => ty.kind().is_any_enum() && ty.flag(),
    }
}
