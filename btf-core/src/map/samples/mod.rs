//! Samples as streams, by tokio's reactor: here is the waiting, and beside it what is waited for.

mod perf_buffer;
mod ring_buf;

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::task::coop;

pub use perf_buffer::{PerfSample, PerfSamples};
pub use ring_buf::Samples;

use super::Map;
use crate::error::{Error, ErrorKind, Result};

/// A descriptor that tokio's reactor watches.
struct Watched(AsyncFd<OwnedFd>);

impl Watched {
    /// Has the reactor of the runtime that this is called in watch a descriptor of this map's.
    fn new(fd: OwnedFd, map: &Map) -> Result<Self> {
        if let Err(e) = Handle::try_current() {
            let why = format!("{}: no tokio runtime is entered: {e}", map.what());
            return Err(Error::new(ErrorKind::InvalidInput, why)
                .hint("call it in an async function that tokio runs, or under `Runtime::enter`"));
        }
        // Its successor, which is unsafe, is not in all versions that do: it asks for a descriptor that stays open and the same while it
        // is watched, and an owned one that nobody else gets at does.
        #[allow(deprecated)]
        let watched = AsyncFd::with_interest(fd, Interest::READABLE);
        watched
            .map(Watched)
            .map_err(|e| map.refused("have tokio watch its descriptor", e))
    }

    /// What `next` has; if nothing, the task is woken when there may be something.
    ///
    /// The reactor is told when the descriptor becomes readable, not that it is. So the waiting begins before the `last` look, and
    /// ends only by one that found nothing.
    fn poll<S>(
        &self,
        context: &mut Context<'_>,
        mut next: impl FnMut(Look) -> Option<S>,
    ) -> Poll<io::Result<S>> {
        if let Some(sample) = next(Look::First) {
            return Poll::Ready(Ok(sample));
        }
        loop {
            let readiness = self.0.poll_read_ready(context);
            if let Some(sample) = next(Look::Last) {
                return Poll::Ready(Ok(sample));
            }
            // What has come since `readiness` is not cleared by it.
            ready!(readiness)?.clear_ready();
        }
    }
}

/// Whether the task waits if there is nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    First,
    Last,
}

/// What `poll` has, within the share of time that tokio gives a task, so that a producer that is never outrun does not keep
/// the others from running.
fn poll_in_turn<S>(
    context: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<S>,
) -> Poll<S> {
    let turn = ready!(coop::poll_proceed(context));
    let polled = poll(context);
    if polled.is_ready() {
        turn.made_progress();
    }
    polled
}
