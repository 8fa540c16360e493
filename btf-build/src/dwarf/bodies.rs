//! Bodies that programs declare with `BPF_PROG`, as BTF.
//!
//! clang leaves a body out of DWARF of which no instruction is left: one that does no more than
//! return an argument, or nothing.

use std::collections::HashMap;

use btf_obj::attach_target::BODY_PREFIX;
use btf_obj::btf::{Btf, Builder, IntEncoding, Linkage, TypeId};
use gimli::{AttributeValue, UnitOffset};

use super::{Entry, Place, Unit, each_unit, load};
use crate::error::{Error, Result};

/// As many levels of types as a parameter may have; what is deeper is left out.
const MAX_DEPTH: usize = 32;

/// The bodies of an object's programs.
#[derive(Debug)]
pub(crate) struct Declarations {
    /// A FUNC for each, named as in C: `____on_open`.
    pub(crate) btf: Btf,
    /// Where each stands, by program.
    pub(crate) places: HashMap<String, Place>,
}

/// Reads them from an object that still has its DWARF.
///
/// # Errors
///
/// If the DWARF is not well-formed.
pub(crate) fn declarations(elf: &[u8]) -> Result<Declarations> {
    read(elf).map_err(|why| Error::new(format!("its DWARF cannot be read: {why}")))
}

fn read(elf: &[u8]) -> Result<Declarations, String> {
    let dwarf = load(elf)?;
    let mut builder = Builder::new();
    let mut places = HashMap::new();
    each_unit(&dwarf, |unit| {
        let mut reader = Bodies {
            unit,
            builder: &mut builder,
            known: HashMap::new(),
        };
        reader.read(&mut places)
    })?;
    let btf = builder.finish().map_err(|e| e.to_string())?;
    Ok(Declarations { btf, places })
}

struct Bodies<'u, 'a> {
    unit: Unit<'u, 'a>,
    builder: &'u mut Builder,
    known: HashMap<UnitOffset, TypeId>,
}

impl<'a> Bodies<'_, 'a> {
    fn read(&mut self, places: &mut HashMap<String, Place>) -> gimli::Result<()> {
        let unit = self.unit.unit;
        let mut entries = unit.entries();
        while let Some(entry) = entries.next_dfs()? {
            if entry.tag() != gimli::DW_TAG_subprogram {
                continue;
            }
            let name = self.unit.name(entry)?;
            let Some(program) = name.strip_prefix(BODY_PREFIX) else {
                continue;
            };
            if places.contains_key(program) {
                continue;
            }
            let (returns, params) = self.signature(entry, 0)?;
            let params = params.iter().map(|(name, id)| (name.as_str(), *id));
            let proto = self.builder.prototype(returns, params);
            self.builder.function(&name, proto, Linkage::STATIC);
            let place = self.unit.place(entry)?;
            places.insert(program.to_owned(), place);
        }
        Ok(())
    }

    /// What a function or function type returns and takes.
    fn signature(
        &mut self,
        entry: &Entry<'a>,
        depth: usize,
    ) -> gimli::Result<(TypeId, Vec<(String, TypeId)>)> {
        let unit = self.unit.unit;
        let mut params = Vec::new();
        let mut tree = unit.entries_tree(Some(entry.offset()))?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let child = child.entry();
            match child.tag() {
                gimli::DW_TAG_formal_parameter => {
                    params.push((self.unit.name(child)?, self.type_of(child, depth)?));
                }
                gimli::DW_TAG_unspecified_parameters => params.push((String::new(), TypeId::VOID)),
                _ => {}
            }
        }
        Ok((self.type_of(entry, depth)?, params))
    }

    /// The type that an entry refers to, `void` if it refers to none.
    fn type_of(&mut self, entry: &Entry<'a>, depth: usize) -> gimli::Result<TypeId> {
        let Some(AttributeValue::UnitRef(offset)) = entry.attr_value(gimli::DW_AT_type) else {
            return Ok(TypeId::VOID);
        };
        if let Some(known) = self.known.get(&offset) {
            return Ok(*known);
        }
        if depth > MAX_DEPTH {
            return Ok(TypeId::VOID);
        }
        let target = self.unit.unit.entry(offset)?;
        let id = self.convert(&target, depth + 1)?;
        self.known.insert(offset, id);
        Ok(id)
    }

    /// A type as BTF; structs, unions and enums without what they consist of.
    fn convert(&mut self, entry: &Entry<'a>, depth: usize) -> gimli::Result<TypeId> {
        let name = self.unit.name(entry)?;
        let size = self.unit.number(entry, gimli::DW_AT_byte_size) as u32;
        Ok(match entry.tag() {
            gimli::DW_TAG_base_type => self.number_type(entry, &name, size),
            gimli::DW_TAG_pointer_type => {
                let to = self.type_of(entry, depth)?;
                self.builder.pointer(to)
            }
            gimli::DW_TAG_const_type => {
                let of = self.type_of(entry, depth)?;
                self.builder.const_(of)
            }
            gimli::DW_TAG_volatile_type => {
                let of = self.type_of(entry, depth)?;
                self.builder.volatile(of)
            }
            gimli::DW_TAG_restrict_type => {
                let of = self.type_of(entry, depth)?;
                self.builder.restrict(of)
            }
            gimli::DW_TAG_typedef => {
                let to = self.type_of(entry, depth)?;
                self.builder.typedef(&name, to)
            }
            gimli::DW_TAG_structure_type if size == 0 => self.builder.forward_struct(&name),
            gimli::DW_TAG_union_type if size == 0 => self.builder.forward_union(&name),
            gimli::DW_TAG_structure_type => self.builder.structure(&name, size, NO_MEMBERS),
            gimli::DW_TAG_union_type => self.builder.union(&name, size, NO_MEMBERS),
            gimli::DW_TAG_enumeration_type => self.builder.enumeration(&name, size, false, []),
            gimli::DW_TAG_array_type => {
                let (element, index) = (self.type_of(entry, depth)?, self.index_type());
                self.builder.array(element, index, 0)
            }
            gimli::DW_TAG_subroutine_type => {
                let (returns, params) = self.signature(entry, depth)?;
                let params = params.iter().map(|(name, id)| (name.as_str(), *id));
                self.builder.prototype(returns, params)
            }
            // Others, tags on types for instance, stand before what they are on.
            _ => self.type_of(entry, depth)?,
        })
    }

    fn number_type(&mut self, entry: &Entry<'a>, name: &str, size: u32) -> TypeId {
        let encoding = match entry.attr_value(gimli::DW_AT_encoding) {
            Some(AttributeValue::Encoding(encoding)) => encoding,
            _ => gimli::DW_ATE_unsigned,
        };
        let encoding = match encoding {
            gimli::DW_ATE_float => return self.builder.float(name, size),
            gimli::DW_ATE_boolean => IntEncoding::BOOL,
            gimli::DW_ATE_signed | gimli::DW_ATE_signed_char => IntEncoding::SIGNED,
            _ => IntEncoding(0),
        };
        self.builder.int(name, size, encoding)
    }

    fn index_type(&mut self) -> TypeId {
        self.builder.int("int", 4, IntEncoding::SIGNED)
    }
}

const NO_MEMBERS: [(&str, TypeId, u32); 0] = [];
