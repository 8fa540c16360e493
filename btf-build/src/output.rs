//! Writing below `OUT_DIR`, and only what changed.

use std::path::Path;

use crate::error::{Error, Result};

/// Writes a file unless it already has these contents; a reader sees the old file or the new one,
/// never a part.
///
/// # Errors
///
/// If the file cannot be written, with its path.
pub(crate) fn write_if_changed(path: &Path, contents: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|present| present == contents) {
        return Ok(());
    }
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    std::fs::write(&temporary, contents).map_err(|e| Error::io("cannot write", &temporary, &e))?;
    std::fs::rename(&temporary, path).map_err(|e| Error::io("cannot write", path, &e))
}

/// Makes a folder and those above it.
///
/// # Errors
///
/// If it cannot be made, with its path.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|e| Error::io("cannot make the folder", path, &e))
}

/// Removes a file that may not be there.
///
/// # Errors
///
/// If it is there and stays, with its path.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("cannot remove", path, &e))
        }
        _ => Ok(()),
    }
}
