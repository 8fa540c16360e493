//! Programs on sockets: filters, choosers among sockets that share a port, and those of socket maps.

use std::os::fd::{AsFd, BorrowedFd};

use crate::error::{Context, Result};
use crate::link::refused;
use crate::prog::test_run::{self, Has};
use crate::prog::{Program, Ran, TestRun, typed};
use crate::sys::{self, Capabilities};

/// A program in `SEC("socket")`: it says how many bytes of each packet a socket receives.
#[derive(Debug)]
pub struct SocketFilter(pub(crate) Program);
typed!(SocketFilter, "a socket filter", Socket);

impl SocketFilter {
    /// Attaches it to a socket, in place of a filter that is there. It stays until the socket is closed or
    /// [`SocketFilter::detach_from`] is called: the kernel has no link for it.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn attach_to(&self, socket: impl AsFd) -> Result<()> {
        set_option(&self.0, socket.as_fd(), SocketOption::ATTACH).context(|| self.0.what())
    }

    /// Removes the filter of a socket, whichever it is.
    ///
    /// # Errors
    ///
    /// What the kernel answers, such as that there is none.
    pub fn detach_from(&self, socket: impl AsFd) -> Result<()> {
        set_option(&self.0, socket.as_fd(), SocketOption::DETACH).context(|| self.0.what())
    }

    /// Runs it on a packet, attached or not; the result is how many bytes it lets through.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn test_run(&self, run: &TestRun<'_>) -> Result<Ran<u32>> {
        test_run::run(&self.0, run, Has::Packet).map(|ran| ran.map(i32::cast_unsigned))
    }
}

/// A program in `SEC("sk_reuseport")` or `SEC("sk_reuseport/migrate")`: it chooses among sockets that share a port.
#[derive(Debug)]
pub struct SkReuseport(pub(crate) Program);
typed!(SkReuseport, "a chooser among sockets", SkReuseport);

impl SkReuseport {
    /// Attaches it to the group of sockets that this socket, which has `SO_REUSEPORT`, shares its port with. It stays until
    /// [`SkReuseport::detach_from`] is called or the group is gone: the kernel has no link for it.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn attach_to(&self, socket: impl AsFd) -> Result<()> {
        set_option(&self.0, socket.as_fd(), SocketOption::ATTACH_REUSEPORT)
            .context(|| self.0.what())
    }

    /// Removes the program of a socket's group, whichever it is.
    ///
    /// # Errors
    ///
    /// What the kernel answers, such as that there is none.
    pub fn detach_from(&self, socket: impl AsFd) -> Result<()> {
        set_option(&self.0, socket.as_fd(), SocketOption::DETACH_REUSEPORT)
            .context(|| self.0.what())
    }
}

/// An option of sockets that concerns programs.
#[derive(Clone, Copy, Debug)]
struct SocketOption(libc::c_int);

impl SocketOption {
    const ATTACH: SocketOption = SocketOption(libc::SO_ATTACH_BPF);
    const DETACH: SocketOption = SocketOption(libc::SO_DETACH_FILTER);
    const ATTACH_REUSEPORT: SocketOption = SocketOption(libc::SO_ATTACH_REUSEPORT_EBPF);
    /// `SO_DETACH_REUSEPORT_BPF`, from 5.3 on.
    const DETACH_REUSEPORT: SocketOption = SocketOption(68);
}

/// Attaches to a socket, or detaches whatever is there.
fn set_option(program: &Program, socket: BorrowedFd<'_>, option: SocketOption) -> Result<()> {
    sys::socket_program(socket, option.0, program.fd()?).map_err(|e| {
        let errno = e.raw_os_error();
        let error = refused("the socket refused it".into(), Capabilities::BPF, e);
        match errno {
            Some(libc::ENOENT) => error.hint("nothing is attached to the socket"),
            Some(libc::EINVAL) if option.0 == SocketOption::ATTACH_REUSEPORT.0 => {
                error.hint("set SO_REUSEPORT on the socket before it is bound")
            }
            Some(libc::EPERM) if option.0 == SocketOption::DETACH.0 => {
                error.hint("the socket's filter is locked (SO_LOCK_FILTER)")
            }
            _ => error,
        }
    })
}
