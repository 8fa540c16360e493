//! Records of a ring buffer whose programs overwrite the oldest ones (`BPF_F_RB_OVERWRITE`).
#![allow(unsafe_code)] // Reads memory shared with the kernel; each block has its proof.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::memory::{Damage, HEADER, Memory};
use crate::pod;

/// Copy of a record, taken while programs may overwrite it.
///
/// Programs do not wait for the reader: a reservation in a full buffer first moves the overwrite
/// position past the records that it is about to destroy. So a record is copied, and the copy
/// counts only if the overwrite position has not passed it meanwhile.
///
/// The kernel orders neither the new header nor what programs write after its store of the
/// overwrite position, except on processors that keep stores in order (x86, s390x). Elsewhere an
/// overwritten copy could in theory be taken for a whole one; no reader can tell.
#[derive(Default)]
pub(super) struct Copy {
    /// In words, for the alignment that samples have in the buffer.
    words: Vec<u64>,
    overwritten: u64,
}

/// Result of trying to copy the oldest record.
enum Look {
    /// There is none that is complete.
    None,
    /// It was overwritten meanwhile, so there is an older oldest one.
    Late,
    /// It was discarded.
    Discarded,
    /// So many bytes were copied.
    Copied(usize),
}

impl Copy {
    /// Bytes of records that were overwritten before they were read.
    pub(super) fn overwritten(&self) -> u64 {
        self.overwritten
    }

    /// Copies the oldest complete sample and moves past it; `None` if there is none.
    ///
    /// Each further attempt means that programs have filled the buffer up to the record at hand in
    /// the time of one copy.
    pub(super) fn next(&mut self, memory: &Memory) -> Result<Option<&[u8]>, Damage> {
        loop {
            match self.look(memory)? {
                Look::None => return Ok(None),
                Look::Late | Look::Discarded => {}
                Look::Copied(len) => return Ok(pod::bytes_of_all(&self.words).get(..len)),
            }
        }
    }

    fn look(&mut self, memory: &Memory) -> Result<Look, Damage> {
        let position = memory.position();
        let produced = memory.produced();
        // After the producer position: the kernel stores this one first, so that it is at least as
        // new.
        let oldest = memory.overwritten();
        if is_after(oldest, position) {
            self.overwritten += oldest.wrapping_sub(position) as u64;
            // Before a lookup that finds nothing: the kernel wakes only a reader whose position is
            // at a record.
            memory.consumed(oldest);
            return Ok(Look::Late);
        }
        let available = produced.wrapping_sub(position);
        if available == 0 {
            return Ok(Look::None);
        }
        // From here on a wrong value means that either the record was overwritten, or it is
        // damaged.
        let or_damaged = || match is_after(memory.overwritten(), position) {
            true => Ok(Look::Late),
            false => Err(Damage::new(position, available)),
        };
        if available > memory.size() || !position.is_multiple_of(HEADER) {
            return or_damaged();
        }
        let header = memory.header(position);
        if header.is_busy() {
            return Ok(match is_after(memory.overwritten(), position) {
                true => Look::Late,
                false => Look::None,
            });
        }
        if header.total() > available {
            return or_damaged();
        }
        if !header.is_discarded() {
            self.copy(memory, position.wrapping_add(HEADER), header.len());
        }
        // The loads of the copy must come before the check that it was not overwritten.
        fence(Ordering::Acquire);
        if is_after(memory.overwritten(), position) {
            return Ok(Look::Late);
        }
        memory.consumed(position.wrapping_add(header.total()));
        Ok(match header.is_discarded() {
            true => Look::Discarded,
            false => Look::Copied(header.len()),
        })
    }

    /// Copies `len` bytes from a position on, at most as many as the buffer has.
    fn copy(&mut self, memory: &Memory, position: usize, len: usize) {
        let start = memory.data(position).cast::<u64>();
        let words = len.div_ceil(size_of::<u64>());
        self.words.clear();
        self.words.extend((0..words).map(|n| {
            // SAFETY: the words lie within the data, which can be read in its whole length from any
            // position on (`Memory::data`), and is a multiple of a word long.
            let word = unsafe { start.add(n) };
            // SAFETY: it is mapped while `memory` lives, and aligned, as the position is. Programs
            // may write it, but it is accessed here by atomic loads of this size only; headers,
            // which are loaded in another size, are not written here either.
            let word = unsafe { AtomicU64::from_ptr(word.as_ptr()) };
            word.load(Ordering::Relaxed)
        }));
    }
}

/// Returns `true` if `position` is after `other`. Positions wrap around.
fn is_after(position: usize, other: usize) -> bool {
    position.wrapping_sub(other).cast_signed() > 0
}
