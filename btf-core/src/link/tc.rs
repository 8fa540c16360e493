//! Attaching to ingress and egress of network devices: as filters of `clsact` and their actions, by netlink, or by tcx and netkit
//! links.
//!
//! Source: `include/uapi/linux/rtnetlink.h`, `pkt_cls.h` and `tc_act/tc_bpf.h`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Binding, Link, refused, refused_request};
use crate::error::{Error, ErrorKind, Result};
use crate::obj::{AttachType, ProgType};
use crate::prog::{Direction, Interface, OrderOptions, Program, TcOptions};
use crate::sys::{self, Capabilities, Refusal, Request};

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

/// Of a filter that takes all packets, its actions by their order, and of the first what it is.
const TCA_MATCHALL_ACT: u16 = 2;
const FIRST_ACTION: u16 = 1;
const TCA_ACT_KIND: u16 = 1;
const TCA_ACT_OPTIONS: u16 = 2;
const TCA_ACT_BPF_PARMS: u16 = 2;
const TCA_ACT_BPF_FD: u16 = 5;
const TCA_ACT_BPF_NAME: u16 = 6;
const TCA_ACT_BPF_ID: u16 = 9;
/// `TC_ACT_UNSPEC`: the next filter decides.
const UNSPEC: i32 = -1;

/// `clsact`: its handle, its parent, and the parents of its filters.
const CLSACT_HANDLE: u32 = 0xffff_0000;
const CLSACT_PARENT: u32 = 0xffff_fff1;
const INGRESS_PARENT: u32 = 0xffff_fff2;
const EGRESS_PARENT: u32 = 0xffff_fff3;

/// `ETH_P_ALL`.
const ALL_PROTOCOLS: u16 = 3;

/// Which filter holds a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Holder {
    /// `cls_bpf`: the program is the filter.
    Classifier,
    /// `cls_matchall`: the program is the filter's only action.
    Action,
}

impl Holder {
    fn of(program: &Program) -> Holder {
        match program.prog_type() {
            Some(ProgType::SCHED_ACT) => Holder::Action,
            _ => Holder::Classifier,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Holder::Classifier => "bpf",
            Holder::Action => "matchall",
        }
    }

    /// The way from a filter's options to the program's number.
    fn way_to_id(self) -> &'static [u16] {
        match self {
            Holder::Classifier => &[TCA_BPF_ID],
            Holder::Action => &[
                TCA_MATCHALL_ACT,
                FIRST_ACTION,
                TCA_ACT_OPTIONS,
                TCA_ACT_BPF_ID,
            ],
        }
    }

    /// Adds the options of a filter that is to hold this program.
    fn options(self, request: Request, fd: u32, name: &str) -> Request {
        match self {
            Holder::Classifier => request
                .number(TCA_BPF_FD, fd)
                .text(TCA_BPF_NAME, name)
                .number(TCA_BPF_FLAGS, ACT_DIRECT),
            Holder::Action => {
                // `struct tc_act_bpf`: the third of five words is what follows an answer of TC_ACT_UNSPEC.
                let mut parameters = [0; 20];
                parameters[8..12].copy_from_slice(&UNSPEC.to_ne_bytes());
                request.nest(TCA_MATCHALL_ACT, |r| {
                    r.nest(FIRST_ACTION, |r| {
                        r.text(TCA_ACT_KIND, "bpf").nest(TCA_ACT_OPTIONS, |r| {
                            r.attr(TCA_ACT_BPF_PARMS, &parameters)
                                .number(TCA_ACT_BPF_FD, fd)
                                .text(TCA_ACT_BPF_NAME, name)
                        })
                    })
                })
            }
        }
    }
}

/// Where a filter is, as `struct tcmsg` says it.
#[derive(Clone, Copy, Debug)]
struct Filter {
    holder: Holder,
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
            .text(TCA_KIND, self.holder.name())
            .send()?;
        let mut way = [TCA_OPTIONS].iter().chain(self.holder.way_to_id());
        Ok(bodies
            .first()
            .and_then(|body| body.get(HEADER..))
            .and_then(|attrs| way.try_fold(attrs, |bytes, kind| sys::attribute(bytes, *kind)))
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
            .text(TCA_KIND, self.holder.name())
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
    let holder = Holder::of(program);
    if options.replace && holder == Holder::Action {
        let error = Error::new(
            ErrorKind::Unsupported,
            "it is an action, and filters with actions cannot be replaced",
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
    make_clsact(index).map_err(|refusal| explain(interface, holder, options, refusal))?;
    let protocol = u32::from(ALL_PROTOCOLS.to_be());
    let handle = match (holder, options.handle) {
        // The kernel's own choice, which its answer does not tell.
        (Holder::Action, 0) => 1,
        (_, handle) => handle,
    };
    let wanted = Filter {
        holder,
        index,
        handle,
        parent,
        info: u32::from(options.priority) << 16 | protocol,
    };
    let made = add(program, wanted, options)
        .map_err(|refusal| explain(interface, holder, options, refusal))?;
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
        .text(TCA_KIND, wanted.holder.name())
        .nest(TCA_OPTIONS, |r| {
            wanted.holder.options(r, fd.cast_unsigned(), program.name())
        })
        .send()?;
    let made = bodies.first().map_or(&[][..], Vec::as_slice);
    Ok(match made.len() {
        20.. => Filter {
            handle: match wanted.holder {
                Holder::Classifier => sys::u32_at(made, 8),
                Holder::Action => wanted.handle,
            },
            info: sys::u32_at(made, 16),
            ..wanted
        },
        _ => wanted,
    })
}

/// Makes the device's `clsact`, unless it has one.
fn make_clsact(index: u32) -> Result<(), Refusal> {
    let place = Filter {
        holder: Holder::Classifier,
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

fn explain(
    interface: Interface<'_>,
    holder: Holder,
    options: TcOptions,
    refusal: Refusal,
) -> Error {
    let errno = refusal.error.raw_os_error();
    let error = refused_request(format!("cannot attach to {interface}"), refusal);
    match errno {
        Some(libc::ENOENT) if holder == Holder::Action => error.hint(
            "this kernel may lack the modules: modprobe sch_ingress cls_matchall act_bpf",
        ),
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

/// What an error about a place among others means. `since` is the first kernel with such links.
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
