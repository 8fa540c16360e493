//! Programs of socket maps: stream parsers, verdicts and message programs.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::cgroup::Preparation;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{Link, refused};
use crate::obj::{AttachType, ProgType};
use crate::prog::{Program, typed};
use crate::sys::{self, Among, Capabilities};

/// A program in `SEC("sk_skb/…")` or `SEC("sk_msg")`: it sees what the sockets in a map send or receive.
#[derive(Debug)]
pub struct SkMap(pub(crate) Program);
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
        self.0.fd()?;
        sock_map(&self.0, map.as_fd(), self.0.attach_type()).context(|| self.0.what())
    }

    /// Attaches it as [`SkMap::attach_to`] does, if it is in `SEC("sk_skb")`, which does not say what it does.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded, or its section says what it does; else what the kernel answers.
    pub fn attach_as(&self, role: SkSkbRole, map: impl AsFd) -> Result<Link> {
        self.0.fd()?;
        if self.0.prog_type() != Some(ProgType::SK_SKB) || self.0.attach_type() != AttachType::NONE
        {
            let section = self.0.section();
            let sentence = format!("SEC(\"{section}\") says already what it does");
            let error = Error::new(ErrorKind::InvalidInput, sentence);
            return Err(error.hint("call attach_to").context(self.0.what()));
        }
        let attach_type = match role {
            SkSkbRole::StreamParser => AttachType::SK_SKB_STREAM_PARSER,
            SkSkbRole::StreamVerdict => AttachType::SK_SKB_STREAM_VERDICT,
            SkSkbRole::Verdict => AttachType::SK_SKB_VERDICT,
        };
        sock_map(&self.0, map.as_fd(), attach_type).context(|| self.0.what())
    }
}

pub(crate) fn sock_map(
    program: &Program,
    map: BorrowedFd<'_>,
    attach_type: AttachType,
) -> Result<Link> {
    if attach_type == AttachType::NONE {
        let error = Error::new(
            ErrorKind::InvalidInput,
            format!(
                "SEC(\"{}\") does not say whether it parses or judges",
                program.section()
            ),
        );
        return Err(error.hint(
            "write SEC(\"sk_skb/stream_parser\"), SEC(\"sk_skb/stream_verdict\") or SEC(\"sk_skb/verdict\"), or call attach_as",
        ));
    }
    let prog = program.fd()?;
    match sys::link_create(prog, sys::fd_number(map), attach_type, Among::default()) {
        Ok(fd) => return Ok(Link::of_bpf(program.name(), fd)),
        // A kernel without such links.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {}
        Err(e) => return Err(not_to_map(e)),
    }
    let prepared = Preparation::new(program, map, attach_type)?;
    prepared.attach(0).map_err(not_to_map)
}

fn not_to_map(e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = refused(
        "cannot attach to the map".into(),
        Capabilities::NET_ADMIN,
        e,
    );
    match errno {
        Some(libc::EBUSY) => error.hint(
            "another program of this kind is attached to the map, or one that cannot be beside it",
        ),
        Some(libc::EINVAL | libc::EOPNOTSUPP) => {
            error.hint("it must be a map of type SOCKMAP or SOCKHASH")
        }
        _ => error,
    }
}
