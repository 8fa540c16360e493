//! The memory of a ring buffer, and records read in place.
#![allow(unsafe_code)] // Reads memory shared with the kernel; each block has its proof.

use std::io;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::error::Error;
use crate::sys::{Access, Mapping, page_size};

/// Bytes of a record's header: the sample's length with two flags, and a page offset.
pub(super) const HEADER: usize = 8;
/// The record is reserved, but not submitted yet (`BPF_RINGBUF_BUSY_BIT`).
const BUSY: u32 = 1 << 31;
/// The record was discarded (`BPF_RINGBUF_DISCARD_BIT`).
const DISCARD: u32 = 1 << 30;
/// Offset of the producer position in its page, and of the position after the last record that was
/// overwritten (`struct bpf_ringbuf`).
const PRODUCED: usize = 0;
const OVERWRITTEN: usize = 2 * size_of::<usize>();

/// The memory of a ring buffer.
pub(super) struct Memory {
    /// One page with our position, which the kernel reads.
    consumer: Mapping,
    /// One page with the kernel's positions, then the data twice.
    producer: Mapping,
    /// Bytes of data, a power of two.
    size: usize,
    page: usize,
}

/// Position of the reader, and the position up to which it may read.
///
/// The producer position is read again only when everything up to its last known value was
/// consumed. Reading it for each record costs several times as much as the record: the page is
/// written by other CPUs, and processors mistake a load from the start of one page for a load of
/// what was just stored at the start of another, where the consumer position lies.
#[derive(Clone, Copy)]
pub(super) struct Cursor {
    /// A multiple of `HEADER`, or the next look fails.
    position: usize,
    /// A producer position, at most `size` after `position`.
    produced: usize,
    /// Bytes of the last record, and how many in a row have had as many before it, up to `STEADY`.
    total: usize,
    run: usize,
}

/// As many records of one length in a row promise another one.
const STEADY: usize = 16;

impl Cursor {
    /// Moves past a record of `total` bytes.
    ///
    /// The next position depends on a length that has just been loaded, so that loads of headers
    /// wait for each other. While records are of one length, the position is computed from the last
    /// length instead: the processor predicts the comparison and loads the next header at once.
    /// Where lengths vary it would mispredict, which costs more than the wait.
    #[inline]
    fn advance(&mut self, total: usize) {
        let step = if self.run < STEADY {
            self.run = if total == self.total { self.run + 1 } else { 0 };
            self.total = total;
            total
        } else {
            if total != self.total {
                self.run = 0;
                // Keeps the compiler from turning the branch into the value.
                self.total = std::hint::black_box(total);
            }
            self.total
        };
        self.position = self.position.wrapping_add(step);
    }
}

/// Invalid record: its position, and the size of the unread data there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage(usize, usize);

/// Length and flags of a record.
#[derive(Clone, Copy)]
pub(super) struct Header(u32);

impl Header {
    #[inline]
    pub(super) fn is_busy(self) -> bool {
        self.0 & BUSY != 0
    }

    #[inline]
    pub(super) fn is_discarded(self) -> bool {
        self.0 & DISCARD != 0
    }

    /// Bytes of the sample.
    #[inline]
    pub(super) fn len(self) -> usize {
        (self.0 & !(BUSY | DISCARD)) as usize
    }

    /// Bytes of the record: header, sample and padding.
    #[inline]
    pub(super) fn total(self) -> usize {
        (HEADER + self.len()).next_multiple_of(HEADER)
    }
}

/// A record being read. Dropping it returns its memory to the kernel.
///
/// The consumer position is stored for each record, although one store for several would be enough
/// to wake up in time: programs get the memory back at once, however long the callback takes for
/// the next sample, and `bpf_ringbuf_query` tells them the truth.
pub(super) struct Record<'a> {
    memory: &'a Memory,
    header: Header,
    /// First byte of the sample.
    start: NonNull<u8>,
    /// Our position after it.
    next: usize,
}

impl Record<'_> {
    /// Its bytes; `None` if the program discarded it.
    #[inline]
    pub(super) fn sample(&self) -> Option<&[u8]> {
        if self.header.is_discarded() {
            return None;
        }
        let (start, len) = (self.start.as_ptr(), self.header.len());
        // SAFETY: the bytes lie within the data, which is mapped twice (checked by `Memory::next`),
        // while the memory is borrowed. The record is submitted, so no program writes it any more,
        // and the kernel reuses it only after our position has passed it, when `self` is dropped.
        Some(unsafe { std::slice::from_raw_parts(start, len) })
    }
}

impl Drop for Record<'_> {
    #[inline]
    fn drop(&mut self) {
        self.memory.consumed(self.next);
    }
}

impl Memory {
    /// Maps a ring buffer with `size` bytes of data.
    pub(super) fn new(map: impl AsFd, size: usize) -> io::Result<Memory> {
        let page = page_size();
        Ok(Memory {
            consumer: Mapping::new(&map, 0, page, Access::ReadWrite)?,
            // The data is mapped twice in a row, so that a sample that wraps around is contiguous.
            producer: Mapping::new(&map, page, page + 2 * size, Access::Read)?,
            size,
            page,
        })
    }

    /// A position in one of the pages before the data.
    #[inline]
    fn word(mapping: &Mapping, offset: usize) -> &AtomicUsize {
        // SAFETY: the offsets that are passed here lie in the first page of both mappings.
        let at = unsafe { mapping.start().add(offset) };
        // SAFETY: it is mapped while `mapping` lives, and aligned, because the offsets are
        // multiples of its size. The kernel accesses it atomically and in this size, and so do we.
        // Of the producer's, which is mapped for reading, it is only read.
        unsafe { AtomicUsize::from_ptr(at.cast().as_ptr()) }
    }

    /// How far we have read. Only the reader writes it.
    #[inline]
    pub(super) fn position(&self) -> usize {
        Self::word(&self.consumer, 0).load(Ordering::Relaxed)
    }

    /// Returns the memory up to a position to the kernel.
    #[inline]
    pub(super) fn consumed(&self, position: usize) {
        // Release: our reads of the samples come before the kernel sees that it may reuse them.
        Self::word(&self.consumer, 0).store(position, Ordering::Release);
    }

    /// How far programs have reserved.
    #[inline]
    pub(super) fn produced(&self) -> usize {
        // Pairs with the release of a reservation: the header that it wrote before is visible.
        Self::word(&self.producer, PRODUCED).load(Ordering::Acquire)
    }

    /// How far programs have overwritten records.
    pub(super) fn overwritten(&self) -> usize {
        Self::word(&self.producer, OVERWRITTEN).load(Ordering::Acquire)
    }

    /// Bytes of data.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Returns a cursor at the current consumer position.
    #[inline]
    pub(super) fn cursor(&self) -> Cursor {
        let position = self.position();
        Cursor {
            position,
            produced: position,
            total: 0,
            run: 0,
        }
    }

    /// The header at a position, which is a multiple of its size.
    #[inline]
    pub(super) fn header(&self, position: usize) -> Header {
        let at = self.data(position).cast::<u32>().as_ptr();
        // SAFETY: the header is mapped while `self` lives; aligned to eight bytes, as the position
        // and the data are; the kernel writes it atomically. The mapping is read-only, and so is
        // what is done with it here.
        let length = unsafe { AtomicU32::from_ptr(at) };
        // Pairs with the release of the commit: what the program wrote before is visible.
        Header(length.load(Ordering::Acquire))
    }

    /// The byte at a position. As many bytes as the data has can be read from there on.
    #[inline]
    pub(super) fn data(&self, position: usize) -> NonNull<u8> {
        let offset = self.page + (position & (self.size - 1));
        // SAFETY: the offset is less than a page and the size of the data, which is mapped twice.
        unsafe { self.producer.start().add(offset) }
    }

    /// The record at the cursor, which moves past it; `None` if there is none that is complete.
    #[inline]
    pub(super) fn next(&self, cursor: &mut Cursor) -> Result<Option<Record<'_>>, Damage> {
        let position = cursor.position;
        if cursor.produced == position {
            cursor.produced = self.produced();
            let available = cursor.produced.wrapping_sub(position);
            if available == 0 {
                return Ok(None);
            }
            if available > self.size || !position.is_multiple_of(HEADER) {
                return Err(Damage(position, available));
            }
        }
        let available = cursor.produced.wrapping_sub(position);
        let header = self.header(position);
        if header.is_busy() {
            return Ok(None);
        }
        let total = header.total();
        if total > available {
            return Err(Damage(position, available));
        }
        cursor.advance(total);
        Ok(Some(Record {
            memory: self,
            header,
            start: self.data(position.wrapping_add(HEADER)),
            next: cursor.position,
        }))
    }
}

impl Damage {
    pub(super) fn new(position: usize, available: usize) -> Damage {
        Damage(position, available)
    }

    #[cold]
    pub(super) fn error(self, name: &str) -> Error {
        let Damage(position, available) = self;
        Error::malformed(format!(
            "the ring buffer is damaged: at position {position} with {available} bytes to read there is no whole sample"
        ))
        .hint("another process that shares the map may have consumed from it")
        .context(format!("map `{name}`"))
    }
}
