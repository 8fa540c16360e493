//! Decompression of kernels and modules, with programs of Debian.

use crate::{Result, program};
use std::io::Write;
use std::process::{Command, Stdio};

/// A compression: its first bytes, and the program that decompresses it.
struct Compression {
    magic: &'static [u8],
    program: &'static str,
}

const COMPRESSIONS: &[Compression] = &[
    Compression {
        magic: b"\x1f\x8b",
        program: "gzip",
    },
    Compression {
        magic: b"\xfd7zXZ\0",
        program: "xz",
    },
    Compression {
        magic: b"\x28\xb5\x2f\xfd",
        program: "zstd",
    },
    Compression {
        magic: b"\x02\x21\x4c\x18",
        program: "lz4",
    },
];

/// Returns the program that decompresses these bytes; `None` if they are not compressed.
pub(crate) fn program(bytes: &[u8]) -> Option<&'static str> {
    let known = COMPRESSIONS
        .iter()
        .find(|known| bytes.starts_with(known.magic));
    known.map(|compression| compression.program)
}

/// Decompresses with a program of [`program()`].
///
/// # Errors
///
/// If the program is not installed, or does not accept the bytes.
pub(crate) fn decompress(program: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    if program::find(program).is_none() {
        let package = if program == "xz" { "xz-utils" } else { program };
        return Err(format!(
            "it is compressed with {program}: apt-get install {package}"
        ));
    }
    let mut child = Command::new(program)
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot run {program}: {e}"))?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // Fed from a second thread: both pipes fill up. A program that stops reading early says
        // why by its status, so the broken pipe is not an error of its own.
        scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(bytes)));
        child.wait_with_output()
    });
    let output = output.map_err(|e| format!("cannot wait for {program}: {e}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{program} does not accept it: {}",
        program::last_lines(said.trim(), 2)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decompresses_gzip() {
        let mut command = Command::new("sh");
        let packed = program::output(command.args(["-c", "printf hello | gzip -c"]));
        let packed = packed.expect("gzip is essential on Debian");
        assert_eq!(program(&packed), Some("gzip"));
        assert_eq!(decompress("gzip", &packed).expect("whole"), b"hello");
        let error = decompress("gzip", &packed[..6]).expect_err("truncated");
        assert!(error.starts_with("gzip does not accept it: "), "{error}");
    }

    #[test]
    fn ignores_plain_bytes() {
        assert_eq!(program(b"\x7fELF"), None);
    }
}
