//! Reader of a ring buffer: the only one of this process, and the order of looks at its memory.

mod memory;
mod overwrite;

use std::marker::PhantomData;
use std::sync::atomic::{Ordering, fence};

use self::memory::Memory;
use self::overwrite::Copy;
use super::claims::{Claim, ClaimId, Role};
use super::{Map, Sample};
use crate::error::{Error, ErrorKind, Result};
use crate::obj::map_flags::RB_OVERWRITE;

/// Reader of a ring buffer. There is one at a time.
pub(super) struct Reader<T: Sample + ?Sized> {
    /// The first field, so that it is dropped before the memory.
    _claim: Claim,
    memory: Memory,
    /// Of a buffer whose programs overwrite the oldest records: the record that was copied last.
    copy: Option<Copy>,
    name: String,
    sample: PhantomData<fn(&T)>,
}

impl<T: Sample + ?Sized> Reader<T> {
    /// Claims a ring buffer for as long as the reader lives, and maps its memory.
    pub(super) fn new(map: &Map, id: ClaimId) -> Result<Self> {
        let claim = id.claim(map, Role::Consumer)?;
        let memory = Memory::new(map, map.max_entries() as usize)
            .map_err(|e| map.refused("map its memory", e))?;
        Ok(Reader {
            _claim: claim,
            memory,
            copy: (map.map_flags() & RB_OVERWRITE != 0).then(Copy::default),
            name: map.name().to_owned(),
            sample: PhantomData,
        })
    }

    /// Passes up to `limit` samples to `show`, until there is none left. Returns their number.
    #[inline]
    pub(super) fn consume(&mut self, limit: usize, mut show: impl FnMut(&T)) -> Result<usize> {
        if self.copy.is_some() {
            return self.consume_copies(limit, show);
        }
        // In a local variable, so that it stays in registers.
        let mut cursor = self.memory.cursor();
        let mut count = 0;
        let mut is_last_look = false;
        while count < limit {
            match self.memory.next(&mut cursor) {
                Ok(Some(record)) => {
                    is_last_look = false;
                    if let Some(bytes) = record.sample() {
                        if T::view(bytes, &mut show).is_none() {
                            return Err(self.too_short(bytes.len()));
                        }
                        count += 1;
                    }
                }
                Ok(None) if is_last_look => break,
                Ok(None) => {
                    self.before_last_look();
                    is_last_look = true;
                }
                Err(damage) => return Err(damage.error(&self.name)),
            }
        }
        Ok(count)
    }

    /// As [`Reader::consume`], of records that are overwritten at any time.
    fn consume_copies(&mut self, limit: usize, mut show: impl FnMut(&T)) -> Result<usize> {
        let mut count = 0;
        let mut is_last_look = false;
        while count < limit {
            match self.next(&mut show)? {
                Some(()) => {
                    count += 1;
                    is_last_look = false;
                }
                None if is_last_look => break,
                None => {
                    self.before_last_look();
                    is_last_look = true;
                }
            }
        }
        Ok(count)
    }

    /// Passes the next complete sample to `show` and returns its memory to the kernel; `None` if
    /// there is none.
    pub(super) fn next<R>(&mut self, show: impl FnOnce(&T) -> R) -> Result<Option<R>> {
        if let Some(copy) = &mut self.copy {
            let copied = copy.next(&self.memory);
            let Some(bytes) = copied.map_err(|damage| damage.error(&self.name))? else {
                return Ok(None);
            };
            let (shown, len) = (T::view(bytes, show), bytes.len());
            return shown.map(Some).ok_or_else(|| self.too_short(len));
        }
        let mut cursor = self.memory.cursor();
        loop {
            let record = self.memory.next(&mut cursor);
            let Some(record) = record.map_err(|damage| damage.error(&self.name))? else {
                return Ok(None);
            };
            if let Some(bytes) = record.sample() {
                let shown = T::view(bytes, show);
                return shown.map(Some).ok_or_else(|| self.too_short(bytes.len()));
            }
        }
    }

    /// Must come between the last sample that was consumed and a look that finds nothing more,
    /// before waiting for the file descriptor to become readable.
    ///
    /// The kernel wakes waiters only for a record that is committed at the consumer's position.
    /// This pairs with the full barrier of the commit, between its mark on the record and its look
    /// at the position: either we see the mark, or the kernel sees that everything before was
    /// consumed.
    pub(super) fn before_last_look(&self) {
        fence(Ordering::SeqCst);
    }

    /// Bytes of records that were overwritten before they were read.
    pub(super) fn overwritten(&self) -> u64 {
        self.copy.as_ref().map_or(0, Copy::overwritten)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn what(&self) -> String {
        format!("map `{}`", self.name)
    }

    #[cold]
    fn too_short(&self, len: usize) -> Error {
        let why = format!("a sample has {len} bytes, but {}", T::describe());
        Error::new(ErrorKind::InvalidInput, why).context(self.what())
    }
}
