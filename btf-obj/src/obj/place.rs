//! Where an instruction comes from, in words.

use super::Object;

/// An instruction with its source line: ``instruction 3 of `f` (a.bpf.c:7: `x = y->z;`)``.
pub fn place(object: &Object, function: usize, insn: usize) -> String {
    let Some(f) = object.functions().get(function) else {
        return format!("instruction {insn}");
    };
    let place = format!("instruction {insn} of `{}`", f.name);
    let (Some(line), Some(btf)) = (f.line_of(insn).map(|l| l.info), object.btf()) else {
        return place;
    };
    let text = |offset| btf.string(offset).unwrap_or_default().trim();
    // The compiler gives the path as it was on its own machine; the name says enough, and is what the verifier prints.
    let file = text(line.file_name_off);
    let file = file.rsplit('/').next().unwrap_or(file);
    match text(line.line_off) {
        "" => format!("{place} ({file}:{})", line.line()),
        source => format!("{place} ({file}:{}: `{source}`)", line.line()),
    }
}
