//! Golden instructions as text: each program's length and a hash of all of it, and each relocated instruction in full. What
//! follows a `;` is for the reader.
//!
//! `tests/tests/golden.rs` includes this file, so that what libbpf made and what btf-core makes are written alike.

use btf_core::obj::{Object, ProgramSpec};
use btf_core::relo::{self, Relo};

use crate::stream::{LDIMM64, Stream, hex};

/// All programs of an object, whose instructions `stream` gives, by name.
pub(crate) fn render<'a>(
    object: &Object,
    stream: impl Fn(&str) -> Option<&'a Stream>,
) -> Result<String, String> {
    let mut text = String::new();
    for program in object.programs() {
        let name = &program.name;
        let stream = stream(name).ok_or_else(|| format!("there is no program {name}"))?;
        text += &format!(
            "\nprogram {name}: {} instructions, FNV-1a {:016x}\n",
            stream.insns.len(),
            stream.hash()
        );
        for (at, what) in sites(object, program)? {
            text += &format!("{at:>5}  {:<36} ; {what}\n", slots(stream, at));
        }
    }
    Ok(text)
}

/// One instruction, or both slots of a 64-bit load, poisoned ones included.
fn slots(stream: &Stream, at: usize) -> String {
    let slot = |at: usize| stream.insns.get(at);
    let Some(first) = slot(at) else {
        return "(none)".to_owned();
    };
    match slot(at + 1) {
        Some(second) if first[0] == LDIMM64 => format!("{} {}", hex(first), hex(second)),
        _ => hex(first),
    }
}

/// The relocated instructions of a linked program, and what each asks for.
fn sites(object: &Object, program: &ProgramSpec) -> Result<Vec<(usize, String)>, String> {
    let error = |e: btf_core::Error| format!("{e:#}");
    let image = object
        .link(program, |f| &object.functions()[f].insns)
        .map_err(error)?;
    let btf = object.require_btf().map_err(error)?;
    let mut sites = Vec::new();
    for (start, function) in image.parts {
        for site in &object.functions()[function].core {
            let relo = Relo {
                kind: site.kind,
                root: site.root,
                access: &site.access,
            };
            sites.push((start + site.insn, relo::describe(btf, &relo)));
        }
    }
    Ok(sites)
}
