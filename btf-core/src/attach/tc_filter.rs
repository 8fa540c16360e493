//! Filters of `clsact` that hold programs, by netlink: how they are added, found and removed.
//!
//! Source: `include/uapi/linux/rtnetlink.h`, `pkt_cls.h` and `tc_act/tc_bpf.h`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use crate::error::{Error, Result};
use crate::link::{Binding, remove};
use crate::obj::ProgType;
use crate::prog::Program;
use crate::sys::{self, Netlink, Refusal, Request};

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

const RTM_NEWQDISC: u16 = 36;
const RTM_DELQDISC: u16 = 37;
const RTM_NEWTFILTER: u16 = 44;
const RTM_DELTFILTER: u16 = 45;
const RTM_GETTFILTER: u16 = 46;

/// `NLM_F_…`.
const ECHO: u16 = 0x8;
const REPLACE: u16 = 0x100;
const DUMP: u16 = 0x300;
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

/// Attributes of a `matchall` filter: its actions by order, and the kind of the first.
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

/// Bytes of `struct tcmsg`, before the attributes, and offsets in it.
const HEADER: usize = 20;
const HANDLE: usize = 8;
const INFO: usize = 16;

/// `ETH_P_ALL`.
const ALL_PROTOCOLS: u16 = 3;

/// Which filter holds a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Holder {
    /// `cls_bpf`: the program is the filter.
    Classifier,
    /// `cls_matchall`: the program is the filter's only action.
    Action,
}

impl Holder {
    pub(super) fn of(program: &Program) -> Holder {
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

    /// Attribute path from a filter's options to the program's ID.
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
                // `struct tc_act_bpf`: the third of five words is what follows an answer of
                // TC_ACT_UNSPEC.
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

/// Location of a filter or queueing discipline: `struct tcmsg`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filter {
    holder: Holder,
    index: u32,
    handle: u32,
    parent: u32,
    /// Priority and protocol.
    info: u32,
}

impl Filter {
    fn message(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let words = [self.index, self.handle, self.parent, self.info];
        for (n, word) in words.iter().enumerate() {
            bytes[4 + 4 * n..8 + 4 * n].copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    /// Returns the location of a filter to add. The kernel chooses a handle or priority of 0.
    pub(super) fn wanted(
        holder: Holder,
        index: u32,
        direction: Direction,
        options: TcOptions,
    ) -> Filter {
        let handle = match (holder, options.handle) {
            // The kernel's own choice, which its answer does not tell.
            (Holder::Action, 0) => 1,
            (_, handle) => handle,
        };
        Filter {
            holder,
            index,
            handle,
            parent: match direction {
                Direction::Ingress => INGRESS_PARENT,
                Direction::Egress => EGRESS_PARENT,
            },
            info: u32::from(options.priority) << 16 | u32::from(ALL_PROTOCOLS.to_be()),
        }
    }

    /// The device's `clsact`.
    fn clsact(index: u32) -> Filter {
        Filter {
            holder: Holder::Classifier,
            index,
            handle: CLSACT_HANDLE,
            parent: CLSACT_PARENT,
            info: 0,
        }
    }

    /// The filter that a message of the kernel is about.
    fn read(&self, body: &[u8]) -> Filter {
        Filter {
            handle: match self.holder {
                Holder::Classifier => sys::u32_at(body, HANDLE),
                // The message about a new filter does not tell it.
                Holder::Action => self.handle,
            },
            info: sys::u32_at(body, INFO),
            ..*self
        }
    }

    /// Returns the ID of the program in a filter message; `None` before Linux 4.13.
    fn program_id(&self, body: &[u8]) -> Option<u32> {
        let attrs = body.get(HEADER..)?;
        let mut way = [TCA_OPTIONS].iter().chain(self.holder.way_to_id());
        way.try_fold(attrs, |bytes, kind| sys::attribute(bytes, *kind))
            .map(|id| sys::u32_at(id, 0))
    }

    fn is_same(&self, other: &Filter) -> bool {
        (self.handle, self.info) == (other.handle, other.info)
    }
}

/// Filter of a link, and the resources to remove it.
#[derive(Debug)]
pub(super) struct Attached {
    /// Of the device's network namespace, wherever the link is dropped.
    netlink: Netlink,
    /// Location of the filter; `None` once it is removed.
    filter: Option<Filter>,
    /// The program's ID.
    program: u32,
    /// The device whose `clsact` was made for this filter, until that is removed.
    made_clsact: Option<u32>,
}

impl Attached {
    /// Acquires what attaching and detaching take.
    pub(super) fn prepare(program: &Program) -> Result<Attached> {
        Ok(Attached {
            netlink: Netlink::open().map_err(|e| Error::os("cannot open a netlink socket", e))?,
            filter: None,
            program: sys::prog_id(program.fd()?)
                .map_err(|e| Error::os("cannot read the program's ID", e))?,
            made_clsact: None,
        })
    }

    /// The ID of the program that is there; none if the kernel does not tell (before 4.13).
    fn current_program(&mut self, filter: &Filter) -> Result<Option<u32>, Refusal> {
        let request = Request::new(RTM_GETTFILTER, 0, &filter.message());
        let bodies = self
            .netlink
            .send(request.text(TCA_KIND, filter.holder.name()))?;
        Ok(bodies.first().and_then(|body| filter.program_id(body)))
    }

    /// Removes the filter, unless another program has replaced this one there. libbpf's
    /// `bpf_tc_detach` removes whatever is at a handle and priority; the drop of a link must not
    /// remove what somebody else has put there since. The kernel cannot compare, so that a program
    /// that is replaced between the query and the removal is still lost.
    fn remove_filter(&mut self, filter: &Filter) -> Result<(), Refusal> {
        let found = self.current_program(filter)?;
        if found.is_some_and(|found| found != self.program) {
            return Err(io::Error::from_raw_os_error(libc::ENOENT).into());
        }
        let request = Request::new(RTM_DELTFILTER, 0, &filter.message());
        self.netlink
            .send(request.text(TCA_KIND, filter.holder.name()))
            .map(drop)
    }

    /// The filters at a parent that hold this program.
    fn filters_of_program(&mut self, wanted: &Filter) -> Result<Vec<Filter>, Refusal> {
        let all = self.filters(wanted.index, wanted.parent)?;
        let own = all
            .iter()
            .filter(|body| wanted.program_id(body) == Some(self.program));
        Ok(own.map(|body| wanted.read(body)).collect())
    }

    /// Returns the messages of all filters at a parent.
    fn filters(&mut self, index: u32, parent: u32) -> Result<Vec<Vec<u8>>, Refusal> {
        let place = Filter {
            parent,
            handle: 0,
            ..Filter::clsact(index)
        };
        self.netlink
            .send(Request::new(RTM_GETTFILTER, DUMP, &place.message()))
    }

    /// Makes the `clsact` of a filter's device, unless it has one.
    pub(super) fn make_clsact(&mut self, wanted: Filter) -> Result<(), Refusal> {
        let index = wanted.index;
        let place = Filter::clsact(index);
        let request = Request::new(RTM_NEWQDISC, CREATE | EXCL, &place.message());
        match self.netlink.send(request.text(TCA_KIND, "clsact")) {
            Ok(_) => {
                self.made_clsact = Some(index);
                Ok(())
            }
            Err(refusal) if refusal.errno() == Some(libc::EEXIST) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    /// Removes the `clsact` that was made for this filter, unless other filters use it by now. One
    /// that is added between the query and the removal is lost: the kernel cannot remove it only if
    /// it is empty.
    fn remove_clsact(&mut self, index: u32) -> Result<(), Refusal> {
        for parent in [INGRESS_PARENT, EGRESS_PARENT] {
            if !self.filters(index, parent)?.is_empty() {
                return Ok(());
            }
        }
        let place = Filter::clsact(index);
        let request = Request::new(RTM_DELQDISC, 0, &place.message());
        self.netlink
            .send(request.text(TCA_KIND, "clsact"))
            .map(drop)
    }
}

impl Binding for Attached {
    fn undo(&mut self, _program: BorrowedFd<'_>) -> io::Result<()> {
        if let Some(filter) = self.filter {
            remove(libc::ENOENT, || self.remove_filter(&filter))?;
            self.filter = None;
        }
        if let Some(index) = self.made_clsact {
            let removed = remove(libc::ENOENT, || self.remove_clsact(index));
            match removed {
                // Somebody has removed it, with or without the device.
                Err(e) if is_gone(&e) => {}
                removed => removed?,
            }
            self.made_clsact = None;
        }
        Ok(())
    }
}

/// Returns `true` if the queueing discipline or its device no longer exists. Without the queueing
/// discipline, the kernel reports an invalid parent (`EINVAL`).
fn is_gone(e: &io::Error) -> bool {
    matches!(
        e.raw_os_error(),
        Some(libc::ENOENT | libc::ENODEV | libc::EINVAL)
    )
}

impl Attached {
    /// Adds the filter.
    pub(super) fn add(
        &mut self,
        held: &OwnedFd,
        name: &str,
        wanted: Filter,
        options: TcOptions,
    ) -> Result<(), Refusal> {
        // Those that other links have.
        let before = self.filters_of_program(&wanted)?;
        let how = if options.replace { REPLACE } else { EXCL };
        let request = Request::new(RTM_NEWTFILTER, CREATE | ECHO | how, &wanted.message())
            .text(TCA_KIND, wanted.holder.name())
            .nest(TCA_OPTIONS, |r| {
                let fd = held.as_raw_fd().cast_unsigned();
                wanted.holder.options(r, fd, name)
            });
        // The kernel returns the handle and priority that it chose. Without them, a request to
        // remove the filter would remove others.
        let refusal = match self.netlink.send(request) {
            Ok(bodies) => match bodies.first() {
                Some(body) => {
                    self.filter = Some(wanted.read(body));
                    return Ok(());
                }
                // Acknowledged, but there was no memory for the message about the filter.
                None => io::Error::from_raw_os_error(libc::ENOBUFS).into(),
            },
            Err(refusal) if refusal.is_answer_lost => refusal,
            Err(refusal) => return Err(refusal),
        };
        let is_own = |found: &Filter| {
            let is_replaced = options.replace && wanted.is_same(found);
            is_replaced || !before.iter().any(|other| other.is_same(found))
        };
        let mut found = self.filters_of_program(&wanted)?.into_iter();
        self.filter = Some(found.find(is_own).ok_or(refusal)?);
        Ok(())
    }
}
