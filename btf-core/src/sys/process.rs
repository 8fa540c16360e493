//! Processes: what this one is, and descriptors of others.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Whether this process acts as root.
pub(crate) fn is_root() -> bool {
    // SAFETY: it takes nothing, and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Opens a descriptor of a process, by its number.
pub(crate) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    let flags: libc::c_uint = 0;
    // SAFETY: there is no address.
    let answer = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, flags) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = RawFd::try_from(answer).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it; it sets close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_have_descriptors() {
        assert!(pidfd_open(std::process::id()).is_ok());
        assert_eq!(
            pidfd_open(0).unwrap_err().raw_os_error(),
            Some(libc::EINVAL)
        );
    }
}
