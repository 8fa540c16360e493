//! Reading the ELF file: sections, symbols, relocations, put together into an [`Object`].

use std::collections::HashMap;

use object::elf;
use object::read::elf::{FileHeader, Rel, SectionHeader, SectionTable, Sym, SymbolTable};
use object::{Endianness, SectionIndex, SymbolIndex};

use super::data::{self, DataKind, DataSection, Place};
use super::externs::{self, Externs, KCONFIG};
use super::functions::{ElfReloc, Function, RelocTarget};
use super::{
    MapSpec, Object, SlotTarget, StructOpsSpec, maps, programs, records, slots, struct_ops,
};
use crate::btf::ext::BtfExt;
use crate::btf::{Btf, Kind, TypeId};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::insn::{Insn, op};
use crate::sort;

type Header = elf::FileHeader64<Endianness>;
type Section = elf::SectionHeader64<Endianness>;
type Symbol = elf::Sym64<Endianness>;

/// Offsets or ids by name: maps of one type are one instance of code.
pub(super) type Numbers<'a> = HashMap<&'a str, u64>;

/// Bytes of an instruction.
pub(super) const INSN_SIZE: u64 = 8;

pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Object> {
    let elf = Elf::read(bytes)?;
    let (btf, externs) = elf.btf()?;
    let ext = match (&btf, elf.section_bytes(".BTF.ext")?) {
        (Some(btf), Some(ext)) => Some(BtfExt::parse(ext, btf)?),
        _ => None,
    };
    let mut object = Object {
        name: name.to_owned(),
        license: elf.license()?,
        little_endian: elf.endian == Endianness::Little,
        maps: elf.maps(btf.as_ref())?,
        data: elf.data(btf.as_ref(), &externs)?,
        struct_ops: elf.struct_ops(btf.as_ref())?,
        functions: elf.functions(btf.as_ref())?,
        programs: Vec::new(),
        externs: externs.specs,
        has_btf_ext: ext.is_some(),
        btf,
    };
    data::check_arena(&object.maps, &object.data)?;
    object.programs = programs::of(&object.functions)?;
    elf.relocations(&mut object)?;
    elf.slots(&mut object)?;
    if let Some(ext) = ext {
        records::place(&mut object, ext)?;
    }
    Ok(object)
}

/// The file with its tables, borrowed from the input.
struct Elf<'d> {
    endian: Endianness,
    bytes: &'d [u8],
    sections: SectionTable<'d, Header>,
    symbols: SymbolTable<'d, Header>,
}

/// What the `object` crate says of bad ELF, as an error of ours.
fn elf_error(what: &str) -> impl Fn(object::Error) -> Error + '_ {
    move |e| Error::malformed(format!("{what}: {e}"))
}

impl<'d> Elf<'d> {
    fn read(bytes: &'d [u8]) -> Result<Elf<'d>> {
        let bad = elf_error("it is not a 64-bit ELF object");
        let header = Header::parse(bytes).map_err(&bad)?;
        let endian = header.endian().map_err(&bad)?;
        let machine = header.e_machine(endian);
        if machine != elf::EM_BPF {
            return Err(Error::malformed(format!(
                "it is an ELF file of machine {machine:?}, not of BPF"
            ))
            .hint("compile it with `clang -target bpf`"));
        }
        let sections = header
            .sections(endian, bytes)
            .map_err(elf_error("section table"))?;
        let symbols = sections
            .symbols(endian, bytes, elf::SHT_SYMTAB)
            .map_err(elf_error("symbol table"))?;
        Ok(Elf {
            endian,
            bytes,
            sections,
            symbols,
        })
    }

    fn all_sections(&self) -> impl Iterator<Item = (usize, &'d Section, &'d str)> + '_ {
        self.sections
            .enumerate()
            .map(|(index, s)| (index.0, s, self.section_name(s)))
    }

    fn section_name(&self, section: &Section) -> &'d str {
        let name = self
            .sections
            .section_name(self.endian, section)
            .unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    fn contents(&self, section: &'d Section, name: &str) -> Result<&'d [u8]> {
        section
            .data(self.endian, self.bytes)
            .map_err(|e| Error::malformed(format!("section {name}: {e}")))
    }

    fn section_bytes(&self, name: &str) -> Result<Option<&'d [u8]>> {
        match self.all_sections().find(|(_, _, n)| *n == name) {
            Some((_, section, _)) => self.contents(section, name).map(Some),
            None => Ok(None),
        }
    }

    fn license(&self) -> Result<String> {
        let bytes = self.section_bytes("license")?.unwrap_or_default();
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        match std::str::from_utf8(&bytes[..end]) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(Error::malformed("section license is not text")),
        }
    }

    fn symbol_name(&self, symbol: &Symbol) -> &'d str {
        let name = self
            .symbols
            .symbol_name(self.endian, symbol)
            .unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// Offsets of the named symbols of one section.
    fn offsets_in(&self, section: usize) -> Numbers<'d> {
        self.symbols
            .iter()
            .filter(|s| usize::from(s.st_shndx(self.endian).0) == section)
            .filter(|s| s.st_type() != elf::STT_SECTION)
            .map(|s| (self.symbol_name(s), s.st_value(self.endian)))
            .collect()
    }

    /// Symbols that are defined elsewhere (libbpf's `sym_is_extern`), and whether they are weak.
    fn undefined(&self) -> impl Iterator<Item = (&'d str, bool)> + '_ {
        self.symbols
            .iter()
            .filter(|s| s.st_shndx(self.endian) == elf::SHN_UNDEF)
            .filter(|s| s.st_type() == elf::STT_NOTYPE)
            .filter(|s| matches!(s.st_bind(), elf::STB_GLOBAL | elf::STB_WEAK))
            .map(|s| (self.symbol_name(s), s.st_bind() == elf::STB_WEAK))
    }

    /// The object's BTF with what only the symbol table knows, and what is external.
    fn btf(&self) -> Result<(Option<Btf>, Externs)> {
        let Some(bytes) = self.section_bytes(".BTF")? else {
            return Ok((None, externs::collect(None, self.undefined())?));
        };
        let btf = Btf::parse(bytes.to_vec()).context(|| "section .BTF")?;
        let externs = externs::collect(Some(&btf), self.undefined())?;
        let mut places: Vec<(&str, u64, Numbers<'_>)> = self
            .all_sections()
            .map(|(index, s, name)| (name, s.sh_size(self.endian), self.offsets_in(index)))
            .collect();
        // It is in no file: loading makes it.
        if externs.config_size > 0 {
            let size = externs.config_size as u64;
            places.push((KCONFIG, size, externs.config_offsets()));
        }
        let lookups: Vec<_> = places
            .iter()
            .map(|(name, size, offsets)| (*name, *size, move |var: &str| offsets.get(var).copied()))
            .collect();
        let hidden: Vec<&str> = self
            .symbols
            .iter()
            .filter(|s| matches!(s.st_visibility(), elf::STV_HIDDEN | elf::STV_INTERNAL))
            .map(|s| self.symbol_name(s))
            .collect();
        data::fix_btf(
            btf,
            |name| {
                let place = lookups.iter().rfind(|(section, ..)| *section == name);
                place.map(|(_, size, offset_of)| Place {
                    section_size: *size,
                    offset_of,
                })
            },
            |name| hidden.contains(&name),
        )
        .map(|btf| (Some(btf), externs))
    }

    fn maps(&self, btf: Option<&Btf>) -> Result<Vec<MapSpec>> {
        if self.all_sections().any(|(_, _, name)| name == "maps") {
            return Err(
                Error::new(ErrorKind::Unsupported, "it has a legacy section `maps`")
                    .hint("declare maps as BTF-defined structs in SEC(\".maps\")"),
            );
        }
        let Some((index, _, _)) = self.all_sections().find(|(_, _, name)| *name == ".maps") else {
            return Ok(Vec::new());
        };
        let Some(btf) = btf else {
            return Err(Error::not_found(
                "it declares maps but has no .BTF section to describe them",
            )
            .hint("compile it with `clang -target bpf -g`, and don't strip .BTF"));
        };
        let offsets = self.offsets_in(index);
        maps::parse(btf, |name| offsets.get(name).copied())
    }

    fn data(&self, btf: Option<&Btf>, externs: &Externs) -> Result<Vec<DataSection>> {
        let mut out = Vec::new();
        for (index, section, name) in self.all_sections() {
            let Some(kind) = DataKind::of(name) else {
                continue;
            };
            let size = section.sh_size(self.endian);
            if section.sh_type(self.endian) == elf::SHT_REL || size == 0 {
                continue;
            }
            let bytes = if section.sh_type(self.endian) == elf::SHT_NOBITS {
                if size > DataSection::MOST as u64 {
                    return Err(Error::malformed(format!(
                        "section {name} of {size} bytes is too large for a map"
                    )));
                }
                Vec::new()
            } else {
                self.contents(section, name)?.to_vec()
            };
            let datasec = btf
                .and_then(|b| b.find(name, Kind::DATASEC))
                .map(|t| t.id());
            out.push(DataSection {
                name: name.to_owned(),
                kind,
                size: size as usize,
                bytes,
                datasec,
                index,
            });
        }
        if externs.config_size > 0 {
            out.push(DataSection {
                name: KCONFIG.to_owned(),
                kind: DataKind::Kconfig,
                size: externs.config_size,
                bytes: Vec::new(),
                datasec: btf
                    .and_then(|b| b.find(KCONFIG, Kind::DATASEC))
                    .map(|t| t.id()),
                index: usize::MAX,
            });
        }
        Ok(out)
    }

    fn struct_ops(&self, btf: Option<&Btf>) -> Result<Vec<StructOpsSpec>> {
        let mut out = Vec::new();
        for (index, section, name) in self.all_sections() {
            let holds_data = section.sh_type(self.endian) == elf::SHT_PROGBITS;
            if !holds_data || struct_ops::section(name).is_none() {
                continue;
            }
            let Some(btf) = btf else {
                return Err(Error::not_found(
                    "it has operations but no .BTF section to describe them",
                )
                .hint("compile it with `clang -target bpf -g`, and don't strip .BTF"));
            };
            out.extend(struct_ops::parse(
                btf,
                name,
                index,
                self.contents(section, name)?,
            )?);
        }
        Ok(out)
    }

    fn is_code(&self, section: &Section) -> bool {
        section.sh_type(self.endian) == elf::SHT_PROGBITS
            && section.sh_flags(self.endian).contains(elf::SHF_EXECINSTR)
            && section.sh_size(self.endian) > 0
    }

    /// All functions in order of section and place.
    fn functions(&self, btf: Option<&Btf>) -> Result<Vec<Function>> {
        let mut out = Vec::new();
        for (index, section, name) in self.all_sections() {
            if !self.is_code(section) {
                continue;
            }
            let code = self.contents(section, name)?;
            if !(code.len() as u64).is_multiple_of(INSN_SIZE) {
                return Err(Error::malformed(format!(
                    "section {name} of {} bytes is no whole number of instructions",
                    code.len()
                )));
            }
            let first = out.len();
            for symbol in self.symbols.iter() {
                let here = usize::from(symbol.st_shndx(self.endian).0) == index;
                if here && symbol.st_type() == elf::STT_FUNC {
                    out.push(self.function(symbol, index, name, code)?);
                }
            }
            sort::by_key(&mut out[first..], |f| f.first_insn);
        }
        if let Some(btf) = btf {
            let ids: Numbers<'_> = btf
                .types()
                .filter(|t| t.kind() == Kind::FUNC)
                .map(|t| (t.name(), t.id().0.into()))
                .collect();
            for f in &mut out {
                f.btf_id = ids.get(f.name.as_str()).map(|id| TypeId(*id as u32));
            }
        }
        Ok(out)
    }

    fn function(
        &self,
        symbol: &Symbol,
        index: usize,
        section: &str,
        code: &[u8],
    ) -> Result<Function> {
        let name = self.symbol_name(symbol);
        let (start, size) = (symbol.st_value(self.endian), symbol.st_size(self.endian));
        let end = start
            .checked_add(size)
            .filter(|end| *end <= code.len() as u64);
        let aligned = start.is_multiple_of(INSN_SIZE) && size.is_multiple_of(INSN_SIZE) && size > 0;
        let (Some(end), true) = (end, aligned) else {
            return Err(Error::malformed(format!(
                "function `{name}` (offset {start}, size {size}) does not fit section {section}"
            )));
        };
        if section != ".text" && symbol.st_bind() == elf::STB_LOCAL {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("program `{name}` in section {section} is static"),
            )
            .hint(
                "a program with a SEC() must not be static; a subprogram must not have a SEC()",
            ));
        }
        let little = self.endian == Endianness::Little;
        let (chunks, _) = code[start as usize..end as usize].as_chunks::<8>();
        Ok(Function {
            name: name.to_owned(),
            section: section.to_owned(),
            section_index: index,
            first_insn: (start / INSN_SIZE) as usize,
            insns: chunks
                .iter()
                .map(|b| Insn::from_bytes(*b, little))
                .collect(),
            btf_id: None,
            relocs: Vec::new(),
            lines: Vec::new(),
            core: Vec::new(),
        })
    }

    /// Gives each function the ELF relocations of its instructions.
    fn relocations(&self, object: &mut Object) -> Result<()> {
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
    fn slots(&self, object: &mut Object) -> Result<()> {
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
                let symbol = SymbolIndex(rel.r_sym(self.endian) as usize);
                let symbol = self
                    .symbols
                    .symbol(symbol)
                    .map_err(elf_error("a symbol in section .maps"))?;
                let target = self.slot_target(object, symbol, maps)?;
                slots::add(object, offset, target)?;
            }
        }
        Ok(())
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
        let symbol = self
            .symbols
            .symbol(SymbolIndex(symbol as usize))
            .map_err(elf_error("its symbol"))?;
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
        let symbol = self
            .symbols
            .symbol(SymbolIndex(symbol as usize))
            .map_err(elf_error("its symbol"))?;
        let target = self.target(object, symbol, insn)?;
        object.functions[function].relocs.push(ElfReloc {
            insn: insn_index,
            target,
        });
        Ok(())
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
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "symbol `{name}` of section {section} is neither a function, a map nor a global variable"
            ),
        ))
    }
}

fn function_at(functions: &[Function], section: usize, insn: usize) -> Option<usize> {
    functions.iter().position(|f| {
        f.section_index == section && (f.first_insn..f.first_insn + f.insns.len()).contains(&insn)
    })
}
