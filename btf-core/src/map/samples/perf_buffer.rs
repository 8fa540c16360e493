//! The samples of a perf event array as a stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::{Watched, poll_in_turn};
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::map::perf_event_array::{Event, Ring};
use crate::map::{Pages, PerfEventArray, Sample};

/// How many samples of a CPU are taken at most before those of the next one.
const IN_A_ROW: u32 = 64;

impl<T: Sample + ToOwned + ?Sized> PerfEventArray<T> {
    /// The samples as an async [`Stream`], under tokio (feature `tokio`), with so many pages of memory for each CPU, a power of two.
    ///
    /// It takes the places of CPUs in the map, as [`PerfEventArray::consumer`] does. Items are copies, as [`RingBuf::stream`]'s; a future
    /// that waits for the next one can be dropped at any time, and nothing is lost by it.
    ///
    /// ```no_run
    /// # async fn example() -> btf_core::Result<()> {
    /// # let mut loaded = btf_core::load::OpenObject::open("x", &[])?.load()?;
    /// use btf_core::map::{PerfEventArray, PerfSample};
    ///
    /// let opens: PerfEventArray<[u32; 2]> = loaded.map("opens")?.typed()?;
    /// let mut opens = opens.stream(8)?;
    /// while let Some(event) = opens.next().await {
    ///     match event? {
    ///         PerfSample::Sample { sample: [pid, fd], .. } => println!("{pid} opens {fd}"),
    ///         PerfSample::Lost { cpu, count } => eprintln!("CPU {cpu} had no room for {count}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`RingBuf::stream`]: crate::map::RingBuf::stream
    ///
    /// # Errors
    ///
    /// As [`PerfEventArray::consumer`]; [`ErrorKind::InvalidInput`], too, outside a tokio runtime.
    ///
    /// # Panics
    ///
    /// If the runtime has no reactor (`Builder::enable_io`).
    pub fn stream(&self, pages: impl Into<Pages>) -> Result<PerfSamples<T>> {
        let watch = |(event, ring)| Ok((Watched::new(event, self.map())?, ring));
        Ok(PerfSamples {
            rings: self
                .open(pages.into())?
                .into_iter()
                .map(watch)
                .collect::<Result<_>>()?,
            turn: Turn { ring: 0, taken: 0 },
            name: self.map().name().to_owned(),
            buffer: Vec::new(),
            is_over: false,
            sample: std::marker::PhantomData,
        })
    }
}

/// What a CPU told of its samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PerfSample<S> {
    /// A sample.
    Sample {
        /// The CPU that the program ran on.
        cpu: u32,
        /// What it wrote.
        sample: S,
    },
    /// There was no room for some.
    Lost {
        /// The CPU that had none.
        cpu: u32,
        /// The number of samples that were lost.
        count: u64,
    },
}

/// The samples of all CPUs, as they come. Made by [`PerfEventArray::stream`].
///
/// Those of one CPU come in order, those of different ones do not. A sample with fewer bytes than `T` is an item that is an error
/// ([`ErrorKind::InvalidInput`]), and the stream goes on behind it. After any other error it ends: the memory is damaged, or the runtime is
/// about to stop. Else it does not end.
pub struct PerfSamples<T: Sample + ?Sized> {
    rings: Vec<(Watched, Ring)>,
    turn: Turn,
    name: String,
    /// For samples that wrap around.
    buffer: Vec<u8>,
    is_over: bool,
    sample: std::marker::PhantomData<fn(&T)>,
}

/// Whose turn it is.
struct Turn {
    ring: usize,
    /// What was taken of it in a row.
    taken: u32,
}

impl Turn {
    /// Of so many rings, the next one's.
    fn pass(&mut self, rings: usize) {
        self.ring = (self.ring + 1) % rings.max(1);
        self.taken = 0;
    }
}

impl<T: Sample + ?Sized> std::fmt::Debug for PerfSamples<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PerfSamples")
            .field("map", &self.name)
            .field("cpus", &self.rings.len())
            .finish_non_exhaustive()
    }
}

impl<T: Sample + ToOwned + ?Sized> PerfSamples<T> {
    /// Waits for the next sample and takes it. Dropping the future takes none.
    pub async fn next(&mut self) -> Option<Result<PerfSample<T::Owned>>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// The next of any CPU, beginning with the one whose turn it is. All were asked, and will wake the task, if there is none.
    fn poll_rings(&mut self, context: &mut Context<'_>) -> Poll<Result<PerfSample<T::Owned>>> {
        let count = self.rings.len();
        if self.turn.taken >= IN_A_ROW {
            self.turn.pass(count);
        }
        for _ in 0..count {
            let (watched, ring) = &mut self.rings[self.turn.ring];
            let cpu = ring.cpu;
            let buffer = &mut self.buffer;
            let what = || format!("map `{}`: CPU {cpu}", self.name);
            // Every sample wakes (`wakeup_events`), so that the last look is like the first.
            let next = |_| ring.next_event(buffer, T::to_owned).transpose();
            if let Poll::Ready(polled) = watched.poll(context, next) {
                self.turn.taken += 1;
                let event = polled
                    .unwrap_or_else(|e| Err(Error::os("cannot wait for samples", e)))
                    .context(what)?;
                return Poll::Ready(Ok(match event {
                    Event::Sample(sample) => PerfSample::Sample { cpu, sample },
                    Event::Lost(count) => PerfSample::Lost { cpu, count },
                }));
            }
            self.turn.pass(count);
        }
        Poll::Pending
    }
}

impl<T: Sample + ToOwned + ?Sized> Stream for PerfSamples<T> {
    type Item = Result<PerfSample<T::Owned>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        poll_in_turn(context, |context| this.poll_rings(context)).map(|item| {
            let ends = |e: &Error| e.kind() != ErrorKind::InvalidInput;
            this.is_over = item.as_ref().is_err_and(ends);
            Some(item)
        })
    }
}
