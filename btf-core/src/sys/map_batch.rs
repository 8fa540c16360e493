//! Many entries of a map in one system call.

use std::io;

use super::attr::MapBatch;
use super::{Command, MapFd, address, address_mut, bpf, fd_number};

/// Where the next batch begins: opaque bytes of the kernel's, a bucket or a key.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    bytes: Vec<u8>,
    is_start: bool,
}

/// What a batch of entries came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchRead {
    /// So many entries, and there may be more.
    Some(usize),
    /// So many entries, the last ones.
    Last(usize),
    /// None: the next ones that belong together are more than there is room for.
    TooFew,
}

impl MapFd {
    /// The start of the map.
    pub(crate) fn batch_start(&self) -> Position {
        // The kernel writes a key, or the number of a bucket.
        Position {
            bytes: vec![0; self.key_len().max(size_of::<u64>())],
            is_start: true,
        }
    }

    /// Copies out keys and values from `position` on, as many as fit, and moves it; removes them, too, if `delete`.
    pub(crate) fn read_batch(
        &self,
        position: &mut Position,
        keys: &mut [u8],
        values: &mut [u8],
        delete: bool,
    ) -> io::Result<BatchRead> {
        let count = self.count(keys, values)?;
        let mut next = position.bytes.clone();
        let mut attr = MapBatch {
            in_batch: match position.is_start {
                true => 0,
                false => address(&position.bytes),
            },
            out_batch: address_mut(&mut next),
            keys: address_mut(keys),
            values: address_mut(values),
            count,
            map_fd: fd_number(self),
            ..Default::default()
        };
        let command = match delete {
            true => Command::MAP_LOOKUP_AND_DELETE_BATCH,
            false => Command::MAP_LOOKUP_BATCH,
        };
        // SAFETY: keys and values are exclusively borrowed and hold `count` of the sizes that the kernel writes for this
        // map (checked by `count`); the positions have the size of a key and of a bucket's number, whichever is larger, and
        // the kernel reads one of them and writes the other.
        let answer = unsafe { bpf(command, &mut attr) };
        let read = attr.count.min(count) as usize;
        match answer {
            Ok(_) => {
                *position = Position {
                    bytes: next,
                    is_start: false,
                };
                Ok(BatchRead::Some(read))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(BatchRead::Last(read)),
            Err(e) if e.raw_os_error() == Some(libc::ENOSPC) => Ok(BatchRead::TooFew),
            Err(e) => Err(e),
        }
    }

    /// Writes entries. With an error comes how many were written before it.
    pub(crate) fn update_batch(
        &self,
        keys: &[u8],
        values: &[u8],
        flags: u64,
    ) -> Result<(), (usize, io::Error)> {
        let count = self.count(keys, values).map_err(|e| (0, e))?;
        let mut attr = MapBatch {
            keys: address(keys),
            values: address(values),
            count,
            map_fd: fd_number(self),
            elem_flags: flags,
            ..Default::default()
        };
        // SAFETY: keys and values are borrowed and hold `count` of the sizes that the kernel reads for this map (checked by
        // `count`).
        match unsafe { bpf(Command::MAP_UPDATE_BATCH, &mut attr) } {
            Ok(_) => Ok(()),
            Err(e) => Err((done(attr.count, count), e)),
        }
    }

    /// Removes keys. With an error, `ENOENT` for a key that is not there, comes how many were removed before it.
    pub(crate) fn delete_batch(&self, keys: &[u8]) -> Result<(), (usize, io::Error)> {
        let count = self.whole_keys(keys).map_err(|e| (0, e))?;
        let mut attr = MapBatch {
            keys: address(keys),
            count,
            map_fd: fd_number(self),
            ..Default::default()
        };
        // SAFETY: the keys are borrowed and hold `count` of the size that the kernel reads for this map.
        match unsafe { bpf(Command::MAP_DELETE_BATCH, &mut attr) } {
            Ok(_) => Ok(()),
            Err(e) => Err((done(attr.count, count), e)),
        }
    }

    /// How many entries there are in both, or `EINVAL` if they do not agree.
    fn count(&self, keys: &[u8], values: &[u8]) -> io::Result<u32> {
        let count = self.whole_keys(keys)?;
        if (count as usize).checked_mul(self.value_len()?) == Some(values.len()) {
            Ok(count)
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }

    /// How many keys these are, or `EINVAL` if it is no whole number.
    fn whole_keys(&self, keys: &[u8]) -> io::Result<u32> {
        if self.key_len() == 0 || !keys.len().is_multiple_of(self.key_len()) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        u32::try_from(keys.len() / self.key_len()).map_err(|_| io::ErrorKind::InvalidInput.into())
    }
}

/// How many entries were done before an error. The kernel leaves the number as it was when it refuses the whole batch.
fn done(said: u32, asked: u32) -> usize {
    if said < asked { said as usize } else { 0 }
}
