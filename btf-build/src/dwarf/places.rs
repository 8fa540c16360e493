//! Where functions, types and variables are declared, and what clang 14 leaves out of the BTF of
//! wide enums.

use std::collections::HashMap;

use gimli::AttributeValue;

use super::{Entry, Place, Unit, each_unit, load};
use crate::error::{Error, Result};

/// Declarations of an object by name; of several of one name, the first.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Structs and unions that have members.
    pub(crate) records: HashMap<String, Place>,
    /// Functions.
    pub(crate) functions: HashMap<String, Place>,
    /// Variables.
    pub(crate) variables: HashMap<String, Place>,
    /// Enums of eight bytes.
    pub(crate) wide_enums: Vec<WideEnum>,
}

/// An enum of eight bytes.
#[derive(Debug)]
pub(crate) struct WideEnum {
    pub(crate) place: Place,
    /// Enumerators whose values do not fit 32 bits, with those values as C.
    pub(crate) wide: Vec<(String, String)>,
}

/// Reads them from an object that still has its DWARF.
///
/// # Errors
///
/// If the DWARF is not well-formed.
pub(crate) fn places(elf: &[u8]) -> Result<Places> {
    read(elf).map_err(|why| Error::new(format!("its DWARF cannot be read: {why}")))
}

fn read(elf: &[u8]) -> Result<Places, String> {
    let dwarf = load(elf)?;
    let mut places = Places::default();
    each_unit(&dwarf, |unit| unit.places(&mut places))?;
    Ok(places)
}

impl<'a> Unit<'_, 'a> {
    fn places(&self, places: &mut Places) -> gimli::Result<()> {
        let mut entries = self.unit.entries();
        while let Some(entry) = entries.next_dfs()? {
            let size = self.number(entry, gimli::DW_AT_byte_size);
            let named = match entry.tag() {
                gimli::DW_TAG_subprogram => &mut places.functions,
                gimli::DW_TAG_variable => &mut places.variables,
                gimli::DW_TAG_structure_type | gimli::DW_TAG_union_type if size != 0 => {
                    &mut places.records
                }
                gimli::DW_TAG_enumeration_type if size == 8 => {
                    places.wide_enums.push(WideEnum {
                        place: self.place(entry)?,
                        wide: self.wide(entry)?,
                    });
                    continue;
                }
                _ => continue,
            };
            let name = self.name(entry)?;
            if !name.is_empty() && !named.contains_key(&name) {
                named.insert(name, self.place(entry)?);
            }
        }
        Ok(())
    }

    /// The enumerators of an enum that 32 bits do not hold.
    fn wide(&self, entry: &Entry<'a>) -> gimli::Result<Vec<(String, String)>> {
        let mut wide = Vec::new();
        let mut tree = self.unit.entries_tree(Some(entry.offset()))?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let child = child.entry();
            let value = match child.attr_value(gimli::DW_AT_const_value) {
                Some(AttributeValue::Sdata(value)) => value,
                Some(value) => value.udata_value().unwrap_or(0).cast_signed(),
                None => continue,
            };
            if i32::try_from(value).is_err() && u32::try_from(value).is_err() {
                wide.push((self.name(child)?, format!("{value:#x}")));
            }
        }
        Ok(wide)
    }
}
