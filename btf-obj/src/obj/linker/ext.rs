//! `.BTF.ext` of what is linked: functions, lines and CO-RE relocations, section by section.

use std::collections::HashMap;

use super::source::Source;
use super::types::{Ids, Types};
use super::write::Out;
use super::{Linker, Output, Place};
use crate::btf::MAGIC;
use crate::btf::TypeId;
use crate::btf::ext::{CoreRelo, ExtSection, FuncInfo, LineInfo};
use crate::effort::Effort;
use crate::error::{Error, Result};

/// Records of one section.
#[derive(Default)]
pub(super) struct Ext {
    funcs: Vec<FuncInfo>,
    lines: Vec<LineInfo>,
    relos: Vec<CoreRelo>,
}

impl Linker {
    /// Adds the records of an object.
    pub(super) fn add_ext(
        &mut self,
        source: &Source<'_>,
        places: &[Option<Place>],
        ids: &Ids,
    ) -> Result<()> {
        let (types, effort) = (&mut self.types, &mut self.effort);
        add(&mut self.sections, types, source, places, ids, effort)
    }
}

fn add(
    sections: &mut [Output],
    types: &mut Types,
    source: &Source<'_>,
    places: &[Option<Place>],
    ids: &Ids,
    effort: &mut Effort,
) -> Result<()> {
    let (Some(btf), Some(ext)) = (&source.btf, &source.ext) else {
        return Ok(());
    };
    // Offsets of strings by those that they have in the object: many lines are of one file.
    let mut known = HashMap::new();
    let mut string = |offset: u32| -> Result<u32> {
        if let Some(known) = known.get(&offset) {
            return Ok(*known);
        }
        let text = btf.string_bytes(offset).unwrap_or_default();
        let at = types.string(text, effort)?;
        known.insert(offset, at);
        Ok(at)
    };
    let id = |id: TypeId| TypeId(ids.get(id.0 as usize).copied().unwrap_or(0));
    each(source, places, &ext.func_info, |place, base, r| {
        let insn_off = moved(r.insn_off, base)?;
        let type_id = id(r.type_id);
        sections[place]
            .ext
            .funcs
            .push(FuncInfo { insn_off, type_id });
        Ok(())
    })?;
    each(source, places, &ext.line_info, |place, base, r| {
        sections[place].ext.lines.push(LineInfo {
            insn_off: moved(r.insn_off, base)?,
            file_name_off: string(r.file_name_off)?,
            line_off: string(r.line_off)?,
            line_col: r.line_col,
        });
        Ok(())
    })?;
    each(source, places, &ext.core_relo, |place, base, r| {
        sections[place].ext.relos.push(CoreRelo {
            insn_off: moved(r.insn_off, base)?,
            type_id: id(r.type_id),
            access_str_off: string(r.access_str_off)?,
            kind: r.kind,
        });
        Ok(())
    })
}

/// Gives each record with the section that it goes to, and what lies there before it.
fn each<R: Copy>(
    source: &Source<'_>,
    places: &[Option<Place>],
    sections: &[ExtSection<R>],
    mut give: impl FnMut(usize, u64, R) -> Result<()>,
) -> Result<()> {
    for section in sections {
        let index = source.section(&section.section);
        let Some(place) = index.and_then(|i| places.get(i).copied().flatten()) else {
            continue;
        };
        for record in &section.records {
            give(place.output, place.base, *record)?;
        }
    }
    Ok(())
}

fn moved(offset: u32, base: u64) -> Result<u32> {
    u32::try_from(u64::from(offset) + base)
        .map_err(|_| Error::malformed("a record of .BTF.ext lies past 4 GiB"))
}

/// Writes the section. `names` are those of the sections among BTF's strings, and `ids` the types' numbers now.
pub(super) fn write(
    sections: &[Output],
    names: &[u32],
    ids: &[u32],
    little_endian: bool,
) -> Vec<u8> {
    const HEADER_LEN: u32 = 32;
    let id = |id: TypeId| ids.get(id.0 as usize).copied().unwrap_or(0);
    let exts = || names.iter().zip(sections.iter().map(|s| &s.ext));
    let parts = [
        part(
            8,
            exts().map(|(name, e)| (*name, e.funcs.as_slice())),
            little_endian,
            |out, r| {
                out.u32(r.insn_off);
                out.u32(id(r.type_id));
            },
        ),
        part(
            16,
            exts().map(|(name, e)| (*name, e.lines.as_slice())),
            little_endian,
            |out, r| {
                out.u32(r.insn_off);
                out.u32(r.file_name_off);
                out.u32(r.line_off);
                out.u32(r.line_col);
            },
        ),
        part(
            16,
            exts().map(|(name, e)| (*name, e.relos.as_slice())),
            little_endian,
            |out, r| {
                out.u32(r.insn_off);
                out.u32(id(r.type_id));
                out.u32(r.access_str_off);
                out.u32(r.kind.0);
            },
        ),
    ];
    let mut out = Out::new(little_endian);
    out.u16(MAGIC);
    out.u8(1);
    out.u8(0);
    out.u32(HEADER_LEN);
    let mut offset = 0;
    for part in &parts {
        out.u32(offset);
        out.u32(part.len() as u32);
        offset += part.len() as u32;
    }
    out.bytes.extend(parts.concat());
    out.bytes
}

/// Records of one kind: their size, then section by section.
fn part<'a, R: 'a>(
    size: u32,
    sections: impl Iterator<Item = (u32, &'a [R])>,
    little_endian: bool,
    write: impl Fn(&mut Out, &R),
) -> Vec<u8> {
    let mut out = Out::new(little_endian);
    out.u32(size);
    let mut is_empty = true;
    for (name, records) in sections.filter(|(_, records)| !records.is_empty()) {
        is_empty = false;
        out.u32(name);
        out.u32(records.len() as u32);
        for record in records {
            write(&mut out, record);
        }
    }
    if is_empty {
        out.bytes.clear();
    }
    out.bytes
}
