//! What relocations refer to: of instructions, of maps' declarations, of structs of operations.

use object::elf;
use object::read::elf::{Rel, SectionHeader, Sym};
use object::{SectionIndex, SymbolIndex};

use super::INSN_SIZE;
use super::file::{Elf, Symbol, elf_error};
use crate::error::{Error, ErrorKind, Result};
use crate::insn::{Insn, op};
use crate::obj::functions::{ElfReloc, Function, RelocTarget};
use crate::obj::{DataKind, JumpTable, Object, SlotTarget, jump_tables, slots, struct_ops};
use crate::sort;

impl Elf<'_> {
    /// Gives each function the ELF relocations of its instructions.
    pub(super) fn relocations(&self, object: &mut Object) -> Result<()> {
        for section in self.sections.iter() {
            let about = section.sh_info(self.endian) as usize;
            let Ok(code) = self.sections.section(SectionIndex(about)) else {
                continue;
            };
            let name = self.section_name(code);
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
                    true => self.operation(object, about, offset, symbol),
                    false => self.relocation(object, about, offset, symbol),
                }
                .map_err(at)?;
            }
        }
        for f in &mut object.functions {
            sort::by_key(&mut f.relocs, |r| r.insn);
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
                let symbol = self.symbol(rel.r_sym(self.endian), "a symbol in section .maps")?;
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
    fn slot_target(&self, object: &Object, symbol: &Symbol, maps: usize) -> Result<SlotTarget> {
        let (name, value) = (self.symbol_name(symbol), symbol.st_value(self.endian));
        let index = usize::from(symbol.st_shndx(self.endian).0);
        let map = || object.maps.iter().position(|m| m.offset == value);
        let function = || {
            object
                .functions
                .iter()
                .position(|f| f.section_index == index && f.first_insn as u64 * INSN_SIZE == value)
        };
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
        section: usize,
        offset: u64,
        symbol: u32,
    ) -> Result<()> {
        let symbol = self.symbol(symbol, "its symbol")?;
        let code = usize::from(symbol.st_shndx(self.endian).0);
        let start = symbol.st_value(self.endian);
        let function = object.functions.iter().find(|f| {
            f.section_index == code && (f.first_insn as u64).checked_mul(INSN_SIZE) == Some(start)
        });
        let (Some(function), Some(btf)) = (function, &object.btf) else {
            return Err(Error::malformed(format!(
                "no program starts where symbol `{}` is",
                self.symbol_name(symbol)
            )));
        };
        struct_ops::set_program(
            &mut object.struct_ops,
            btf,
            (section, offset),
            &function.name,
        )
    }

    fn relocation(
        &self,
        object: &mut Object,
        section: usize,
        offset: u64,
        symbol: u32,
    ) -> Result<()> {
        let place = (offset / INSN_SIZE) as usize;
        // What a linker leaves of a weak function that another one has replaced is code without a symbol.
        let Some(function) = function_at(&object.functions, section, place) else {
            return Ok(());
        };
        let insn_index = place - object.functions[function].first_insn;
        let insn = object.functions[function].insns[insn_index];
        let symbol = self.symbol(symbol, "its symbol")?;
        let target = match self.jump_table(object, function, symbol)? {
            Some(table) if insn.is_ldimm64() => {
                let known = object.jump_tables.iter().position(|known| *known == table);
                RelocTarget::JumpTable(known.unwrap_or_else(|| {
                    object.jump_tables.push(table);
                    object.jump_tables.len() - 1
                }))
            }
            _ => self.target(object, symbol, insn)?,
        };
        object.functions[function].relocs.push(ElfReloc {
            insn: insn_index,
            target,
        });
        Ok(())
    }

    /// The table that a symbol stands for, of the function that refers to it.
    fn jump_table(
        &self,
        object: &Object,
        function: usize,
        symbol: &Symbol,
    ) -> Result<Option<JumpTable>> {
        let index = usize::from(symbol.st_shndx(self.endian).0);
        let section = self.sections.section(SectionIndex(index)).ok();
        let section = section.filter(|s| self.section_name(s) == jump_tables::SECTION);
        let Some(section) = section.filter(|_| symbol.st_shndx(self.endian) != elf::SHN_UNDEF)
        else {
            return Ok(None);
        };
        let name = self.symbol_name(symbol);
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
        let about = (function, &object.functions[function]);
        JumpTable::read(name, about, bytes, object.little_endian).map(Some)
    }

    /// What an instruction's relocation against `symbol` refers to; libbpf's `bpf_program__record_reloc`.
    fn target(&self, object: &Object, symbol: &Symbol, insn: Insn) -> Result<RelocTarget> {
        let name = self.symbol_name(symbol);
        let value = symbol.st_value(self.endian);
        let is_call = insn.code == op::JMP | op::CALL;
        if !is_call && !insn.is_ldimm64() {
            return Err(Error::malformed(format!(
                "instruction {insn:?} is neither a call nor a 64-bit load, but refers to symbol `{name}`"
            )));
        }
        let index = usize::from(symbol.st_shndx(self.endian).0);
        if symbol.st_shndx(self.endian) == elf::SHN_UNDEF {
            return object
                .externs
                .iter()
                .position(|e| e.name == name)
                .map(RelocTarget::Extern)
                .ok_or_else(|| {
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
            return object
                .functions
                .iter()
                .position(|f| f.section_index == index && f.first_insn as i64 == first)
                .map(RelocTarget::Function)
                .ok_or_else(|| {
                    Error::malformed(format!(
                        "no function starts at instruction {first} of section {}",
                        self.section_name(section)
                    ))
                });
        }
        if let Some(section) = object.data.iter().position(|d| d.index == index) {
            let offset = u32::try_from(value).map_err(|_| {
                Error::malformed(format!("symbol `{name}` lies at {value}, past any section"))
            })?;
            return Ok(RelocTarget::Data { section, offset });
        }
        if let Some(map) = object
            .maps
            .iter()
            .position(|m| m.offset == value && m.name == name)
        {
            return Ok(RelocTarget::Map(map));
        }
        let section = self
            .sections
            .section(SectionIndex(index))
            .map(|s| self.section_name(s))
            .unwrap_or_default();
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

fn function_at(functions: &[Function], section: usize, insn: usize) -> Option<usize> {
    functions.iter().position(|f| {
        f.section_index == section && (f.first_insn..f.first_insn + f.insns.len()).contains(&insn)
    })
}
