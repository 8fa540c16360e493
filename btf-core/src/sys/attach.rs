//! Attaching programs without links: to cgroups, namespaces, maps and devices by the older command, to sockets by their options.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::attr::abi;
use super::{Command, bpf, checked, fd_number};
use crate::obj::AttachType;

abi! {
    /// `BPF_PROG_ATTACH` and `BPF_PROG_DETACH`.
    ProgAttach, 20 {
        target: u32 = 0,
        prog_fd: u32 = 4,
        attach_type: u32 = 8,
        flags: u32 = 12,
        replace_fd: u32 = 16,
    }
}

/// Attaches a program without a link.
pub(crate) fn prog_attach(
    prog: impl AsFd,
    target: impl AsFd,
    attach_type: AttachType,
    flags: u32,
) -> io::Result<()> {
    let mut attr = ProgAttach {
        target: fd_number(target),
        prog_fd: fd_number(prog),
        attach_type: attach_type.0,
        flags,
        ..Default::default()
    };
    // SAFETY: there is no address in it.
    unsafe { bpf(Command::PROG_ATTACH, &mut attr) }.map(drop)
}

/// Detaches a program that was attached without a link.
pub(crate) fn prog_detach(
    prog: impl AsFd,
    target: impl AsFd,
    attach_type: AttachType,
) -> io::Result<()> {
    let mut attr = ProgAttach {
        target: fd_number(target),
        prog_fd: fd_number(prog),
        attach_type: attach_type.0,
        ..Default::default()
    };
    // SAFETY: there is no address in it.
    unsafe { bpf(Command::PROG_DETACH, &mut attr) }.map(drop)
}

/// Sets an option of a socket to a program's descriptor.
pub(crate) fn socket_program(
    socket: impl AsFd,
    option: libc::c_int,
    prog: BorrowedFd<'_>,
) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, option, prog.as_raw_fd())
}

/// Sets an option of a socket to a number.
pub(crate) fn set_option(
    socket: impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the kernel reads one live `int`, whose size is stated.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    checked(answer).map(drop)
}
