//! Programs on sockets: filters, choosers among sockets that share a port, and those of socket maps.

use std::os::fd::AsFd;

use super::test_run::{self, Has};
use super::{Program, Ran, TestRun, typed};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{self, Link, SocketOption};
use crate::obj::{AttachType, ProgType};

/// A program in `SEC("socket")`: it says how many bytes of each packet a socket receives.
#[derive(Debug)]
pub struct SocketFilter(pub(super) Program);
typed!(SocketFilter, "a socket filter", Socket);

impl SocketFilter {
    /// Attaches it to a socket, in place of a filter that is there. It stays until the socket is closed or
    /// [`SocketFilter::detach_from`] is called: the kernel has no link for it.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn attach_to(&self, socket: impl AsFd) -> Result<()> {
        link::socket(self, socket.as_fd(), SocketOption::ATTACH).context(|| self.what())
    }

    /// Removes the filter of a socket, whichever it is.
    ///
    /// # Errors
    ///
    /// What the kernel answers, such as that there is none.
    pub fn detach_from(&self, socket: impl AsFd) -> Result<()> {
        link::socket(self, socket.as_fd(), SocketOption::DETACH).context(|| self.what())
    }

    /// Runs it on a packet, attached or not; the result is how many bytes it lets through.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn test_run(&self, run: &TestRun<'_>) -> Result<Ran<u32>> {
        test_run::run(self, run, Has::Packet).map(|ran| ran.map(i32::cast_unsigned))
    }
}

/// A program in `SEC("sk_reuseport")` or `SEC("sk_reuseport/migrate")`: it chooses among sockets that share a port.
#[derive(Debug)]
pub struct SkReuseport(pub(super) Program);
typed!(SkReuseport, "a chooser among sockets", SkReuseport);

impl SkReuseport {
    /// Attaches it to the group of sockets that this socket, which has `SO_REUSEPORT`, shares its port with. It stays until
    /// [`SkReuseport::detach_from`] is called or the group is gone: the kernel has no link for it.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn attach_to(&self, socket: impl AsFd) -> Result<()> {
        link::socket(self, socket.as_fd(), SocketOption::ATTACH_REUSEPORT).context(|| self.what())
    }

    /// Removes the program of a socket's group, whichever it is.
    ///
    /// # Errors
    ///
    /// What the kernel answers, such as that there is none.
    pub fn detach_from(&self, socket: impl AsFd) -> Result<()> {
        link::socket(self, socket.as_fd(), SocketOption::DETACH_REUSEPORT).context(|| self.what())
    }
}

/// A program in `SEC("sk_skb/…")` or `SEC("sk_msg")`: it sees what the sockets in a map send or receive.
#[derive(Debug)]
pub struct SkMap(pub(super) Program);
typed!(SkMap, "a program of socket maps", SockMap);

/// What a program in `SEC("sk_skb")`, which does not say it, does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SkSkbRole {
    /// Says how long the next message of a stream is, as one in `SEC("sk_skb/stream_parser")`.
    StreamParser,
    /// Judges the messages of a stream, as one in `SEC("sk_skb/stream_verdict")`.
    StreamVerdict,
    /// Judges what any socket receives, as one in `SEC("sk_skb/verdict")` (from 5.13 on).
    Verdict,
}

impl SkMap {
    /// Attaches it to a map of type `SOCKMAP` or `SOCKHASH`: by a link, or as older kernels have it (before 6.10). It is detached
    /// when the link is dropped.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded, or its section (`SEC("sk_skb")`) does not say which of several kinds it
    /// is; else what the kernel answers.
    pub fn attach_to(&self, map: impl AsFd) -> Result<Link> {
        self.fd()?;
        link::sock_map(self, map.as_fd(), self.attach_type()).context(|| self.what())
    }

    /// Attaches it as [`SkMap::attach_to`] does, if it is in `SEC("sk_skb")`, which does not say what it does.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded, or its section says what it does; else what the kernel answers.
    pub fn attach_as(&self, role: SkSkbRole, map: impl AsFd) -> Result<Link> {
        self.fd()?;
        if self.prog_type() != Some(ProgType::SK_SKB) || self.attach_type() != AttachType::NONE {
            let section = self.section();
            let sentence = format!("SEC(\"{section}\") says already what it does");
            let error = Error::new(ErrorKind::InvalidInput, sentence);
            return Err(error.hint("call attach_to").context(self.what()));
        }
        let attach_type = match role {
            SkSkbRole::StreamParser => AttachType::SK_SKB_STREAM_PARSER,
            SkSkbRole::StreamVerdict => AttachType::SK_SKB_STREAM_VERDICT,
            SkSkbRole::Verdict => AttachType::SK_SKB_VERDICT,
        };
        link::sock_map(self, map.as_fd(), attach_type).context(|| self.what())
    }
}
