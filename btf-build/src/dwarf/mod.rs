//! What only DWARF knows of an object, and what goes with it when it is stripped from what is
//! embedded: bodies of programs, and where things are declared. Both are in no BTF of the object.

mod atomic;
mod bodies;
mod declared;
mod places;

use gimli::{AttributeValue, EndianSlice, RunTimeEndian};
use object::{Object as _, ObjectSection as _};

pub(crate) use atomic::repaired;
pub(crate) use bodies::{Declarations, declarations};
pub(crate) use declared::{Declared, DeclaredKind, DeclaredPart, declared};
pub(crate) use places::{Places, places};

type Reader<'a> = EndianSlice<'a, RunTimeEndian>;
type Entry<'a> = gimli::DebuggingInformationEntry<Reader<'a>>;

/// A line of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file as clang was given it.
    pub(crate) file: String,
    pub(crate) line: u64,
}

/// The DWARF of an object.
///
/// References between sections are not relocated: clang refers to sections from their start, so
/// that what stands in an object's DWARF are the right offsets already.
fn load(elf: &[u8]) -> Result<gimli::Dwarf<Reader<'_>>, String> {
    let file = object::File::parse(elf).map_err(|e| e.to_string())?;
    let endian = if file.is_little_endian() {
        RunTimeEndian::Little
    } else {
        RunTimeEndian::Big
    };
    gimli::Dwarf::load(|id: gimli::SectionId| {
        let data = file.section_by_name(id.name()).map(|s| s.data());
        let data = data.transpose().map_err(|e| e.to_string())?;
        Ok(EndianSlice::new(data.unwrap_or_default(), endian))
    })
}

/// Calls `read` for each unit of an object's DWARF.
fn each_unit<'a>(
    dwarf: &gimli::Dwarf<Reader<'a>>,
    mut read: impl FnMut(Unit<'_, 'a>) -> gimli::Result<()>,
) -> Result<(), String> {
    let mut headers = dwarf.units();
    while let Some(header) = headers.next().map_err(text)? {
        let unit = dwarf.unit(header).map_err(text)?;
        read(Unit { dwarf, unit: &unit }).map_err(text)?;
    }
    Ok(())
}

fn text(e: gimli::Error) -> String {
    e.to_string()
}

/// One source's part, and how its entries' attributes are read.
#[derive(Clone, Copy)]
struct Unit<'u, 'a> {
    dwarf: &'u gimli::Dwarf<Reader<'a>>,
    unit: &'u gimli::Unit<Reader<'a>>,
}

impl<'a> Unit<'_, 'a> {
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
