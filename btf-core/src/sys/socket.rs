//! Sockets that questions are asked with, and what is named through them.

use std::ffi::CString;
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

/// Receives one message that is queued, without waiting for one; returns how many of the bytes it took.
pub(super) fn receive_queued(socket: impl AsFd, bytes: &mut [u8]) -> io::Result<usize> {
    let socket = socket.as_fd().as_raw_fd();
    let (start, len) = (bytes.as_mut_ptr().cast(), bytes.len());
    // SAFETY: the kernel writes exclusively borrowed bytes, as many as stated at most.
    let answer = unsafe { libc::recv(socket, start, len, libc::MSG_DONTWAIT) };
    usize::try_from(answer).map_err(|_| io::Error::last_os_error())
}

/// The index of a network device of this thread's network namespace. `ENODEV` if there is none of this name.
pub(crate) fn interface_index(name: &str) -> io::Result<u32> {
    // No name has a zero in it.
    let name = CString::new(name).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    // SAFETY: it reads a live C string.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}
