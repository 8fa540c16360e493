//! Programs of netkit devices.

use super::tcx::misplaced;
use super::{Interface, OrderOptions};
use crate::error::{Context, Result};
use crate::link::Link;
use crate::prog::test_run::{self, Has};
use crate::prog::{Program, Ran, TcAction, TestRun, typed};
use crate::sys;

/// A program in `SEC("netkit/primary")` or `SEC("netkit/peer")`.
#[derive(Debug)]
pub struct Netkit(pub(crate) Program);
typed!(Netkit, "a netkit program", Netkit);

impl Netkit {
    /// Attaches it to a pair of netkit devices, of which `interface` is the primary one: that which made the pair, and manages
    /// the programs of both.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; [`crate::ErrorKind::NotFound`] if there is no such device; else what
    /// the kernel answers: it must be a netkit device, and kernels have those from 6.7 on.
    pub fn attach_to<'a>(
        &self,
        interface: impl Into<Interface<'a>>,
        options: OrderOptions<'_>,
    ) -> Result<Link> {
        self.0.fd()?;
        netkit(&self.0, interface.into(), options).context(|| self.0.what())
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
