//! Programs as libbpf would hand them to the kernel, bpf(2) being answered by the recorder.

use std::collections::HashMap;
use std::ffi::c_int;
use std::path::Path;

use crate::libbpf::Object;
use crate::recorder;
use crate::stream::{JUMP_TABLES, LDIMM64, PSEUDO_MAP_FD, PSEUDO_MAP_VALUE, Stream};

/// The programs as libbpf passes them to the kernel: all of them, or those of one name.
pub(crate) fn programs(elf: &Path, btf: &Path, only: Option<&str>) -> Result<Vec<Stream>, String> {
    let object = Object::open(elf, Some(btf))?;
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    let programs = object.programs();
    for program in &programs {
        program.set_autoload(wanted(&program.name()));
        program.forget_section();
    }
    object.forget_places();
    recorder::take();
    object.load()?;
    let record = recorder::take();
    let mut maps = object.maps();
    let tables = record.jump_tables.iter();
    maps.extend(tables.map(|fd| (*fd, JUMP_TABLES.to_owned())));
    let mut streams = Vec::new();
    for program in programs {
        let name = program.name();
        if !wanted(&name) {
            continue;
        }
        // The names that the kernel gets are cut; where the instructions lay tells which program it is.
        let (start, now) = program.insns();
        let passed = record
            .programs
            .iter()
            .rfind(|(at, insns)| (*at, insns.len()) == (start, now.len()));
        let Some((_, insns)) = passed else {
            return Err(format!("program `{name}` was not passed to the kernel"));
        };
        let mut stream = Stream {
            name,
            insns: insns.clone(),
            ..Stream::default()
        };
        name_maps(&mut stream, &maps);
        streams.push(stream);
    }
    Ok(streams)
}

fn name_maps(stream: &mut Stream, maps: &HashMap<c_int, String>) {
    let refers = |insn: &[u8; 8]| {
        insn[0] == LDIMM64 && matches!(insn[1] >> 4, PSEUDO_MAP_FD | PSEUDO_MAP_VALUE)
    };
    for at in 0..stream.insns.len() {
        let insn = stream.insns[at];
        let fd = i32::from_ne_bytes([insn[4], insn[5], insn[6], insn[7]]);
        if let Some(name) = maps.get(&fd).filter(|_| refers(&insn)) {
            stream.set_map(at, name);
        }
    }
}
