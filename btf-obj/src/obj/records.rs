//! Records of `.BTF.ext`, which are by section, given to the functions that they are about.

use std::collections::HashMap;

use super::Object;
use super::functions::{CoreSite, Extents, Function, LineSite};
use crate::btf::ext::{BtfExt, ExtSection};
use crate::effort::Effort;
use crate::error::{Context, Error, Result};
use crate::insn::SIZE as INSN_SIZE;

/// Gives each function its records of `.BTF.ext`.
pub(super) fn place(object: &mut Object, ext: BtfExt, effort: &mut Effort) -> Result<()> {
    let places = Places::of(&object.functions);
    each_record(
        &mut object.functions,
        &places,
        ext.line_info,
        |r| r.insn_off,
        |f, insn, info| {
            f.lines.push(LineSite { insn, info });
            Ok(())
        },
    )
    .context(|| ".BTF.ext line_info")?;
    let Some(btf) = object.btf.clone() else {
        return Ok(());
    };
    // Which function has which type is known by name, and func_info must agree.
    each_record(
        &mut object.functions,
        &places,
        ext.func_info,
        |r| r.insn_off,
        |f, insn, info| {
            if btf.get(info.type_id).is_none() {
                return Err(Error::malformed(format!(
                    "function `{}` has type {}, which is not in BTF",
                    f.name, info.type_id
                )));
            }
            if insn == 0 {
                f.btf_id = Some(info.type_id);
            }
            Ok(())
        },
    )
    .context(|| ".BTF.ext func_info")?;
    let mut positions = 0..;
    each_record(&mut object.functions, &places, ext.core_relo, |r| r.insn_off, |f, insn, relo| {
        let position = positions.next().unwrap_or_default();
        let access = btf.string(relo.access_str_off).ok_or_else(|| {
            Error::malformed(format!(
                "relocation of instruction {insn} of function `{}` has its access at {}, outside the string section",
                f.name, relo.access_str_off
            ))
        })?;
        if btf.get(relo.type_id).is_none() {
            return Err(Error::malformed(format!(
                "relocation of instruction {insn} of function `{}` has root type {}, which is not in BTF",
                f.name, relo.type_id
            )));
        }
        // Any number of relocations may refer to one long string.
        effort.charge_kept(access.len())?;
        f.core.push(CoreSite { position, insn, kind: relo.kind, root: relo.type_id, access: access.to_owned() });
        Ok(())
    })
    .context(|| ".BTF.ext core_relo")?;
    for f in &mut object.functions {
        f.lines.sort_by_key(|l| l.insn);
        f.core.sort_by_key(|c| c.insn);
    }
    Ok(())
}

/// Functions by their places.
struct Places {
    extents: Extents,
    /// Index of a section by its name.
    sections: HashMap<String, usize>,
}

impl Places {
    fn of(functions: &[Function]) -> Places {
        let mut sections = HashMap::new();
        let mut last = None;
        for f in functions {
            if last != Some(f.section_index) {
                sections.entry(f.section.clone()).or_insert(f.section_index);
                last = Some(f.section_index);
            }
        }
        Places {
            extents: Extents::of(functions),
            sections,
        }
    }
}

/// Hands each record to its function, with the index of its instruction there.
///
/// Records of sections and places without a function (dropped by a linker) are passed over, as libbpf does.
fn each_record<R: Copy>(
    functions: &mut [Function],
    places: &Places,
    sections: Vec<ExtSection<R>>,
    offset_of: impl Fn(&R) -> u32,
    mut give: impl FnMut(&mut Function, usize, R) -> Result<()>,
) -> Result<()> {
    for s in sections {
        let Some(index) = places.sections.get(&s.section).copied() else {
            continue;
        };
        // Records mostly come in order, so the function of the last one is tried first.
        let mut last = 0;
        for r in s.records {
            let offset = offset_of(&r);
            if !u64::from(offset).is_multiple_of(INSN_SIZE) {
                return Err(Error::malformed(format!(
                    "byte {offset} of section {} is not the start of an instruction",
                    s.section
                )));
            }
            let place = offset as usize / INSN_SIZE as usize;
            let holds = |f: &Function| {
                f.section_index == index
                    && (f.first_insn..f.first_insn + f.insns.len()).contains(&place)
            };
            if !functions.get(last).is_some_and(holds) {
                match places.extents.at(functions, index, place) {
                    Some(n) => last = n,
                    None => continue,
                }
            }
            let f = &mut functions[last];
            let insn = place - f.first_insn;
            give(f, insn, r)?;
        }
    }
    Ok(())
}
