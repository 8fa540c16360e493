//! aya-obj's side: an object read and relocated by it.

use std::path::Path;

use aya_obj::Object;
use aya_obj::btf::Btf;

/// An object whose functions are relocated against the types of `btf`, or against those of the running kernel.
pub(crate) fn relocate(elf: &[u8], btf: Option<&Path>) -> Result<Object, String> {
    let mut object = Object::parse(elf).map_err(text)?;
    let btf = match btf {
        Some(path) => Btf::parse_file(path, object.endianness).map_err(text)?,
        None => Btf::from_sys_fs().map_err(text)?,
    };
    object.relocate_btf(&btf).map_err(text)?;
    Ok(object)
}

/// The instructions of a function as bytes, calls and maps being as the compiler left them.
pub(crate) fn insns(object: &Object, function: &str) -> Option<Vec<[u8; 8]>> {
    let mut functions = object.functions.values();
    let function = functions.find(|f| f.name == function)?;
    let bytes = |insn: &aya_obj::generated::bpf_insn| {
        let (off, imm) = (insn.off.to_ne_bytes(), insn.imm.to_ne_bytes());
        let regs = insn.dst_reg() | insn.src_reg() << 4;
        [
            insn.code, regs, off[0], off[1], imm[0], imm[1], imm[2], imm[3],
        ]
    };
    Some(function.instructions.iter().map(bytes).collect())
}

/// An error with its causes.
pub(crate) fn text(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}
