//! Static linking: several objects become one, as libbpf's linker (`bpftool gen object`) makes it.
//!
//! Sections of one name are put one after the other. A global symbol is the same wherever it is named: declarations are
//! resolved to the one definition, which may be of functions, variables or maps, and must agree with it in type; a weak
//! definition gives way to another. Types are merged and deduplicated.

mod ext;
mod file;
mod matching;
mod source;
mod symbols;
mod types;
mod write;

use std::collections::HashMap;

use object::elf;

use crate::btf::Kind;
use crate::effort::Effort;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::insn::op;
use crate::obj::elf as elf_reader;
use ext::Ext;
use matching::Same;
use source::{Section, Source, is_global};
use symbols::{Global, OutSymbol};
use types::{Globals, Ids, Types};

/// BTF's section of declarations that say nothing of where they are defined.
const EXTERN: &str = ".extern";
const MAPS: &str = ".maps";

/// Links objects, each with the name that errors call it by, into one.
///
/// ```no_run
/// # fn main() -> btf_obj::Result<()> {
/// use btf_obj::obj::link_objects;
///
/// let read = |path| std::fs::read(path).expect("compiled before");
/// let (main, helpers) = (read("main.bpf.o"), read("helpers.bpf.o"));
/// let linked = link_objects(&[("main", &main), ("helpers", &helpers)])?;
/// # drop(linked);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Naming the object: [`ErrorKind::InvalidInput`] for a symbol that is defined twice or declared otherwise than it is defined,
/// for sections of one name that do not go together, and for objects of several byte orders; [`ErrorKind::Malformed`] and
/// [`ErrorKind::Unsupported`] for what cannot be read.
pub fn link_objects(objects: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let size = objects.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut effort = elf_reader::effort(size);
    let mut sources = Vec::with_capacity(objects.len());
    for (name, bytes) in objects {
        let source = Source::read(bytes, &mut effort).context(|| format!("object `{name}`"))?;
        sources.push((*name, source));
    }
    let Some((_, first)) = sources.first() else {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "there is no object to link",
        ));
    };
    let mut linker = Linker {
        little_endian: first.little_endian,
        sections: Vec::new(),
        positions: HashMap::new(),
        symbols: Vec::new(),
        globals: HashMap::new(),
        types: Types::new(),
        same: Same::new(),
        effort,
    };
    for at in 0..sources.len() {
        linker
            .append(&sources, at)
            .context(|| format!("object `{}`", sources[at].0))?;
    }
    linker.finish()
}

/// A section of what is linked.
#[derive(Default)]
struct Output {
    name: String,
    kind: elf::SectionType,
    flags: elf::SectionFlags,
    align: u64,
    size: u64,
    bytes: Vec<u8>,
    /// Whether it is in the file: not if there are only declarations in it.
    is_in_file: bool,
    has_btf: bool,
    /// Type, offset and size of each variable.
    variables: Vec<[u32; 3]>,
    /// Offset, symbol and kind of each relocation.
    relocs: Vec<(u64, usize, u32)>,
    /// The symbol that stands for it.
    symbol: Option<usize>,
    ext: Ext,
}

/// Where a section of an object went.
#[derive(Clone, Copy)]
struct Place {
    output: usize,
    base: u64,
    /// Its contents were there already.
    is_repeated: bool,
}

/// What is linked so far.
struct Linker {
    little_endian: bool,
    sections: Vec<Output>,
    /// Positions of sections by name.
    positions: HashMap<String, usize>,
    symbols: Vec<OutSymbol>,
    globals: Globals,
    types: Types,
    same: Same,
    effort: Effort,
}

impl Linker {
    fn append(&mut self, sources: &[(&str, Source<'_>)], at: usize) -> Result<()> {
        let source = &sources[at].1;
        if source.little_endian != self.little_endian {
            let why = "it is of another byte order than those before it";
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
        let places = self.add_sections(source)?;
        let symbols = self.add_symbols(sources, at, &places)?;
        self.add_relocs(source, &places, &symbols)?;
        let ids = self
            .types
            .add(source, &mut self.globals, &mut self.effort)?;
        self.add_variables(sources, at, &places, &ids)?;
        self.add_ext(source, &places, &ids)
    }

    fn output(&mut self, name: &str) -> Result<usize> {
        if let Some(known) = self.positions.get(name) {
            return Ok(*known);
        }
        self.effort.charge_kept(name.len())?;
        let at = self.sections.len();
        self.positions.insert(name.to_owned(), at);
        self.sections.push(Output {
            name: name.to_owned(),
            ..Output::default()
        });
        Ok(at)
    }

    /// Puts the contents of an object's sections behind those that are there.
    fn add_sections(&mut self, source: &Source<'_>) -> Result<Vec<Option<Place>>> {
        let mut places = Vec::with_capacity(source.sections.len());
        for section in &source.sections {
            places.push(match section.is_kept() {
                true => {
                    let output = self.output(section.name)?;
                    let out = &mut self.sections[output];
                    let place = out.extend(section, &mut self.effort);
                    let (base, is_repeated) =
                        place.context(|| format!("section {}", section.name))?;
                    Some(Place {
                        output,
                        base,
                        is_repeated,
                    })
                }
                false => None,
            });
        }
        Ok(places)
    }

    fn add_relocs(
        &mut self,
        source: &Source<'_>,
        places: &[Option<Place>],
        symbols: &[Option<usize>],
    ) -> Result<()> {
        for (section, place) in source.sections.iter().zip(places) {
            let Some(place) = place.filter(|p| !p.is_repeated) else {
                continue;
            };
            for reloc in &section.relocs {
                let what = || {
                    format!(
                        "relocation at byte {} of section {}",
                        reloc.offset, section.name
                    )
                };
                let unknown = || Error::malformed("its symbol is not linked").context(what());
                let symbol = source.symbols.get(reloc.symbol).ok_or_else(unknown)?;
                let to = symbols
                    .get(reloc.symbol)
                    .copied()
                    .flatten()
                    .ok_or_else(unknown)?;
                let offset = place.base.checked_add(reloc.offset).ok_or_else(unknown)?;
                let base = places
                    .get(symbol.section)
                    .copied()
                    .flatten()
                    .map_or(0, |p| p.base);
                if symbol.kind == elf::STT_SECTION {
                    if !section.is_code() {
                        let why = "it refers to a section and lies in data";
                        return Err(Error::new(ErrorKind::Unsupported, why).context(what()));
                    }
                    self.shift(place.output, offset, base).ok_or_else(unknown)?;
                }
                let relocs = &mut self.sections[place.output].relocs;
                relocs.push((offset, to, reloc.kind));
            }
        }
        Ok(())
    }

    /// Adds to the immediate of an instruction what lies before the section that it refers to.
    fn shift(&mut self, output: usize, offset: u64, base: u64) -> Option<()> {
        let start = usize::try_from(offset).ok()?;
        let insn = self.sections[output]
            .bytes
            .get_mut(start..)?
            .first_chunk_mut::<8>()?;
        let is_call = insn[0] == op::JMP | op::CALL;
        let base = (if is_call { base / 8 } else { base }) as u32;
        let imm = insn.last_chunk_mut::<4>()?;
        *imm = match self.little_endian {
            true => u32::from_le_bytes(*imm).wrapping_add(base).to_le_bytes(),
            false => u32::from_be_bytes(*imm).wrapping_add(base).to_be_bytes(),
        };
        Some(())
    }

    /// Adds the variables of an object's sections, as its BTF lists them.
    fn add_variables(
        &mut self,
        sources: &[(&str, Source<'_>)],
        at: usize,
        places: &[Option<Place>],
        ids: &Ids,
    ) -> Result<()> {
        let source = &sources[at].1;
        let Some(btf) = &source.btf else {
            return Ok(());
        };
        for section in btf.types().filter(|t| t.kind() == Kind::DATASEC) {
            let section_name = section.name();
            self.effort.charge_kept(section_name.len())?;
            let index = source.section(section_name);
            let place = index.and_then(|i| places.get(i).copied().flatten());
            let (output, base) = match place {
                Some(place) if place.is_repeated => continue,
                Some(place) => (place.output, place.base),
                // Declarations of what the kernel or another object has.
                None if index.is_none() && section_name != EXTERN => {
                    (self.output(section_name)?, 0)
                }
                None => continue,
            };
            self.sections[output].has_btf = true;
            for v in section.variables().iter() {
                let id = ids.get(v.ty().id().0 as usize).copied().unwrap_or(0);
                if id == 0 {
                    return Err(Error::malformed(format!(
                        "variable `{}` has no symbol",
                        v.name()
                    )));
                }
                let name = v.name();
                self.effort.charge_kept(name.len())?;
                let global = match is_global(v.ty()) {
                    true => self.globals.get_mut(name),
                    false => None,
                };
                let mut offset = u64::from(v.offset());
                let mut size = v.size();
                if let Some(global) = global {
                    if global.output != Some(output) {
                        let why = format!("`{name}` is declared in section {section_name}");
                        return Err(Error::new(ErrorKind::InvalidInput, why)
                            .hint("declare it in the section that it is defined in"));
                    }
                    let symbol = &self.symbols[global.symbol];
                    let is_defined = symbol.output.is_some() && !global.is_extern;
                    offset = if is_defined { symbol.value } else { 0 };
                    let is_sample = global.sample == (at, v.ty().id());
                    if is_sample && v.ty().kind() == Kind::VAR {
                        // A flexible array member has room in the symbol only, or in clang's
                        // section entry.
                        let of_type = self.types.size_of_variable(source, v.ty().id());
                        let of_symbol = if is_defined { narrow(symbol.size)? } else { 0 };
                        size = size.max(of_type.unwrap_or(0)).max(of_symbol);
                    }
                    if let Some(known) = global.variable {
                        let variable = &mut self.sections[output].variables[known];
                        variable[1] = narrow(offset)?;
                        variable[2] = match is_defined {
                            true if is_sample => size,
                            true => variable[2],
                            false => variable[2].max(size),
                        };
                        continue;
                    }
                    global.variable = Some(self.sections[output].variables.len());
                } else {
                    offset += base;
                }
                self.sections[output]
                    .variables
                    .push([id, narrow(offset)?, size]);
            }
        }
        Ok(())
    }
}

impl Output {
    /// Puts a section's contents behind those that are there; returns where they start, and whether they were there already.
    fn extend(&mut self, section: &Section<'_>, effort: &mut Effort) -> Result<(u64, bool)> {
        if !self.is_in_file {
            (self.kind, self.flags) = (section.kind, section.flags);
            self.is_in_file = true;
        } else if (self.kind, self.flags) != (section.kind, section.flags) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "it is of another kind than in the objects before: code, constants, data or zeros",
            ));
        } else if matches!(self.name.as_str(), "license" | "version") {
            if self.bytes == *section.bytes {
                return Ok((0, true));
            }
            let why = "it says something else than in the objects before";
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
        let too_large = || Error::malformed("it is larger than 4 GiB");
        self.align = self.align.max(section.align).max(1);
        let base = self
            .size
            .checked_next_multiple_of(self.align)
            .ok_or_else(too_large)?;
        let end = base.checked_add(section.size).ok_or_else(too_large)?;
        narrow(end)?;
        if section.kind != elf::SHT_NOBITS {
            // Alignment may ask for far more than the section has, here and in the file.
            effort.charge_kept(2 * (end - self.size) as usize)?;
            self.bytes.resize(base as usize, 0);
            self.bytes.extend_from_slice(&section.bytes);
        }
        self.size = end;
        Ok((base, false))
    }
}

fn narrow(n: u64) -> Result<u32> {
    u32::try_from(n).map_err(|_| Error::malformed("a section is larger than 4 GiB"))
}
