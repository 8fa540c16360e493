//! Route netlink: one request at a time, and what the kernel answers.
//!
//! Source: `include/uapi/linux/netlink.h`. What the requests say is for [`crate::link`].

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use super::set_option;
use super::socket::{netlink_socket, receive_queued, send};

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Bytes of `struct nlattr`.
const ATTR_HEADER: usize = 4;
/// `NLM_F_REQUEST` and `NLM_F_ACK`.
const REQUEST_ACK: u16 = 0x1 | 0x4;
/// `NLA_F_NESTED`.
const NESTED: u16 = 1 << 15;
/// `NLMSG_ERROR`, which also is an acknowledgement.
const ERROR: u16 = 2;
/// `NLMSG_DONE`, the end of a list, in place of one.
const DONE: u16 = 3;
/// `NLM_F_ACK_TLVS`: attributes follow the error.
const ACK_TLVS: u16 = 0x200;
/// `NLMSGERR_ATTR_MSG`.
const ATTR_MSG: u16 = 1;
/// Options of `SOL_NETLINK`: errors come without the request, and with words; lists have only what is asked for.
const CAP_ACK: i32 = 10;
const EXT_ACK: i32 = 11;
const GET_STRICT_CHK: i32 = 12;
/// As much as one answer takes, with room: the kernel sends less than a page at a time to who asks for little.
const ANSWER: usize = 32 * 1024;

/// Reads of an answer that may fail before it counts as lost.
const RECEIVE_ATTEMPTS: usize = 4;

/// A request that failed.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: io::Error,
    /// The kernel's own message, if it sent one.
    pub(crate) words: Option<String>,
    /// The kernel got the request, and its answer did not arrive: the request may have taken
    /// effect.
    pub(crate) is_answer_lost: bool,
}

impl Refusal {
    fn lost(error: io::Error) -> Refusal {
        Refusal {
            error,
            words: None,
            is_answer_lost: true,
        }
    }

    pub(crate) fn errno(&self) -> Option<i32> {
        self.error.raw_os_error()
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        Refusal {
            error,
            words: None,
            is_answer_lost: false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.words {
            Some(words) => write!(f, "{}: {words}", self.error),
            None => self.error.fmt(f),
        }
    }
}

/// A request under construction.
#[derive(Debug)]
pub(crate) struct Request(Vec<u8>);

impl Request {
    /// A request of this kind (`RTM_…`), with flags besides those that every request has, and the fixed part of its body.
    pub(crate) fn new(kind: u16, flags: u16, body: &[u8]) -> Request {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags | REQUEST_ACK).to_ne_bytes());
        bytes.extend(body);
        let mut request = Request(bytes);
        request.align();
        request
    }

    fn align(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    /// Adds an attribute. Callers' values are far shorter than the 64 KiB that one can have.
    pub(crate) fn attr(mut self, kind: u16, value: &[u8]) -> Request {
        let length = u16::try_from(ATTR_HEADER + value.len()).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.align();
        self
    }

    /// Adds a name, with the NUL that the kernel wants.
    pub(crate) fn text(self, kind: u16, value: &str) -> Request {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attr(kind, &bytes)
    }

    /// Adds a number.
    pub(crate) fn number(self, kind: u16, value: u32) -> Request {
        self.attr(kind, &value.to_ne_bytes())
    }

    /// Adds an attribute that has attributes in it.
    pub(crate) fn nest(mut self, kind: u16, fill: impl FnOnce(Request) -> Request) -> Request {
        let start = self.0.len();
        self.0.extend([0; 2]);
        self.0.extend((kind | NESTED).to_ne_bytes());
        let mut request = fill(self);
        let length = u16::try_from(request.0.len() - start).unwrap_or(u16::MAX);
        request.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        request
    }

    fn sequenced(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.0
    }
}

/// A socket of route netlink. It stays in the network namespace that it was opened in.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
    /// Sequence number of the last request. Late replies to earlier ones are skipped.
    sequence: u32,
}

impl Netlink {
    /// Opens a socket in this thread's network namespace.
    pub(crate) fn open() -> io::Result<Netlink> {
        let socket = netlink_socket()?;
        // Optional: a kernel that does not know one of them sends less text, or filters lists less.
        let _ = set_option(&socket, libc::SOL_NETLINK, CAP_ACK, 1);
        let _ = set_option(&socket, libc::SOL_NETLINK, EXT_ACK, 1);
        let _ = set_option(&socket, libc::SOL_NETLINK, GET_STRICT_CHK, 1);
        let sequence = 0;
        Ok(Netlink { socket, sequence })
    }

    /// Sends a request, and returns the bodies of the messages before its acknowledgement.
    pub(crate) fn send(&mut self, request: Request) -> Result<Vec<Vec<u8>>, Refusal> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = request.sequenced(self.sequence);
        // A request that cannot be sent has not reached the kernel.
        uninterrupted(|| send(&self.socket, &bytes))?;
        let mut bodies = Vec::new();
        let mut datagram = vec![0; ANSWER];
        let mut failures = 0;
        let mut first = None;
        loop {
            // The kernel handles a request within send(2), so that the answer, or the next part of
            // a list, is queued already. A wait for an answer that it could not allocate would
            // never end.
            match uninterrupted(|| receive_queued(&self.socket, &mut datagram)) {
                Ok(length) if read(&datagram[..length], self.sequence, &mut bodies)? => {
                    return Ok(bodies);
                }
                Ok(_) => failures = 0,
                // The kernel reports a lack of memory once; what it could send follows.
                Err(e) => {
                    failures += 1;
                    let e = first.take().unwrap_or(e);
                    if failures == RECEIVE_ATTEMPTS {
                        return Err(Refusal::lost(e));
                    }
                    first = Some(e);
                }
            }
        }
    }
}

/// Repeats a system call that a signal interrupted.
fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Reads the messages of one datagram; returns `true` if it contains the acknowledgement of the
/// request with this sequence number.
fn read(mut datagram: &[u8], sequence: u32, bodies: &mut Vec<Vec<u8>>) -> Result<bool, Refusal> {
    while let Some((header, _)) = datagram.split_at_checked(HEADER) {
        let length = u32_at(header, 0) as usize;
        let (kind, flags) = (u16_at(header, 4), u16_at(header, 6));
        let Some(body) = datagram.get(HEADER..length) else {
            break;
        };
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
        if u32_at(header, 8) != sequence {
            continue;
        }
        if kind == ERROR || kind == DONE {
            return match u32_at(body, 0).cast_signed() {
                0 => Ok(true),
                errno => Err(Refusal {
                    error: io::Error::from_raw_os_error(errno.wrapping_neg()),
                    words: (flags & ACK_TLVS != 0)
                        .then(|| words(body.get(4 + HEADER..).unwrap_or_default()))
                        .flatten(),
                    is_answer_lost: false,
                }),
            };
        }
        bodies.push(body.to_vec());
    }
    Ok(false)
}

/// The kernel's words among the attributes of an error.
fn words(attrs: &[u8]) -> Option<String> {
    let text = attribute(attrs, ATTR_MSG)?;
    let text = text.split(|b| *b == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// The attributes in some bytes: kinds and values.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = bytes.get(..ATTR_HEADER)?;
        let length = usize::from(u16_at(header, 0));
        let value = bytes.get(ATTR_HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16_at(header, 2) & !NESTED, value))
    })
}

/// The value of the first attribute of a kind in some bytes.
pub(crate) fn attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut all = attributes(bytes);
    all.find(|(kind, _)| *kind == wanted)
        .map(|(_, value)| value)
}

/// The number at an offset; 0 past the end.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |b| u32::from_ne_bytes(*b))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |b| u16::from_ne_bytes(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_aligned_and_nested() {
        let request = Request::new(19, 0x100, &[1, 2, 3])
            .text(1, "lo")
            .nest(2, |r| r.number(3, 7));
        let bytes = &request.0;
        assert_eq!(u16_at(bytes, 4), 19);
        assert_eq!(u16_at(bytes, 6), 0x105);
        let attrs: Vec<_> = attributes(&bytes[HEADER + 4..]).collect();
        assert_eq!(attrs[0], (1, &b"lo\0"[..]));
        let inner: Vec<_> = attributes(attrs[1].1).collect();
        assert_eq!(inner, [(3, &7u32.to_ne_bytes()[..])]);
        assert_eq!(attrs[1].0, 2);
    }

    fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut request = Request::new(kind, 0, body);
        request.0[6..8].copy_from_slice(&flags.to_ne_bytes());
        request.sequenced(1)
    }

    #[test]
    fn answers_end_with_an_acknowledgement_a_mark_or_words() {
        let mut bodies = Vec::new();
        let mut datagram = message(44, 0, &[5; 8]);
        assert!(!read(&datagram, 1, &mut bodies).unwrap());
        datagram.extend(message(ERROR, 0, &[0; 20]));
        assert!(read(&datagram, 1, &mut bodies).unwrap());
        assert_eq!(bodies, [[5; 8], [5; 8]]);

        let mut list = message(24, 2, &[6; 12]);
        list.extend(message(DONE, 2, &[0; 4]));
        assert!(read(&list, 1, &mut bodies).unwrap());
        assert_eq!(bodies[2], [6; 12]);

        let mut body = (-16i32).to_ne_bytes().to_vec();
        body.extend([0; HEADER]);
        body.extend(Request(Vec::new()).text(ATTR_MSG, "it is busy").0);
        let refusal = read(&message(ERROR, ACK_TLVS, &body), 1, &mut bodies).unwrap_err();
        assert_eq!(refusal.error.raw_os_error(), Some(16));
        assert_eq!(refusal.words.as_deref(), Some("it is busy"));
    }

    #[test]
    fn skips_answers_to_former_requests() {
        let mut bodies = Vec::new();
        let mut datagram = message(44, 0, &[5; 8]);
        let body = (-17i32).to_ne_bytes();
        datagram.extend(message(ERROR, 0, &[&body[..], &[0; HEADER]].concat()));
        assert!(!read(&datagram, 2, &mut bodies).unwrap());
        assert!(bodies.is_empty());
    }

    #[test]
    fn answers_that_do_not_arrive_are_lost_and_not_waited_for() {
        let (socket, kernel) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let mut netlink = Netlink {
            socket: socket.into(),
            sequence: 0,
        };
        let late = message(ERROR, 0, &[0; 20]);
        let refusal = netlink.send(Request::new(19, 0, &[])).unwrap_err();
        assert!(refusal.is_answer_lost, "{refusal:?}");
        assert_eq!(refusal.errno(), Some(libc::EAGAIN));
        // It is not taken for the answer to the next request.
        kernel.send(&late).unwrap();
        let refusal = netlink.send(Request::new(19, 0, &[])).unwrap_err();
        assert!(refusal.is_answer_lost, "{refusal:?}");
        drop(kernel);
        let refusal = netlink.send(Request::new(19, 0, &[])).unwrap_err();
        assert!(!refusal.is_answer_lost, "not sent: {refusal:?}");
    }

    #[test]
    fn damaged_answers_end() {
        let mut bodies = Vec::new();
        let whole = message(44, 0, &[5; 8]);
        for end in 0..whole.len() {
            assert!(!read(&whole[..end], 1, &mut bodies).unwrap());
        }
        let mut none = whole.clone();
        none[..4].fill(0);
        assert!(!read(&none, 1, &mut bodies).unwrap());
        assert!(bodies.is_empty());
        assert_eq!(attributes(&[3, 0, 1, 0]).count(), 0);
    }
}
