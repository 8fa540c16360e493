//! What of an object depends on more than the lines of its sources: instructions, relocations, data, and the types of maps,
//! variables and functions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use btf_core::btf::ext::{BtfExt, CoreKind};
use btf_core::btf::{Btf, Kind, Type, dump};
use btf_core::relo::{self, Relo};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind};

use crate::Result;

/// Each thing by its name, as text.
pub(crate) struct Facts(BTreeMap<String, Vec<String>>);

impl Facts {
    pub(crate) fn read(path: &Path) -> Result<Facts> {
        let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        read(&bytes).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// What differs from another object's, a few words each.
    pub(crate) fn differences(&self, other: &Facts) -> Vec<String> {
        let names: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        let of = |name: &String| match (self.0.get(name), other.0.get(name)) {
            (None, _) => Some(format!("{name}: only here")),
            (_, None) => Some(format!("{name}: missing here")),
            (Some(theirs), Some(ours)) if theirs == ours => None,
            (Some(theirs), Some(ours)) => {
                let at = theirs.iter().zip(ours).position(|(a, b)| a != b);
                let at = at.unwrap_or(theirs.len().min(ours.len()));
                let shown = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
                Some(format!(
                    "{name}: {} and {} lines, line {at} is `{}` and here `{}`",
                    theirs.len(),
                    ours.len(),
                    shown(theirs),
                    shown(ours)
                ))
            }
        };
        names.into_iter().filter_map(of).collect()
    }
}

fn read(bytes: &[u8]) -> Result<Facts> {
    let file = object::File::parse(bytes).map_err(|e| e.to_string())?;
    let mut facts = BTreeMap::new();
    let btf = match file.section_by_name(".BTF") {
        Some(section) => {
            let data = section.data().map_err(|e| e.to_string())?;
            Some(Btf::parse(data.to_vec()).map_err(|e| e.to_string())?)
        }
        None => None,
    };
    // Numbers of types in instructions depend on the order in which types are written.
    let mut type_ids = BTreeSet::new();
    if let (Some(btf), Some(section)) = (&btf, file.section_by_name(".BTF.ext")) {
        let data = section.data().map_err(|e| e.to_string())?;
        let ext = BtfExt::parse(data, btf).map_err(|e| e.to_string())?;
        core(&ext, btf, &mut type_ids, &mut facts);
    }
    for section in file.sections() {
        let name = section.name().unwrap_or_default();
        let data = section.data().map_err(|e| e.to_string())?;
        match section.kind() {
            SectionKind::Text => {
                let (words, _) = data.as_chunks::<8>();
                let insns = words.iter().enumerate().map(|(n, word)| {
                    let mut word = *word;
                    if type_ids.contains(&(name.to_owned(), n)) {
                        word[4..].fill(0);
                    }
                    format!("{:016x}", u64::from_be_bytes(word))
                });
                facts.insert(format!("instructions of {name}"), insns.collect());
                let relocations = section.relocations().map(|(offset, relocation)| {
                    let target = match relocation.target() {
                        object::RelocationTarget::Symbol(index) => symbol(&file, index),
                        other => format!("{other:?}"),
                    };
                    format!("{offset:#x} {target}")
                });
                facts.insert(format!("relocations of {name}"), relocations.collect());
            }
            SectionKind::Data
            | SectionKind::ReadOnlyData
            | SectionKind::ReadOnlyString
            | SectionKind::UninitializedData => {
                let text = format!("{} bytes {}", section.size(), data.escape_ascii());
                facts.insert(format!("data of {name}"), vec![text]);
            }
            _ => {}
        }
    }
    if let Some(btf) = &btf {
        declared(btf, &mut facts);
    }
    Ok(Facts(facts))
}

fn symbol(file: &object::File<'_>, index: object::SymbolIndex) -> String {
    let Ok(symbol) = file.symbol_by_index(index) else {
        return format!("symbol {}", index.0);
    };
    let section = symbol
        .section_index()
        .and_then(|index| file.section_by_index(index).ok());
    let section = section.as_ref().and_then(|s| s.name().ok()).unwrap_or("");
    format!(
        "{section} {} {:#x}",
        symbol.name().unwrap_or_default(),
        symbol.address()
    )
}

/// CO-RE relocations by what they ask, and the instructions that hold a type's number.
fn core(
    ext: &BtfExt,
    btf: &Btf,
    type_ids: &mut BTreeSet<(String, usize)>,
    facts: &mut BTreeMap<String, Vec<String>>,
) {
    for section in &ext.core_relo {
        let mut lines = Vec::new();
        for record in &section.records {
            let access = btf.string(record.access_str_off).unwrap_or_default();
            let asked = Relo {
                kind: record.kind,
                root: record.type_id,
                access,
            };
            let asked = relo::describe(btf, &asked);
            lines.push(format!(
                "{:#x} {} {asked} {access}",
                record.insn_off, record.kind
            ));
            if matches!(
                record.kind,
                CoreKind::TYPE_ID_LOCAL | CoreKind::TYPE_ID_TARGET
            ) {
                type_ids.insert((section.section.clone(), record.insn_off as usize / 8));
            }
        }
        facts.insert(format!("CO-RE of {}", section.section), lines);
    }
}

/// Variables with what a map's declaration says, and functions.
fn declared(btf: &Btf, facts: &mut BTreeMap<String, Vec<String>>) {
    for section in btf.types().filter(|ty| ty.kind() == Kind::DATASEC) {
        for variable in section.variables().iter() {
            let mut lines = vec![dump::declaration(variable.ty(), variable.name())];
            if section.name() == ".maps" {
                let members = |ty: Type<'_>| -> Vec<String> {
                    let members = ty.strip().members();
                    let member = members.iter();
                    member
                        .map(|m| dump::declaration(m.ty(), m.name()))
                        .collect()
                };
                lines.extend(variable.ty().target().map(members).unwrap_or_default());
            }
            facts.insert(format!("{} {}", section.name(), variable.name()), lines);
        }
    }
    for func in btf.types().filter(|ty| ty.kind() == Kind::FUNC) {
        let lines = vec![format!("{:?} {}", func.linkage(), dump::prototype(func))];
        facts.insert(format!("function {}", func.name()), lines);
    }
}
