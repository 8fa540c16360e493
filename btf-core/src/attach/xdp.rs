//! Programs that see packets as a network device receives them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::Interface;
use crate::error::{Context, Error, Result};
use crate::link::{Binding, Link, hold, refused_request, remove};
use crate::obj::AttachType;
use crate::prog::test_run::{self, Has};
use crate::prog::{Program, Ran, TestRun, XdpAction, typed};
use crate::sys::{self, Among, Netlink, Refusal, Request};

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
/// # fn attach(program: btf_core::attach::Xdp) -> btf_core::Result<()> {
/// use btf_core::attach::{XdpMode, XdpOptions};
///
/// let link = program.attach_to("eth0", XdpOptions::default())?;
/// drop(link);
/// let link = program.attach_to(1, XdpMode::Skb.into())?;
/// # drop(link);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Xdp(pub(crate) Program);
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
        self.0.fd()?;
        xdp(&self.0, interface.into(), options).context(|| self.0.what())
    }

    /// Runs it on a packet, attached or not; or on live frames ([`TestRun::live_frames`]).
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn test_run(&self, run: &TestRun<'_>) -> Result<Ran<XdpAction>> {
        test_run::run(&self.0, run, Has::Packet)
            .map(|ran| ran.map(|result| XdpAction(result.cast_unsigned())))
    }
}

/// `XDP_FLAGS_…`.
const UPDATE_IF_NOEXIST: u32 = 1 << 0;
const SKB_MODE: u32 = 1 << 1;
const DRV_MODE: u32 = 1 << 2;
const HW_MODE: u32 = 1 << 3;
const REPLACE: u32 = 1 << 4;

/// `RTM_SETLINK`, and the attributes of `IFLA_XDP`.
const RTM_SETLINK: u16 = 19;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_FD: u16 = 1;
const IFLA_XDP_FLAGS: u16 = 3;
const IFLA_XDP_EXPECTED_FD: u16 = 8;

/// The "descriptor" that means none.
const NO_PROGRAM: i32 = -1;

impl XdpMode {
    fn flags(self) -> u32 {
        match self {
            XdpMode::Auto => 0,
            XdpMode::Driver => DRV_MODE,
            XdpMode::Skb => SKB_MODE,
            XdpMode::Hardware => HW_MODE,
        }
    }
}

pub(crate) fn xdp(
    program: &Program,
    interface: Interface<'_>,
    options: XdpOptions,
) -> Result<Link> {
    let index = interface.index()?;
    let mode = options.mode.flags();
    if !options.replace {
        let among = Among {
            flags: mode,
            ..Among::default()
        };
        match sys::link_create(program.fd()?, index, AttachType::XDP, among) {
            Ok(fd) => return Ok(Link::of_bpf(program.name(), fd)),
            // Of a kernel without such links; or of one whose netlink says why.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {}
            Err(e) => return Err(explain(interface, options.mode, e.into())),
        }
    }
    let if_none = if options.replace {
        0
    } else {
        UPDATE_IF_NOEXIST
    };
    let held = hold(program.fd()?)?;
    let netlink = Netlink::open().map_err(|e| Error::os("cannot open a netlink socket", e))?;
    let mut device = OnDevice {
        netlink,
        index,
        mode,
    };
    if let Err(refusal) = device.set(held.as_raw_fd(), mode | if_none, None) {
        if refusal.is_answer_lost {
            // It may be attached. Only this program is removed, so that it does no harm if it is
            // not.
            let _ = device.undo(held.as_fd());
        }
        return Err(explain(interface, options.mode, refusal));
    }
    Ok(Link::of_binding(program.name(), held, device))
}

/// A device whose program was attached by netlink.
#[derive(Debug)]
struct OnDevice {
    netlink: Netlink,
    index: u32,
    mode: u32,
}

impl OnDevice {
    /// Sets the device's program; fails if it has another one than `expected`.
    fn set(&mut self, fd: i32, flags: u32, expected: Option<i32>) -> Result<(), Refusal> {
        // `struct ifinfomsg`: only the index matters.
        let mut body = [0; 16];
        body[4..8].copy_from_slice(&self.index.to_ne_bytes());
        let request = Request::new(RTM_SETLINK, 0, &body).nest(IFLA_XDP, |mut r| {
            r = r.number(IFLA_XDP_FD, fd.cast_unsigned());
            r = r.number(IFLA_XDP_FLAGS, flags);
            match expected {
                Some(expected) => r.number(IFLA_XDP_EXPECTED_FD, expected.cast_unsigned()),
                None => r,
            }
        });
        self.netlink.send(request).map(drop)
    }
}

impl Binding for OnDevice {
    /// Detaches the program if it is still the device's.
    fn undo(&mut self, program: BorrowedFd<'_>) -> io::Result<()> {
        let (expected, mode) = (Some(program.as_raw_fd()), self.mode);
        let removed = remove(libc::EEXIST, || {
            self.set(NO_PROGRAM, mode | REPLACE, expected)
        });
        match removed {
            // A kernel before 5.7, which cannot compare.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
                remove(libc::EEXIST, || self.set(NO_PROGRAM, mode, None))
            }
            done => done,
        }
    }
}

fn explain(interface: Interface<'_>, mode: XdpMode, refusal: Refusal) -> Error {
    let errno = refusal.error.raw_os_error();
    let error = refused_request(format!("cannot attach to {interface}"), refusal);
    match errno {
        Some(libc::EBUSY | libc::EEXIST) => error.hint(
            "another program is attached there; `ip link` shows it, and XdpOptions::replace takes its place unless a link holds it",
        ),
        Some(libc::EOPNOTSUPP) if mode == XdpMode::Hardware => {
            error.hint("the device runs no programs itself; try XdpMode::Driver or XdpMode::Skb")
        }
        Some(libc::EOPNOTSUPP) => {
            error.hint("the device's driver runs no programs; try XdpMode::Skb")
        }
        Some(libc::ENODEV) => error.hint("there is no such device in this network namespace"),
        Some(libc::EINVAL) if mode == XdpMode::Hardware => {
            error.hint("a program is loaded for a device's hardware or for the kernel; try another XdpMode")
        }
        _ => error,
    }
}
