//! Libraries in an archive: `/data/app/base.apk!/lib/x86_64/libx.so`, as Android's loader names
//! them. Such a library is stored uncompressed, so that it is executed out of the archive, and its
//! offsets are the archive's.
//!
//! Source: `APPNOTE.TXT` 6.3 of the zip format: sections 4.3.7 (local header), 4.3.12 (central
//! directory), 4.3.16 (end of the central directory).

use super::source::Source;
use crate::error::{Error, Result};
use btf_obj::private::{did_you_mean, similar};

/// Separates an archive's path from the library's in it.
const SEPARATOR: &str = "!/";

const END: &[u8] = b"PK\x05\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// Sizes without the parts of variable length.
const END_LENGTH: usize = 22;
const ENTRY_LENGTH: usize = 46;
const LOCAL_LENGTH: usize = 30;

/// Encrypted, of unknown length while it was written, patched, or its header masked.
const UNREADABLE: u16 = 1 | 1 << 5 | 1 << 6 | 1 << 13;

/// Splits a path into the archive's and the library's in it.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    path.split_once(SEPARATOR)
}

/// Returns offset and size of a file in the archive.
pub(super) fn find(archive: &Source, wanted: &str) -> Result<(u64, u64)> {
    let directory = Directory::read(archive)?;
    let entries = directory.entries()?;
    let Some(entry) = entries.iter().find(|entry| entry.name == wanted.as_bytes()) else {
        let names: Vec<_> = entries
            .iter()
            .filter_map(|entry| std::str::from_utf8(entry.name).ok())
            .collect();
        let error = Error::not_found(format!("the archive has no file `{wanted}`"));
        return Err(
            match did_you_mean(&similar(wanted, names.iter().copied())) {
                Some(hint) => error.hint(hint),
                None => error.hint("`unzip -l` lists its files"),
            },
        );
    };
    if entry.method != 0 || entry.flags & UNREADABLE != 0 {
        return Err(Error::malformed(format!(
            "`{wanted}` is compressed or encrypted in the archive"
        ))
        .hint("programs execute an extracted copy: attach to that file"));
    }
    let start = contents(archive, entry)?
        .ok_or_else(|| Error::malformed(format!("`{wanted}` exceeds the archive")))?;
    Ok((start, entry.length))
}

/// A file, as the central directory describes it.
#[derive(Debug)]
struct Entry<'a> {
    name: &'a [u8],
    flags: u16,
    method: u16,
    /// Its size in the archive.
    length: u64,
    /// Offset of its local header.
    header: u64,
}

/// The central directory, and whatever is behind it.
struct Directory {
    count: u16,
    bytes: Vec<u8>,
}

impl Directory {
    /// Finds it by its end, which only a comment may follow.
    fn read(archive: &Source) -> Result<Directory> {
        let most = END_LENGTH + usize::from(u16::MAX);
        let tail = archive.len().min(most as u64);
        let tail = archive.bytes(archive.len() - tail, tail)?;
        let (count, start) = end(&tail)
            .ok_or_else(|| Error::malformed("not a zip archive: no end of a central directory"))?;
        let size = archive
            .len()
            .checked_sub(start.into())
            .ok_or_else(damaged)?;
        Ok(Directory {
            count,
            bytes: archive.bytes(start.into(), size)?,
        })
    }

    fn entries(&self) -> Result<Vec<Entry<'_>>> {
        let mut rest = &self.bytes[..];
        let mut entries = Vec::new();
        // Each entry takes bytes of the archive: a damaged count ends with them.
        for _ in 0..self.count {
            let (entry, length) = entry(rest).ok_or_else(damaged)?;
            entries.push(entry);
            rest = rest.get(length..).ok_or_else(damaged)?;
        }
        Ok(entries)
    }
}

fn damaged() -> Error {
    Error::malformed("the archive's central directory is damaged, split, or larger than 4 GiB")
}

/// Reads the end of the central directory: the number of entries and the offset of the first one.
fn end(tail: &[u8]) -> Option<(u16, u32)> {
    let last = tail.len().checked_sub(END_LENGTH)?;
    (0..=last).rev().find_map(|at| {
        let end = tail.get(at..)?.strip_prefix(END)?;
        let comment = usize::from(u16_at(end, 16)?);
        let (disk, disk_of_start) = (u16_at(end, 0)?, u16_at(end, 2)?);
        let (here, all) = (u16_at(end, 4)?, u16_at(end, 6)?);
        let start = u32_at(end, 12)?;
        let is_whole = at + END_LENGTH + comment == tail.len();
        (is_whole && disk == 0 && disk_of_start == 0 && here == all).then_some((all, start))
    })
}

/// Reads the entry at the front, and returns it with its size.
fn entry(bytes: &[u8]) -> Option<(Entry<'_>, usize)> {
    bytes.strip_prefix(ENTRY)?;
    let name = usize::from(u16_at(bytes, 28)?);
    let more = usize::from(u16_at(bytes, 30)?) + usize::from(u16_at(bytes, 32)?);
    let entry = Entry {
        name: bytes.get(ENTRY_LENGTH..ENTRY_LENGTH + name)?,
        flags: u16_at(bytes, 8)?,
        method: u16_at(bytes, 10)?,
        length: u32_at(bytes, 20)?.into(),
        header: u32_at(bytes, 42)?.into(),
    };
    Some((entry, ENTRY_LENGTH + name + more))
}

/// Returns the offset of an entry's contents: behind its local header, whose name and extra field
/// have lengths of their own.
fn contents(archive: &Source, entry: &Entry<'_>) -> Result<Option<u64>> {
    if !archive.has(entry.header, LOCAL_LENGTH as u64) {
        return Ok(None);
    }
    let local: [u8; LOCAL_LENGTH] = archive.array(entry.header)?;
    let (Some(name), Some(extra)) = (u16_at(&local, 26), u16_at(&local, 28)) else {
        return Ok(None);
    };
    let start = entry.header + LOCAL_LENGTH as u64 + u64::from(name) + u64::from(extra);
    let is_there = local.starts_with(LOCAL) && archive.has(start, entry.length);
    Ok(is_there.then_some(start))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::super::find_in_archive as find;
    use super::*;

    /// Makes an archive of files: their names, compression methods and contents.
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
            // The local header has an extra field of three bytes.
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
    fn splits_paths_of_archive_and_file() {
        assert_eq!(split("/a/b.apk!/lib/x.so"), Some(("/a/b.apk", "lib/x.so")));
        assert_eq!(split("/a/b!c.so"), None);
    }

    #[test]
    fn finds_stored_files() {
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

    #[test]
    fn finds_nothing_outside_of_damaged_archives() {
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
