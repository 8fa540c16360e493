//! Jump tables: where the indirect jumps of a function may go.

use super::functions::Function;
use crate::error::{Error, Result};

/// Section of the tables.
pub(super) const SECTION: &str = ".jumptables";

/// Bytes of an entry, and of an instruction.
const ENTRY: usize = 8;
const INSN: u64 = 8;

/// A table in section `.jumptables`, by which `gotox` jumps: clang makes one of a `switch` (from 22 on), and the loader an array of
/// instructions (`BPF_MAP_TYPE_INSN_ARRAY`) for each program that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JumpTable {
    /// Its symbol's name.
    pub name: String,
    /// Position in [`super::Object::functions`] of the function that jumps.
    pub function: usize,
    /// Where each entry leads: to the instruction of this index in the function.
    pub insns: Vec<u32>,
}

impl JumpTable {
    /// Reads a table of the function at this position; its entries count bytes from the start of the function's section (libbpf's
    /// `create_jt_map`).
    pub(super) fn read(
        name: &str,
        (function, f): (usize, &Function),
        bytes: &[u8],
        little_endian: bool,
    ) -> Result<JumpTable> {
        let bad = |what: String| Error::malformed(format!("jump table `{name}` {what}"));
        let (entries, rest) = bytes.as_chunks::<ENTRY>();
        if entries.is_empty() || !rest.is_empty() {
            return Err(bad(format!(
                "has {} bytes, which are no whole number of entries",
                bytes.len()
            )));
        }
        let insn = |entry: &[u8; ENTRY]| {
            let to = match little_endian {
                true => u64::from_le_bytes(*entry),
                false => u64::from_be_bytes(*entry),
            };
            let insn = (to / INSN).checked_sub(f.first_insn as u64);
            let inside = insn.filter(|n| *n < f.insns.len() as u64 && to.is_multiple_of(INSN));
            inside.and_then(|n| u32::try_from(n).ok()).ok_or_else(|| {
                bad(format!(
                    "leads to byte {to} of section {}, where no instruction of function `{}` is",
                    f.section, f.name
                ))
            })
        };
        Ok(JumpTable {
            name: name.to_owned(),
            function,
            insns: entries.iter().map(insn).collect::<Result<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insn::Insn;

    fn function() -> Function {
        Function {
            name: "f".into(),
            section: "xdp".into(),
            section_index: 3,
            first_insn: 10,
            insns: vec![Insn::default(); 4],
            btf_id: None,
            relocs: Vec::new(),
            lines: Vec::new(),
            core: Vec::new(),
        }
    }

    fn read(bytes: &[u8]) -> Result<Vec<u32>> {
        JumpTable::read("t", (0, &function()), bytes, true).map(|table| table.insns)
    }

    fn entries(at: &[u64]) -> Vec<u8> {
        at.iter().flat_map(|n| n.to_le_bytes()).collect()
    }

    #[test]
    fn entries_are_instructions_of_the_function() {
        assert_eq!(read(&entries(&[80, 104, 80])).unwrap(), [0, 3, 0]);
        for outside in [72, 112, 84, u64::MAX] {
            let e = read(&entries(&[80, outside])).unwrap_err();
            assert_eq!(
                e.to_string(),
                format!(
                    "jump table `t` leads to byte {outside} of section xdp, where no instruction of function `f` is"
                )
            );
        }
        for len in [0, 7, 15] {
            assert!(read(&entries(&[80, 80])[..len]).is_err());
        }
        let big = JumpTable::read("t", (0, &function()), &88u64.to_be_bytes(), false);
        assert_eq!(big.unwrap().insns, [1]);
    }
}
