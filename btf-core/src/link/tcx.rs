//! Attaching to ingress and egress of network devices, and to netkit devices, by links.

use std::io;

use super::{Link, refused, tc};
use crate::error::{Error, Result};
use crate::obj::AttachType;
use crate::prog::{Direction, Interface, OrderOptions, Program, TcOptions};
use crate::sys::{self, Capabilities};

pub(crate) fn tcx(
    program: &Program,
    interface: Interface<'_>,
    options: OrderOptions<'_>,
) -> Result<Link> {
    let index = interface.index()?;
    let attach_type = program.attach_type();
    match sys::link_create(program.fd()?, index, attach_type, options.among()?) {
        Ok(fd) => Ok(Link::of_bpf(program.name(), fd)),
        // A kernel without such links.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) && options.are_plain() => {
            let direction = match attach_type {
                AttachType::TCX_EGRESS => Direction::Egress,
                _ => Direction::Ingress,
            };
            tc(program, interface, direction, TcOptions::default())
        }
        Err(e) => Err(misplaced(interface, e, (6, 6))),
    }
}

pub(crate) fn netkit(
    program: &Program,
    interface: Interface<'_>,
    options: OrderOptions<'_>,
) -> Result<Link> {
    let index = interface.index()?;
    sys::link_create(
        program.fd()?,
        index,
        program.attach_type(),
        options.among()?,
    )
    .map(|fd| Link::of_bpf(program.name(), fd))
    .map_err(|e| misplaced(interface, e, (6, 7)))
}

/// Explains an error about the position among other programs. `since` is the first kernel with such
/// links.
fn misplaced(interface: Interface<'_>, e: io::Error, since: (u8, u8)) -> Error {
    let errno = e.raw_os_error();
    let error = refused(
        format!("cannot attach to {interface}"),
        Capabilities::NET_ADMIN,
        e,
    );
    match errno {
        Some(libc::ESTALE) => error.hint(
            "programs were attached or detached since the expected revision: look again, and try again",
        ),
        Some(libc::ENOENT) => {
            error.hint("what it is to go before or after is not attached there")
        }
        Some(libc::EEXIST) => error.hint("it is attached there already"),
        Some(libc::ENODEV) => error.hint("there is no such device in this network namespace"),
        Some(libc::ENXIO) => error.hint("it is no netkit device: `ip link add NAME type netkit` makes a pair"),
        Some(libc::EACCES) => error.hint("the device is the peer of a netkit pair: attach to the primary one"),
        Some(libc::EINVAL) if let Some(newer) = sys::newer_kernel(since) => {
            error.hint(format!("such a link {newer}"))
        }
        _ => error,
    }
}
