//! Ring buffers: events from programs, handed out in place.
#![allow(unsafe_code)] // Reads memory shared with the kernel; each block has its proof.

use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};
use std::time::Duration;

use super::consumers::Consume;
use super::{Map, MapType};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::pod::{self, Pod};
use crate::sys::{Access, Mapping, Until, page_size, wait_for};

/// What the kernel puts in front of each sample: its length with two flags, and the page it lies in.
const HEADER: usize = 8;
/// The sample is reserved, but not submitted yet (`BPF_RINGBUF_BUSY_BIT`).
const BUSY: u32 = 1 << 31;
/// The sample was given up (`BPF_RINGBUF_DISCARD_BIT`).
const DISCARD: u32 = 1 << 30;

/// What a ring buffer's samples may be seen as: a [`Pod`] type, or `[u8]` for bytes as they come.
pub trait Sample {
    /// Shows the bytes of a sample as this type; `None` if they are too few.
    #[doc(hidden)]
    fn view<R>(bytes: &[u8], show: impl FnOnce(&Self) -> R) -> Option<R>;

    #[doc(hidden)]
    fn describe() -> String;
}

impl<T: Pod> Sample for T {
    fn view<R>(bytes: &[u8], show: impl FnOnce(&T) -> R) -> Option<R> {
        let start = bytes.as_ptr().cast::<T>();
        if !start.is_aligned() {
            // Samples are aligned to eight bytes, `__int128` to sixteen.
            return pod::read(bytes).map(|copy| show(&copy));
        }
        if bytes.len() < size_of::<T>() {
            return None;
        }
        // SAFETY: there are enough bytes and they are aligned (checked above); any bytes are a `T`; they are borrowed for
        // as long as the result.
        Some(show(unsafe { &*start }))
    }

    fn describe() -> String {
        format!("`{}` has {}", std::any::type_name::<T>(), size_of::<T>())
    }
}

impl Sample for [u8] {
    fn view<R>(bytes: &[u8], show: impl FnOnce(&[u8]) -> R) -> Option<R> {
        Some(show(bytes))
    }

    fn describe() -> String {
        "bytes need none".into()
    }
}

/// A ring buffer map (`BPF_MAP_TYPE_RINGBUF`) whose samples are of type `T`.
///
/// ```no_run
/// # fn main() -> btf_core::Result<()> {
/// # let mut loaded = btf_core::load::OpenObject::open("x", &[])?.load()?;
/// use std::time::Duration;
/// use btf_core::map::RingBuf;
///
/// let events: RingBuf<[u32; 2]> = loaded.take_map("events")?.try_into()?;
/// let mut consumer = events.consumer(|[pid, size]| println!("{pid} {size}"))?;
/// loop {
///     consumer.poll(Duration::from_millis(200))?;
/// }
/// # }
/// ```
pub struct RingBuf<T: Sample + ?Sized> {
    map: Map,
    /// Whether a consumer is at work: a second one would read samples that the first has given back.
    is_consumed: Arc<AtomicBool>,
    sample: PhantomData<fn(&T)>,
}

impl<T: Sample + ?Sized> TryFrom<Map> for RingBuf<T> {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type("a ring buffer", &[MapType::RINGBUF])?;
        Ok(RingBuf {
            map,
            is_consumed: Arc::default(),
            sample: PhantomData,
        })
    }
}

impl<T: Sample + ?Sized> AsFd for RingBuf<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }
}

impl<T: Sample + ?Sized> std::fmt::Debug for RingBuf<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RingBuf").field(&self.map).finish()
    }
}

impl<T: Sample + ?Sized> RingBuf<T> {
    /// The map without its type: name and size.
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// A consumer that calls `on_sample` for each sample. It holds the buffer itself and borrows nothing from here.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if there is a consumer already: only one may read a ring buffer at a time, in
    /// other processes that share the map too. Else what the kernel answers to mapping its memory.
    pub fn consumer<F: FnMut(&T)>(&self, on_sample: F) -> Result<Consumer<T, F>> {
        let (fd, reader) = self.reader()?;
        Ok(Consumer {
            reader,
            fd,
            on_sample,
        })
    }

    /// Takes the right to read the buffer, with a descriptor to wait for what there is to read.
    pub(super) fn reader(&self) -> Result<(OwnedFd, Reader<T>)> {
        let fd = self
            .map
            .as_fd()
            .try_clone_to_owned()
            .map_err(|e| self.map.refused("duplicate its descriptor", e))?;
        if self.is_consumed.swap(true, Ordering::AcqRel) {
            return Err(self.map.unfit("it has a consumer already".into()));
        }
        // From here on the claim is given back when this is dropped.
        let claim = Claim(Arc::clone(&self.is_consumed));
        let (page, size) = (page_size(), self.map.max_entries() as usize);
        let map = |offset, len, access| {
            Mapping::new(&self.map, offset, len, access)
                .map_err(|e| self.map.refused("map its memory", e))
        };
        let reader = Reader {
            ring: Ring {
                consumer: map(0, page, Access::ReadWrite)?,
                // The data is mapped twice in a row, so that a sample that wraps around is in one piece.
                producer: map(page, page + 2 * size, Access::Read)?,
                size,
                page,
            },
            name: self.map.name().to_owned(),
            sample: PhantomData,
            _claim: claim,
        };
        Ok((fd, reader))
    }
}

/// The right to consume a ring buffer.
struct Claim(Arc<AtomicBool>);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Reads a ring buffer and calls a function for each sample.
///
/// Made by [`RingBuf::consumer`]. Samples are handed out where the kernel has put them, without a copy (but for types that want
/// more than its eight bytes of alignment), and given back when the function returns, even by a panic.
///
/// Its descriptor ([`AsFd`]) is all that a reactor needs, one that tells changes rather than states (`EPOLLET`) included: once it is
/// readable, [`Consumer::consume`] takes all there is. For tokio's, `RingBuf::stream` does so (feature `tokio`).
pub struct Consumer<T: Sample + ?Sized, F: FnMut(&T)> {
    reader: Reader<T>,
    fd: OwnedFd,
    on_sample: F,
}

/// The map's descriptor, which polls as readable when there are samples.
impl<T: Sample + ?Sized, F: FnMut(&T)> AsFd for Consumer<T, F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<T: Sample + ?Sized, F: FnMut(&T)> std::fmt::Debug for Consumer<T, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("map", &self.reader.name)
            .finish_non_exhaustive()
    }
}

impl<T: Sample + ?Sized, F: FnMut(&T)> Consumer<T, F> {
    /// Waits until there are samples, for `timeout` at most, and consumes them. Returns how many there were.
    ///
    /// A signal ends the waiting early, as if the time were up, so that a loop around this can look at what the signal
    /// changed.
    ///
    /// # Errors
    ///
    /// As [`Consumer::consume`].
    pub fn poll(&mut self, timeout: Duration) -> Result<usize> {
        match wait_for(&self.fd, Until::Readable, timeout) {
            Ok(false) => Ok(0),
            Ok(true) => self.consume(),
            Err(e) => Err(Error::os("cannot wait for samples", e).context(self.reader.what())),
        }
    }

    /// Consumes the samples that are there, without waiting. Returns how many there were.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] for a sample with fewer bytes than `T`. That sample is passed over, so that the next
    /// call goes on behind it.
    pub fn consume(&mut self) -> Result<usize> {
        let mut count = 0;
        loop {
            while self.reader.next(&mut self.on_sample)?.is_some() {
                count += 1;
            }
            self.reader.before_last_look();
            if self.reader.next(&mut self.on_sample)?.is_none() {
                return Ok(count);
            }
            count += 1;
        }
    }
}

impl<T: Sample + ?Sized, F: FnMut(&T)> Consume for Consumer<T, F> {
    fn consume(&mut self) -> Result<usize> {
        Consumer::consume(self)
    }
}

/// The one that reads a ring buffer.
pub(super) struct Reader<T: Sample + ?Sized> {
    ring: Ring,
    name: String,
    sample: PhantomData<fn(&T)>,
    _claim: Claim,
}

impl<T: Sample + ?Sized> Reader<T> {
    /// Shows the next sample that is complete and gives it back to the kernel; `None` if there is none.
    pub(super) fn next<R>(&mut self, show: impl FnOnce(&T) -> R) -> Result<Option<R>> {
        let what = || format!("map `{}`", self.name);
        while let Some(sample) = self.ring.next().context(what)? {
            let Some(bytes) = sample.bytes() else {
                continue;
            };
            let Some(shown) = T::view(bytes, show) else {
                let why = format!("a sample has {} bytes, but {}", bytes.len(), T::describe());
                return Err(Error::new(ErrorKind::InvalidInput, why).context(what()));
            };
            return Ok(Some(shown));
        }
        Ok(None)
    }

    /// Comes between what was consumed and the look that finds nothing more, before waiting for the descriptor to become readable.
    ///
    /// The kernel wakes who waits only by a sample that is committed where the consumer stands. Pairs with the full barrier of
    /// the commit, between its mark on the sample and its look at where that is: either we see the mark, or the kernel sees
    /// that all before was consumed.
    pub(super) fn before_last_look(&self) {
        fence(Ordering::SeqCst);
    }

    #[cfg(feature = "tokio")]
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn what(&self) -> String {
        format!("map `{}`", self.name)
    }
}

/// The memory of a ring buffer.
struct Ring {
    /// One page with our position, which the kernel reads.
    consumer: Mapping,
    /// One page with the kernel's position, then the data twice.
    producer: Mapping,
    /// Bytes of data, a power of two.
    size: usize,
    page: usize,
}

impl Ring {
    /// How far we have read. Only the one consumer writes it.
    fn position(&self) -> &AtomicUsize {
        let at = self.consumer.start().cast::<usize>().as_ptr();
        // SAFETY: it is the start of a page that is mapped for writing while `self` lives, so valid and aligned; nobody
        // accesses it but by this.
        unsafe { AtomicUsize::from_ptr(at) }
    }

    /// How far the kernel has reserved.
    fn produced(&self) -> usize {
        let at = self.producer.start().cast::<usize>().as_ptr();
        // SAFETY: it is the start of a page that is mapped while `self` lives, so valid and aligned; the kernel writes it
        // atomically. The mapping is read-only, and so is what is done with it here.
        let produced = unsafe { AtomicUsize::from_ptr(at) };
        produced.load(Ordering::Acquire)
    }

    /// The next sample that is complete; `None` if there is none.
    fn next(&mut self) -> Result<Option<Taken<'_>>> {
        let position = self.position().load(Ordering::Relaxed);
        let available = self.produced().wrapping_sub(position);
        if available == 0 {
            return Ok(None);
        }
        let offset = self.page + (position & (self.size - 1));
        let in_bounds =
            available >= HEADER && available <= self.size && offset.is_multiple_of(HEADER);
        if !in_bounds {
            return Err(corrupt(position, available));
        }
        // SAFETY: `offset` is less than a page and the size of the data, which is mapped twice.
        let header = unsafe { self.producer.start().add(offset) };
        // SAFETY: the header is mapped, eight bytes long and aligned to them (checked above); the kernel writes its first
        // word atomically. The mapping is read-only, and so is what is done with it here.
        let length = unsafe { AtomicU32::from_ptr(header.cast().as_ptr()) };
        // Pairs with the kernel's release when it submits: what it wrote before is visible after.
        let length = length.load(Ordering::Acquire);
        if length & BUSY != 0 {
            return Ok(None);
        }
        let len = (length & !DISCARD) as usize;
        let total = (HEADER + len).next_multiple_of(HEADER);
        if total > available {
            return Err(corrupt(position, available));
        }
        Ok(Some(Taken {
            ring: self,
            offset: offset + HEADER,
            len,
            is_discarded: length & DISCARD != 0,
            next: position.wrapping_add(total),
        }))
    }
}

fn corrupt(position: usize, available: usize) -> Error {
    Error::malformed(format!(
        "the ring buffer is damaged: at position {position} with {available} bytes to read there is no whole sample"
    ))
    .hint("another process that shares the map may have consumed from it")
}

/// A sample being read. Dropping it gives its memory back to the kernel.
struct Taken<'a> {
    ring: &'a Ring,
    offset: usize,
    len: usize,
    is_discarded: bool,
    /// Our position after it.
    next: usize,
}

impl Taken<'_> {
    /// Its bytes; `None` if the program discarded it.
    fn bytes(&self) -> Option<&[u8]> {
        if self.is_discarded {
            return None;
        }
        // SAFETY: `offset` and `len` lie within the data, which is mapped twice (checked when it was taken).
        let start = unsafe { self.ring.producer.start().add(self.offset) };
        // SAFETY: the bytes are mapped while the ring is borrowed. The sample is submitted, so no program writes it any more,
        // and the kernel reuses it only after our position has passed it, which is when `self` is dropped.
        Some(unsafe { std::slice::from_raw_parts(start.as_ptr(), self.len) })
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // Release: our reads of the sample come before the kernel sees that it may reuse it.
        self.ring.position().store(self.next, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_seen_in_place_if_they_fit() {
        let words = [0x0102_0304u32, 5, 6];
        let bytes = pod::bytes_of(&words);
        let in_place = |seen: &[u32; 2]| (*seen, std::ptr::from_ref(seen).addr());
        let start = bytes.as_ptr().addr();
        assert_eq!(Sample::view(bytes, in_place), Some(([words[0], 5], start)));
        assert_eq!(<[u32; 4]>::view(bytes, |_| ()), None);
        assert_eq!(<[u8]>::view(bytes, |seen| seen == bytes), Some(true));
    }

    #[test]
    fn samples_that_are_not_aligned_are_copied() {
        let words = [0u64, 7, 0];
        let bytes = pod::bytes_of(&words);
        // One of the two is no multiple of sixteen.
        for start in [0, 8] {
            let value = pod::read::<u128>(&bytes[start..]);
            assert_eq!(u128::view(&bytes[start..], |seen| *seen), value);
            assert_eq!(u128::view(&bytes[start..start + 15], |_| ()), None);
        }
    }
}
