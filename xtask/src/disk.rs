//! Files and directories, with errors that name the path.

use crate::Result;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

pub(crate) fn read_to_string(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

/// Replaces a file atomically: a reader sees the old content or the new one.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_added_extension(format!("{}.tmp", std::process::id()));
    fs::write(&beside, bytes).map_err(|e| format!("cannot write {}: {e}", beside.display()))?;
    rename(&beside, path)
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to)
        .map_err(|e| format!("cannot rename {} to {}: {e}", from.display(), to.display()))
}

pub(crate) fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| format!("cannot create {}: {e}", path.display()))
}

/// Creates an empty directory, and removes what was there before.
pub(crate) fn empty_dir(path: &Path) -> Result<()> {
    remove_dir(path)?;
    create_dir(path)
}

pub(crate) fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {e}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Returns the entries of a directory, sorted by name.
pub(crate) fn list(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| format!("cannot list {}: {e}", path.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
    }
    entries.sort();
    Ok(entries)
}

/// Returns every file below a directory, without following symbolic links.
pub(crate) fn walk(path: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in list(path)? {
        if entry.is_dir() && !entry.is_symlink() {
            files.extend(walk(&entry)?);
        } else {
            files.push(entry);
        }
    }
    Ok(files)
}

/// Returns the file name; empty if it is not UTF-8.
pub(crate) fn name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}
