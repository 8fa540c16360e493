//! Ring buffers: events from programs, handed out in place.

use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::claims::ClaimId;
use super::consumers::Consume;
use super::ring::Reader;
use super::sample::Sample;
use super::{Map, MapType};
use crate::error::{Error, Result};
use crate::pod::Pod;
use crate::sys::{Until, wait_for};

/// A ring buffer map (`BPF_MAP_TYPE_RINGBUF`) whose samples are of type `T`.
///
/// ```no_run
/// # fn main() -> btf_core::Result<()> {
/// # let mut loaded = btf_core::load::OpenObject::open("x", &[])?.load()?;
/// use std::time::Duration;
/// use btf_core::map::RingBuf;
///
/// let events: RingBuf<[u32; 2]> = loaded.map("events")?.typed()?;
/// let mut consumer = events.consumer(|[pid, size]| println!("{pid} {size}"))?;
/// loop {
///     consumer.poll(Duration::from_millis(200))?;
/// }
/// # }
/// ```
pub struct RingBuf<T: Sample + ?Sized> {
    map: Map,
    /// A second consumer would return samples to the kernel that the first one still reads.
    claim_id: ClaimId,
    sample: PhantomData<fn(&T)>,
}

impl<T: Sample + ?Sized> TryFrom<Map> for RingBuf<T> {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type("a ring buffer", &[MapType::RINGBUF])?;
        map.expect_no_keys()?;
        Ok(RingBuf {
            claim_id: ClaimId::of(&map),
            map,
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

    /// Returns a consumer that calls `on_sample` for each sample. It holds the buffer itself and
    /// borrows nothing from here.
    ///
    /// The callback takes `&T`. Of a buffer whose declaration lacks `__type(value, …)` that is
    /// `&[u8]`; [`RingBuf::consumer_as`] shows such samples as a type.
    ///
    /// A ring buffer has one consumer at a time. That holds for all processes that share the map: a
    /// consumer elsewhere, or this one used by a child of fork(2) too, returns samples to the
    /// kernel while they are read here.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if this process has a consumer of the map already, made
    /// from this handle or another one. Otherwise the kernel's error from mapping its memory.
    pub fn consumer<F>(&self, on_sample: F) -> Result<Consumer<T, F>>
    where
        // rustc shows this line, with its remark, below the error about a callback of another type.
        F: FnMut(&T), // samples are `&[u8]`? add `__type(value, …)`, or use `consumer_as::<T>()`
    {
        let (fd, reader) = self.reader()?;
        Ok(Consumer {
            reader,
            fd,
            on_sample,
        })
    }

    /// Claims the buffer for a reader, and duplicates its file descriptor to wait for samples.
    pub(super) fn reader<S: Sample + ?Sized>(&self) -> Result<(OwnedFd, Reader<S>)> {
        let fd = self
            .map
            .as_fd()
            .try_clone_to_owned()
            .map_err(|e| self.map.refused("duplicate its descriptor", e))?;
        Ok((fd, Reader::new(&self.map, self.claim_id)?))
    }
}

impl RingBuf<[u8]> {
    /// Returns a consumer that calls `on_sample` with each sample shown as an `S`: for a buffer
    /// whose declaration lacks `__type(value, …)`. It borrows the buffer; [`RingBuf::typed`] has
    /// consumers that do not, and streams.
    ///
    /// A sample with fewer bytes than `S` is an error of [`Consumer::consume`].
    ///
    /// ```no_run
    /// # fn main() -> btf_core::Result<()> {
    /// # let mut loaded = btf_core::load::OpenObject::open("x", &[])?.load()?;
    /// # type Event = [u32; 2];
    /// use std::time::Duration;
    /// use btf_core::map::RingBuf;
    ///
    /// let events: RingBuf<[u8]> = loaded.map("events")?.typed()?;
    /// let mut consumer = events.consumer_as::<Event>(|[pid, size]| println!("{pid} {size}"))?;
    /// consumer.poll(Duration::from_millis(200))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`RingBuf::consumer`].
    pub fn consumer_as<S: Pod>(
        &self,
        on_sample: impl FnMut(&S),
    ) -> Result<Consumer<S, impl FnMut(&S)>> {
        let (fd, reader) = self.reader()?;
        Ok(Consumer {
            reader,
            fd,
            on_sample,
        })
    }

    /// Returns the same buffer with samples of type `S`: for one whose declaration lacks
    /// `__type(value, …)`. Both count as one buffer, which has one consumer at a time.
    ///
    /// # Errors
    ///
    /// The kernel's error from duplicating the file descriptor.
    pub fn typed<S: Pod>(&self) -> Result<RingBuf<S>> {
        Ok(RingBuf {
            map: self.map.try_clone()?,
            claim_id: self.claim_id,
            sample: PhantomData,
        })
    }
}

/// Reads a ring buffer and calls a function for each sample.
///
/// Made by [`RingBuf::consumer`]. Samples are handed out where the kernel has put them, without a copy (but for types that want
/// more than its eight bytes of alignment), and given back when the function returns, even by a panic.
///
/// Programs do not wait for the consumer of a map with the flag `BPF_F_RB_OVERWRITE` (Linux 6.19 or
/// newer): they overwrite the oldest records of a full buffer. Its samples are copied first, so
/// that the function sees whole ones only, and [`Consumer::overwritten`] counts the bytes that were
/// lost.
///
/// Its descriptor ([`AsFd`]) is all that a reactor needs, one that tells changes rather than states (`EPOLLET`) included: once it is
/// readable, [`Consumer::consume`] takes all there is. For tokio's, `RingBuf::stream` does so (feature `tokio`).
pub struct Consumer<T: Sample + ?Sized, F> {
    reader: Reader<T>,
    fd: OwnedFd,
    on_sample: F,
}

/// The map's descriptor, which polls as readable when there are samples.
impl<T: Sample + ?Sized, F> AsFd for Consumer<T, F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<T: Sample + ?Sized, F> std::fmt::Debug for Consumer<T, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("map", &self.reader.name())
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
    #[inline]
    pub fn consume(&mut self) -> Result<usize> {
        self.consume_n(usize::MAX)
    }

    /// Consumes up to `limit` of the samples that are there, without waiting. Returns how many
    /// there were.
    ///
    /// [`Consumer::consume`] returns once it finds no sample, which may be never while programs
    /// write faster than they are consumed. After fewer than all samples the file descriptor stays
    /// readable, and [`Consumer::poll`] does not wait. A reactor that waits for changes (`EPOLLET`)
    /// gets no event: call this again until it returns fewer than `limit`.
    ///
    /// # Errors
    ///
    /// As [`Consumer::consume`].
    #[inline]
    pub fn consume_n(&mut self, limit: usize) -> Result<usize> {
        self.reader.consume(limit, &mut self.on_sample)
    }

    /// Bytes of records that programs overwrote before they were consumed, as far as this consumer
    /// has noticed. 0 unless the map has the flag `BPF_F_RB_OVERWRITE`.
    pub fn overwritten(&self) -> u64 {
        self.reader.overwritten()
    }
}

impl<T: Sample + ?Sized, F: FnMut(&T)> Consume for Consumer<T, F> {
    fn consume(&mut self) -> Result<usize> {
        Consumer::consume(self)
    }
}

#[cfg(test)]
mod tests {
    use crate::pod;

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
