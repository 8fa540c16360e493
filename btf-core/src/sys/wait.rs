//! Waiting for descriptors: one by poll(2), several by epoll(7).

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr::null;
use std::time::Duration;

use super::checked;

/// What a descriptor is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    Readable,
    Writable,
}

/// Waits until a descriptor is ready, for `timeout` at most; whether it is. A signal ends the waiting early, as if the time
/// were up; a duration that does not fit waits for ever, near enough.
pub(crate) fn wait_for(fd: impl AsFd, until: Until, timeout: Duration) -> io::Result<bool> {
    let mut fd = libc::pollfd {
        fd: fd.as_fd().as_raw_fd(),
        events: match until {
            Until::Readable => libc::POLLIN,
            Until::Writable => libc::POLLOUT,
        },
        revents: 0,
    };
    let timeout = libc::time_t::try_from(timeout.as_secs())
        .ok()
        .map(|seconds| libc::timespec {
            tv_sec: seconds,
            // Less than 10^9, which fits everywhere.
            tv_nsec: timeout.subsec_nanos() as _,
        });
    let timeout = timeout.as_ref().map_or(null(), |t| &raw const *t);
    // SAFETY: the kernel reads and writes one live struct, as the count says, and reads the time, which is alive or null; no
    // mask of signals is given.
    let answer = unsafe { libc::ppoll(&raw mut fd, 1, timeout, null()) };
    Ok(unless_signalled(answer)? > 0)
}

/// Descriptors that are waited for at once, each under a number.
#[derive(Debug)]
pub(crate) struct Epoll(OwnedFd);

impl AsFd for Epoll {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Epoll> {
        // SAFETY: there is no address.
        let fd = checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it.
        Ok(Epoll(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Adds a descriptor to wait for until it is readable.
    pub(crate) fn add(&self, member: impl AsFd, number: usize) -> io::Result<()> {
        let (epoll, member) = (self.0.as_raw_fd(), member.as_fd().as_raw_fd());
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: number as u64,
        };
        // SAFETY: the kernel reads one live struct.
        let answer = unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, member, &raw mut event) };
        checked(answer).map(drop)
    }

    /// Waits until one is readable, for `timeout` at most, and gives the numbers of up to `most` that are. A signal ends the
    /// waiting early, as if the time were up; a duration that does not fit waits for ever.
    pub(crate) fn wait(&self, most: usize, timeout: Duration) -> io::Result<Vec<usize>> {
        // Up, so that less than a millisecond is not spent asking again and again.
        let timeout = timeout.as_nanos().div_ceil(1_000_000);
        let timeout = libc::c_int::try_from(timeout).unwrap_or(-1);
        let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; most.max(1)];
        let room = libc::c_int::try_from(events.len()).unwrap_or(libc::c_int::MAX);
        // SAFETY: the kernel writes as many live structs as stated, at most.
        let answer =
            unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), room, timeout) };
        events.truncate(unless_signalled(answer)?);
        // The struct is packed on some machines.
        Ok(events.iter().map(|event| { event.u64 } as usize).collect())
    }
}

/// How many descriptors are ready; none at a signal.
fn unless_signalled(answer: libc::c_int) -> io::Result<usize> {
    match checked(answer) {
        Ok(ready) => Ok(ready.cast_unsigned() as usize),
        Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const SOON: Duration = Duration::from_micros(10);

    #[test]
    fn one_descriptor() {
        let (reader, mut writer) = io::pipe().unwrap();
        assert!(!wait_for(&reader, Until::Readable, SOON).unwrap());
        assert!(wait_for(&writer, Until::Writable, Duration::MAX).unwrap());
        writer.write_all(b"x").unwrap();
        assert!(wait_for(&reader, Until::Readable, Duration::from_secs(9)).unwrap());
    }

    #[test]
    fn several_descriptors() {
        let epoll = Epoll::new().unwrap();
        let mut pipes: Vec<_> = (0..3).map(|_| io::pipe().unwrap()).collect();
        for (number, (reader, _)) in pipes.iter().enumerate() {
            epoll.add(reader, number).unwrap();
        }
        assert_eq!(epoll.wait(3, SOON).unwrap(), []);
        pipes[2].1.write_all(b"x").unwrap();
        pipes[1].1.write_all(b"x").unwrap();
        let mut ready = epoll.wait(3, Duration::MAX).unwrap();
        ready.sort();
        assert_eq!(ready, [1, 2]);
        assert_eq!(epoll.wait(1, Duration::ZERO).unwrap().len(), 1);
        assert!(epoll.add(&pipes[0].0, 0).is_err());
    }
}
