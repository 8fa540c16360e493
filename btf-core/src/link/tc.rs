//! Attaching to ingress and egress of network devices: as filters of `clsact`, by netlink, or by tcx and netkit links.
//!
//! Source: `include/uapi/linux/rtnetlink.h` and `pkt_cls.h`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Binding, Link, refused, refused_request};
use crate::error::{Error, ErrorKind, Result};
use crate::obj::{AttachType, ProgType};
use crate::prog::{Direction, Interface, OrderOptions, Program, TcOptions};
use crate::sys::{self, Refusal, Request};

const RTM_NEWQDISC: u16 = 36;
const RTM_NEWTFILTER: u16 = 44;
const RTM_DELTFILTER: u16 = 45;
const RTM_GETTFILTER: u16 = 46;

/// `NLM_F_…`.
const ECHO: u16 = 0x8;
const REPLACE: u16 = 0x100;
const EXCL: u16 = 0x200;
const CREATE: u16 = 0x400;

const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_FD: u16 = 6;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_FLAGS: u16 = 8;
const TCA_BPF_ID: u16 = 11;
/// `TCA_BPF_FLAG_ACT_DIRECT`.
const ACT_DIRECT: u32 = 1;

/// `clsact`: its handle, its parent, and the parents of its filters.
const CLSACT_HANDLE: u32 = 0xffff_0000;
const CLSACT_PARENT: u32 = 0xffff_fff1;
const INGRESS_PARENT: u32 = 0xffff_fff2;
const EGRESS_PARENT: u32 = 0xffff_fff3;

/// `ETH_P_ALL`.
const ALL_PROTOCOLS: u16 = 3;

/// Where a filter is, as `struct tcmsg` says it.
#[derive(Clone, Copy, Debug)]
struct Filter {
    index: u32,
    handle: u32,
    parent: u32,
    /// Priority and protocol.
    info: u32,
}

impl Filter {
    fn message(&self) -> [u8; 20] {
        let mut bytes = [0; 20];
        let words = [self.index, self.handle, self.parent, self.info];
        for (n, word) in words.iter().enumerate() {
            bytes[4 + 4 * n..8 + 4 * n].copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }
}

impl Filter {
    /// The number of the program that is there; none if the kernel does not tell (before 4.13).
    fn program_id(&self) -> Result<Option<u32>, Refusal> {
        // Bytes of `struct tcmsg`, before the attributes.
        const HEADER: usize = 20;
        let bodies = Request::new(RTM_GETTFILTER, 0, &self.message())
            .text(TCA_KIND, "bpf")
            .send()?;
        let of = |bytes, wanted| {
            let mut all = sys::attributes(bytes);
            all.find(|(kind, _)| *kind == wanted)
                .map(|(_, value)| value)
        };
        Ok(bodies
            .first()
            .and_then(|body| body.get(HEADER..))
            .and_then(|attrs| of(attrs, TCA_OPTIONS))
            .and_then(|options| of(options, TCA_BPF_ID))
            .map(|id| sys::u32_at(id, 0)))
    }
}

impl Binding for Filter {
    /// Removes the filter, unless another program has replaced this one there. libbpf's `bpf_tc_detach` removes what it finds: it is
    /// asked for a place. A link is a program's, and to drop it must not end what somebody has put in its stead since. The kernel
    /// cannot compare, so that one who replaces it between the question and the removal still loses.
    fn undo(&self, program: BorrowedFd<'_>) -> io::Result<()> {
        let found = self.program_id().map_err(|refusal| refusal.error)?;
        if found.is_some_and(|found| sys::prog_id(program).is_ok_and(|own| own != found)) {
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        }
        Request::new(RTM_DELTFILTER, 0, &self.message())
            .text(TCA_KIND, "bpf")
            .send()
            .map(drop)
            .map_err(|refusal| refusal.error)
    }
}

pub(crate) fn tc(
    program: &Program,
    interface: Interface<'_>,
    direction: Direction,
    options: TcOptions,
) -> Result<Link> {
    if program.prog_type() == Some(ProgType::SCHED_ACT) {
        let error = Error::new(
            ErrorKind::Unsupported,
            "it is an action, which belongs to a filter",
        );
        return Err(error.hint("make it a classifier: SEC(\"tc\")"));
    }
    if options.replace && (options.handle == 0 || options.priority == 0) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "which filter to replace is said by its handle and priority, and one of them is 0",
        ));
    }
    let index = interface.index()?;
    let parent = match direction {
        Direction::Ingress => INGRESS_PARENT,
        Direction::Egress => EGRESS_PARENT,
    };
    make_clsact(index).map_err(|refusal| explain(interface, options, refusal))?;
    let protocol = u32::from(ALL_PROTOCOLS.to_be());
    let wanted = Filter {
        index,
        handle: options.handle,
        parent,
        info: u32::from(options.priority) << 16 | protocol,
    };
    let made =
        add(program, wanted, options).map_err(|refusal| explain(interface, options, refusal))?;
    Link::of_binding(program, made)
}

/// Adds the filter; the answer says which handle and priority the kernel chose.
fn add(program: &Program, wanted: Filter, options: TcOptions) -> Result<Filter, Refusal> {
    let fd = program
        .fd()
        .map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?
        .as_raw_fd();
    let how = if options.replace { REPLACE } else { EXCL };
    let bodies = Request::new(RTM_NEWTFILTER, CREATE | ECHO | how, &wanted.message())
        .text(TCA_KIND, "bpf")
        .nest(TCA_OPTIONS, |r| {
            r.number(TCA_BPF_FD, fd.cast_unsigned())
                .text(TCA_BPF_NAME, program.name())
                .number(TCA_BPF_FLAGS, ACT_DIRECT)
        })
        .send()?;
    let made = bodies.first().map_or(&[][..], Vec::as_slice);
    Ok(match made.len() {
        20.. => Filter {
            handle: sys::u32_at(made, 8),
            info: sys::u32_at(made, 16),
            ..wanted
        },
        _ => wanted,
    })
}

/// Makes the device's `clsact`, unless it has one.
fn make_clsact(index: u32) -> Result<(), Refusal> {
    let place = Filter {
        index,
        handle: CLSACT_HANDLE,
        parent: CLSACT_PARENT,
        info: 0,
    };
    let made = Request::new(RTM_NEWQDISC, CREATE | EXCL, &place.message())
        .text(TCA_KIND, "clsact")
        .send();
    match made {
        Err(refusal) if refusal.error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        made => made.map(drop),
    }
}

fn explain(interface: Interface<'_>, options: TcOptions, refusal: Refusal) -> Error {
    let errno = refusal.error.raw_os_error();
    let error = refused_request(format!("cannot attach to {interface}"), refusal);
    match errno {
        Some(libc::ENOENT) => {
            error.hint("this kernel may lack the modules: modprobe sch_ingress cls_bpf")
        }
        Some(libc::EEXIST) => error.hint(
            "a filter has this handle and priority: take others, or replace it with TcOptions::replace",
        ),
        Some(libc::EBUSY) => error.hint(
            "another queueing discipline is at the device's ingress: `tc qdisc show` lists it; delete it first",
        ),
        Some(libc::EINVAL) if options != TcOptions::default() => {
            error.hint("filters of one priority are of one kind and protocol: take another priority")
        }
        _ => error,
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
        Err(e) => Err(misplaced(
            interface,
            e,
            "tcx links are in kernels from 6.6 on",
        )),
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
    .map_err(|e| {
        misplaced(
            interface,
            e,
            "it must be a netkit device, which kernels have from 6.7 on",
        )
    })
}

/// What an error about a place among others means.
fn misplaced(interface: Interface<'_>, e: io::Error, unknown: &'static str) -> Error {
    let errno = e.raw_os_error();
    let error = refused(format!("cannot attach to {interface}"), e);
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
        Some(libc::EINVAL) => error.hint(unknown),
        _ => error,
    }
}
