//! Moves variables to the section that holds them, where clang's BTF names another one.
//!
//! clang decides twice where a variable goes, once for BTF and once for the object, and not always
//! alike:
//!
//! * Before clang 16, BTF has every constant in `.rodata`. The object has those of 4, 8, 16 and 32
//!   bytes in `.rodata.cst*`, and strings in `.rodata.str*`.
//! * Before clang 18, BTF has in `.data` what has an initial value with undefined padding. The
//!   object has it in `.bss` if the rest is zero.
//!
//! libbpf places such a variable at its offset in the wrong section, where it overlaps others and
//! the kernel rejects the BTF. Here the object decides.

use std::collections::HashMap;

use super::DataKind;
use crate::btf::raw::Info;
use crate::btf::{Btf, Kind, Type, TypeId, assemble};
use crate::effort::Effort;
use crate::error::Result;

/// Words of a DATASEC's record before those of its variables.
const FIXED: usize = 3;
/// Words of one variable in it.
const VARIABLE: usize = 3;

/// Names of the data sections that have a symbol, by the symbol's name.
#[derive(Default)]
pub(super) struct Symbols<'s>(HashMap<&'s str, Vec<&'s str>>);

impl<'s> Symbols<'s> {
    /// Adds a symbol. Sections that hold no variables are ignored.
    pub(super) fn add(&mut self, name: &'s str, section: &'s str) {
        if DataKind::of(section).is_some() {
            self.0.entry(name).or_default().push(section);
        }
    }

    /// The section of a variable that BTF has in `section`, if it is another one.
    fn other(&self, name: &str, section: &str) -> Option<&'s str> {
        match self.0.get(name)?.as_slice() {
            [other] if *other != section => Some(other),
            // Several of one name: BTF is right, or nothing tells which one is meant.
            _ => None,
        }
    }
}

/// Variables by section, as words of DATASECs.
#[derive(Default)]
struct Moved<'s> {
    sections: Vec<(&'s str, Vec<u32>)>,
    positions: HashMap<&'s str, usize>,
}

impl<'s> Moved<'s> {
    fn words_of(&mut self, section: &'s str) -> &mut Vec<u32> {
        let at = *self.positions.entry(section).or_insert_with(|| {
            self.sections.push((section, Vec::new()));
            self.sections.len() - 1
        });
        &mut self.sections[at].1
    }

    /// Takes what moved to a section, if anything did.
    fn take(&mut self, section: &str) -> Option<Vec<u32>> {
        let at = self.positions.remove(section)?;
        let (_, words) = self.sections.swap_remove(at);
        if let Some((last, _)) = self.sections.get(at) {
            self.positions.insert(last, at);
        }
        Some(words)
    }
}

/// Moves variables between DATASECs to where their symbols are. IDs stay.
pub(super) fn correct(btf: Btf, symbols: &Symbols<'_>, effort: &mut Effort) -> Result<Btf> {
    let mut moved = Moved::default();
    let mut left: HashMap<TypeId, Vec<u32>> = HashMap::new();
    for section in btf.types().filter(is_unlinked) {
        let mut stay = Vec::new();
        let section_name = section.name();
        effort.charge_kept(section_name.len())?;
        for variable in section.variables().iter() {
            let words = [variable.ty().id().0, variable.offset(), variable.size()];
            let name = variable.name();
            effort.charge_kept(name.len())?;
            match symbols.other(name, section_name) {
                Some(to) => moved.words_of(to).extend(words),
                None => stay.extend(words),
            }
        }
        if stay.len() != VARIABLE * section.vlen() {
            left.insert(section.id(), stay);
        }
    }
    if moved.sections.is_empty() {
        return Ok(btf);
    }
    let mut types = Vec::new();
    for ty in btf.types() {
        let old = btf.record(ty.id());
        let stay = left.get(&ty.id()).map(Vec::as_slice);
        let stay = stay.unwrap_or(old.get(FIXED..).unwrap_or_default());
        let come = match is_unlinked(&ty) {
            true => moved.take(ty.name()),
            false => None,
        };
        match come {
            Some(come) => types.extend(record(old[0], &[stay, &come])),
            // Kernels reject a section without variables, and something must have the ID.
            _ if stay.is_empty() && left.contains_key(&ty.id()) => {
                types.extend([0, Info::new(Kind::PTR, false, 0).0, TypeId::VOID.0]);
            }
            _ if left.contains_key(&ty.id()) => types.extend(record(old[0], &[stay])),
            _ => types.extend(old),
        }
    }
    let mut strings = btf.string_section().to_vec();
    for (section, variables) in moved.sections {
        let name = strings.len() as u32;
        strings.extend_from_slice(section.as_bytes());
        strings.push(0);
        types.extend(record(name, &[&variables]));
    }
    let bytes = assemble(&types, &strings);
    Btf::parse(Btf::bytes_for(bytes, btf.is_little_endian())?)
}

/// Returns `true` for a DATASEC of variables as clang writes it. A static linker fills in size and
/// offsets.
fn is_unlinked(ty: &Type<'_>) -> bool {
    ty.kind() == Kind::DATASEC && ty.own_size() == Some(0) && DataKind::of(ty.name()).is_some()
}

/// The record of a DATASEC whose size is not known yet.
fn record(name: u32, variables: &[&[u32]]) -> Vec<u32> {
    let variables = variables.concat();
    let info = Info::new(Kind::DATASEC, false, (variables.len() / VARIABLE) as u32);
    [vec![name, info.0, 0], variables].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::{Builder, IntEncoding, Linkage};

    fn types(sections: &[(&str, &[&str])]) -> Btf {
        let mut types = Builder::new();
        let int = types.int("int", 4, IntEncoding::SIGNED);
        for (section, names) in sections {
            let variable = |name: &&str| (types.variable(name, int, Linkage::GLOBAL), 0, 4);
            let variables: Vec<_> = names.iter().map(variable).collect();
            types.section(section, 0, variables);
        }
        types.finish().unwrap()
    }

    /// The sections once the variables are where these symbols are.
    fn corrected(
        sections: &[(&str, &[&str])],
        places: &[(&'static str, &'static str)],
    ) -> Vec<(String, Vec<String>)> {
        let mut symbols = Symbols::default();
        for (name, section) in places {
            symbols.add(name, section);
        }
        let before = types(sections);
        let effort = &mut crate::obj::elf::effort(0);
        let after = correct(types(sections), &symbols, effort).unwrap();
        let variables = |btf: &Btf| {
            let all = btf.types().filter(|ty| ty.kind() == Kind::VAR);
            all.map(|ty| (ty.id(), ty.name().to_owned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(variables(&after), variables(&before));
        let sections = after.types().filter(|ty| ty.kind() == Kind::DATASEC);
        sections
            .map(|ty| {
                let names = ty.variables().iter().map(|v| v.name().to_owned()).collect();
                (ty.name().to_owned(), names)
            })
            .collect()
    }

    fn owned(sections: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        sections
            .iter()
            .map(|(section, of)| ((*section).to_owned(), names(of)))
            .collect()
    }

    #[test]
    fn moves_zeroed_variables_from_data_to_bss() {
        let places = [("one", ".data"), ("zero", ".bss"), ("zeros", ".bss")];
        assert_eq!(
            corrected(
                &[(".data", &["one", "zero"]), (".bss", &["zeros"])],
                &places
            ),
            owned(&[(".data", &["one"]), (".bss", &["zeros", "zero"])])
        );
        assert_eq!(
            corrected(&[(".data", &["zero", "zeros"])], &places),
            owned(&[(".bss", &["zero", "zeros"])])
        );
        assert_eq!(
            corrected(&[(".data", &["one"]), (".bss", &["zeros"])], &places),
            owned(&[(".data", &["one"]), (".bss", &["zeros"])])
        );
    }

    #[test]
    fn moves_constants_to_the_sections_that_hold_them() {
        let places = [
            ("cfg", ".rodata"),
            ("c8", ".rodata.cst8"),
            ("c16", ".rodata.cst16"),
            ("p.inner", ".rodata.cst16"),
            ("text", ".rodata.str1.1"),
        ];
        let clang_14: &[(&str, &[&str])] = &[(".rodata", &["cfg", "p.inner", "c8", "text", "c16"])];
        assert_eq!(
            corrected(clang_14, &places),
            owned(&[
                (".rodata", &["cfg"]),
                (".rodata.cst16", &["p.inner", "c16"]),
                (".rodata.cst8", &["c8"]),
                (".rodata.str1.1", &["text"]),
            ])
        );
        assert_eq!(
            corrected(&[(".rodata", &["c16"])], &places),
            owned(&[(".rodata.cst16", &["c16"])])
        );
    }

    #[test]
    fn keeps_variables_whose_symbols_are_ambiguous_or_absent() {
        let places = [
            ("twice", ".rodata.cst8"),
            ("twice", ".rodata.cst16"),
            ("program", ".text"),
        ];
        let sections: &[(&str, &[&str])] = &[(".rodata", &["twice", "program", "unknown"])];
        assert_eq!(corrected(sections, &places), owned(sections));
    }
}
