//! Sockets that questions are asked with, and what is named through them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use super::checked;

/// A socket of route netlink.
pub(super) fn netlink_socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: there is no address.
    let fd = checked(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) })?;
    // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends bytes; how many were sent.
pub(super) fn send(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: the kernel reads live bytes, as many as stated.
    let answer = unsafe { libc::send(socket, bytes.as_ptr().cast(), bytes.len(), 0) };
    usize::try_from(answer).map_err(|_| io::Error::last_os_error())
}

/// Receives one message that is queued, without waiting for one; returns how many of the bytes it
/// took.
pub(super) fn receive_queued(socket: impl AsFd, bytes: &mut [u8]) -> io::Result<usize> {
    let socket = socket.as_fd().as_raw_fd();
    let (start, len) = (bytes.as_mut_ptr().cast(), bytes.len());
    // SAFETY: the kernel writes exclusively borrowed bytes, as many as stated at most.
    let answer = unsafe { libc::recv(socket, start, len, libc::MSG_DONTWAIT) };
    usize::try_from(answer).map_err(|_| io::Error::last_os_error())
}

/// Returns the index of a network device of this thread's network namespace. `ENODEV` if there is
/// none of this name.
///
/// if_nametoindex(3) does not tell a lack of file descriptors from a lack of network protocols.
pub(crate) fn interface_index(name: &str) -> io::Result<u32> {
    let no_such_device = || io::Error::from_raw_os_error(libc::ENODEV);
    // SAFETY: the struct consists of integers, for which zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The kernel reads a NUL at the end; no name has one inside.
    if name.len() >= request.ifr_name.len() || name.contains('\0') {
        return Err(no_such_device());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    let socket = netlink_socket()?;
    // SAFETY: the kernel reads and writes a live struct of the kind that this request has.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFINDEX, &raw mut request) };
    checked(answer)?;
    // SAFETY: all bytes of the union are initialized, and an integer may have any bits.
    let index = unsafe { request.ifr_ifru.ifru_ifindex };
    u32::try_from(index).map_err(|_| no_such_device())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_an_index() {
        assert_eq!(interface_index("lo").unwrap(), 1);
        for name in ["", "nosuchdevice0", "a_name_that_is_too_long", "l\0o"] {
            let errno = interface_index(name).unwrap_err().raw_os_error();
            assert_eq!(errno, Some(libc::ENODEV), "{name:?}");
        }
    }
}
