//! Files and folders with errors that carry the path. Where things are kept is `cache`'s business.

use crate::Result;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

pub(crate) fn read_to_string(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

/// Writes beside the file and renames over it: a reader sees the old file or the new one, whole.
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

/// An empty folder at `path`, whatever was there before.
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

/// The entries of a folder, sorted by name.
pub(crate) fn list(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| format!("cannot list {}: {e}", path.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
    }
    entries.sort();
    Ok(entries)
}

/// Every file below a folder, without following symbolic links.
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

/// The file name as text; empty where it is not UTF-8.
pub(crate) fn name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}
