//! Static linking: several objects become one, as libbpf's linker (`bpftool gen object`) makes it.
//!
//! Sections of one name are put one after the other. A global symbol is the same wherever it is named: declarations are
//! resolved to the one definition, which may be of functions, variables or maps, and must agree with it in type; a weak
//! definition gives way to another. Types are merged and deduplicated.

mod ext;
mod matching;
mod source;
mod types;
mod write;

use std::collections::HashMap;

use object::elf;

use crate::btf::{Kind, Type, TypeId};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::insn::op;
use ext::Ext;
use source::{Section, Source, Symbol};
use types::{Globals, Ids, Types, is_global};
use write::{Names, Out};

/// BTF's section of declarations that say nothing of where they are defined.
const EXTERN: &str = ".extern";
const MAPS: &str = ".maps";

/// Links objects, each with the name that errors call it by, into one.
///
/// ```no_run
/// # fn main() -> btf_core::Result<()> {
/// use btf_core::obj::link_objects;
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
    let mut sources = Vec::with_capacity(objects.len());
    for (name, bytes) in objects {
        let source = Source::read(bytes).context(|| format!("object `{name}`"))?;
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
        symbols: Vec::new(),
        globals: HashMap::new(),
        types: Types::new(),
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

/// A symbol of what is linked.
struct OutSymbol {
    name: String,
    kind: elf::SymbolType,
    bind: elf::SymbolBind,
    hidden: bool,
    output: Option<usize>,
    value: u64,
    size: u64,
}

/// A symbol that several objects may name.
struct Global {
    symbol: usize,
    output: Option<usize>,
    /// Its VAR or FUNC among all types.
    ty: Option<u32>,
    /// Its VAR or FUNC in the object, by position, that knows it best.
    sample: (usize, TypeId),
    is_extern: bool,
    is_weak: bool,
    /// Whether that VAR or FUNC takes the place of the one among all types.
    is_redefined: bool,
    /// Its position among the variables of its section.
    variable: Option<usize>,
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
    symbols: Vec<OutSymbol>,
    globals: Globals,
    types: Types,
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
        let ids = self.types.add(source, &mut self.globals)?;
        self.add_variables(source, &places, &ids)?;
        ext::add(&mut self.sections, &mut self.types, source, &places, &ids)
    }

    fn output(&mut self, name: &str) -> usize {
        let known = self.sections.iter().position(|s| s.name == name);
        known.unwrap_or_else(|| {
            self.sections.push(Output {
                name: name.to_owned(),
                ..Output::default()
            });
            self.sections.len() - 1
        })
    }

    /// Puts the contents of an object's sections behind those that are there.
    fn add_sections(&mut self, source: &Source<'_>) -> Result<Vec<Option<Place>>> {
        let mut places = Vec::with_capacity(source.sections.len());
        for section in &source.sections {
            places.push(match section.is_kept() {
                true => {
                    let output = self.output(section.name);
                    let out = &mut self.sections[output];
                    let place = out.extend(section);
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

    fn add_symbols(
        &mut self,
        sources: &[(&str, Source<'_>)],
        at: usize,
        places: &[Option<Place>],
    ) -> Result<Vec<Option<usize>>> {
        let mut map = Vec::new();
        for symbol in &sources[at].1.symbols {
            let place = places.get(symbol.section).copied().flatten();
            let added = match (symbol.is_extern(), place) {
                // The first symbol, and names of files.
                (true, _) if symbol.is_local() => None,
                // Of a section that is left out.
                (false, None) => None,
                (false, Some(place)) if place.is_repeated => None,
                (_, place) if symbol.is_local() => Some(self.add_local(symbol, place)),
                (_, place) => Some(
                    self.add_global(sources, at, symbol, place)
                        .context(|| format!("symbol `{}`", symbol.name))?,
                ),
            };
            map.push(added);
        }
        Ok(map)
    }

    fn add_local(&mut self, symbol: &Symbol<'_>, place: Option<Place>) -> usize {
        let output = place.map(|p| p.output);
        if symbol.kind != elf::STT_SECTION {
            return self.add_symbol(symbol, output, place.map_or(0, |p| p.base) + symbol.value);
        }
        if let Some(known) = output.and_then(|o| self.sections[o].symbol) {
            return known;
        }
        let added = self.add_symbol(symbol, output, 0);
        if let Some(output) = output {
            self.sections[output].symbol = Some(added);
        }
        added
    }

    fn add_symbol(&mut self, symbol: &Symbol<'_>, output: Option<usize>, value: u64) -> usize {
        self.symbols.push(OutSymbol {
            name: symbol.name.to_owned(),
            kind: symbol.kind,
            bind: symbol.bind,
            hidden: symbol.hidden,
            output,
            value,
            size: symbol.size,
        });
        self.symbols.len() - 1
    }

    fn add_global(
        &mut self,
        sources: &[(&str, Source<'_>)],
        at: usize,
        symbol: &Symbol<'_>,
        place: Option<Place>,
    ) -> Result<usize> {
        let source = &sources[at].1;
        let (ty, section) = declaration(source, symbol.name)?;
        let mut output = place.map(|p| p.output);
        if let (true, Some(section)) = (symbol.is_extern(), section)
            && section != EXTERN
        {
            output = Some(self.output(section));
        }
        let value = place.map_or(0, |p| p.base) + symbol.value;
        let Some(global) = self.globals.get(symbol.name) else {
            let added = self.add_symbol(symbol, output, value);
            let global = Global {
                symbol: added,
                output,
                ty: None,
                sample: (at, ty.id()),
                is_extern: symbol.is_extern(),
                is_weak: symbol.is_weak(),
                is_redefined: false,
                variable: None,
            };
            self.globals.insert(symbol.name.to_owned(), global);
            return Ok(added);
        };
        let (other, other_id) = global.sample;
        let (other_name, other_source) = &sources[other];
        let both_defined = !symbol.is_extern() && !global.is_extern;
        if both_defined && !global.is_weak && !symbol.is_weak() {
            let why = format!("it is defined here and in object `{other_name}`");
            return Err(Error::new(ErrorKind::InvalidInput, why)
                .hint("make one of them `static`, or `__weak`"));
        }
        if let Some(btf) = &other_source.btf {
            let is_map = global.output.is_some_and(|o| self.sections[o].name == MAPS);
            matching::check(btf.ty(other_id), ty, is_map)
                .map_err(|e| e.context(format!("as in object `{other_name}` and here")))?;
        }
        self.resolve(symbol, (at, ty.id()), output, value);
        Ok(self.globals[symbol.name].symbol)
    }

    /// Adds what another object says of a global to what is known of it.
    fn resolve(
        &mut self,
        symbol: &Symbol<'_>,
        sample: (usize, TypeId),
        output: Option<usize>,
        value: u64,
    ) {
        let Some(global) = self.globals.get_mut(symbol.name) else {
            return;
        };
        let out = &mut self.symbols[global.symbol];
        let was_weak = global.is_weak;
        // Who asks for it strongly, or hides it, does so for all.
        if !symbol.is_weak() {
            out.bind = symbol.bind;
            global.is_weak = false;
        }
        out.hidden |= symbol.hidden;
        let gives_way = !global.is_extern && (symbol.is_weak() || !was_weak);
        if symbol.is_extern() || gives_way {
            return;
        }
        (out.kind, out.output) = (symbol.kind, output);
        (out.value, out.size) = (value, symbol.size);
        (global.output, global.sample) = (output, sample);
        (global.is_extern, global.is_redefined) = (false, true);
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
        source: &Source<'_>,
        places: &[Option<Place>],
        ids: &Ids,
    ) -> Result<()> {
        let Some(btf) = &source.btf else {
            return Ok(());
        };
        for section in btf.types().filter(|t| t.kind() == Kind::DATASEC) {
            let index = source.section(section.name());
            let place = index.and_then(|i| places.get(i).copied().flatten());
            let (output, base) = match place {
                Some(place) if place.is_repeated => continue,
                Some(place) => (place.output, place.base),
                // Declarations of what the kernel or another object has.
                None if index.is_none() && section.name() != EXTERN => {
                    (self.output(section.name()), 0)
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
                let global = match is_global(v.ty()) {
                    true => self.globals.get_mut(v.name()),
                    false => None,
                };
                let mut offset = u64::from(v.offset());
                let mut size = v.size();
                if let Some(global) = global {
                    if global.output != Some(output) {
                        let why =
                            format!("`{}` is declared in section {}", v.name(), section.name());
                        return Err(Error::new(ErrorKind::InvalidInput, why)
                            .hint("declare it in the section that it is defined in"));
                    }
                    let symbol = &self.symbols[global.symbol];
                    offset = if symbol.output.is_some() && !global.is_extern {
                        symbol.value
                    } else {
                        0
                    };
                    if global.sample.1 == v.ty().id() && v.ty().kind() == Kind::VAR {
                        size = self
                            .types
                            .size_of_variable(source, v.ty().id())
                            .unwrap_or(size);
                    }
                    if let Some(known) = global.variable {
                        let variable = &mut self.sections[output].variables[known];
                        variable[1] = narrow(offset)?;
                        variable[2] = variable[2].max(size);
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

    fn finish(mut self) -> Result<Vec<u8>> {
        for section in &self.sections {
            if section.has_btf {
                let size = if section.is_in_file {
                    narrow(section.size)?
                } else {
                    0
                };
                self.types
                    .add_section(&section.name, size, &section.variables)?;
            }
        }
        let names: Vec<u32> = self
            .sections
            .iter()
            .map(|s| self.types.string(s.name.as_bytes()))
            .collect::<Result<_>>()?;
        let (btf, ids) = self.types.finish(self.little_endian)?;
        let ext = ext::write(&self.sections, &names, &ids, self.little_endian);
        let little_endian = self.little_endian;

        // Sections of the file are numbered from 1.
        let mut indexes = vec![0; self.sections.len()];
        let mut next = 1u16;
        for (index, section) in indexes.iter_mut().zip(&self.sections) {
            if section.is_in_file {
                *index = next;
                next = next
                    .checked_add(1)
                    .ok_or_else(|| Error::malformed("it has too many sections"))?;
            }
        }
        let mut strings = Names::new();
        let (symtab, order, locals) =
            write_symbols(&self.symbols, &indexes, &mut strings, little_endian);
        let mut sections = Vec::new();
        let mut relocs = Vec::new();
        for (index, section) in indexes.iter().zip(self.sections) {
            if !section.relocs.is_empty() {
                let name = format!(".rel{}", section.name);
                relocs.push((
                    name,
                    u32::from(*index),
                    write_relocs(&section.relocs, &order, little_endian),
                ));
            }
            if section.is_in_file {
                sections.push(write::Section {
                    name: section.name,
                    kind: section.kind.0,
                    flags: section.flags.0,
                    align: section.align,
                    entry_size: 0,
                    link: 0,
                    info: 0,
                    size: section.size,
                    bytes: section.bytes,
                });
            }
        }
        let symtab_index = sections.len() as u32 + relocs.len() as u32 + 3;
        for (name, about, bytes) in relocs {
            sections.push(write::Section {
                kind: elf::SHT_REL.0,
                entry_size: 16,
                link: symtab_index,
                info: about,
                ..write::Section::of_bytes(&name, 8, bytes)
            });
        }
        sections.push(write::Section::of_bytes(
            ".BTF",
            4,
            btf.to_target_bytes().to_vec(),
        ));
        sections.push(write::Section::of_bytes(".BTF.ext", 4, ext));
        sections.push(write::Section {
            kind: elf::SHT_SYMTAB.0,
            entry_size: 24,
            link: symtab_index + 1,
            info: locals,
            ..write::Section::of_bytes(".symtab", 8, symtab)
        });
        write::object(sections, strings, little_endian)
    }
}

impl Output {
    /// Puts a section's contents behind those that are there; returns where they start, and whether they were there already.
    fn extend(&mut self, section: &Section<'_>) -> Result<(u64, bool)> {
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

/// The VAR or FUNC that declares a symbol, and the section that it is said to be in.
fn declaration<'a>(source: &'a Source<'_>, name: &str) -> Result<(Type<'a>, Option<&'a str>)> {
    let missing = || {
        Error::not_found("BTF does not describe it").hint("compile with -g, and don't strip .BTF")
    };
    let btf = source.btf.as_ref().ok_or_else(missing)?;
    let sections = btf.types().filter(|t| t.kind() == Kind::DATASEC);
    let in_section = sections
        .flat_map(|s| s.variables().iter().map(move |v| (v.ty(), Some(s.name()))))
        .find(|(t, _)| is_global(*t) && t.name() == name);
    in_section
        .or_else(|| {
            let t = btf.types().find(|t| is_global(*t) && t.name() == name)?;
            Some((t, None))
        })
        .ok_or_else(missing)
}

/// The symbol table, the place of each symbol in it, and how many local ones come first.
fn write_symbols(
    symbols: &[OutSymbol],
    indexes: &[u16],
    names: &mut Names,
    little_endian: bool,
) -> (Vec<u8>, Vec<u64>, u32) {
    let mut sorted: Vec<usize> = (0..symbols.len()).collect();
    sorted.sort_by_key(|n| symbols[*n].bind != elf::STB_LOCAL);
    let mut out = Out::new(little_endian);
    out.bytes.resize(24, 0);
    let mut order = vec![0; symbols.len()];
    let mut locals = 1;
    for (at, n) in sorted.into_iter().enumerate() {
        let s = &symbols[n];
        order[n] = at as u64 + 1;
        locals += u32::from(s.bind == elf::STB_LOCAL);
        out.u32(names.add(&s.name));
        out.u8(s.bind.0 << 4 | s.kind.0);
        out.u8(if s.hidden { elf::STV_HIDDEN.0 } else { 0 });
        out.u16(s.output.map_or(0, |o| indexes[o]));
        out.u64(s.value);
        out.u64(s.size);
    }
    (out.bytes, order, locals)
}

fn write_relocs(relocs: &[(u64, usize, u32)], order: &[u64], little_endian: bool) -> Vec<u8> {
    let mut out = Out::new(little_endian);
    for (offset, symbol, kind) in relocs {
        out.u64(*offset);
        out.u64(order[*symbol] << 32 | u64::from(*kind));
    }
    out.bytes
}
