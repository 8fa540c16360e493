//! Where C puts things: size and alignment of each type as clang lays out what this dump writes, and
//! whether a composite must be packed for its members to lie where BTF says.
//!
//! BTF has no alignment. A struct that asked for more than its members need is written with explicit padding, so
//! that its own alignment is its members', and sizes and offsets come out right wherever it is used.

use crate::btf::{Kind, List, Member, Type, TypeId};
use crate::error::{Error, Result};

/// Size and alignment in C. The default is that of a type without either: `void`, a function.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Layout {
    /// Bytes; the greatest number stands for all that are greater, which is more than any composite has.
    size: u32,
    /// Bytes, a power of two; 0 if the type cannot be a member.
    pub(super) align: u8,
    /// What a composite needs besides its members.
    pub(super) form: Form,
    /// First bit and width of an INT that has not all bits of its size, as old compilers wrote bitfields; else 0.
    bit_offset: u8,
    bits: u8,
}

/// What C needs to be told of a composite for its members to lie where they should.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// Nothing but the members.
    #[default]
    Plain,
    /// Padding between or after them, or widths of bitfields.
    Padded,
    /// `__attribute__((packed))`, and perhaps padding too.
    Packed,
}

impl Layout {
    fn of(size: u64, align: u8) -> Layout {
        Layout {
            size: u32::try_from(size).unwrap_or(u32::MAX),
            align,
            form: Form::Plain,
            bit_offset: 0,
            bits: 0,
        }
    }

    pub(super) fn bits(self) -> u64 {
        u64::from(self.size) * 8
    }

    /// Whether an object of this type can exist.
    fn is_object(self) -> bool {
        self.align != 0
    }

    /// Alignment of a member of this type in bits.
    fn align_bits(self, packed: bool) -> u64 {
        if packed { 8 } else { u64::from(self.align) * 8 }
    }
}

/// The layouts known so far, by type id.
pub(super) struct Layouts(Vec<Layout>);

impl Layouts {
    pub(super) fn new(ids: u32) -> Layouts {
        Layouts(vec![Layout::default(); ids as usize])
    }

    pub(super) fn get(&self, id: TypeId) -> Layout {
        self.0.get(id.0 as usize).copied().unwrap_or_default()
    }

    /// Computes the layout of `ty` from those of the types it consists of, which must be there.
    ///
    /// # Errors
    ///
    /// For scalars of a size that C does not have and arrays of what is no object.
    pub(super) fn compute(&mut self, ty: Type<'_>) -> Result<()> {
        self.compute_as(ty.id(), ty)
    }

    /// Computes the layout of `ty` for the forward declaration `id` of it.
    ///
    /// # Errors
    ///
    /// As [`Layouts::compute`].
    pub(super) fn compute_as(&mut self, id: TypeId, ty: Type<'_>) -> Result<()> {
        let layout = match ty.kind() {
            Kind::INT => int(ty)?,
            Kind::FLOAT | Kind::ENUM | Kind::ENUM64 => scalar(ty)?,
            Kind::PTR => {
                let size = ty.btf().pointer_size();
                Layout::of(size.into(), size)
            }
            Kind::STRUCT | Kind::UNION => self.composite(ty),
            Kind::ARRAY => {
                let array = ty.array().map(|a| (self.get(a.element.id()), a.len));
                let (element, len) = array.unwrap_or_default();
                if !element.is_object() {
                    return Err(Error::malformed(format!(
                        "{ty:?} has elements of a type without a size"
                    )));
                }
                Layout::of(u64::from(element.size) * u64::from(len), element.align)
            }
            // What a function returns is not what it is.
            Kind::FUNC_PROTO | Kind::FUNC => Layout::default(),
            _ => {
                let target = ty.target().map(Type::id).unwrap_or_default();
                self.get(target)
            }
        };
        if let Some(slot) = self.0.get_mut(id.0 as usize) {
            *slot = layout;
        }
        Ok(())
    }

    fn composite(&self, ty: Type<'_>) -> Layout {
        let size = u64::from(ty.own_size().unwrap_or_default());
        let (mut align, mut is_packed, mut is_plain) = (1, false, true);
        let mut places = Places::of(ty);
        let mut end = 0;
        while let Some(place) = places.next(self) {
            let Ok(placed) = place else {
                is_plain = false;
                continue;
            };
            align = align.max(placed.layout.align);
            is_packed |= !placed.lies_naturally();
            let before = if places.is_union { 0 } else { end };
            is_plain &=
                placed.width.is_none() && placed.natural_start(before, false) == placed.start;
            end = end.max(placed.end);
        }
        is_packed |= !is_aligned(size, align.into());
        is_plain &= round_up(end, u64::from(align) * 8) == size * 8;
        let form = match (is_packed, is_plain) {
            (true, _) => Form::Packed,
            (false, true) => Form::Plain,
            (false, false) => Form::Padded,
        };
        Layout {
            form,
            ..Layout::of(size, if is_packed { 1 } else { align })
        }
    }
}

/// Whether a place is a multiple of a power of two. Numbers of bits are small, and a division takes its time.
fn is_aligned(place: u64, align: u64) -> bool {
    place & align.wrapping_sub(1) == 0
}

/// The next multiple of a power of two.
pub(super) fn round_up(place: u64, align: u64) -> u64 {
    let mask = align.wrapping_sub(1);
    place.saturating_add(mask) & !mask
}

fn scalar(ty: Type<'_>) -> Result<Layout> {
    let size = ty.own_size().unwrap_or_default();
    if ty.is_forward() && size == 0 {
        return Ok(Layout::default());
    }
    let sizes: &[u32] = match ty.kind() {
        Kind::INT => &[1, 2, 4, 8, 16],
        Kind::FLOAT => &[2, 4, 8, 12, 16],
        _ => &[1, 2, 4, 8],
    };
    if !sizes.contains(&size) {
        return Err(Error::malformed(format!(
            "{ty:?} has a size of {size} bytes, for which C has no type"
        )));
    }
    // i386's `long double` of 12 bytes is aligned to 4.
    let align = if size == 12 { 4 } else { size as u8 };
    Ok(Layout::of(size.into(), align))
}

/// Before `kind_flag` there was for members, a bitfield's type was an INT of fewer bits than its size has.
fn int(ty: Type<'_>) -> Result<Layout> {
    let mut layout = scalar(ty)?;
    if let Some(int) = ty.int()
        && int.bits != 0
        && (int.bit_offset != 0 || u64::from(int.bits) != layout.bits())
    {
        (layout.bit_offset, layout.bits) = (int.bit_offset, int.bits);
    }
    Ok(layout)
}

/// A member with its place in bits.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    pub(super) member: Member<'a>,
    /// First bit, and the one after the last.
    pub(super) start: u64,
    pub(super) end: u64,
    /// Bits of a bitfield.
    pub(super) width: Option<u32>,
    /// Layout of the member's type.
    layout: Layout,
}

/// The members of a composite in order, each with its place.
pub(super) struct Places<'a> {
    members: List<'a, Member<'a>>,
    next: usize,
    is_union: bool,
    /// Bits of the composite, and of its members so far.
    bits: u64,
    cursor: u64,
}

impl<'a> Places<'a> {
    pub(super) fn of(ty: Type<'a>) -> Places<'a> {
        Places {
            members: ty.members(),
            next: 0,
            is_union: ty.kind() == Kind::UNION,
            bits: u64::from(ty.own_size().unwrap_or_default()) * 8,
            cursor: 0,
        }
    }

    /// The next member; `Err` for one that C cannot put where it lies, or at all: it overlaps the one before,
    /// sticks out, or is no object.
    pub(super) fn next(&mut self, layouts: &Layouts) -> Option<Result<Placed<'a>, Member<'a>>> {
        let member = self.members.get(self.next)?;
        self.next += 1;
        let placed = Placed::at(member, layouts.get(member.type_id()));
        let fits = placed.start >= self.cursor
            && placed.end <= self.bits
            && (!self.is_union || placed.start == 0)
            && placed.is_possible();
        if !fits {
            return Some(Err(member));
        }
        if !self.is_union {
            self.cursor = placed.end;
        }
        Some(Ok(placed))
    }
}

impl<'a> Placed<'a> {
    fn at(member: Member<'a>, layout: Layout) -> Placed<'a> {
        let mut start = u64::from(member.bit_offset());
        let mut width = member.bitfield_size();
        if width.is_none() && layout.bits != 0 {
            start += u64::from(layout.bit_offset);
            width = Some(layout.bits.into());
        }
        let bits = width.map_or(layout.bits(), u64::from);
        Placed {
            member,
            start,
            end: start.saturating_add(bits),
            width,
            layout,
        }
    }

    fn is_possible(&self) -> bool {
        match self.width {
            None => self.layout.is_object() && is_aligned(self.start, 8),
            Some(width) => {
                let kind = self.member.ty().strip().kind();
                u64::from(width) <= self.layout.bits() && (kind == Kind::INT || kind.is_any_enum())
            }
        }
    }

    /// Whether an unpacked struct can have the member at its place.
    fn lies_naturally(&self) -> bool {
        let align = self.layout.align_bits(false);
        match self.width {
            None => is_aligned(self.start, align),
            // A bitfield never straddles the storage unit of its type.
            Some(width) => (self.start & (align - 1)) + u64::from(width) <= self.layout.bits(),
        }
    }

    /// Where C puts the member by itself if the ones before it end at `cursor`.
    pub(super) fn natural_start(&self, cursor: u64, packed: bool) -> u64 {
        let align = self.layout.align_bits(packed);
        match self.width {
            None => round_up(cursor, align),
            Some(_) if packed => cursor,
            Some(width) if (cursor & (align - 1)) + u64::from(width) > self.layout.bits() => {
                round_up(cursor, align)
            }
            Some(_) => cursor,
        }
    }
}

/// Widths of the unnamed bitfields that fill the bits from `from` to `to`, with the C type of each.
///
/// None of them straddles its unit, so they fill exactly that in packed and unpacked structs alike.
pub(super) fn padding(
    from: u64,
    to: u64,
    pointer_size: u8,
) -> impl Iterator<Item = (&'static str, u64)> {
    const UNITS: [(u64, &str); 4] = [(64, "long"), (32, "int"), (16, "short"), (8, "char")];
    let units = if pointer_size == 8 {
        &UNITS[..]
    } else {
        &UNITS[1..]
    };
    let mut at = from;
    std::iter::from_fn(move || {
        if at >= to {
            return None;
        }
        let whole = units
            .iter()
            .map(|&(bits, name)| (name, bits - at % bits))
            .find(|&(_, width)| at + width <= to);
        // Less than the rest of a byte.
        let pad = whole.unwrap_or(("char", to - at));
        at += pad.1;
        Some(pad)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pads(from: u64, to: u64) -> Vec<(&'static str, u64)> {
        padding(from, to, 8).collect()
    }

    #[test]
    fn padding_never_straddles() {
        assert_eq!(pads(8, 64), [("long", 56)]);
        assert_eq!(pads(0, 24), [("short", 16), ("char", 8)]);
        assert_eq!(pads(3, 5), [("char", 2)]);
        assert_eq!(pads(3, 40), [("int", 29), ("char", 8)]);
        assert_eq!(pads(64, 192), [("long", 64), ("long", 64)]);
        assert_eq!(pads(7, 7), []);
        for from in 0..130 {
            for to in from..130 {
                let mut at = from;
                for (name, width) in padding(from, to, 8) {
                    let unit = match name {
                        "char" => 8,
                        "short" => 16,
                        "int" => 32,
                        _ => 64,
                    };
                    assert!(width > 0 && at % unit + width <= unit, "{from}..{to}");
                    at += width;
                }
                assert_eq!(at, to);
            }
        }
    }
}
