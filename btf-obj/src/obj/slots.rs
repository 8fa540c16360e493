//! What declarations put into maps: the relocations of `.maps`, one for each map or program in `.values`.
//!
//! Source: libbpf's `bpf_object__collect_map_relos`.

use super::{MapSpec, Object, SlotTarget};
use crate::error::{Error, Result};

/// Bytes of a pointer in a BPF object.
const POINTER: u64 = 8;

/// Notes that the pointer at `offset` of `.maps` refers to `target`.
pub(super) fn add(object: &mut Object, offset: u64, target: SlotTarget) -> Result<()> {
    let what = |maps: &[MapSpec]| match target {
        SlotTarget::Map(n) => format!("map `{}`", maps[n].name),
        SlotTarget::Function(n) => format!("function `{}`", object.functions[n].name),
    };
    // Declarations are in order of their offsets.
    let after = object.maps.partition_point(|map| map.offset <= offset);
    let maps = &object.maps;
    let Some(at) = after.checked_sub(1) else {
        return Err(Error::malformed(format!(
            "{} is referred to at byte {offset} of section .maps, where no map is",
            what(maps)
        )));
    };
    let map = &maps[at];
    let in_map = |why: String| Error::malformed(why).context(format!("map `{}`", map.name));
    let slot = slot(map, offset).ok_or_else(|| {
        in_map(format!(
            "{} is referred to outside its `values`",
            what(maps)
        ))
    })?;
    let fits = match target {
        SlotTarget::Map(_) => map.inner.is_some(),
        SlotTarget::Function(_) => map.inner.is_none(),
    };
    if !fits {
        let kind = map.map_type;
        return Err(in_map(format!(
            "{} cannot be a value of a map of type {kind}",
            what(maps)
        )));
    }
    object.maps[at].slots.push((slot, target));
    Ok(())
}

/// The index in a map's `values` of the pointer at this offset of `.maps`.
fn slot(map: &MapSpec, offset: u64) -> Option<u32> {
    let into = offset
        .checked_sub(map.offset)?
        .checked_sub(map.values_offset?)?;
    let slot = into.is_multiple_of(POINTER).then_some(into / POINTER)?;
    u32::try_from(slot).ok()
}
