//! How many CPUs there can be: per-CPU maps have a value for each.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::OnceLock;

use super::FileSystem;
use crate::error::{Error, Result};

const LIST: &str = "/sys/devices/system/cpu/possible";
/// A table with a column for each possible CPU.
const TABLE: &str = "/proc/softirqs";

/// How many CPUs there can be, those that are not plugged in included.
///
/// The kernel writes a value for each into buffers that are made by this number, so only the kernel
/// may say it. Containers have sysfs replaced in part (lxcfs).
#[inline]
pub(crate) fn possible_cpus() -> Result<usize> {
    static CPUS: OnceLock<usize> = OnceLock::new();
    if let Some(n) = CPUS.get() {
        return Ok(*n);
    }
    let n = read(Path::new(LIST), Path::new(TABLE))?;
    Ok(*CPUS.get_or_init(|| n))
}

#[cold]
fn read(list: &Path, table: &Path) -> Result<usize> {
    let failed = |path: &Path, e| {
        Error::os(
            format!("cannot read the possible CPUs from {}", path.display()),
            e,
        )
    };
    let malformed = |path: &Path, text: &str| {
        Error::malformed(format!(
            "{} has {text:?}, which lists no CPUs",
            path.display()
        ))
    };
    if let Some(text) = text_of(list, FileSystem::SYSFS).map_err(|e| failed(list, e))? {
        return count(&text).ok_or_else(|| malformed(list, &text));
    }
    match text_of(table, FileSystem::PROC).map_err(|e| failed(table, e))? {
        Some(text) => {
            let header = text.lines().next().unwrap_or_default();
            columns(header).ok_or_else(|| malformed(table, header))
        }
        None => Err(Error::not_found(format!(
            "cannot find out the number of possible CPUs: {} is not in sysfs, and {} not in procfs",
            list.display(),
            table.display()
        ))
        .hint("mount sysfs on /sys")),
    }
}

/// The text of a file; `None` if it lies in another file system.
fn text_of(path: &Path, file_system: FileSystem) -> io::Result<Option<String>> {
    let mut file = File::open(path)?;
    if FileSystem::of(&file)? != file_system {
        return Ok(None);
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(Some(text))
}

/// How many CPUs a table's header such as `CPU0 CPU1` has.
fn columns(header: &str) -> Option<usize> {
    let mut names = header.split_whitespace().peekable();
    names.peek()?;
    names
        .all(|name| name.starts_with("CPU"))
        .then(|| header.split_whitespace().count())
}

/// How many CPUs a list such as `0-3,5` holds. Values are packed, so it is the count and not the highest number.
fn count(list: &str) -> Option<usize> {
    let mut n = 0usize;
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        n = n.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(count("0-1\n"), Some(2));
        assert_eq!(count("0"), Some(1));
        assert_eq!(count("0-3,5,8-9\n"), Some(7));
        assert_eq!(count("3-1"), None);
        assert_eq!(count(""), None);
    }

    #[test]
    fn columns_of_a_table() {
        assert_eq!(
            columns("                    CPU0       CPU1       "),
            Some(2)
        );
        assert_eq!(columns("          HI:          1"), None);
        assert_eq!(columns(""), None);
    }

    #[test]
    fn only_the_kernel_says_how_many_there_are() {
        let (list, table) = (Path::new(LIST), Path::new(TABLE));
        let path = std::env::temp_dir().join(format!("btf possible {}", std::process::id()));
        std::fs::write(&path, "0\n").unwrap();
        let answers = (
            read(list, table),
            read(&path, table),
            read(&path, &path),
            possible_cpus(),
        );
        std::fs::remove_file(&path).unwrap();
        let n = answers.0.unwrap();
        assert_eq!((answers.1.unwrap(), answers.3.unwrap()), (n, n));
        assert_eq!(answers.2.unwrap_err().kind(), crate::ErrorKind::NotFound);
    }
}
