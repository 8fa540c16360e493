//! The loader and the shared libraries of a program, as the loader resolves them.

use crate::{Result, disk, program};
use object::Endianness;
use object::elf::{FileHeader64, PT_INTERP};
use object::read::elf::{FileHeader, ProgramHeader};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns every file that the program needs to start; none for a static one.
///
/// # Errors
///
/// If the file is not an x86-64 ELF program, or a library is not found.
pub(crate) fn needed(program: &Path) -> Result<Vec<PathBuf>> {
    let Some(loader) = interpreter(program)? else {
        return Ok(Vec::new());
    };
    let out = program::output(Command::new(&loader).arg("--list").arg(program))?;
    let text = String::from_utf8_lossy(&out);
    let mut files = vec![loader];
    for line in text.lines() {
        if line.contains("not found") {
            return Err(format!(
                "{} needs a library: {}",
                program.display(),
                line.trim()
            ));
        }
        files.extend(resolved(line));
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Parses `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, or a path alone; not the vDSO.
fn resolved(line: &str) -> Option<PathBuf> {
    let line = line.trim();
    let path = line.split_once(" => ").map_or(line, |(_, path)| path);
    let path = path.split(" (").next()?;
    path.starts_with('/').then(|| path.into())
}

fn interpreter(program: &Path) -> Result<Option<PathBuf>> {
    let bytes = disk::read(program)?;
    let header = FileHeader64::<Endianness>::parse(&*bytes)
        .map_err(|_| format!("{} is not a 64-bit ELF program", program.display()))?;
    let parsed = |e: object::Error| format!("{}: {e}", program.display());
    let endian = header.endian().map_err(parsed)?;
    for segment in header.program_headers(endian, &*bytes).map_err(parsed)? {
        if segment.p_type(endian) == PT_INTERP
            && let Ok(path) = segment.data(endian, &*bytes)
        {
            let path = path.strip_suffix(b"\0").unwrap_or(path);
            return Ok(Some(PathBuf::from(
                String::from_utf8_lossy(path).into_owned(),
            )));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_lines_of_the_loader() {
        let path = |line| resolved(line).map(|path| path.display().to_string());
        let libc = "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)";
        assert_eq!(
            path(libc).as_deref(),
            Some("/lib/x86_64-linux-gnu/libc.so.6")
        );
        let loader = "\t/lib64/ld-linux-x86-64.so.2 (0x00007f)";
        assert_eq!(path(loader).as_deref(), Some("/lib64/ld-linux-x86-64.so.2"));
        assert_eq!(path("\tlinux-vdso.so.1 (0x00007f)"), None);
        assert_eq!(path("\tstatically linked"), None);
    }

    #[test]
    fn rejects_a_script() {
        let error = needed(Path::new("/etc/passwd")).expect_err("not ELF");
        assert!(error.contains("not a 64-bit ELF program"), "{error}");
    }
}
