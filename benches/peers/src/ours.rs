//! btf-core's side: the same programs relocated by it.

use btf_core::btf::Btf;
use btf_core::insn::{Insn, pseudo};
use btf_core::obj::{
    DataKind, DataSection, Image, MapSpec, MapType, Object, ProgramSpec, RelocTarget,
};
use btf_core::relo::Targets;

use crate::stream::{JUMP_TABLES, Stream};

/// All programs of an object, relocated against `btf`.
pub(crate) fn programs(object: &Object, btf: &Btf) -> Result<Vec<Stream>, String> {
    let error = |e: btf_core::Error| format!("{e:#}");
    let relocated = object
        .relocate(object.programs(), &Targets::new(btf))
        .map_err(error)?;
    object
        .programs()
        .iter()
        .map(|program| {
            let image = relocated.link(program).map_err(error)?;
            Ok(stream(object, program, &image))
        })
        .collect()
}

/// One program of an object.
pub(crate) fn program(object: &Object, program: &ProgramSpec, btf: &Btf) -> Result<Stream, String> {
    let error = |e: btf_core::Error| format!("{e:#}");
    let relocated = object
        .relocate([program], &Targets::new(btf))
        .map_err(error)?;
    let image = relocated.link(program).map_err(error)?;
    Ok(stream(object, program, &image))
}

fn stream(object: &Object, program: &ProgramSpec, image: &Image) -> Stream {
    let mut insns = image.insns.clone();
    let mut maps = Vec::new();
    let mut externs = Vec::new();
    for reloc in &image.relocs {
        let at = reloc.insn;
        match reloc.target {
            RelocTarget::Map(map) => {
                insns[at] = insns[at].with_src(pseudo::MAP_FD);
                maps.push((at, object.maps()[map].name.clone()));
            }
            RelocTarget::Data { section, offset } => {
                let value = insns[at].imm.wrapping_add_unsigned(offset);
                if let Some(second) = insns.get_mut(at + 1) {
                    second.imm = value;
                }
                insns[at] = insns[at].with_src(pseudo::MAP_VALUE);
                maps.push((at, holder(object, &object.data()[section])));
            }
            RelocTarget::Extern(_) if insns[at].is_ldimm64() => externs.extend([at, at + 1]),
            RelocTarget::Extern(_) => externs.push(at),
            // The loader makes a map of it, for each program.
            RelocTarget::JumpTable(_) => {
                let offset = insns[at].imm;
                if let Some(second) = insns.get_mut(at + 1) {
                    second.imm = offset;
                }
                insns[at] = insns[at].with_src(pseudo::MAP_VALUE);
                maps.push((at, JUMP_TABLES.to_owned()));
            }
            RelocTarget::Function(_) => {}
        }
    }
    let mut stream = Stream {
        name: program.name.clone(),
        insns: insns.iter().map(bytes).collect(),
        externs,
        ..Stream::default()
    };
    for (at, name) in maps {
        stream.set_map(at, &name);
    }
    stream
}

/// The map that a section's variables lie in: one of its own, or the arena.
fn holder(object: &Object, section: &DataSection) -> String {
    let arena = |map: &&MapSpec| map.map_type == MapType::ARENA;
    match object.maps().iter().find(arena) {
        Some(arena) if section.kind == DataKind::Arena => arena.name.clone(),
        _ => section.map_name(object.name()),
    }
}

/// An instruction as the kernel takes it.
pub(crate) fn bytes(insn: &Insn) -> [u8; 8] {
    let (off, imm) = (insn.off.to_ne_bytes(), insn.imm.to_ne_bytes());
    [
        insn.code, insn.regs, off[0], off[1], imm[0], imm[1], imm[2], imm[3],
    ]
}
