//! Members of structs and unions, as a builder takes them.

use crate::btf::TypeId;

/// A member of a struct or union to be written.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// Its name; empty for an anonymous one.
    pub name: &'a str,
    /// Its type.
    pub ty: TypeId,
    /// First bit from the start of the composite.
    pub bit_offset: u32,
    /// Bits of a bitfield; 0 for a member that is none.
    pub bits: u32,
}

impl<'a> From<(&'a str, TypeId, u32)> for Field<'a> {
    /// Name, type, offset in bits.
    fn from((name, ty, bit_offset): (&'a str, TypeId, u32)) -> Self {
        Field {
            name,
            ty,
            bit_offset,
            bits: 0,
        }
    }
}

impl<'a> From<(&'a str, TypeId, u32, u32)> for Field<'a> {
    /// Name, type, offset in bits, bits of a bitfield.
    fn from((name, ty, bit_offset, bits): (&'a str, TypeId, u32, u32)) -> Self {
        Field {
            name,
            ty,
            bit_offset,
            bits,
        }
    }
}
