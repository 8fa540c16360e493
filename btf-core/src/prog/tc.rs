//! Programs of traffic control: classifiers at a device's ingress and egress.

use super::test_run::{self, Has};
use super::{Interface, OrderOptions, Program, Ran, TcAction, TestRun, typed};
use crate::error::{Context, Result};
use crate::link::{self, Link};

/// Which packets of a device a program sees.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// Those that it receives.
    Ingress,
    /// Those that it sends.
    Egress,
}

/// How a program becomes a filter of a device's `clsact` queueing discipline.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcOptions {
    /// Number of the filter among those of its priority; 0 for one that is free.
    pub handle: u32,
    /// Filters with lower priorities run first; 0 for one before those that are there.
    pub priority: u16,
    /// Takes the place of the filter with this handle and priority, which must then be given.
    pub replace: bool,
}

/// A program in `SEC("tc")`, `SEC("classifier")` or `SEC("action")`.
#[derive(Debug)]
pub struct Tc(pub(super) Program);
typed!(Tc, "a program of traffic control", Tc);

impl Tc {
    /// Attaches it to a network device as a filter that decides by itself (`direct-action`) in the
    /// device's `clsact` queueing discipline, which is made if there is none. The filter is removed
    /// when the link is dropped, and with it a `clsact` that was made for it, unless other filters
    /// use that by then. A program in `SEC("action")` becomes the action of a filter that matches
    /// all packets; `TC_ACT_UNSPEC` passes them on to the next filter there, too. (libbpf attaches
    /// classifiers only.)
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; [`crate::ErrorKind::NotFound`] if there is no such device, or the
    /// kernel lacks `sch_ingress`, `cls_bpf` or, for actions, `cls_matchall` and `act_bpf`;
    /// [`crate::ErrorKind::Unsupported`] if an action is to replace another; else what the kernel answers.
    pub fn attach_to<'a>(
        &self,
        interface: impl Into<Interface<'a>>,
        direction: Direction,
        options: TcOptions,
    ) -> Result<Link> {
        self.fd()?;
        link::tc(self, interface.into(), direction, options).context(|| self.what())
    }

    /// Runs it on a packet, attached or not.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn test_run(&self, run: &TestRun<'_>) -> Result<Ran<TcAction>> {
        test_run::run(self, run, Has::Packet).map(|ran| ran.map(TcAction))
    }
}

/// A program in `SEC("tcx/ingress")`, `SEC("tcx/egress")`, `SEC("tc/ingress")` or `SEC("tc/egress")`.
#[derive(Debug)]
pub struct Tcx(pub(super) Program);
typed!(Tcx, "a tcx program", Tcx);

impl Tcx {
    /// Attaches it to a network device, among the programs that are there. Kernels before 6.6 have no such links: there it
    /// becomes a filter as by [`Tc::attach_to`], if it is to be the last and no revision is expected.
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
        self.fd()?;
        link::tcx(self, interface.into(), options).context(|| self.what())
    }

    /// Runs it on a packet, attached or not.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn test_run(&self, run: &TestRun<'_>) -> Result<Ran<TcAction>> {
        test_run::run(self, run, Has::Packet).map(|ran| ran.map(TcAction))
    }
}

/// A program in `SEC("netkit/primary")` or `SEC("netkit/peer")`.
#[derive(Debug)]
pub struct Netkit(pub(super) Program);
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
        self.fd()?;
        link::netkit(self, interface.into(), options).context(|| self.what())
    }

    /// Runs it on a packet, attached or not.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn test_run(&self, run: &TestRun<'_>) -> Result<Ran<TcAction>> {
        test_run::run(self, run, Has::Packet).map(|ran| ran.map(TcAction))
    }
}
