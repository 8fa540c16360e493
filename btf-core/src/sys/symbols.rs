//! The names of the kernel's symbols.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};

/// Whether the kernel, or a module of it, has a symbol of this name.
pub(crate) fn has_symbol(wanted: &str) -> io::Result<bool> {
    let mut symbols = BufReader::new(File::open("/proc/kallsyms")?);
    let mut line = Vec::new();
    while symbols.read_until(b'\n', &mut line)? > 0 {
        // Address, type, name.
        let name = line.split(u8::is_ascii_whitespace).nth(2);
        if name == Some(wanted.as_bytes()) {
            return Ok(true);
        }
        line.clear();
    }
    Ok(false)
}
