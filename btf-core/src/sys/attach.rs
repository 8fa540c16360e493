//! Attaching programs to what has a descriptor or a number of its own: network devices, cgroups, namespaces, maps, sockets.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::attr::abi;
use super::{Command, bpf, bpf_fd, fd_number};
use crate::obj::AttachType;

abi! {
    /// `BPF_LINK_CREATE` with the part of a link to what programs share in an order.
    LinkCreate, 32 {
        prog_fd: u32 = 0,
        target: u32 = 4,
        attach_type: u32 = 8,
        flags: u32 = 12,
        relative_fd: u32 = 16,
        pad: u32 = 20,
        expected_revision: u64 = 24,
    }
}

abi! {
    /// `BPF_LINK_CREATE` with the part of a netfilter hook's link.
    LinkCreateNetfilter, 32 {
        prog_fd: u32 = 0,
        target: u32 = 4,
        attach_type: u32 = 8,
        flags: u32 = 12,
        family: u32 = 16,
        hook: u32 = 20,
        priority: u32 = 24,
        netfilter_flags: u32 = 28,
    }
}

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

/// Where among others, and in which state of them, a program is put.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Among {
    /// `BPF_F_BEFORE` and its like.
    pub(crate) flags: u32,
    /// Descriptor of the program or link that it goes before or after.
    pub(crate) relative: u32,
    /// The state that others must be in, 0 for any.
    pub(crate) revision: u64,
}

/// Makes a link of a program and a target, which is a descriptor's number or the index of a network device.
pub(crate) fn link_create(
    prog: impl AsFd,
    target: u32,
    attach_type: AttachType,
    among: Among,
) -> io::Result<OwnedFd> {
    let mut attr = LinkCreate {
        prog_fd: fd_number(prog),
        target,
        attach_type: attach_type.0,
        flags: among.flags,
        relative_fd: among.relative,
        expected_revision: among.revision,
        ..Default::default()
    };
    // SAFETY: there is no address in it; the command returns a descriptor.
    unsafe { bpf_fd(Command::LINK_CREATE, &mut attr) }
}

/// Makes a link of a program and a hook of netfilter in this network namespace (from 6.4 on).
pub(crate) fn link_create_netfilter(
    prog: impl AsFd,
    family: u32,
    hook: u32,
    priority: i32,
    flags: u32,
) -> io::Result<OwnedFd> {
    let mut attr = LinkCreateNetfilter {
        prog_fd: fd_number(prog),
        attach_type: AttachType::NETFILTER.0,
        family,
        hook,
        priority: priority.cast_unsigned(),
        netfilter_flags: flags,
        ..Default::default()
    };
    // SAFETY: there is no address in it; the command returns a descriptor.
    unsafe { bpf_fd(Command::LINK_CREATE, &mut attr) }
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
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
