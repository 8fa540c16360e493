//! User ring buffers: samples from here for programs.
#![allow(unsafe_code)] // Writes memory shared with the kernel; each block has its proof.

use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use super::claims::{Claim, ClaimId, Role};
use super::{Map, MapType, typed};
use crate::error::{Error, Result};
use crate::pod::{self, Pod};
use crate::sys::{Access, Mapping, Until, page_size, wait_for};

/// What is in front of each sample: its length with two flags, and a word that stays 0.
const HEADER: usize = 8;
/// The sample is being written (`BPF_RINGBUF_BUSY_BIT`).
const BUSY: u32 = 1 << 31;

/// A ring buffer that is written here and read by programs (`BPF_MAP_TYPE_USER_RINGBUF`, from 6.1 on,
/// `bpf_user_ringbuf_drain`).
pub struct UserRingBuf<T: Pod> {
    map: Map,
    /// A second producer would write over the first one's samples.
    claim_id: ClaimId,
    sample: PhantomData<fn(T)>,
}
typed!(UserRingBuf<T: Pod>);

impl<T: Pod> TryFrom<Map> for UserRingBuf<T> {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type("a user ring buffer", &[MapType::USER_RINGBUF])?;
        map.expect_no_keys()?;
        Ok(UserRingBuf {
            claim_id: ClaimId::of(&map),
            map,
            sample: PhantomData,
        })
    }
}

impl<T: Pod> UserRingBuf<T> {
    /// Returns a producer. It holds the buffer itself and borrows nothing from here.
    ///
    /// A user ring buffer has one producer at a time, which holds for all processes that share the
    /// map, children of fork(2) included.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if this process has a producer of the map already, made
    /// from this handle or another one. Otherwise the kernel's error from mapping its memory.
    pub fn producer(&self) -> Result<Producer<T>> {
        let fd = self
            .map
            .as_fd()
            .try_clone_to_owned()
            .map_err(|e| self.map.refused("duplicate its descriptor", e))?;
        let (page, size) = (page_size(), self.map.max_entries() as usize);
        let total = (HEADER + size_of::<T>()).next_multiple_of(HEADER);
        if total > size {
            return Err(self.map.unfit(format!(
                "a sample of {} bytes does not fit into its {size}",
                size_of::<T>()
            )));
        }
        let claim = self.claim_id.claim(&self.map, Role::Producer)?;
        let map = |offset, len, access| {
            Mapping::new(&self.map, offset, len, access)
                .map_err(|e| self.map.refused("map its memory", e))
        };
        Ok(Producer {
            _claim: claim,
            consumer: map(0, page, Access::Read)?,
            // The data is mapped twice in a row, so that a sample that wraps around is in one piece.
            producer: map(page, page + 2 * size, Access::ReadWrite)?,
            size,
            page,
            name: self.map.name().to_owned(),
            fd,
            sample: PhantomData,
        })
    }
}

/// Writes samples into a user ring buffer. Made by [`UserRingBuf::producer`].
pub struct Producer<T: Pod> {
    /// The first field, so that it is dropped before the memory.
    _claim: Claim,
    /// One page with the kernel's position.
    consumer: Mapping,
    /// One page with ours, then the data twice.
    producer: Mapping,
    /// Bytes of data, a power of two.
    size: usize,
    page: usize,
    name: String,
    fd: OwnedFd,
    sample: PhantomData<fn(T)>,
}

/// The map's descriptor, which polls as writable when there is room.
impl<T: Pod> AsFd for Producer<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<T: Pod> std::fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer")
            .field("map", &self.name)
            .finish_non_exhaustive()
    }
}

impl<T: Pod> Producer<T> {
    /// Adds a sample, which a program reads when it next drains the buffer. Returns `false` if
    /// there is no room for it.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Malformed`] if another process that shares the map has left a position
    /// in it that is none.
    pub fn send(&mut self, sample: &T) -> Result<bool> {
        let (len, total) = (
            size_of::<T>(),
            (HEADER + size_of::<T>()).next_multiple_of(HEADER),
        );
        let produced = position(&self.producer);
        let at = produced.load(Ordering::Relaxed);
        // Pairs with the kernel's release: it has read what it gives back.
        let used = at.wrapping_sub(position(&self.consumer).load(Ordering::Acquire));
        // The kernel's position is read-only here, ours is written by all who map the buffer.
        if used > self.size || !at.is_multiple_of(HEADER) {
            return Err(self.damaged(at, used));
        }
        if self.size - used < total {
            return Ok(false);
        }
        // SAFETY: the offset is less than a page and the size of the data, which is mapped twice.
        let header = unsafe {
            self.producer
                .start()
                .add(self.page + (at & (self.size - 1)))
        };
        let length = header.cast::<AtomicU32>();
        // SAFETY: the header is mapped while `self` lives and aligned to eight bytes, as the
        // position (checked above) and the data are; the kernel reads it atomically.
        let length = unsafe { length.as_ref() };
        length.store(len as u32 | BUSY, Ordering::Relaxed);
        write(header, sample);
        // Release: the sample is written before the kernel sees that it is there.
        length.store(len as u32, Ordering::Release);
        produced.store(at.wrapping_add(total), Ordering::Release);
        Ok(true)
    }

    #[cold]
    fn damaged(&self, at: usize, used: usize) -> Error {
        Error::malformed(format!(
            "the user ring buffer is damaged: {used} of its {} bytes are used at position {at}",
            self.size
        ))
        .hint("another process that shares the map may have written to it")
        .context(format!("map `{}`", self.name))
    }

    /// Waits until there is room, for `timeout` at most, and returns `true` if there is. The kernel
    /// reports it when a program has drained the buffer.
    ///
    /// # Errors
    ///
    /// What the kernel answers to poll(2).
    pub fn wait(&self, timeout: Duration) -> Result<bool> {
        wait_for(&self.fd, Until::Writable, timeout).map_err(|e| {
            Error::os("cannot wait for room", e).context(format!("map `{}`", self.name))
        })
    }
}

/// Writes a sample behind its header, and the header's second word, which stays 0.
fn write<T: Pod>(header: NonNull<u8>, sample: &T) {
    let bytes = pod::bytes_of(sample);
    // SAFETY: the four bytes behind the length belong to the header.
    let second = unsafe { header.add(4) };
    // SAFETY: they are mapped and aligned, and the kernel does not look at what is not submitted.
    unsafe { second.cast::<u32>().write(0) };
    // SAFETY: the sample lies behind the header, and the data is mapped twice, so that it does not end before it.
    let start = unsafe { header.add(HEADER) };
    // SAFETY: `bytes` is of the sample's length, for which there is room (checked by the caller); the kernel reads it only
    // after it was submitted. Our own memory and the map's do not overlap.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start.as_ptr(), bytes.len()) };
}

/// The position in the first word of a mapping.
fn position(mapping: &Mapping) -> &AtomicUsize {
    let at = mapping.start().cast::<usize>().as_ptr();
    // SAFETY: it is the start of a page that is mapped while `mapping` lives, so valid and aligned; both sides access it
    // atomically. The kernel's is mapped read-only, and only read here.
    unsafe { AtomicUsize::from_ptr(at) }
}
