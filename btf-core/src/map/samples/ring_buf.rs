//! The samples of a ring buffer as a stream.

use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::{Look, Watched, poll_in_turn};
use crate::error::{Error, ErrorKind, Result};
use crate::map::ring::Reader;
use crate::map::{RingBuf, Sample};

impl<T: Sample + ToOwned + ?Sized> RingBuf<T> {
    /// The samples as an async [`Stream`], under tokio (feature `tokio`). It holds the buffer itself and borrows nothing from here.
    ///
    /// Items are copies: of `T`, or a `Vec<u8>` where samples are `[u8]`. What is not taken stays in the buffer, so a future that waits for
    /// the next one can be dropped at any time and no sample is lost by it. Without other crates, [`Samples::next`] is enough:
    ///
    /// ```no_run
    /// # async fn example() -> btf_core::Result<()> {
    /// # let mut loaded = btf_core::load::OpenObject::open("x", &[])?.load()?;
    /// use btf_core::map::RingBuf;
    ///
    /// let opens: RingBuf<[u32; 2]> = loaded.map("opens")?.typed()?;
    /// let mut opens = opens.stream()?;
    /// while let Some(event) = opens.next().await {
    ///     let [pid, fd] = event?;
    ///     println!("{pid} opens {fd}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The kernel wakes nobody for samples that a program submits with `BPF_RB_NO_WAKEUP`: those are seen when the stream is polled
    /// the next time, for whatever reason.
    ///
    /// # Errors
    ///
    /// As [`RingBuf::consumer`], of which this is one; [`ErrorKind::InvalidInput`], too, outside a tokio runtime.
    ///
    /// # Panics
    ///
    /// If the runtime has no reactor (`Builder::enable_io`).
    pub fn stream(&self) -> Result<Samples<T>> {
        let (fd, reader) = self.reader()?;
        Ok(Samples {
            watched: Watched::new(fd, self.map())?,
            reader,
            is_over: false,
        })
    }
}

/// The samples of a ring buffer, as they come. Made by [`RingBuf::stream`].
///
/// A sample with fewer bytes than `T` is an item that is an error ([`ErrorKind::InvalidInput`]), and the stream goes on behind it. After any
/// other error it ends: the buffer is damaged, or the runtime is about to stop. Else it does not end.
pub struct Samples<T: Sample + ?Sized> {
    watched: Watched,
    reader: Reader<T>,
    is_over: bool,
}

/// The map's descriptor.
impl<T: Sample + ?Sized> AsFd for Samples<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watched.0.get_ref().as_fd()
    }
}

impl<T: Sample + ?Sized> std::fmt::Debug for Samples<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Samples")
            .field("map", &self.reader.name())
            .finish_non_exhaustive()
    }
}

impl<T: Sample + ToOwned + ?Sized> Samples<T> {
    /// Waits for the next sample and takes it. Dropping the future takes none.
    pub async fn next(&mut self) -> Option<Result<T::Owned>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl<T: Sample + ToOwned + ?Sized> Stream for Samples<T> {
    type Item = Result<T::Owned>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Samples {
            watched,
            reader,
            is_over,
        } = self.get_mut();
        if *is_over {
            return Poll::Ready(None);
        }
        let polled = poll_in_turn(context, |context| {
            watched.poll(context, |look| {
                if look == Look::Last {
                    reader.before_last_look();
                }
                reader.next(T::to_owned).transpose()
            })
        });
        let item = ready!(polled).unwrap_or_else(|e| {
            Err(Error::os("cannot wait for samples", e).context(reader.what()))
        });
        let ends = |e: &Error| e.kind() != ErrorKind::InvalidInput;
        *is_over = item.as_ref().is_err_and(ends);
        Poll::Ready(Some(item))
    }
}
