//! `.BTF.ext`: what belongs to instructions. Function types, source lines and CO-RE relocations.
//!
//! Layout as in the kernel's `Documentation/bpf/btf.rst`; CO-RE records as in libbpf's `struct bpf_core_relo`.

use std::fmt;

use super::{Btf, MAGIC, TypeId, VERSION};
use crate::error::{Error, ErrorKind, Result};

/// A parsed `.BTF.ext` section. Offsets of instructions are in bytes from the start of the ELF section.
#[derive(Debug, Clone, Default)]
pub struct BtfExt {
    /// Types of functions.
    pub func_info: Vec<ExtSection<FuncInfo>>,
    /// Source lines.
    pub line_info: Vec<ExtSection<LineInfo>>,
    /// CO-RE relocations.
    pub core_relo: Vec<ExtSection<CoreRelo>>,
}

/// The records of one ELF section.
#[derive(Debug, Clone)]
pub struct ExtSection<R> {
    /// Name of the ELF section that the records are about.
    pub section: String,
    /// The records, as they stand.
    pub records: Vec<R>,
}

/// Where a function starts, and its FUNC type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FuncInfo {
    /// Byte offset of its first instruction.
    pub insn_off: u32,
    /// Its FUNC in the object's BTF.
    pub type_id: TypeId,
}

/// The source line of an instruction and those that follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineInfo {
    /// Byte offset of the instruction.
    pub insn_off: u32,
    /// String offset of the file name.
    pub file_name_off: u32,
    /// String offset of the line's text.
    pub line_off: u32,
    /// Line in the upper 22 bits, column in the lower 10.
    pub line_col: u32,
}

impl LineInfo {
    /// Line number, from 1.
    pub fn line(self) -> u32 {
        self.line_col >> 10
    }

    /// Column, from 1; 0 if unknown.
    pub fn column(self) -> u32 {
        self.line_col & 0x3ff
    }
}

/// A CO-RE relocation: which instruction depends on what of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreRelo {
    /// Byte offset of the instruction.
    pub insn_off: u32,
    /// Root type in the object's BTF.
    pub type_id: TypeId,
    /// String offset of the access (`0:1:2`, or an enumerator's index).
    pub access_str_off: u32,
    /// What is asked.
    pub kind: CoreKind,
}

/// What a CO-RE relocation asks (`enum bpf_core_relo_kind`): an open set.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CoreKind(pub u32);

#[allow(missing_docs)] // The names are those of the kernel's header, which defines them.
impl CoreKind {
    pub const FIELD_BYTE_OFFSET: CoreKind = CoreKind(0);
    pub const FIELD_BYTE_SIZE: CoreKind = CoreKind(1);
    pub const FIELD_EXISTS: CoreKind = CoreKind(2);
    pub const FIELD_SIGNED: CoreKind = CoreKind(3);
    pub const FIELD_LSHIFT_U64: CoreKind = CoreKind(4);
    pub const FIELD_RSHIFT_U64: CoreKind = CoreKind(5);
    pub const TYPE_ID_LOCAL: CoreKind = CoreKind(6);
    pub const TYPE_ID_TARGET: CoreKind = CoreKind(7);
    pub const TYPE_EXISTS: CoreKind = CoreKind(8);
    pub const TYPE_SIZE: CoreKind = CoreKind(9);
    pub const ENUMVAL_EXISTS: CoreKind = CoreKind(10);
    pub const ENUMVAL_VALUE: CoreKind = CoreKind(11);
    pub const TYPE_MATCHES: CoreKind = CoreKind(12);
}

impl CoreKind {
    /// Name as libbpf prints it.
    pub fn name(self) -> Option<&'static str> {
        const NAMES: [&str; 13] = [
            "byte_off",
            "byte_sz",
            "field_exists",
            "signed",
            "lshift_u64",
            "rshift_u64",
            "local_type_id",
            "target_type_id",
            "type_exists",
            "type_size",
            "enumval_exists",
            "enumval_value",
            "type_matches",
        ];
        NAMES.get(self.0 as usize).copied()
    }

    /// Whether it is about a field.
    pub fn is_field(self) -> bool {
        self.0 <= Self::FIELD_RSHIFT_U64.0
    }

    /// Whether it is about a type.
    pub fn is_type(self) -> bool {
        matches!(self.0, 6..=9 | 12)
    }

    /// Whether it is about an enumerator.
    pub fn is_enumval(self) -> bool {
        matches!(self.0, 10 | 11)
    }
}

impl fmt::Debug for CoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for CoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "relocation kind {}", self.0),
        }
    }
}

impl BtfExt {
    /// Reads a `.BTF.ext` section; `btf` is the object's, in which section names lie.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Malformed`] naming the part that breaks the format.
    pub fn parse(bytes: &[u8], btf: &Btf) -> Result<BtfExt> {
        let r = Reader {
            bytes,
            swap: Reader::foreign(bytes)?,
        };
        if bytes[2] != VERSION {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(".BTF.ext version is {}, not {VERSION}", bytes[2]),
            ));
        }
        let header_len = r.word(4)?;
        let part = |name: &str, at: u32| -> Result<&[u8]> {
            // A header that ends before these two words has no such part.
            if at + 8 > header_len {
                return Ok(&[]);
            }
            let (off, len) = (r.word(at as usize)?, r.word(at as usize + 4)?);
            let start = u64::from(header_len) + u64::from(off);
            let end = start + u64::from(len);
            bytes.get(start as usize..end as usize).ok_or_else(|| {
                Error::malformed(format!(
                    ".BTF.ext {name} (offset {off}, length {len}) ends at byte {end} of {}",
                    bytes.len()
                ))
            })
        };
        let (funcs, lines, relos) = (
            part("func_info", 8)?,
            part("line_info", 16)?,
            part("core_relo", 24)?,
        );
        let swap = r.swap;
        Ok(BtfExt {
            func_info: sections("func_info", funcs, swap, btf, |[insn_off, type_id]| {
                FuncInfo {
                    insn_off,
                    type_id: TypeId(type_id),
                }
            })?,
            line_info: sections(
                "line_info",
                lines,
                swap,
                btf,
                |[insn_off, file_name_off, line_off, line_col]| LineInfo {
                    insn_off,
                    file_name_off,
                    line_off,
                    line_col,
                },
            )?,
            core_relo: sections(
                "core_relo",
                relos,
                swap,
                btf,
                |[insn_off, type_id, access_str_off, kind]| CoreRelo {
                    insn_off,
                    type_id: TypeId(type_id),
                    access_str_off,
                    kind: CoreKind(kind),
                },
            )?,
        })
    }
}

/// Bytes with the swap that their byte order needs.
struct Reader<'a> {
    bytes: &'a [u8],
    swap: bool,
}

impl Reader<'_> {
    fn foreign(bytes: &[u8]) -> Result<bool> {
        if bytes.len() < 24 {
            return Err(Error::malformed(format!(
                ".BTF.ext of {} bytes is shorter than its 24-byte header",
                bytes.len()
            )));
        }
        match u16::from_ne_bytes([bytes[0], bytes[1]]) {
            MAGIC => Ok(false),
            m if m.swap_bytes() == MAGIC => Ok(true),
            m => Err(Error::malformed(format!(
                ".BTF.ext magic is {m:#06x}, not {MAGIC:#06x}"
            ))),
        }
    }

    fn word(&self, at: usize) -> Result<u32> {
        let word = self.bytes.get(at..).and_then(|b| b.first_chunk::<4>());
        match word {
            Some(b) if self.swap => Ok(u32::from_ne_bytes(*b).swap_bytes()),
            Some(b) => Ok(u32::from_ne_bytes(*b)),
            None => Err(Error::malformed(format!(
                ".BTF.ext ends at byte {}, within a record",
                self.bytes.len()
            ))),
        }
    }
}

/// One of the three parts.
fn sections<const N: usize, R>(
    part: &str,
    bytes: &[u8],
    swap: bool,
    btf: &Btf,
    make: impl Fn([u32; N]) -> R,
) -> Result<Vec<ExtSection<R>>> {
    let mut out: Vec<ExtSection<R>> = Vec::new();
    walk(
        part,
        &Reader { bytes, swap },
        btf,
        N,
        &mut |met| match met {
            Met::Section { name, count } => out.push(ExtSection {
                section: name.to_owned(),
                records: Vec::with_capacity(count),
            }),
            Met::Record(words) => {
                if let (Some(section), Some(words)) = (out.last_mut(), words.first_chunk()) {
                    section.records.push(make(*words));
                }
            }
        },
    )?;
    Ok(out)
}

/// What a part has: sections, each followed by its records.
enum Met<'a> {
    Section { name: &'a str, count: usize },
    Record(&'a [u32]),
}

/// Goes through a part, of whatever records: a record size, then for each ELF section its name, a count and that many records, of
/// which so many words are wanted.
fn walk(
    part: &str,
    r: &Reader<'_>,
    btf: &Btf,
    words: usize,
    meet: &mut dyn FnMut(Met<'_>),
) -> Result<()> {
    let bad = |why: String| Error::malformed(format!(".BTF.ext {part}: {why}"));
    let bytes = r.bytes;
    if bytes.is_empty() {
        return Ok(());
    }
    let record_size = r.word(0)? as usize;
    if record_size < words * 4 || !record_size.is_multiple_of(4) {
        return Err(bad(format!(
            "record size is {record_size}, less than {} or no multiple of 4",
            words * 4
        )));
    }
    let mut record = vec![0; words];
    let mut at = 4;
    while at < bytes.len() {
        let (name, count) = (r.word(at)?, r.word(at + 4)? as usize);
        at += 8;
        let name = btf.string(name).ok_or_else(|| {
            bad(format!(
                "section name at {name} lies outside the string section"
            ))
        })?;
        // Checked before anything is allocated for it.
        if count == 0 || count > (bytes.len() - at) / record_size {
            return Err(bad(format!(
                "section `{name}` claims {count} records of {record_size} bytes"
            )));
        }
        meet(Met::Section { name, count });
        for _ in 0..count {
            for (n, word) in record.iter_mut().enumerate() {
                *word = r.word(at + n * 4)?;
            }
            meet(Met::Record(&record));
            at += record_size;
        }
    }
    Ok(())
}
