//! Programs of routes: lightweight tunnels.

use super::test_run::{self, Has};
use super::{Program, Ran, TestRun, typed};
use crate::error::Result;

/// A program in `SEC("lwt_in")`, `SEC("lwt_out")`, `SEC("lwt_xmit")` or `SEC("lwt_seg6local")`.
///
/// `ip route add … encap bpf` attaches it to a route, by the path that it is pinned at.
#[derive(Debug)]
pub struct Lwt(pub(super) Program);
typed!(Lwt, "a program of a route", Lwt);

impl Lwt {
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
