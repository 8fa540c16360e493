//! Attaching to ingress and egress of network devices, and to netkit devices, by links.

use std::io;

use super::tc::tc;
use super::{Direction, Interface, OrderOptions, TcOptions};
use crate::error::{Context, Error, Result};
use crate::link::{Link, refused};
use crate::obj::AttachType;
use crate::prog::test_run::{self, Has};
use crate::prog::{Program, Ran, TcAction, TestRun, typed};
use crate::sys::{self, Capabilities};

/// A program in `SEC("tcx/ingress")`, `SEC("tcx/egress")`, `SEC("tc/ingress")` or `SEC("tc/egress")`.
#[derive(Debug)]
pub struct Tcx(pub(crate) Program);
typed!(Tcx, "a tcx program", Tcx);

impl Tcx {
    /// Attaches it to a network device, among the programs that are there. Kernels before 6.6 have no such links: there it
    /// becomes a filter as by [`Tc::attach_to`](super::Tc::attach_to), if it is to be the last and no revision is expected.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; [`crate::ErrorKind::NotFound`] if there is no such device; else what
    /// the kernel answers.
    pub fn attach_to<'a>(
        &self,
        interface: impl Into<Interface<'a>>,
        options: OrderOptions<'_>,
    ) -> Result<Link> {
        self.0.fd()?;
        tcx(&self.0, interface.into(), options).context(|| self.0.what())
    }

    /// Runs it on a packet, attached or not.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn test_run(&self, run: &TestRun<'_>) -> Result<Ran<TcAction>> {
        test_run::run(&self.0, run, Has::Packet).map(|ran| ran.map(TcAction))
    }
}

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

/// Explains an error about the position among other programs. `since` is the first kernel with such
/// links.
pub(super) fn misplaced(interface: Interface<'_>, e: io::Error, since: (u8, u8)) -> Error {
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
