//! Libraries inside an archive: `/data/app/base.apk!/lib/x86_64/libx.so`, as Android's loader names them. Such a library is stored as
//! it is, so that it is executed out of the archive, and a place in it is a place in the archive.
//!
//! Source: `APPNOTE.TXT` 6.3 of the zip format: sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.16 (its end).

use crate::error::{Error, Result};
use crate::near::{did_you_mean, similar};

/// What separates an archive's path from the library's in it.
const SEPARATOR: &str = "!/";

const END: &[u8] = b"PK\x05\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// Bytes of each without what has no fixed length.
const END_LENGTH: usize = 22;
const ENTRY_LENGTH: usize = 46;
const LOCAL_LENGTH: usize = 30;

/// Encrypted, of unknown length while it was written, patched, or its header masked.
const UNREADABLE: u16 = 1 | 1 << 5 | 1 << 6 | 1 << 13;

/// The archive's path and the library's in it.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    path.split_once(SEPARATOR)
}

/// Where the contents of an entry are in the archive: from where, and how many bytes.
pub(crate) fn find(archive: &[u8], wanted: &str) -> Result<(usize, usize)> {
    let entries = directory(archive)?;
    let Some(entry) = entries.iter().find(|entry| entry.name == wanted.as_bytes()) else {
        let names: Vec<_> = entries
            .iter()
            .filter_map(|entry| std::str::from_utf8(entry.name).ok())
            .collect();
        let error = Error::not_found(format!("the archive has no file `{wanted}`"));
        return Err(
            match did_you_mean(&similar(wanted, names.iter().copied())) {
                Some(hint) => error.hint(hint),
                None => error.hint("`unzip -l` lists what it has"),
            },
        );
    };
    if entry.method != 0 || entry.flags & UNREADABLE != 0 {
        return Err(Error::malformed(format!(
            "`{wanted}` is compressed or encrypted in the archive"
        ))
        .hint("nothing is executed out of it there: name the file that it was extracted to"));
    }
    let start = contents(archive, entry)
        .ok_or_else(|| Error::malformed(format!("`{wanted}` does not lie in the archive")))?;
    Ok((start, entry.length))
}

/// A file, as the central directory describes it.
#[derive(Debug)]
struct Entry<'a> {
    name: &'a [u8],
    flags: u16,
    method: u16,
    /// How many bytes it has in the archive.
    length: usize,
    /// Where its local header is.
    header: usize,
}

/// The entries of the central directory.
fn directory(archive: &[u8]) -> Result<Vec<Entry<'_>>> {
    let bad = || {
        Error::malformed(
            "it is not an archive that can be read: its central directory is damaged, or split, or of more than 4 GiB",
        )
    };
    let (count, start) = end(archive).ok_or_else(|| {
        Error::malformed("it is no archive: it has no end of a central directory")
    })?;
    let mut rest = archive.get(start..).ok_or_else(bad)?;
    let mut entries = Vec::new();
    // Each takes bytes of the archive, so that a damaged count ends with them.
    for _ in 0..count {
        let (entry, length) = entry(rest).ok_or_else(bad)?;
        entries.push(entry);
        rest = rest.get(length..).ok_or_else(bad)?;
    }
    Ok(entries)
}

/// The number of entries and where the first one is: from the end of the archive, behind which there is a comment at most.
fn end(archive: &[u8]) -> Option<(u16, usize)> {
    let last = archive.len().checked_sub(END_LENGTH)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    (first..=last).rev().find_map(|at| {
        let end = archive.get(at..)?.strip_prefix(END)?;
        let comment = usize::from(u16_at(end, 16)?);
        let (disk, disk_of_start) = (u16_at(end, 0)?, u16_at(end, 2)?);
        let (here, all) = (u16_at(end, 4)?, u16_at(end, 6)?);
        let start = u32_at(end, 12)? as usize;
        let is_whole = at + END_LENGTH + comment == archive.len();
        (is_whole && disk == 0 && disk_of_start == 0 && here == all).then_some((all, start))
    })
}

/// The entry at the front, and how many bytes it has.
fn entry(bytes: &[u8]) -> Option<(Entry<'_>, usize)> {
    bytes.strip_prefix(ENTRY)?;
    let name = usize::from(u16_at(bytes, 28)?);
    let more = usize::from(u16_at(bytes, 30)?) + usize::from(u16_at(bytes, 32)?);
    let entry = Entry {
        name: bytes.get(ENTRY_LENGTH..ENTRY_LENGTH + name)?,
        flags: u16_at(bytes, 8)?,
        method: u16_at(bytes, 10)?,
        length: u32_at(bytes, 20)? as usize,
        header: u32_at(bytes, 42)? as usize,
    };
    Some((entry, ENTRY_LENGTH + name + more))
}

/// Where an entry's contents begin: behind its local header, whose name and additions have lengths of their own.
fn contents(archive: &[u8], entry: &Entry<'_>) -> Option<usize> {
    let local = archive.get(entry.header..)?;
    local.strip_prefix(LOCAL)?;
    let more = usize::from(u16_at(local, 26)?) + usize::from(u16_at(local, 28)?);
    let start = entry.header.checked_add(LOCAL_LENGTH + more)?;
    archive.get(start..start.checked_add(entry.length)?)?;
    Some(start)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of files: their names, ways of compression and contents.
    fn archive(files: &[(&str, u16, &[u8])], comment: &[u8]) -> Vec<u8> {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (name, method, contents) in files {
            let header = bytes.len() as u32;
            let length = (contents.len() as u32).to_le_bytes();
            let mut common = vec![0; 4];
            common.extend(method.to_le_bytes());
            common.extend([0; 8]);
            common.extend(length);
            common.extend(length);
            common.extend((name.len() as u16).to_le_bytes());
            // Of the local one, an addition of three bytes.
            bytes.extend(LOCAL);
            bytes.extend(&common);
            bytes.extend(3u16.to_le_bytes());
            bytes.extend(name.as_bytes());
            bytes.extend([9; 3]);
            bytes.extend(*contents);
            directory.extend(ENTRY);
            directory.extend([0; 2]);
            directory.extend(&common);
            directory.extend([0; 12]);
            directory.extend(header.to_le_bytes());
            directory.extend(name.as_bytes());
        }
        let start = bytes.len() as u32;
        bytes.extend(&directory);
        let count = (files.len() as u16).to_le_bytes();
        bytes.extend(END);
        bytes.extend([0; 4]);
        bytes.extend(count);
        bytes.extend(count);
        bytes.extend((directory.len() as u32).to_le_bytes());
        bytes.extend(start.to_le_bytes());
        bytes.extend((comment.len() as u16).to_le_bytes());
        bytes.extend(comment);
        bytes
    }

    fn example() -> Vec<u8> {
        let files: [(&str, u16, &[u8]); 3] = [
            ("AndroidManifest.xml", 8, b"??"),
            ("lib/x86_64/libx.so", 0, b"contents"),
            ("lib/x86_64/liby.so", 8, b"??"),
        ];
        archive(&files, b"a comment")
    }

    #[test]
    fn paths_name_an_archive_and_a_file_in_it() {
        assert_eq!(split("/a/b.apk!/lib/x.so"), Some(("/a/b.apk", "lib/x.so")));
        assert_eq!(split("/a/b!c.so"), None);
    }

    #[test]
    fn stored_files_are_found() {
        let archive = example();
        let (start, length) = find(&archive, "lib/x86_64/libx.so").unwrap();
        assert_eq!(&archive[start..start + length], b"contents");
        let e = find(&archive, "lib/x86_64/liby.so").unwrap_err();
        assert!(e.to_string().contains("is compressed or encrypted"), "{e}");
        let e = find(&archive, "lib/x86_64/libxx.so").unwrap_err();
        assert_eq!(e.kind(), crate::ErrorKind::NotFound);
        assert!(
            e.to_string().contains("did you mean `lib/x86_64/libx.so`"),
            "{e}"
        );
        assert!(find(b"\x7fELF", "x").is_err());
    }

    /// Nothing that is damaged makes it panic, or find what does not lie in the archive.
    #[test]
    fn damaged_archives_end() {
        let archive = example();
        let name = "lib/x86_64/libx.so";
        for end in 0..archive.len() {
            assert!(find(&archive[..end], name).is_err());
        }
        for at in 0..archive.len() {
            for bit in 0..8 {
                let mut damaged = archive.clone();
                damaged[at] ^= 1 << bit;
                if let Ok((start, length)) = find(&damaged, name) {
                    assert!(damaged.get(start..start + length).is_some());
                }
            }
        }
    }
}
