//! What relocations refer to: of instructions, of maps' declarations, of structs of operations.

use std::collections::HashMap;

use object::elf;
use object::read::elf::{Rel, SectionHeader, Sym};
use object::{SectionIndex, SymbolIndex};

use super::file::{Elf, Symbol, elf_error};
use crate::effort::Effort;
use crate::error::{Error, ErrorKind, Result};
use crate::insn::SIZE as INSN_SIZE;
use crate::insn::{Insn, op};
use crate::obj::functions::{self, ElfReloc, Extents, RelocTarget};
use crate::obj::{DataKind, JumpTable, Object, SlotTarget, jump_tables, slots, struct_ops};

/// Positions in an object of what relocations refer to.
struct Lookup<'d> {
    extents: Extents,
    /// By name.
    externs: HashMap<&'d str, usize>,
    /// By ELF section.
    data: HashMap<usize, usize>,
    /// By offset and name.
    maps: HashMap<(u64, &'d str), usize>,
    /// By function and symbol; `None` for a symbol that is no table.
    tables: HashMap<(usize, u32), Option<usize>>,
    /// By function, name and entries.
    entries: HashMap<(usize, &'d str, &'d [u8]), usize>,
}

impl<'d> Elf<'d> {
    /// The positions of what the symbols of this file may refer to.
    fn lookup(&self, object: &Object) -> Lookup<'d> {
        let mut lookup = Lookup {
            extents: Extents::of(&object.functions),
            externs: HashMap::new(),
            data: HashMap::new(),
            maps: HashMap::new(),
            tables: HashMap::new(),
            entries: HashMap::new(),
        };
        let externs = object.externs.iter().map(|e| e.name.as_str());
        let positions: HashMap<&str, usize> = externs.zip(0..).collect();
        for (symbol, name) in self.named_symbols() {
            if symbol.st_shndx(self.endian) == elf::SHN_UNDEF
                && let Some(at) = positions.get(name)
            {
                lookup.externs.insert(name, *at);
            }
        }
        for (at, data) in object.data.iter().enumerate() {
            lookup.data.entry(data.index).or_insert(at);
        }
        let mut maps = HashMap::new();
        for (at, map) in object.maps.iter().enumerate() {
            maps.entry((map.offset, map.name.as_str())).or_insert(at);
        }
        for (symbol, name) in self.named_symbols().filter(|_| !maps.is_empty()) {
            let key = (symbol.st_value(self.endian), name);
            if let Some(at) = maps.get(&key) {
                lookup.maps.insert(key, *at);
            }
        }
        lookup
    }

    /// Gives each function the ELF relocations of its instructions.
    pub(super) fn relocations(&self, object: &mut Object, effort: &mut Effort) -> Result<()> {
        let mut lookup = self.lookup(object);
        let mut operations = struct_ops::Places::of(&object.struct_ops);
        for section in self.sections.iter() {
            let about = section.sh_info(self.endian) as usize;
            let Ok(code) = self.sections.section(SectionIndex(about)) else {
                continue;
            };
            let name = self.section_name(about);
            let is_ops = struct_ops::section(name).is_some();
            if section.sh_type(self.endian) != elf::SHT_REL || !(is_ops || self.is_code(code)) {
                continue;
            }
            let Some((rels, _)) = section
                .rel(self.endian, self.bytes)
                .map_err(elf_error("relocations"))?
            else {
                continue;
            };
            for rel in rels {
                let offset = rel.r_offset(self.endian);
                let at =
                    |e: Error| e.context(format!("relocation at byte {offset} of section {name}"));
                let symbol = rel.r_sym(self.endian);
                match is_ops {
                    true => {
                        self.operation(object, &mut operations, (about, offset), symbol, effort)
                    }
                    false => self.relocation(object, &mut lookup, (about, offset), symbol, effort),
                }
                .map_err(at)?;
            }
        }
        for f in &mut object.functions {
            f.relocs.sort_by_key(|r| r.insn);
        }
        Ok(())
    }

    /// Gives each map what its declaration puts into it.
    pub(super) fn slots(&self, object: &mut Object) -> Result<()> {
        let Some((maps, _, _)) = self.all_sections().find(|(_, _, name)| *name == ".maps") else {
            return Ok(());
        };
        for section in self.sections.iter() {
            let is_of_maps = section.sh_info(self.endian) as usize == maps;
            if section.sh_type(self.endian) != elf::SHT_REL || !is_of_maps {
                continue;
            }
            let rels = section
                .rel(self.endian, self.bytes)
                .map_err(elf_error("relocations of section .maps"))?;
            for rel in rels.map_or(&[][..], |(rels, _)| rels) {
                let offset = rel.r_offset(self.endian);
                let symbol = rel.r_sym(self.endian);
                let target = self.slot_target(object, symbol, maps)?;
                slots::add(object, offset, target)?;
            }
        }
        Ok(())
    }

    /// The symbol that a relocation names; `what` it is called if there is none.
    fn symbol(&self, index: u32, what: &str) -> Result<&Symbol> {
        let symbol = self.symbols.symbol(SymbolIndex(index as usize));
        symbol.map_err(elf_error(what))
    }

    /// The map or program that a symbol in a map's declaration stands for.
    fn slot_target(&self, object: &Object, symbol: u32, maps: usize) -> Result<SlotTarget> {
        let name = self.symbol_name(symbol as usize);
        let symbol = self.symbol(symbol, "a symbol in section .maps")?;
        let value = symbol.st_value(self.endian);
        let index = usize::from(symbol.st_shndx(self.endian).0);
        // Declarations are in order of their offsets.
        let map = || {
            let at = object.maps.partition_point(|m| m.offset < value);
            object
                .maps
                .get(at)
                .filter(|m| m.offset == value)
                .map(|_| at)
        };
        let function = || starting_at(object, index, value);
        let found = match index == maps {
            true => map().map(SlotTarget::Map),
            false => function().map(SlotTarget::Function),
        };
        found.ok_or_else(|| {
            Error::malformed(format!(
                "symbol `{name}` in section .maps is neither a map nor a program"
            ))
        })
    }

    /// A pointer in a struct of operations: to the program that starts where its symbol says.
    fn operation(
        &self,
        object: &mut Object,
        places: &mut struct_ops::Places,
        place: (usize, u64),
        symbol: u32,
        effort: &mut Effort,
    ) -> Result<()> {
        let name = self.symbol_name(symbol as usize);
        let symbol = self.symbol(symbol, "its symbol")?;
        let code = usize::from(symbol.st_shndx(self.endian).0);
        let function = starting_at(object, code, symbol.st_value(self.endian));
        let (Some(function), Some(btf)) = (function, &object.btf) else {
            return Err(Error::malformed(format!(
                "no program starts where symbol `{name}` is"
            )));
        };
        let function = &object.functions[function].name;
        places.set_program(&mut object.struct_ops, btf, place, function, effort)
    }

    fn relocation(
        &self,
        object: &mut Object,
        lookup: &mut Lookup<'d>,
        (section, offset): (usize, u64),
        symbol: u32,
        effort: &mut Effort,
    ) -> Result<()> {
        let place = (offset / INSN_SIZE) as usize;
        // What a linker leaves of a weak function that another one has replaced is code without a symbol.
        let Some(function) = lookup.extents.at(&object.functions, section, place) else {
            return Ok(());
        };
        let insn_index = place - object.functions[function].first_insn;
        let insn = object.functions[function].insns[insn_index];
        self.symbol(symbol, "its symbol")?;
        let target = match insn.is_ldimm64() {
            true => self.jump_table(object, lookup, function, symbol, effort)?,
            false => None,
        };
        let target = match target {
            Some(table) => RelocTarget::JumpTable(table),
            None => self.target(object, lookup, symbol, insn)?,
        };
        object.functions[function].relocs.push(ElfReloc {
            insn: insn_index,
            target,
        });
        Ok(())
    }

    /// The position of the table that a symbol stands for, of the function that refers to it. Each
    /// pair is read once, however many instructions refer to it.
    fn jump_table(
        &self,
        object: &mut Object,
        lookup: &mut Lookup<'d>,
        function: usize,
        symbol: u32,
        effort: &mut Effort,
    ) -> Result<Option<usize>> {
        let pair = (function, symbol);
        if let Some(known) = lookup.tables.get(&pair) {
            return Ok(*known);
        }
        let name = self.symbol_name(symbol as usize);
        let table = match self.entries_of(symbol, name)? {
            None => None,
            Some(bytes) => {
                effort.charge_kept(name.len() + bytes.len())?;
                let entries = (function, name, bytes);
                Some(match lookup.entries.get(&entries) {
                    Some(known) => *known,
                    None => {
                        let about = (function, &object.functions[function]);
                        let table = JumpTable::read(name, about, bytes, object.little_endian)?;
                        object.jump_tables.push(table);
                        lookup.entries.insert(entries, object.jump_tables.len() - 1);
                        object.jump_tables.len() - 1
                    }
                })
            }
        };
        lookup.tables.insert(pair, table);
        Ok(table)
    }

    /// The bytes of the jump table that a symbol stands for, if it stands for one.
    fn entries_of(&self, symbol: u32, name: &str) -> Result<Option<&'d [u8]>> {
        let symbol = self.symbol(symbol, "its symbol")?;
        let index = usize::from(symbol.st_shndx(self.endian).0);
        let section = self.sections.section(SectionIndex(index)).ok();
        let section = section.filter(|_| self.section_name(index) == jump_tables::SECTION);
        let Some(section) = section.filter(|_| symbol.st_shndx(self.endian) != elf::SHN_UNDEF)
        else {
            return Ok(None);
        };
        let all = self.contents(section, jump_tables::SECTION)?;
        let start = usize::try_from(symbol.st_value(self.endian)).ok();
        let bytes = start.zip(usize::try_from(symbol.st_size(self.endian)).ok());
        let bytes = bytes.and_then(|(start, len)| all.get(start..)?.get(..len));
        let bytes = bytes.ok_or_else(|| {
            Error::malformed(format!(
                "jump table `{name}` ends past section {}",
                jump_tables::SECTION
            ))
        })?;
        Ok(Some(bytes))
    }

    /// What an instruction's relocation against `symbol` refers to; libbpf's `bpf_program__record_reloc`.
    fn target(
        &self,
        object: &Object,
        lookup: &Lookup<'_>,
        symbol: u32,
        insn: Insn,
    ) -> Result<RelocTarget> {
        let name = self.symbol_name(symbol as usize);
        let symbol = self.symbol(symbol, "its symbol")?;
        let value = symbol.st_value(self.endian);
        let is_call = insn.code == op::JMP | op::CALL;
        if !is_call && !insn.is_ldimm64() {
            return Err(Error::malformed(format!(
                "instruction {insn:?} is neither a call nor a 64-bit load, but refers to symbol `{name}`"
            )));
        }
        let index = usize::from(symbol.st_shndx(self.endian).0);
        if symbol.st_shndx(self.endian) == elf::SHN_UNDEF {
            let known = lookup.externs.get(name).copied();
            return known.map(RelocTarget::Extern).ok_or_else(|| {
                Error::malformed(format!("its symbol `{name}` is defined nowhere"))
            });
        }
        if let Ok(section) = self.sections.section(SectionIndex(index))
            && self.is_code(section)
        {
            // A call's immediate counts instructions from the one after; a function address's is a byte offset.
            let first = if is_call {
                (value / INSN_SIZE) as i64 + i64::from(insn.imm) + 1
            } else {
                (value as i64 + i64::from(insn.imm)) / INSN_SIZE as i64
            };
            return usize::try_from(first)
                .ok()
                .and_then(|first| functions::starting_at(&object.functions, index, first))
                .map(RelocTarget::Function)
                .ok_or_else(|| {
                    Error::malformed(format!(
                        "no function starts at instruction {first} of section {}",
                        self.section_name(index)
                    ))
                });
        }
        if let Some(section) = lookup.data.get(&index).copied() {
            let offset = u32::try_from(value).map_err(|_| {
                Error::malformed(format!("symbol `{name}` lies at {value}, past any section"))
            })?;
            return Ok(RelocTarget::Data { section, offset });
        }
        if let Some(map) = lookup.maps.get(&(value, name)).copied() {
            return Ok(RelocTarget::Map(map));
        }
        let section = self.section_name(index);
        // A section without bytes becomes no map.
        if DataKind::of(section).is_some() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("variable `{name}` and its section {section} have a size of zero"),
            )
            .hint("give its type a member, or remove the variable"));
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "symbol `{name}` of section {section} is neither a function, a map nor a global variable"
            ),
        )
        .hint(
            "maps are declared in SEC(\".maps\"), variables without SEC or in one that begins with .data, .rodata or .bss",
        ))
    }
}

/// The function that starts at this byte of a section.
fn starting_at(object: &Object, section: usize, byte: u64) -> Option<usize> {
    let first = byte.is_multiple_of(INSN_SIZE).then_some(byte / INSN_SIZE)?;
    let first = usize::try_from(first).ok()?;
    functions::starting_at(&object.functions, section, first)
}
