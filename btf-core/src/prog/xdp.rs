//! Programs that see packets as a network device receives them.

use super::test_run::{self, Has};
use super::{Interface, Program, Ran, TestRun, XdpAction, typed};
use crate::error::{Context, Result};
use crate::link::{self, Link};

/// Where in a device's path an XDP program runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum XdpMode {
    /// In the driver if it can, else as [`XdpMode::Skb`].
    #[default]
    Auto,
    /// In the driver, before the kernel has made anything of the packet; not every driver can.
    Driver,
    /// After the kernel has made a `sk_buff` of the packet: slower, and on every device.
    Skb,
    /// On the device itself, if it runs BPF.
    Hardware,
}

/// How an XDP program is attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct XdpOptions {
    /// Where it runs.
    pub mode: XdpMode,
    /// Takes the place of a program that is there, as `ip link set … xdp` attaches them. It is then attached as such, too: by
    /// netlink rather than by a BPF link. One that is held by a link keeps its place.
    pub replace: bool,
}

impl From<XdpMode> for XdpOptions {
    fn from(mode: XdpMode) -> XdpOptions {
        XdpOptions {
            mode,
            replace: false,
        }
    }
}

/// A program in `SEC("xdp")` or `SEC("xdp.frags")`.
///
/// ```no_run
/// # fn attach(program: btf_core::prog::Xdp) -> btf_core::Result<()> {
/// use btf_core::prog::{XdpMode, XdpOptions};
///
/// let link = program.attach_to("eth0", XdpOptions::default())?;
/// drop(link);
/// let link = program.attach_to(1, XdpMode::Skb.into())?;
/// # drop(link);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Xdp(pub(super) Program);
typed!(Xdp, "an XDP program", Xdp);

impl Xdp {
    /// Attaches it to a network device: by a BPF link, or where the kernel has none for devices (before 5.9) by netlink. It is
    /// detached when the link is dropped.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; [`crate::ErrorKind::NotFound`] if there is no such device; else what
    /// the kernel answers, with what to try if another program is there or the device cannot do the mode.
    pub fn attach_to<'a>(
        &self,
        interface: impl Into<Interface<'a>>,
        options: XdpOptions,
    ) -> Result<Link> {
        self.fd()?;
        link::xdp(self, interface.into(), options).context(|| self.what())
    }

    /// Runs it on a packet, attached or not; or on live frames ([`TestRun::live_frames`]).
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn test_run(&self, run: &TestRun<'_>) -> Result<Ran<XdpAction>> {
        test_run::run(self, run, Has::Packet)
            .map(|ran| ran.map(|result| XdpAction(result.cast_unsigned())))
    }
}
