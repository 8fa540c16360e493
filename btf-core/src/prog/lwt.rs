//! Programs of routes: lightweight tunnels.

use super::test_run::{self, Has};
use super::{Program, Ran, Route, TestRun, typed};
use crate::error::{Context, Result};
use crate::link::{self, Link};

/// A program in `SEC("lwt_in")`, `SEC("lwt_out")`, `SEC("lwt_xmit")` or `SEC("lwt_seg6local")`.
///
/// libbpf loads these and leaves it to `ip route add … encap bpf` to attach them, which wants them pinned first. An application
/// that is to own what it attaches would have to call a tool for it and to clean up after it; so this crate adds the route.
#[derive(Debug)]
pub struct Lwt(pub(super) Program);
typed!(Lwt, "a program of a route", Lwt);

impl Lwt {
    /// Adds a route in this thread's network namespace, whose packets the program sees: `SEC("lwt_in")` those that come in for
    /// it, `SEC("lwt_out")` and `SEC("lwt_xmit")` those that go out, before and after they are made ready for the device; in
    /// `SEC("lwt_seg6local")`, those that come in for the route as the segment of IPv6 that their header says is next. The route
    /// is removed when the link is dropped, in whichever namespace, and no other in its stead.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded, the route makes no sense or has two programs for one thing;
    /// [`crate::ErrorKind::NotFound`] if there is no such device; else what the kernel answers, with what to try if a route with
    /// this destination, table and metric is there.
    pub fn attach_to(&self, route: &Route<'_>) -> Result<Link> {
        self.fd()?;
        link::lwt(self, route).context(|| self.what())
    }

    /// Runs it on a packet, from its Ethernet header on, of a route or of none; the result is a `BPF_OK`, `BPF_DROP` and so on. Newer kernels
    /// do not run those in `SEC("lwt_seg6local")` so.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn test_run(&self, run: &TestRun<'_>) -> Result<Ran> {
        test_run::run(self, run, Has::Packet)
    }
}
