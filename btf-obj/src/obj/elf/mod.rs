//! Reading an object: what the sections and symbols of its ELF file, and its relocations, make of an [`Object`].

mod file;
mod relocations;

use std::collections::{HashMap, HashSet};

use object::Endianness;
use object::elf;
use object::read::elf::{SectionHeader, Sym};

use super::data::{self, DataKind, DataSection, Place};
use super::externs::{self, Externs, KCONFIG, Numbers};
use super::functions::Function;
use super::{MapSpec, Object, StructOpsSpec, datasec, image, maps, programs, records, struct_ops};
use crate::btf::ext::BtfExt;
use crate::btf::{Btf, Kind, TypeId};
use crate::effort::Effort;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::insn::Insn;
use crate::insn::SIZE as INSN_SIZE;
use file::{Elf, Symbol};

pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Object> {
    parse_within(name, bytes, &mut effort(bytes.len()))
}

/// The budget for reading an object of so many bytes.
pub(super) fn effort(bytes: usize) -> Effort {
    const EXCEEDED: &str =
        "it takes too much work for its size: names, functions or types in it overlap or repeat";
    Effort::for_bytes(bytes, ErrorKind::Malformed, EXCEEDED)
}

fn parse_within(name: &str, bytes: &[u8], effort: &mut Effort) -> Result<Object> {
    let elf = Elf::read(bytes, effort)?;
    let (btf, externs) = elf.btf(effort)?;
    let ext = match (&btf, elf.section_bytes(".BTF.ext")?) {
        (Some(btf), Some(ext)) => Some(BtfExt::parse(ext, btf)?),
        _ => None,
    };
    let mut object = Object {
        name: name.to_owned(),
        license: elf.license()?,
        little_endian: elf.endian == Endianness::Little,
        maps: elf.maps(btf.as_ref(), effort)?,
        data: elf.data(btf.as_ref(), &externs, effort)?,
        struct_ops: elf.struct_ops(btf.as_ref(), effort)?,
        functions: elf.functions(btf.as_ref(), effort)?,
        programs: Vec::new(),
        externs: externs.specs,
        jump_tables: Vec::new(),
        has_btf_ext: ext.is_some(),
        callbacks: Default::default(),
        btf,
    };
    data::check_arena(&object.maps, &object.data)?;
    object.programs = programs::of(&object.functions, effort)?;
    elf.relocations(&mut object, effort)?;
    elf.slots(&mut object)?;
    if let Some(ext) = ext {
        records::place(&mut object, ext, effort)?;
    }
    object.callbacks = image::Callbacks::of(&object, effort)?;
    image::check_size(&object, effort)?;
    Ok(object)
}

impl Elf<'_> {
    /// The object's BTF with what only the symbol table knows, and what is external.
    fn btf(&self, effort: &mut Effort) -> Result<(Option<Btf>, Externs)> {
        let Some(bytes) = self.section_bytes(".BTF")? else {
            let externs = externs::collect(None, self.undefined(), effort)?;
            return Ok((None, externs));
        };
        let btf = Btf::parse(bytes.to_vec()).context(|| "section .BTF")?;
        let externs = externs::collect(Some(&btf), self.undefined(), effort)?;
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
        // Of several sections of one name, the last counts.
        let by_name: Numbers<'_> = lookups
            .iter()
            .zip(0..)
            .map(|((name, ..), at)| (*name, at))
            .collect();
        let hidden: HashSet<&str> = self
            .named_symbols()
            .filter(|(s, _)| matches!(s.st_visibility(), elf::STV_HIDDEN | elf::STV_INTERNAL))
            .map(|(_, name)| name)
            .collect();
        let place_of = |name: &str| {
            let (_, size, offset_of) = &lookups[*by_name.get(name)? as usize];
            Some(Place {
                section_size: *size,
                offset_of,
            })
        };
        let btf = datasec::correct(btf, &self.symbols_of_data(), effort)?;
        let btf = data::fix_btf(btf, place_of, |name| hidden.contains(&name), effort)?;
        Ok((Some(btf), externs))
    }

    fn maps(&self, btf: Option<&Btf>, effort: &mut Effort) -> Result<Vec<MapSpec>> {
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
        let is_local = |s: &Symbol| s.st_bind() == elf::STB_LOCAL && s.st_type() == elf::STT_OBJECT;
        let local: HashSet<&str> = self
            .symbols_in(index)
            .filter(|(symbol, _)| is_local(symbol))
            .map(|(_, name)| name)
            .collect();
        let offset_of = |name: &str| offsets.get(name).copied();
        maps::parse(btf, offset_of, |name| local.contains(name), effort)
    }

    fn data(
        &self,
        btf: Option<&Btf>,
        externs: &Externs,
        effort: &mut Effort,
    ) -> Result<Vec<DataSection>> {
        let mut out = Vec::new();
        let mut datasecs: HashMap<&str, TypeId> = HashMap::new();
        for ty in btf.iter().flat_map(|btf| btf.types()) {
            if ty.kind() == Kind::DATASEC {
                let name = ty.name();
                effort.charge_kept(name.len())?;
                datasecs.entry(name).or_insert(ty.id());
            }
        }
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
            out.push(DataSection {
                name: name.to_owned(),
                kind,
                size: size as usize,
                bytes,
                datasec: datasecs.get(name).copied(),
                index,
            });
        }
        if externs.config_size > 0 {
            out.push(DataSection {
                name: KCONFIG.to_owned(),
                kind: DataKind::Kconfig,
                size: externs.config_size,
                bytes: Vec::new(),
                datasec: datasecs.get(KCONFIG).copied(),
                index: usize::MAX,
            });
        }
        Ok(out)
    }

    fn struct_ops(&self, btf: Option<&Btf>, effort: &mut Effort) -> Result<Vec<StructOpsSpec>> {
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
                effort,
            )?);
        }
        Ok(out)
    }

    /// All functions in order of section and place.
    fn functions(&self, btf: Option<&Btf>, effort: &mut Effort) -> Result<Vec<Function>> {
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
            for (symbol, own) in self.symbols_in(index) {
                if symbol.st_type() == elf::STT_FUNC {
                    // Several may have the same instructions, and all have the section's name.
                    effort.charge_kept(name.len() + own.len())?;
                    out.push(self.function((symbol, own), (index, name), code, effort)?);
                }
            }
            out[first..].sort_by_key(|f| f.first_insn);
        }
        if let Some(btf) = btf {
            let mut ids = Numbers::new();
            for ty in btf.types().filter(|t| t.kind() == Kind::FUNC) {
                let name = ty.name();
                effort.charge_kept(name.len())?;
                ids.insert(name, ty.id().0.into());
            }
            for f in &mut out {
                f.btf_id = ids.get(f.name.as_str()).map(|id| TypeId(*id as u32));
            }
        }
        Ok(out)
    }

    fn function(
        &self,
        (symbol, name): (&Symbol, &str),
        (index, section): (usize, &str),
        code: &[u8],
        effort: &mut Effort,
    ) -> Result<Function> {
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
        effort.charge_kept((end - start) as usize)?;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_objects_are_far_from_the_budget() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");
        let mut objects = 0;
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if !path.to_string_lossy().ends_with(".bpf.o") {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let mut effort = effort(bytes.len());
            parse_within("x", &bytes, &mut effort).unwrap();
            let percent = effort.percent_of(bytes.len());
            println!("{}: {percent:.1} % of the budget", path.display());
            assert!(percent < 10.0, "{}: {percent}", path.display());
            objects += 1;
        }
        assert!(objects > 0);
    }
}
