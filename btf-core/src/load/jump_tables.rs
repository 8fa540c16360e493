//! Jump tables of a program: an array of instructions for each.

use std::os::fd::{AsFd, AsRawFd};

use crate::error::{Context, Error, Result};
use crate::insn::pseudo;
use crate::map::{self, Flags, Map, MapType};
use crate::obj::{Image, JumpTable, MapSpec, Object, RelocTarget};
use crate::pod;
use crate::probe::Features;
use crate::sys;

/// Size of `struct bpf_insn_array_value`: where the instruction is in what was loaded, after the verifier, and in machine code.
const VALUE: usize = 16;

/// Makes the tables that a program jumps by, and puts their descriptors into its instructions. They must be kept until the program is
/// loaded, which then holds them.
pub(super) fn create(object: &Object, image: &mut Image, features: &Features) -> Result<Vec<Map>> {
    let mut tables: Vec<(usize, Map)> = Vec::new();
    for reloc in &image.relocs {
        let RelocTarget::JumpTable(n) = reloc.target else {
            continue;
        };
        let known = tables.iter().position(|(table, _)| *table == n);
        let at = match known {
            Some(at) => at,
            None => {
                let table = object.jump_tables().get(n);
                let table = table.ok_or_else(|| Error::malformed("a jump table is not there"))?;
                let map = fill(table, image, features)
                    .context(|| format!("jump table `{}`", table.name))?;
                tables.push((n, map));
                tables.len() - 1
            }
        };
        let pair = image.insns.get_mut(reloc.insn..);
        let pair = pair.and_then(<[_]>::first_chunk_mut::<2>);
        let [first, second] = pair.ok_or_else(|| Error::malformed("an instruction is cut off"))?;
        second.imm = first.imm;
        *first = first.with_src(pseudo::MAP_VALUE);
        first.imm = tables[at].1.as_fd().as_raw_fd();
    }
    Ok(tables.into_iter().map(|(_, map)| map).collect())
}

/// A table as a map, counted from the program's start, which nobody can change any more: the verifier wants that.
fn fill(table: &JumpTable, image: &Image, features: &Features) -> Result<Map> {
    let spec = MapSpec {
        name: ".jumptables".into(),
        map_type: MapType::INSN_ARRAY,
        key_size: 4,
        value_size: VALUE as u32,
        max_entries: u32::try_from(table.insns.len()).unwrap_or(u32::MAX),
        ..MapSpec::default()
    };
    let params = map::params(&spec, None, None, features)?;
    let map = map::create(&params).map_err(|e| match e.os_error() {
        Some(libc::EINVAL) if let Some(newer) = sys::newer_kernel((6, 19)) => e.hint(format!(
            "an array of instructions {newer}: compile with -fno-jump-tables, or leave the program out"
        )),
        _ => e,
    })?;
    let part = image.parts.iter().find(|(_, f)| *f == table.function);
    let (start, _) = part.ok_or_else(|| Error::malformed("its function is not in the program"))?;
    for (index, insn) in (0u32..).zip(&table.insns) {
        let mut value = [0; VALUE];
        let at = u32::try_from(*start)
            .ok()
            .and_then(|start| start.checked_add(*insn));
        let at = at.ok_or_else(|| Error::malformed("it leads past any program"))?;
        value[..4].copy_from_slice(&at.to_ne_bytes());
        map.set_bytes(pod::bytes_of(&index), &value, Flags::ANY)?;
    }
    map.freeze()?;
    Ok(map)
}
