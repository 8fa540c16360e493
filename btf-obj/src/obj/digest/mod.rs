//! An [`Object`] in a form that takes little code to read: what a skeleton embeds, so that the application has no reader of ELF.
//!
//! Written while the application is compiled, by what has read the ELF file, and read by the same version of this crate: the form is
//! nobody else's, and changes with any version. First come the records, each as [`Record`] says, last the BTF as it is.

mod bytes;
mod records;

use super::externs::KCONFIG;
use super::{
    DataKind, DataSection, ExternKind, Function, MapSpec, Object, RelocTarget, SlotTarget, elf,
    image, programs,
};
use crate::btf::{Btf, TypeId};
use crate::error::{Error, Result};
use bytes::{Reader, Record, Writer};

impl Object {
    /// Its digest.
    pub(crate) fn digest(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.name.write(&mut writer);
        self.license.write(&mut writer);
        self.little_endian.write(&mut writer);
        self.has_btf_ext.write(&mut writer);
        self.functions.write(&mut writer);
        self.maps.write(&mut writer);
        self.data.write(&mut writer);
        self.struct_ops.write(&mut writer);
        self.externs.write(&mut writer);
        self.jump_tables.write(&mut writer);
        let btf = self.btf.as_ref().map(Btf::to_target_bytes);
        writer.end(btf.as_deref().unwrap_or_default())
    }

    /// Reads a digest; `btf` reads the types at its end.
    #[doc(hidden)]
    pub fn from_digest<'d>(
        digest: &'d [u8],
        btf: impl FnOnce(&'d [u8]) -> Result<Btf>,
    ) -> Result<Object> {
        let mut reader = Reader::new(digest);
        let mut object = Object {
            name: Record::read(&mut reader),
            license: Record::read(&mut reader),
            little_endian: Record::read(&mut reader),
            has_btf_ext: Record::read(&mut reader),
            functions: Record::read(&mut reader),
            programs: Vec::new(),
            maps: Record::read(&mut reader),
            data: Record::read(&mut reader),
            struct_ops: Record::read(&mut reader),
            externs: Record::read(&mut reader),
            jump_tables: Record::read(&mut reader),
            callbacks: Default::default(),
            btf: None,
        };
        object.btf = match reader.end().ok_or_else(damaged)? {
            [] => None,
            types => Some(btf(types)?),
        };
        if !holds_together(&object) {
            return Err(damaged());
        }
        // A section's name says it all.
        let effort = &mut elf::effort(digest.len());
        object.programs = programs::of(&object.functions, effort)?;
        object.callbacks = image::Callbacks::of(&object, effort)?;
        image::check_size(&object, effort)?;
        Ok(object)
    }
}

fn damaged() -> Error {
    Error::malformed("the digest of its object is damaged")
}

/// Whether everything that is referred to is there. Who uses an object relies on it, as the reader of ELF sees to it.
fn holds_together(object: &Object) -> bool {
    let is_type = |id: TypeId| {
        let btf = object.btf.as_ref();
        btf.is_some_and(|btf| btf.get(id).is_some())
    };
    let position = |f: &Function| (f.section_index, f.first_insn);
    let are_in_order = object.functions.is_sorted_by_key(position);
    let functions = are_in_order
        && object.functions.iter().all(|f| {
            let target = |target| match target {
                RelocTarget::Map(n) => n < object.maps.len(),
                RelocTarget::Data { section, .. } => section < object.data.len(),
                RelocTarget::Function(n) => n < object.functions.len(),
                RelocTarget::Extern(n) => n < object.externs.len(),
                RelocTarget::JumpTable(n) => n < object.jump_tables.len(),
            };
            let has = |insn| insn < f.insns.len();
            f.btf_id.is_none_or(is_type)
                && f.first_insn.checked_add(f.insns.len()).is_some()
                && f.relocs.iter().all(|r| has(r.insn) && target(r.target))
                && f.core.iter().all(|c| has(c.insn) && is_type(c.root))
        });
    let is_map = |map: &MapSpec| map.key.is_none_or(is_type) && map.value.is_none_or(is_type);
    let maps = object.maps.iter().all(|map| {
        let target = |target| match target {
            SlotTarget::Map(n) => n < object.maps.len(),
            SlotTarget::Function(n) => n < object.functions.len(),
        };
        is_map(map)
            && map.inner.as_deref().is_none_or(is_map)
            && map.slots.iter().all(|(_, slot)| target(*slot))
    });
    let data = object.data.iter().all(|d| {
        let is_named = match d.kind {
            DataKind::Kconfig => d.name == KCONFIG,
            kind => DataKind::of(&d.name) == Some(kind),
        };
        let is_sized = match d.bytes.len() {
            0 => d.size <= DataSection::MOST,
            len => len == d.size,
        };
        is_named && is_sized && d.datasec.is_none_or(is_type)
    });
    let config = object.data.iter().find(|d| d.kind == DataKind::Kconfig);
    let struct_ops = object.struct_ops.iter().all(|ops| is_type(ops.ty));
    let externs = object.externs.iter().all(|e| {
        let has_place = match e.kind {
            ExternKind::Config(place) => {
                let end = place.offset.checked_add(place.size);
                let section = config.zip(end);
                section.is_some_and(|(section, end)| end <= section.size)
            }
            _ => true,
        };
        has_place && e.btf_id.is_none_or(is_type)
    });
    let jump_tables = object.jump_tables.iter().all(|table| {
        let function = object.functions.get(table.function);
        let has = |insn: &u32| function.is_some_and(|f| (*insn as usize) < f.insns.len());
        !table.insns.is_empty() && table.insns.iter().all(has)
    });
    functions && maps && data && struct_ops && externs && jump_tables
}
