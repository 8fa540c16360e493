//! Perf buffers: events from programs on kernels and in contexts where ring buffers are not to be had.
#![allow(unsafe_code)] // Reads memory shared with the kernel; each block has its proof.

use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::consumers::{Consume, wait, watch};
use super::{Flags, Map, MapType, Sample};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::pod::{self, Pod};
use crate::sys::{Access, Epoll, Mapping, page_size, perf_output_open, possible_cpus};

/// Where the kernel's and our position lie in the first page (`struct perf_event_mmap_page`).
const HEAD: usize = 1024;
const TAIL: usize = 1032;
/// Bytes of `struct perf_event_header`: type, misc, size.
const HEADER: usize = 8;
const RECORD_LOST: u32 = 2;
const RECORD_SAMPLE: u32 = 9;

/// A map into which programs write samples of type `T` (`BPF_MAP_TYPE_PERF_EVENT_ARRAY`, `bpf_perf_event_output`).
///
/// Each CPU has memory of its own: samples of one CPU come in order, those of different ones do not.
pub struct PerfEventArray<T: Sample + ?Sized> {
    map: Map,
    sample: PhantomData<fn(&T)>,
}

impl<T: Sample + ?Sized> TryFrom<Map> for PerfEventArray<T> {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type("a perf event array", &[MapType::PERF_EVENT_ARRAY])?;
        map.expect_numbers()?;
        Ok(PerfEventArray {
            map,
            sample: PhantomData,
        })
    }
}

impl<T: Sample + ?Sized> AsFd for PerfEventArray<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }
}

impl<T: Sample + ?Sized> std::fmt::Debug for PerfEventArray<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PerfEventArray").field(&self.map).finish()
    }
}

impl<T: Sample + ?Sized> PerfEventArray<T> {
    /// The map without its type.
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// Returns a consumer with `pages` pages of memory for each CPU, which calls `on_sample` with
    /// each sample and its CPU, and `on_lost` with the number of samples for which a CPU had no
    /// room.
    ///
    /// It takes the entries of CPUs in the map; a second one takes them over. The first callback
    /// takes `&T`. Of a map whose declaration lacks the `__type(value, …)` of its samples that is
    /// `&[u8]`;
    /// [`PerfEventArray::consumer_as`] shows such samples as a type.
    ///
    /// ```no_run
    /// # fn main() -> btf_core::Result<()> {
    /// # let mut loaded = btf_core::load::OpenObject::open("x", &[])?.load()?;
    /// use btf_core::map::{Pages, PerfEventArray};
    ///
    /// let opens: PerfEventArray<[u32; 2]> = loaded.map("opens")?.typed()?;
    /// let mut consumer = opens.consumer(
    ///     Pages::DEFAULT,
    ///     |_cpu, [pid, fd]| println!("{pid} opens {fd}"),
    ///     |cpu, count| eprintln!("CPU {cpu} had no room for {count}"),
    /// )?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if `pages` is no power of two; else what the kernel answers.
    pub fn consumer<F, L>(
        &self,
        pages: impl Into<Pages>,
        on_sample: F,
        on_lost: L,
    ) -> Result<PerfConsumer<T, F, L>>
    where
        // rustc shows this line, with its remark, below the error about a callback of another type.
        F: FnMut(u32, &T), // `&[u8]`? add `__type(value, …)`, or use `consumer_as::<T>()`
        L: FnMut(u32, u64),
    {
        self.make_consumer(pages.into(), on_sample, on_lost)
    }

    fn make_consumer<S: Sample + ?Sized, F, L>(
        &self,
        pages: Pages,
        on_sample: F,
        on_lost: L,
    ) -> Result<PerfConsumer<S, F, L>> {
        let rings = self.open(pages)?;
        let epoll = Epoll::new().map_err(|e| self.map.refused("make an epoll descriptor", e))?;
        for (number, (event, _)) in rings.iter().enumerate() {
            watch(&epoll, event, number).context(|| self.map.what())?;
        }
        Ok(PerfConsumer {
            epoll,
            rings,
            name: self.map.name().to_owned(),
            buffer: Vec::new(),
            on_sample,
            on_lost,
            sample: PhantomData,
        })
    }

    /// Opens an event for each CPU that is on, with so many pages of memory, and puts it into the map.
    pub(super) fn open(&self, Pages(pages): Pages) -> Result<Vec<(OwnedFd, Ring)>> {
        self.map.require().context(|| self.map.what())?;
        let size = pages.checked_mul(page_size());
        let Some(size) = size.filter(|_| pages.is_power_of_two()) else {
            let why = format!("{pages} pages are no power of two");
            return Err(self.map.unfit(why));
        };
        let mut rings = Vec::new();
        let cpus = u32::try_from(possible_cpus()?).unwrap_or(u32::MAX);
        for cpu in 0..cpus.min(self.map.max_entries()) {
            let event = match perf_output_open(cpu) {
                Ok(event) => event,
                // It is off.
                Err(e) if e.raw_os_error() == Some(libc::ENODEV) => continue,
                Err(e) => return Err(self.map.refused("open the event of a CPU", e)),
            };
            let mapping = Mapping::new(&event, 0, page_size() + size, Access::ReadWrite)
                .map_err(|e| self.map.refused("map the memory of a CPU", e))?;
            self.map
                .set_fd(pod::bytes_of(&cpu), event.as_fd(), Flags::ANY)?;
            rings.push((event, Ring { cpu, mapping, size }));
        }
        Ok(rings)
    }
}

impl PerfEventArray<[u8]> {
    /// Returns a consumer that calls `on_sample` with each sample shown as an `S`: for a map whose
    /// declaration lacks the `__type(value, …)` of its samples. It borrows the map;
    /// [`PerfEventArray::typed`] has consumers that do not, and streams.
    ///
    /// A sample with fewer bytes than `S` is an error of [`PerfConsumer::consume`].
    ///
    /// # Errors
    ///
    /// As [`PerfEventArray::consumer`].
    #[allow(clippy::type_complexity)] // Closures have no names that an alias could be given.
    pub fn consumer_as<S: Pod>(
        &self,
        pages: impl Into<Pages>,
        on_sample: impl FnMut(u32, &S),
        on_lost: impl FnMut(u32, u64),
    ) -> Result<PerfConsumer<S, impl FnMut(u32, &S), impl FnMut(u32, u64)>> {
        self.make_consumer(pages.into(), on_sample, on_lost)
    }

    /// Returns the same map with samples of type `S`: for one whose declaration lacks the
    /// `__type(value, …)` of its samples.
    ///
    /// # Errors
    ///
    /// The kernel's error from duplicating the file descriptor.
    pub fn typed<S: Pod>(&self) -> Result<PerfEventArray<S>> {
        Ok(PerfEventArray {
            map: self.map.try_clone()?,
            sample: PhantomData,
        })
    }
}

/// Pages of memory that a perf event array's consumer has for each CPU, a power of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pages(pub usize);

impl Pages {
    /// 64 pages, as libbpf-rs and many of libbpf's users have. The memory counts against
    /// `RLIMIT_MEMLOCK`, except for processes with `CAP_IPC_LOCK` or `CAP_PERFMON`.
    pub const DEFAULT: Pages = Pages(64);
}

impl Default for Pages {
    fn default() -> Pages {
        Pages::DEFAULT
    }
}

impl From<usize> for Pages {
    fn from(pages: usize) -> Pages {
        Pages(pages)
    }
}

/// Reads the samples of all CPUs and calls a function for each. Made by [`PerfEventArray::consumer`].
pub struct PerfConsumer<T: Sample + ?Sized, F, L> {
    epoll: Epoll,
    /// The events are open, and thereby in the map, while these are.
    rings: Vec<(OwnedFd, Ring)>,
    name: String,
    /// For samples that wrap around.
    buffer: Vec<u8>,
    on_sample: F,
    on_lost: L,
    sample: PhantomData<fn(&T)>,
}

/// A descriptor that polls as readable when a CPU has samples.
impl<T: Sample + ?Sized, F, L> AsFd for PerfConsumer<T, F, L> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl<T: Sample + ?Sized, F, L> std::fmt::Debug for PerfConsumer<T, F, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PerfConsumer")
            .field("map", &self.name)
            .field("cpus", &self.rings.len())
            .finish_non_exhaustive()
    }
}

impl<T: Sample + ?Sized, F: FnMut(u32, &T), L: FnMut(u32, u64)> PerfConsumer<T, F, L> {
    /// Waits until there are samples, for `timeout` at most, and consumes them. Returns how many there were.
    ///
    /// A signal ends the waiting early, as if the time were up.
    ///
    /// # Errors
    ///
    /// As [`PerfConsumer::consume`].
    pub fn poll(&mut self, timeout: Duration) -> Result<usize> {
        let ready = wait(&self.epoll, self.rings.len(), timeout);
        match ready.context(|| format!("map `{}`", self.name))?.is_empty() {
            true => Ok(0),
            false => self.consume(),
        }
    }

    /// Consumes the samples that are there, without waiting. Returns how many there were.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for a sample with fewer bytes than `T`. That sample is passed over, so that the next
    /// call goes on behind it.
    pub fn consume(&mut self) -> Result<usize> {
        let mut count = 0;
        for (_, ring) in &mut self.rings {
            let cpu = ring.cpu;
            let on_sample = &mut self.on_sample;
            let what = || format!("map `{}`: CPU {cpu}", self.name);
            while let Some(event) = ring
                .next_event(&mut self.buffer, |sample| on_sample(cpu, sample))
                .context(what)?
            {
                match event {
                    Event::Sample(()) => count += 1,
                    Event::Lost(lost) => (self.on_lost)(cpu, lost),
                }
            }
        }
        Ok(count)
    }
}

impl<T: Sample + ?Sized, F: FnMut(u32, &T), L: FnMut(u32, u64)> Consume for PerfConsumer<T, F, L> {
    fn consume(&mut self) -> Result<usize> {
        PerfConsumer::consume(self)
    }
}

/// The bytes that a program wrote, padded at the end to eight: they follow their length.
fn sample(body: &[u8]) -> &[u8] {
    let len: u32 = pod::read_at(body, 0);
    let data = body.get(size_of::<u32>()..).unwrap_or_default();
    &data[..data.len().min(len as usize)]
}

/// What a CPU's memory told.
pub(super) enum Event<S> {
    Sample(S),
    /// So many samples had no room.
    Lost(u64),
}

/// The memory of one CPU.
pub(super) struct Ring {
    pub(super) cpu: u32,
    /// One page with positions, then the data.
    mapping: Mapping,
    /// Bytes of data, a power of two.
    size: usize,
}

/// A record being read. Dropping it gives its memory back to the kernel.
struct Record<'a> {
    kind: u32,
    body: &'a [u8],
    tail: &'a AtomicU64,
    next: u64,
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        // Release: our reads of the record come before the kernel sees that it may reuse it.
        self.tail.store(self.next, Ordering::Release);
    }
}

impl Ring {
    /// The next sample, shown, or the number of those that were lost; `None` if there is nothing.
    pub(super) fn next_event<T: Sample + ?Sized, R>(
        &mut self,
        buffer: &mut Vec<u8>,
        show: impl FnOnce(&T) -> R,
    ) -> Result<Option<Event<R>>> {
        while let Some(record) = self.next(buffer)? {
            match record.kind {
                RECORD_SAMPLE => {
                    let bytes = sample(record.body);
                    let Some(shown) = T::view(bytes, show) else {
                        let (len, wanted) = (bytes.len(), T::describe());
                        let why = format!("a sample has {len} bytes, but {wanted}");
                        return Err(Error::new(ErrorKind::InvalidInput, why));
                    };
                    return Ok(Some(Event::Sample(shown)));
                }
                // Two numbers: whose, and how many.
                RECORD_LOST => return Ok(Some(Event::Lost(pod::read_at(record.body, 8)))),
                _ => {}
            }
        }
        Ok(None)
    }

    fn position(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: both offsets lie within the first page, which is mapped.
        let at = unsafe { self.mapping.start().add(offset) };
        // SAFETY: it is valid while `self` lives and aligned to eight bytes; the kernel accesses it atomically, and so do we.
        unsafe { AtomicU64::from_ptr(at.cast().as_ptr()) }
    }

    /// The next record; `None` if there is none.
    fn next<'a>(&'a mut self, buffer: &'a mut Vec<u8>) -> Result<Option<Record<'a>>> {
        let tail = self.position(TAIL);
        let from = tail.load(Ordering::Relaxed);
        // Pairs with the kernel's release: what it wrote before is visible after.
        let available = self
            .position(HEAD)
            .load(Ordering::Acquire)
            .wrapping_sub(from);
        if available == 0 {
            return Ok(None);
        }
        let start = from as usize & (self.size - 1);
        let damaged = || {
            Error::malformed(format!(
                "its memory is damaged: at position {from} with {available} bytes to read there is no whole record"
            ))
        };
        let is_sound = available >= HEADER as u64
            && available <= self.size as u64
            && start.is_multiple_of(HEADER);
        if !is_sound {
            return Err(damaged());
        }
        let header = self.bytes(start, HEADER);
        let (kind, size): (u32, u16) = (pod::read_at(header, 0), pod::read_at(header, 6));
        let size = usize::from(size);
        if size < HEADER || size as u64 > available {
            return Err(damaged());
        }
        let first = self.bytes(start, size.min(self.size - start));
        let body = if first.len() == size {
            &first[HEADER..]
        } else {
            buffer.clear();
            buffer.extend_from_slice(first);
            buffer.extend_from_slice(self.bytes(0, size - first.len()));
            &buffer[HEADER..]
        };
        Ok(Some(Record {
            kind,
            body,
            tail,
            next: from.wrapping_add(size as u64),
        }))
    }

    /// Bytes of the data, which end within it, and which the kernel has written and we have not given back.
    fn bytes(&self, start: usize, len: usize) -> &[u8] {
        debug_assert!(start + len <= self.size);
        // SAFETY: the data follows the first page, and `start` lies within it.
        let at = unsafe { self.mapping.start().add(page_size() + start) };
        // SAFETY: the bytes are mapped while `self` lives (the callers keep them within the data). The kernel does not write
        // them before our position has passed them.
        unsafe { std::slice::from_raw_parts(at.as_ptr(), len) }
    }
}
