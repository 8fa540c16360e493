//! Attaching to network devices before the network stack: by links, or by netlink.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Binding, Link, refused_request};
use crate::error::{Error, Result};
use crate::obj::AttachType;
use crate::prog::{Interface, Program, XdpMode, XdpOptions};
use crate::sys::{self, Among, Refusal, Request};

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
    let fd = program.fd()?.as_raw_fd();
    set(index, fd, mode | if_none, None)
        .map_err(|refusal| explain(interface, options.mode, refusal))?;
    Link::of_binding(program, OnDevice { index, mode })
}

/// What netlink attached to a device.
#[derive(Debug)]
struct OnDevice {
    index: u32,
    mode: u32,
}

impl Binding for OnDevice {
    /// Detaches the program if it is still the one that is there.
    fn undo(&self, program: BorrowedFd<'_>) -> io::Result<()> {
        let expected = Some(program.as_raw_fd());
        match set(self.index, NO_PROGRAM, self.mode | REPLACE, expected) {
            // A kernel before 5.7, which cannot compare.
            Err(refusal) if refusal.error.raw_os_error() == Some(libc::EINVAL) => {
                set(self.index, NO_PROGRAM, self.mode, None)
            }
            done => done,
        }
        .map_err(|refusal| refusal.error)
    }
}

/// Sets the program of a device, if `expected` is the one that it has.
fn set(index: u32, fd: i32, flags: u32, expected: Option<i32>) -> Result<(), Refusal> {
    // `struct ifinfomsg`: only the index is looked at.
    let mut body = [0; 16];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    Request::new(RTM_SETLINK, 0, &body)
        .nest(IFLA_XDP, |mut r| {
            r = r.number(IFLA_XDP_FD, fd.cast_unsigned());
            r = r.number(IFLA_XDP_FLAGS, flags);
            match expected {
                Some(expected) => r.number(IFLA_XDP_EXPECTED_FD, expected.cast_unsigned()),
                None => r,
            }
        })
        .send()
        .map(|_| ())
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
