//! Several consumers, waited for at once.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::sys::Epoll;

/// What hands out samples: a ring buffer's consumer, or a perf event array's.
pub trait Consume: AsFd {
    /// Consumes the samples that are there, without waiting. Returns how many there were.
    ///
    /// # Errors
    ///
    /// Those of the consumer.
    fn consume(&mut self) -> Result<usize>;
}

/// Consumers of several maps, which are waited for at once.
///
/// ```no_run
/// # fn main() -> btf_core::Result<()> {
/// # let mut loaded = btf_core::load::OpenObject::open("x", &[])?.load()?;
/// use std::time::Duration;
/// use btf_core::map::{Consumers, RingBuf};
///
/// let opens: RingBuf<u64> = loaded.map("opens")?.typed()?;
/// let closes: RingBuf<[u32; 2]> = loaded.map("closes")?.typed()?;
/// let mut all = Consumers::new()?;
/// all.add(opens.consumer(|pid| println!("{pid} opens"))?)?;
/// all.add(closes.consumer(|[pid, fd]| println!("{pid} closes {fd}"))?)?;
/// loop {
///     all.poll(Duration::from_millis(200))?;
/// }
/// # }
/// ```
pub struct Consumers<'a> {
    epoll: Epoll,
    members: Vec<Box<dyn Consume + 'a>>,
}

/// Its descriptor, which polls as readable when one of them has samples.
impl AsFd for Consumers<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl std::fmt::Debug for Consumers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumers")
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Consumers<'a> {
    /// None yet.
    ///
    /// # Errors
    ///
    /// What the kernel answers to making an epoll descriptor.
    pub fn new() -> Result<Self> {
        let epoll = Epoll::new().map_err(|e| Error::os("cannot make an epoll descriptor", e))?;
        Ok(Consumers {
            epoll,
            members: Vec::new(),
        })
    }

    /// Adds one.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    pub fn add(&mut self, consumer: impl Consume + 'a) -> Result<()> {
        watch(&self.epoll, &consumer, self.members.len())?;
        self.members.push(Box::new(consumer));
        Ok(())
    }

    /// Waits until one has samples, for `timeout` at most, and consumes those of all that have. Returns how many there were.
    ///
    /// A signal ends the waiting early, as if the time were up.
    ///
    /// # Errors
    ///
    /// The first one of a consumer; others go on with the next call.
    pub fn poll(&mut self, timeout: Duration) -> Result<usize> {
        let mut count = 0;
        for ready in wait(&self.epoll, self.members.len(), timeout)? {
            if let Some(member) = self.members.get_mut(ready) {
                count += member.consume()?;
            }
        }
        Ok(count)
    }

    /// Consumes the samples that are there, without waiting. Returns how many there were.
    ///
    /// # Errors
    ///
    /// As [`Consumers::poll`].
    pub fn consume(&mut self) -> Result<usize> {
        let mut count = 0;
        for member in &mut self.members {
            count += member.consume()?;
        }
        Ok(count)
    }
}

/// Adds a descriptor to an epoll one, under a number.
pub(super) fn watch(epoll: &Epoll, member: impl AsFd, number: usize) -> Result<()> {
    epoll
        .add(member, number)
        .map_err(|e| Error::os("cannot add to an epoll descriptor", e))
}

/// The numbers of those that are readable; none when the time is up, or at a signal.
pub(super) fn wait(epoll: &Epoll, members: usize, timeout: Duration) -> Result<Vec<usize>> {
    epoll
        .wait(members, timeout)
        .map_err(|e| Error::os("cannot wait for samples", e))
}
