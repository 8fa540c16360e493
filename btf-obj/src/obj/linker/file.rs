//! The file of what is linked: its sections in their order, with the tables that refer to them.

use object::elf;

use super::symbols::OutSymbol;
use super::write::{self, Names, Out};
use super::{Linker, Output, ext, narrow};
use crate::error::{Error, Result};

impl Linker {
    /// The file, once all objects are in.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        for section in &self.sections {
            if section.has_btf {
                let size = if section.is_in_file {
                    narrow(section.size)?
                } else {
                    0
                };
                let (name, variables) = (&section.name, &section.variables);
                self.types
                    .add_section(name, size, variables, &mut self.effort)?;
            }
        }
        let names: Vec<u32> = self
            .sections
            .iter()
            .map(|s| self.types.string(s.name.as_bytes(), &mut self.effort))
            .collect::<Result<_>>()?;
        let (btf, ids) = self.types.finish(self.little_endian)?;
        let ext = ext::write(&self.sections, &names, &ids, self.little_endian);
        let little_endian = self.little_endian;

        let indexes = indexes(&self.sections)?;
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

/// The number of each section in the file; they begin at 1, and 0 is for those that are not in it.
fn indexes(sections: &[Output]) -> Result<Vec<u16>> {
    let mut indexes = vec![0; sections.len()];
    let mut next = 1u16;
    for (index, section) in indexes.iter_mut().zip(sections) {
        if section.is_in_file {
            *index = next;
            next = next
                .checked_add(1)
                .ok_or_else(|| Error::malformed("it has too many sections"))?;
        }
    }
    Ok(indexes)
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
