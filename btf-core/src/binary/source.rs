//! Contents of a binary, read piece by piece: a file, a part of an archive, or bytes in memory.
//!
//! Files are read with pread(2), never mapped: if a file is truncated while it is mapped, reading
//! it ends the process with SIGBUS.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{Error, Result};

/// Size of the buffer that tables are read through. Small enough to stay in a core's cache.
const CHUNK: usize = 128 << 10;

/// Source of a binary's contents.
#[derive(Debug)]
pub(super) struct Source {
    contents: Contents,
    /// Offset of the first byte in the file: not 0 for a library in an archive.
    start: u64,
    len: u64,
}

#[derive(Debug)]
enum Contents {
    File(File),
    Bytes(Vec<u8>),
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Source> {
        let failed = |e| Error::os(format!("cannot read {}", path.display()), e);
        let file = File::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        Ok(Source {
            contents: Contents::File(file),
            start: 0,
            len,
        })
    }

    pub(super) fn from_bytes(bytes: Vec<u8>) -> Source {
        Source {
            start: 0,
            len: bytes.len() as u64,
            contents: Contents::Bytes(bytes),
        }
    }

    /// Narrows the source to `len` bytes from `start`, which the caller has found to be in it.
    pub(super) fn part(self, start: u64, len: u64) -> Source {
        Source {
            start: self.start + start,
            len: len.min(self.len.saturating_sub(start)),
            contents: self.contents,
        }
    }

    /// Returns the offset of its first byte in the file.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Returns `true` if so many bytes from this offset are in it.
    pub(super) fn has(&self, offset: u64, size: u64) -> bool {
        offset.checked_add(size).is_some_and(|end| end <= self.len)
    }

    /// Fills the buffer from this offset.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        if !self.has(offset, buffer.len() as u64) {
            return Err(Error::malformed(format!(
                "offset {offset:#x} and the {} bytes there exceed the file's {} bytes",
                buffer.len(),
                self.len
            )));
        }
        let at = self.start + offset;
        match &self.contents {
            Contents::File(file) => file.read_exact_at(buffer, at).map_err(|e| {
                Error::os(format!("cannot read {} bytes at {at:#x}", buffer.len()), e)
            }),
            Contents::Bytes(bytes) => {
                // `has` holds for a part of `bytes`, so that both fit a `usize`.
                let at = at as usize;
                buffer.copy_from_slice(&bytes[at..at + buffer.len()]);
                Ok(())
            }
        }
    }

    /// Reads an array of this length.
    pub(super) fn array<const N: usize>(&self, offset: u64) -> Result<[u8; N]> {
        let mut array = [0; N];
        self.read(offset, &mut array)?;
        Ok(array)
    }

    /// Reads a piece into memory of its own, which is allocated only if the file has that much.
    pub(super) fn bytes(&self, offset: u64, size: u64) -> Result<Vec<u8>> {
        let len = usize::try_from(size)
            .ok()
            .filter(|_| self.has(offset, size));
        let Some(len) = len else {
            return Err(Error::malformed(format!(
                "offset {offset:#x} and the {size} bytes there exceed the file's {} bytes",
                self.len
            )));
        };
        let mut bytes = vec![0; len];
        self.read(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads a table of records of `record` bytes, and passes it on in pieces of whole records.
    pub(super) fn records(
        &self,
        offset: u64,
        size: u64,
        record: usize,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut rest = size - size % record as u64;
        let mut at = offset;
        let mut buffer =
            vec![0; (CHUNK - CHUNK % record).min(usize::try_from(rest).unwrap_or(CHUNK))];
        while rest > 0 {
            let len = buffer
                .len()
                .min(usize::try_from(rest).unwrap_or(usize::MAX));
            self.read(at, &mut buffer[..len])?;
            each(&buffer[..len])?;
            rest -= len as u64;
            at += len as u64;
        }
        Ok(())
    }

    /// Passes on each NUL-terminated string of a string table with its offset in the table.
    /// Memory grows with the longest string only.
    pub(super) fn strings(
        &self,
        offset: u64,
        size: u64,
        mut each: impl FnMut(u32, &[u8]),
    ) -> Result<()> {
        // Symbols refer to strings with 32 bits.
        let size = size.min(1 << 32);
        let mut buffer = vec![0; CHUNK.min(size as usize)];
        // The table's offset of the buffer's first byte, and how many bytes of the buffer are
        // filled.
        let (mut base, mut filled) = (0, 0);
        while base + (filled as u64) < size {
            if filled == buffer.len() {
                buffer.resize(2 * filled, 0);
            }
            let rest = size - base - filled as u64;
            let end = buffer
                .len()
                .min(filled + usize::try_from(rest).unwrap_or(usize::MAX - filled));
            self.read(offset + base + filled as u64, &mut buffer[filled..end])?;
            let mut start = 0;
            for nul in memchr::memchr_iter(0, &buffer[filled..end]) {
                let nul = filled + nul;
                each((base + start as u64) as u32, &buffer[start..nul]);
                start = nul + 1;
            }
            buffer.copy_within(start..end, 0);
            base += start as u64;
            filled = end - start;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_cross_chunks() {
        let long = "x".repeat(3 * CHUNK);
        let expected: Vec<String> = (0..40_000)
            .map(|n| format!("name_{n}"))
            .chain([long, String::new(), "last".to_owned()])
            .collect();
        let mut table = vec![7, 7];
        for name in &expected {
            table.extend(name.as_bytes());
            table.push(0);
        }
        let whole = table.len() as u64 - 2;
        // Not terminated, so not a string.
        table.extend(b"rest");
        let source = Source::from_bytes(table.clone());
        let mut found = Vec::new();
        source
            .strings(2, whole + 4, |at, text| {
                let at = at as usize + 2;
                assert_eq!(&table[at..at + text.len()], text);
                found.push(String::from_utf8(text.to_vec()).unwrap());
            })
            .unwrap();
        assert!(found == expected);
        source.strings(2, 0, |_, _| panic!("empty table")).unwrap();
    }

    #[test]
    fn records_come_whole() {
        let bytes: Vec<u8> = (0..CHUNK as u32 * 2).map(|n| (n % 251) as u8).collect();
        let source = Source::from_bytes(bytes.clone());
        let mut all = Vec::new();
        source
            .records(1, bytes.len() as u64 - 1, 24, |piece| {
                assert_eq!(piece.len() % 24, 0);
                all.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
        assert!(bytes[1..].starts_with(&all) && bytes.len() - 1 - all.len() < 24);
    }

    #[test]
    fn refuses_to_read_past_the_end() {
        let source = Source::from_bytes(vec![1; 10]).part(4, 100);
        assert_eq!((source.start(), source.len()), (4, 6));
        assert!(source.array::<6>(0).is_ok());
        assert!(source.array::<7>(0).is_err());
        assert!(source.bytes(u64::MAX, 2).is_err());
        assert!(source.bytes(0, u64::MAX).is_err());
    }
}
