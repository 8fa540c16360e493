//! What programs declare their arguments to be: `BPF_PROG` and its like leave that in DWARF alone, as the parameters of an
//! inlined function, and DWARF is stripped from what is embedded.
//!
//! clang leaves a body out of it of which no instruction is left: one that does no more than return an argument, or nothing.

use std::collections::HashMap;

use btf_core::btf::{Btf, Builder, IntEncoding, Linkage, TypeId};
use btf_core::target::BODY_PREFIX;
use gimli::{AttributeValue, EndianSlice, RunTimeEndian, UnitOffset};
use object::{Object as _, ObjectSection as _};

use crate::error::{Error, Result};

type Reader<'a> = EndianSlice<'a, RunTimeEndian>;
type Entry<'a> = gimli::DebuggingInformationEntry<Reader<'a>>;

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

/// A line of a source.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) line: u64,
}

/// Reads them from an object that still has its DWARF.
///
/// References between sections are not relocated: clang refers to sections from their start, so that what stands in an
/// object's DWARF are the right offsets already.
///
/// # Errors
///
/// If the DWARF is not well-formed.
pub(crate) fn declarations(elf: &[u8]) -> Result<Declarations> {
    read(elf).map_err(|why| Error::new(format!("its DWARF cannot be read: {why}")))
}

fn read(elf: &[u8]) -> Result<Declarations, String> {
    let text = |e: gimli::Error| e.to_string();
    let file = object::File::parse(elf).map_err(|e| e.to_string())?;
    let endian = if file.is_little_endian() {
        RunTimeEndian::Little
    } else {
        RunTimeEndian::Big
    };
    let section = |id: gimli::SectionId| {
        let data = file.section_by_name(id.name()).map(|s| s.data());
        let data = data.transpose().map_err(|e| e.to_string())?;
        Ok::<_, String>(EndianSlice::new(data.unwrap_or_default(), endian))
    };
    let dwarf = gimli::Dwarf::load(section)?;
    let mut builder = Builder::new();
    let mut places = HashMap::new();
    let mut units = dwarf.units();
    while let Some(header) = units.next().map_err(text)? {
        let unit = dwarf.unit(header).map_err(text)?;
        let mut reader = Unit {
            dwarf: &dwarf,
            unit: &unit,
            builder: &mut builder,
            known: HashMap::new(),
        };
        reader.bodies(&mut places).map_err(text)?;
    }
    let btf = builder.finish().map_err(|e| e.to_string())?;
    Ok(Declarations { btf, places })
}

struct Unit<'u, 'a> {
    dwarf: &'u gimli::Dwarf<Reader<'a>>,
    unit: &'u gimli::Unit<Reader<'a>>,
    builder: &'u mut Builder,
    known: HashMap<UnitOffset, TypeId>,
}

impl<'a> Unit<'_, 'a> {
    fn bodies(&mut self, places: &mut HashMap<String, Place>) -> gimli::Result<()> {
        let unit = self.unit;
        let mut entries = unit.entries();
        while let Some(entry) = entries.next_dfs()? {
            if entry.tag() != gimli::DW_TAG_subprogram {
                continue;
            }
            let name = self.name(entry)?;
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
            let place = self.place(entry)?;
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
        let unit = self.unit;
        let mut params = Vec::new();
        let mut tree = unit.entries_tree(Some(entry.offset()))?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let child = child.entry();
            match child.tag() {
                gimli::DW_TAG_formal_parameter => {
                    params.push((self.name(child)?, self.type_of(child, depth)?));
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
        let target = self.unit.entry(offset)?;
        let id = self.convert(&target, depth + 1)?;
        self.known.insert(offset, id);
        Ok(id)
    }

    /// A type as BTF; structs, unions and enums without what they consist of.
    fn convert(&mut self, entry: &Entry<'a>, depth: usize) -> gimli::Result<TypeId> {
        let name = self.name(entry)?;
        let size = self.number(entry, gimli::DW_AT_byte_size) as u32;
        Ok(match entry.tag() {
            gimli::DW_TAG_base_type => self.number_type(entry, &name, size),
            gimli::DW_TAG_pointer_type => {
                let to = self.type_of(entry, depth)?;
                self.builder.pointer(to)
            }
            gimli::DW_TAG_const_type => {
                let of = self.type_of(entry, depth)?;
                self.builder.constant(of)
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

    fn name(&self, entry: &Entry<'a>) -> gimli::Result<String> {
        match entry.attr_value(gimli::DW_AT_name) {
            Some(value) => self.string(value),
            None => Ok(String::new()),
        }
    }

    fn string(&self, value: AttributeValue<Reader<'a>>) -> gimli::Result<String> {
        let string = self.dwarf.attr_string(self.unit, value)?;
        Ok(String::from_utf8_lossy(string.slice()).into_owned())
    }

    fn number(&self, entry: &Entry<'a>, name: gimli::DwAt) -> u64 {
        let value = entry.attr_value(name);
        value.and_then(|value| value.udata_value()).unwrap_or(0)
    }

    /// Where an entry stands in the sources, the file as clang was given it.
    fn place(&self, entry: &Entry<'a>) -> gimli::Result<Place> {
        let index = match entry.attr_value(gimli::DW_AT_decl_file) {
            Some(AttributeValue::FileIndex(index)) => index,
            _ => 0,
        };
        let program = self.unit.line_program.as_ref();
        let header = program.map(|program| program.header());
        let mut path = String::new();
        if let Some((header, file)) = header.and_then(|h| Some((h, h.file(index)?))) {
            path = self.string(file.path_name())?;
            // Folder 0 is where clang ran.
            if file.directory_index() != 0
                && !path.starts_with('/')
                && let Some(dir) = file.directory(header)
            {
                path = format!("{}/{path}", self.string(dir)?);
            }
        }
        Ok(Place {
            file: path,
            line: self.number(entry, gimli::DW_AT_decl_line),
        })
    }
}

const NO_MEMBERS: [(&str, TypeId, u32); 0] = [];
