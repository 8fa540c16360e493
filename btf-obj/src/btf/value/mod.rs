//! Bytes as what a BTF type says they are: JSON, and C-like text.
//!
//! * Integers are numbers, `bool` is `true` or `false`, those of more than 64 bits are hexadecimal.
//! * Enums are the name of their value, or its number if it has none.
//! * An array of `char` (of that name or with the CHAR encoding, under modifiers and not under a typedef) is a string if
//!   all bytes up to its first NUL, or up to its end, are printable ASCII; what follows the NUL is not shown. Otherwise it
//!   is an array of numbers, as arrays of `__u8` and of `signed char` always are.
//! * Pointers are hexadecimal; what they point to is not in the bytes.
//! * Members of anonymous structs and unions stand among those of the outer one, under which C knows them. All members
//!   of a union are shown.
//! * Floats of 2, 4 and 8 bytes are numbers; other sizes, the meaning of which depends on the machine, are the bytes'
//!   hexadecimal digits in the order of memory.
//! * A flexible array at the end of the outermost type has as many elements as the bytes hold whole; one within is empty.
//!
//! Bytes are in the byte order of the machine whose types these are. Bytes past the type's size are ignored: the kernel
//! pads map values to eight bytes.

mod bits;
#[cfg(test)]
mod tests;
mod walk;
mod write;

use super::Type;
use crate::error::{Context, Result};
use walk::Walk;
use write::{Style, Writer};

/// Bytes of text that any value may have, and for each byte of it: deeply nested members of a byte, with
/// their indentation and names, take about 120.
const BASE: usize = 1 << 20;
const PER_BYTE: usize = 256;

/// How a value is written.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Whether each member and element has a line of its own.
    pub pretty: bool,
    /// Most bytes of text. Types can be made so that a few bytes are shown as many; whatever the limit,
    /// the text has at most 1 MiB and 256 bytes for each byte of the value.
    pub limit: usize,
}

impl Default for Options {
    /// On lines of their own, up to 16 MiB.
    fn default() -> Self {
        Options {
            pretty: true,
            limit: 16 << 20,
        }
    }
}

/// The value as JSON.
///
/// Pointers, integers of more than 64 bits, and floats that JSON has no number for are strings.
///
/// ```
/// # fn main() -> btf_obj::Result<()> {
/// use btf_obj::btf::{Builder, IntEncoding, value};
///
/// let mut b = Builder::new();
/// b.set_little_endian(true);
/// let int = b.int("int", 4, IntEncoding::SIGNED);
/// let char = b.int("char", 1, IntEncoding::SIGNED);
/// let comm = b.array(char, int, 8);
/// let state = b.enumeration("state", 4, false, [("RUNNING", 0), ("SLEEPING", 1)]);
/// let task = b.structure("task", 16, [("pid", int, 0), ("comm", comm, 32), ("state", state, 96)]);
/// let btf = b.finish()?;
///
/// let bytes = b"\x2a\0\0\0bash\0\0\0\0\x01\0\0\0";
/// let mut options = value::Options::default();
/// options.pretty = false;
/// let task = btf.ty(task);
/// assert_eq!(value::json(task, bytes, &options)?, r#"{"pid":42,"comm":"bash","state":"SLEEPING"}"#);
/// assert_eq!(value::c(task, bytes, &options)?, r#"{ .pid = 42, .comm = "bash", .state = SLEEPING }"#);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`crate::ErrorKind::InvalidInput`] naming the member that lies past the end of the bytes, or for text longer than the
/// limit; [`crate::ErrorKind::Unsupported`] for a type that has no value, such as `void` or a function, or that is nested
/// deeper than 128 levels.
pub fn json(ty: Type<'_>, bytes: &[u8], options: &Options) -> Result<String> {
    write(ty, bytes, options, Style::Json)
}

/// The value as C would initialise it, without types; see [`json`] for an example.
///
/// # Errors
///
/// As [`json`].
pub fn c(ty: Type<'_>, bytes: &[u8], options: &Options) -> Result<String> {
    write(ty, bytes, options, Style::C)
}

fn write(ty: Type<'_>, bytes: &[u8], options: &Options, style: Style) -> Result<String> {
    let sound = BASE.saturating_add(PER_BYTE.saturating_mul(bytes.len()));
    let limit = options.limit.min(sound);
    let options = Options { limit, ..*options };
    let mut walk = Walk::new(bytes, Writer::new(style, &options));
    walk.outermost(ty).context(|| format!("value of {ty:?}"))?;
    Ok(walk.finish())
}
