//! Types of DWARF as BTF: those that are there already, else new ones.

use std::collections::HashMap;

use btf_obj::btf::{Builder, IntEncoding, Kind, TypeId};
use gimli::{AttributeValue, UnitOffset};

use super::super::{Entry, Unit};
use super::{children, kind, type_of};

/// As many levels of types as are converted.
const MAX_DEPTH: usize = 32;

/// Finds or makes types.
pub(super) struct Converter<'u, 'a> {
    pub(super) unit: Unit<'u, 'a>,
    /// Types of BTF by kind and name.
    pub(super) names: HashMap<(Kind, &'u str), TypeId>,
    /// Types of BTF that those of DWARF are.
    pub(super) known: HashMap<UnitOffset, TypeId>,
    pub(super) builder: &'u mut Builder,
}

impl<'a> Converter<'_, 'a> {
    /// The ID of a type; `None` for what has no BTF, or a bitfield in it.
    pub(super) fn convert(
        &mut self,
        offset: UnitOffset,
        depth: usize,
    ) -> gimli::Result<Option<TypeId>> {
        if let Some(id) = self.known.get(&offset) {
            return Ok(Some(*id));
        }
        if depth > MAX_DEPTH {
            return Ok(None);
        }
        let entry = self.unit.unit.entry(offset)?;
        let name = self.unit.name(&entry)?;
        let id = match self.find(&entry, &name) {
            Some(id) => Some(id),
            None => self.make(&entry, &name, depth + 1)?,
        };
        if let Some(id) = id {
            self.known.insert(offset, id);
        }
        Ok(id)
    }

    /// A type of this kind and name.
    fn find(&self, entry: &Entry<'a>, name: &str) -> Option<TypeId> {
        let kind = kind(entry.tag()).filter(|_| !name.is_empty())?;
        let also = match kind {
            Kind::INT => Kind::FLOAT,
            Kind::ENUM => Kind::ENUM64,
            other => other,
        };
        let named = |kind| self.names.get(&(kind, name)).copied();
        named(kind).or_else(|| named(also))
    }

    fn make(
        &mut self,
        entry: &Entry<'a>,
        name: &str,
        depth: usize,
    ) -> gimli::Result<Option<TypeId>> {
        let size = self.unit.number(entry, gimli::DW_AT_byte_size) as u32;
        let tag = entry.tag();
        if tag == gimli::DW_TAG_pointer_type {
            let to = self.pointee(entry, depth)?;
            return Ok(Some(self.builder.pointer(to)));
        }
        if let gimli::DW_TAG_structure_type | gimli::DW_TAG_union_type = tag {
            return self.composite(entry, name, size, depth);
        }
        if tag == gimli::DW_TAG_base_type {
            return Ok(self.number(entry, name, size));
        }
        if tag == gimli::DW_TAG_enumeration_type {
            return self.enumeration(entry, name, size);
        }
        let of = match type_of(entry) {
            Some(of) => self.convert(of, depth)?,
            None => None,
        };
        let Some(of) = of else { return Ok(None) };
        Ok(match tag {
            gimli::DW_TAG_typedef => Some(self.builder.typedef(name, of)),
            gimli::DW_TAG_const_type => Some(self.builder.const_(of)),
            gimli::DW_TAG_volatile_type => Some(self.builder.volatile(of)),
            gimli::DW_TAG_restrict_type => Some(self.builder.restrict(of)),
            gimli::DW_TAG_atomic_type => Some(of),
            gimli::DW_TAG_array_type => Some(self.array(entry, of)?),
            _ => None,
        })
    }

    /// Returns a pointer's target type: `void` if it has no BTF. A struct need only be declared.
    fn pointee(&mut self, entry: &Entry<'a>, depth: usize) -> gimli::Result<TypeId> {
        let Some(offset) = type_of(entry) else {
            return Ok(TypeId::VOID);
        };
        let target = self.unit.unit.entry(offset)?;
        let name = self.unit.name(&target)?;
        let is_known = self.known.contains_key(&offset) || self.find(&target, &name).is_some();
        let id = match target.tag() {
            gimli::DW_TAG_structure_type if !is_known && !name.is_empty() => {
                Some(self.builder.forward_struct(&name))
            }
            gimli::DW_TAG_union_type if !is_known && !name.is_empty() => {
                Some(self.builder.forward_union(&name))
            }
            _ => self.convert(offset, depth)?,
        };
        Ok(id.unwrap_or(TypeId::VOID))
    }

    fn composite(
        &mut self,
        entry: &Entry<'a>,
        name: &str,
        size: u32,
        depth: usize,
    ) -> gimli::Result<Option<TypeId>> {
        let mut members = Vec::new();
        for member in children(&self.unit, entry, gimli::DW_TAG_member)? {
            let id = match type_of(&member) {
                Some(of) => self.convert(of, depth)?,
                None => None,
            };
            let is_bitfield = member.attr_value(gimli::DW_AT_bit_size).is_some();
            let Some(id) = id.filter(|_| !is_bitfield) else {
                return Ok(None);
            };
            let offset = self.unit.number(&member, gimli::DW_AT_data_member_location);
            let Ok(offset) = u32::try_from(offset.saturating_mul(8)) else {
                return Ok(None);
            };
            members.push((self.unit.name(&member)?, id, offset));
        }
        let members = members
            .iter()
            .map(|(name, id, offset)| (name.as_str(), *id, *offset));
        Ok(Some(match entry.tag() {
            gimli::DW_TAG_union_type => self.builder.union(name, size, members),
            _ => self.builder.structure(name, size, members),
        }))
    }

    /// An INT or FLOAT; `None` for a `_Complex` number.
    fn number(&mut self, entry: &Entry<'a>, name: &str, size: u32) -> Option<TypeId> {
        let Some(AttributeValue::Encoding(encoding)) = entry.attr_value(gimli::DW_AT_encoding)
        else {
            return None;
        };
        let encoding = match encoding {
            gimli::DW_ATE_float => return Some(self.builder.float(name, size)),
            gimli::DW_ATE_boolean => IntEncoding::BOOL,
            gimli::DW_ATE_signed | gimli::DW_ATE_signed_char => IntEncoding::SIGNED,
            gimli::DW_ATE_unsigned | gimli::DW_ATE_unsigned_char | gimli::DW_ATE_UTF => {
                IntEncoding(0)
            }
            _ => return None,
        };
        Some(self.builder.int(name, size, encoding))
    }

    fn enumeration(
        &mut self,
        entry: &Entry<'a>,
        name: &str,
        size: u32,
    ) -> gimli::Result<Option<TypeId>> {
        let mut values = Vec::new();
        for value in children(&self.unit, entry, gimli::DW_TAG_enumerator)? {
            let number = match value.attr_value(gimli::DW_AT_const_value) {
                Some(AttributeValue::Sdata(number)) => number,
                Some(number) => number.udata_value().unwrap_or(0).cast_signed(),
                None => 0,
            };
            values.push((self.unit.name(&value)?, number));
        }
        let is_signed = values.iter().any(|(_, number)| *number < 0);
        let is_narrow = |number: i64| match is_signed {
            true => i32::try_from(number).is_ok(),
            false => u32::try_from(number).is_ok(),
        };
        let is_wide = !values.iter().all(|(_, number)| is_narrow(*number));
        let values = values.iter().map(|(name, number)| (name.as_str(), *number));
        Ok(Some(match is_wide {
            true => self.builder.enumeration64(name, size, is_signed, values),
            false => self.builder.enumeration(name, size, is_signed, values),
        }))
    }

    /// An array, with one of BTF for each of its dimensions.
    fn array(&mut self, entry: &Entry<'a>, element: TypeId) -> gimli::Result<TypeId> {
        let index = match self.names.get(&(Kind::INT, "__ARRAY_SIZE_TYPE__")) {
            Some(index) => *index,
            None => self.builder.int("__ARRAY_SIZE_TYPE__", 4, IntEncoding(0)),
        };
        let mut id = element;
        let ranges = children(&self.unit, entry, gimli::DW_TAG_subrange_type)?;
        for range in ranges.iter().rev() {
            let len = self.unit.number(range, gimli::DW_AT_count);
            id = self
                .builder
                .array(id, index, u32::try_from(len).unwrap_or(0));
        }
        Ok(id)
    }
}
