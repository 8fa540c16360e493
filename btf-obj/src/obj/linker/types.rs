//! The types of all objects together, global variables and functions once each.

use std::collections::HashMap;

use super::Global;
use super::source::{Source, is_global};
use crate::btf::dedup::{Deduplicated, deduplicate};
use crate::btf::raw::{Info, Slot, slots};
use crate::btf::{Btf, Kind, Strings, Type, TypeId, assemble};
use crate::effort::Effort;
use crate::error::{Error, Result};

/// Records and strings of what is linked.
pub(super) struct Types {
    /// The first is that of id 1.
    records: Vec<Vec<u32>>,
    strings: Strings,
}

/// Ids of an object's types among all, by their ids in the object. 0 for what was left out.
pub(super) type Ids = Vec<u32>;

impl Types {
    pub(super) fn new() -> Self {
        Types {
            records: Vec::new(),
            strings: Strings::default(),
        }
    }

    /// Where a string lies.
    pub(super) fn string(&mut self, text: &[u8], effort: &mut Effort) -> Result<u32> {
        // It may be the end of another one in the object, but is a copy here and in the file.
        effort.charge_kept(2 * text.len())?;
        self.strings.offset(text).map_err(Error::malformed)
    }

    /// Adds an object's types, but for its sections and for what it declares of globals that are known.
    pub(super) fn add(
        &mut self,
        source: &Source<'_>,
        globals: &mut Globals,
        effort: &mut Effort,
    ) -> Result<Ids> {
        let Some(btf) = &source.btf else {
            return Ok(Vec::new());
        };
        let mut ids = vec![0; btf.end_id() as usize];
        let mut added = Vec::new();
        let mut defined = Vec::new();
        let mut next = self.records.len() as u32 + 1;
        for t in btf.types() {
            let id = t.id().0 as usize;
            if t.kind() == Kind::DATASEC {
                continue;
            }
            if is_global(t) {
                // One without a symbol is of a section that was there already: `license`.
                let name = t.name();
                effort.charge_kept(name.len())?;
                let Some(global) = globals.get_mut(name) else {
                    continue;
                };
                if let Some(known) = global.ty {
                    ids[id] = known;
                    if std::mem::take(&mut global.is_redefined) {
                        defined.push((known, t));
                    }
                    continue;
                }
                global.ty = Some(next);
                global.is_redefined = false;
            }
            ids[id] = next;
            next += 1;
            added.push(t);
        }
        for t in added {
            let record = self.record(btf, t, &ids, effort)?;
            self.records.push(record);
        }
        // A definition knows its type better than a declaration did.
        for (known, t) in defined {
            let record = self.record(btf, t, &ids, effort)?;
            self.records[known as usize - 1] = record;
        }
        Ok(ids)
    }

    /// A type's record with names and ids as they are here.
    fn record(
        &mut self,
        btf: &Btf,
        t: Type<'_>,
        ids: &[u32],
        effort: &mut Effort,
    ) -> Result<Vec<u32>> {
        let mut record = btf.record(t.id());
        for (slot, at) in slots(&record) {
            record[at] = match slot {
                Slot::Name => {
                    let name = btf.string_bytes(record[at]).unwrap_or_default();
                    self.string(name, effort)?
                }
                Slot::Id => match (record[at], ids.get(record[at] as usize)) {
                    (0, _) => 0,
                    (_, Some(id @ 1..)) => *id,
                    (id, _) => {
                        return Err(Error::malformed(format!(
                            "type {} refers to type [{id}], which nothing can refer to",
                            t.id()
                        )));
                    }
                },
            };
        }
        Ok(record)
    }

    /// Adds a section of variables, each with its type, offset and size.
    pub(super) fn add_section(
        &mut self,
        name: &str,
        size: u32,
        variables: &[[u32; 3]],
        effort: &mut Effort,
    ) -> Result<()> {
        let name = self.string(name.as_bytes(), effort)?;
        let info = Info::new(Kind::DATASEC, false, variables.len() as u32);
        let mut record = vec![name, info.0, size];
        record.extend(variables.iter().flatten());
        self.records.push(record);
        Ok(())
    }

    /// Bytes of the type that a VAR is of now.
    pub(super) fn size_of_variable(&self, source: &Source<'_>, t: TypeId) -> Option<u32> {
        let btf = source.btf.as_ref()?;
        btf.ty(t).target()?.byte_size()?.try_into().ok()
    }

    /// The BTF of all types, each once, and the new ids.
    pub(super) fn finish(self, little_endian: bool) -> Result<(Btf, Vec<u32>)> {
        let Deduplicated { records, ids } = deduplicate(&self.records);
        let bytes = assemble(&records.concat(), self.strings.own());
        let btf = Btf::parse(Btf::bytes_for(bytes, little_endian)?)?;
        Ok((btf, ids))
    }
}

/// Globals by name.
pub(super) type Globals = HashMap<String, Global>;
