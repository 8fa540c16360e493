//! Programs of routes: lightweight tunnels.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::Route;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{Binding, Link, hold, refused_request, remove};
use crate::obj::ProgType;
use crate::prog::test_run::{self, Has};
use crate::prog::{Program, Ran, TestRun, typed};
use crate::sys::{self, Netlink, Refusal, Request};

/// A program in `SEC("lwt_in")`, `SEC("lwt_out")`, `SEC("lwt_xmit")` or `SEC("lwt_seg6local")`.
///
/// libbpf loads these and leaves it to `ip route add … encap bpf` to attach them, which wants them pinned first. An application
/// that is to own what it attaches would have to call a tool for it and to clean up after it; so this crate adds the route.
#[derive(Debug)]
pub struct Lwt(pub(crate) Program);
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
        self.0.fd()?;
        lwt(&self.0, route).context(|| self.0.what())
    }

    /// Runs it on a packet, from its Ethernet header on, of a route or of none; the result is a `BPF_OK`, `BPF_DROP` and so on. Newer kernels
    /// do not run those in `SEC("lwt_seg6local")` so.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn test_run(&self, run: &TestRun<'_>) -> Result<Ran> {
        test_run::run(&self.0, run, Has::Packet)
    }
}

const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;

/// `NLM_F_…`.
const DUMP: u16 = 0x300;
const CREATE_EXCL: u16 = 0x400 | 0x200;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_TABLE: u16 = 15;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_ENCAP: u16 = 22;

/// Bytes of `struct rtmsg`, before the attributes.
const HEADER: usize = 12;
const MAIN_TABLE: u32 = 254;
/// `RTPROT_BOOT`, as of routes that `ip route add` adds.
const PROTOCOL: u8 = 3;
/// `RT_SCOPE_UNIVERSE` and `RT_SCOPE_LINK`.
const UNIVERSE: u8 = 0;
const LINK: u8 = 253;
/// `RTN_UNICAST`.
const UNICAST: u8 = 1;
/// `IP6_RT_PRIO_USER`: that of a route without one. Asked to remove a route, the kernel would take none for any.
const DEFAULT_METRIC_6: u32 = 1024;

/// `LWTUNNEL_ENCAP_BPF` and `LWTUNNEL_ENCAP_SEG6_LOCAL`.
const ENCAP_BPF: u16 = 6;
const ENCAP_SEG6_LOCAL: u16 = 7;
const LWT_BPF_XMIT_HEADROOM: u16 = 4;
const SEG6_LOCAL_ACTION: u16 = 1;
const SEG6_LOCAL_BPF: u16 = 8;
/// `SEG6_LOCAL_ACTION_END_BPF`.
const END_BPF: u32 = 15;
/// Of a program: its descriptor, and what the route calls it. Both encapsulations number them so.
const PROG_FD: u16 = 1;
const PROG_NAME: u16 = 2;
/// The kernel takes 256 bytes for a name, of which the number needs a few.
const LONGEST_NAME: usize = 200;

pub(crate) fn lwt(program: &Program, route: &Route<'_>) -> Result<Link> {
    route.check()?;
    let held = hold(program.fd()?)?;
    let mut added = Added::new(program, route)?;
    let request = added.request(RTM_NEWROUTE, CREATE_EXCL);
    if let Err(refusal) = added.netlink.send(request) {
        if refusal.is_answer_lost {
            // It may be there. Only a route with these programs is removed.
            let _ = added.undo(held.as_fd());
        }
        return Err(explain(route, added.is_segment(), refusal));
    }
    Ok(Link::of_binding(program.name(), held, added))
}

/// A program of a route.
#[derive(Debug)]
struct Placed {
    /// `LWT_BPF_…` or [`SEG6_LOCAL_BPF`].
    place: u16,
    program: OwnedFd,
    /// Says which program it is: it is all that the kernel tells and compares.
    name: String,
}

impl Placed {
    fn new(program: &Program) -> Result<Placed> {
        let fd = program.fd()?;
        let id = sys::prog_id(fd).map_err(|e| Error::os("cannot ask for its number", e))?;
        let name: String = program.name().chars().take(LONGEST_NAME).collect();
        Ok(Placed {
            place: match program.prog_type() {
                Some(ProgType::LWT_IN) => 1,
                Some(ProgType::LWT_OUT) => 2,
                Some(ProgType::LWT_XMIT) => 3,
                _ => SEG6_LOCAL_BPF,
            },
            program: fd
                .try_clone_to_owned()
                .map_err(|e| Error::os("cannot copy the program's descriptor", e))?,
            name: format!("{name}[{id}]"),
        })
    }

    fn add_to(&self, request: Request) -> Request {
        request.nest(self.place, |r| {
            r.number(PROG_FD, self.program.as_raw_fd().cast_unsigned())
                .text(PROG_NAME, &self.name)
        })
    }
}

/// A route that was added for programs, and where it was.
#[derive(Debug)]
struct Added {
    /// Of the namespace of the route, wherever the link is dropped.
    netlink: Netlink,
    destination: IpAddr,
    bits: u8,
    index: u32,
    gateway: Option<IpAddr>,
    table: u32,
    metric: u32,
    headroom: u32,
    programs: Vec<Placed>,
}

impl Added {
    fn new(program: &Program, route: &Route<'_>) -> Result<Added> {
        let others = route.beside.iter().map(|lwt| lwt.program());
        let mut programs: Vec<Placed> = Vec::new();
        for program in std::iter::once(program).chain(others) {
            let placed = Placed::new(program)?;
            let is_second = programs.iter().any(|other| other.place == placed.place);
            let is_of_segment = |placed: &Placed| placed.place == SEG6_LOCAL_BPF;
            let is_mixed = programs
                .first()
                .is_some_and(|one| is_of_segment(one) != is_of_segment(&placed));
            if is_second || is_mixed {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    format!(
                        "program `{}` in SEC(\"{}\") cannot be beside the others of the route",
                        program.name(),
                        program.section()
                    ),
                )
                .hint(
                    "a route has one of each kind at most, and none beside SEC(\"lwt_seg6local\")",
                ));
            }
            programs.push(placed);
        }
        Ok(Added {
            netlink: Netlink::open().map_err(|e| Error::os("cannot open a netlink socket", e))?,
            destination: route.destination,
            bits: route.bits,
            index: route.interface.index()?,
            gateway: route.gateway,
            table: match route.table {
                0 => MAIN_TABLE,
                table => table,
            },
            metric: match route.metric {
                0 if route.destination.is_ipv6() => DEFAULT_METRIC_6,
                metric => metric,
            },
            headroom: route.headroom,
            programs,
        })
    }

    fn is_segment(&self) -> bool {
        self.programs[0].place == SEG6_LOCAL_BPF
    }

    /// Adds the route or removes it.
    fn request(&self, kind: u16, flags: u16) -> Request {
        let scope = match (self.destination, self.gateway) {
            (IpAddr::V4(_), None) => LINK,
            _ => UNIVERSE,
        };
        let head = header(self.destination, self.bits, scope, UNICAST);
        let mut request = Request::new(kind, flags, &head)
            .attr(RTA_DST, &bytes(self.destination))
            .number(RTA_OIF, self.index)
            .number(RTA_TABLE, self.table);
        if let Some(gateway) = self.gateway {
            request = request.attr(RTA_GATEWAY, &bytes(gateway));
        }
        if self.metric != 0 {
            request = request.number(RTA_PRIORITY, self.metric);
        }
        self.encapsulation(request)
    }

    fn encapsulation(&self, request: Request) -> Request {
        let programs = |r| self.programs.iter().fold(r, |r, placed| placed.add_to(r));
        if self.is_segment() {
            return request
                .attr(RTA_ENCAP_TYPE, &ENCAP_SEG6_LOCAL.to_ne_bytes())
                .nest(RTA_ENCAP, |r| {
                    programs(r.number(SEG6_LOCAL_ACTION, END_BPF))
                });
        }
        request
            .attr(RTA_ENCAP_TYPE, &ENCAP_BPF.to_ne_bytes())
            .nest(RTA_ENCAP, |r| match self.headroom {
                0 => programs(r),
                headroom => programs(r).number(LWT_BPF_XMIT_HEADROOM, headroom),
            })
    }

    /// Whether the route that is there has these programs: it may be another's that came in its place.
    fn is_there(&mut self) -> Result<bool, Refusal> {
        let head = header(self.destination, 0, UNIVERSE, 0);
        let request = Request::new(RTM_GETROUTE, DUMP, &head)
            .number(RTA_TABLE, self.table)
            .number(RTA_OIF, self.index);
        let routes = self.netlink.send(request)?;
        Ok(routes.iter().any(|route| self.is(route)))
    }

    fn is(&self, route: &[u8]) -> bool {
        let Some((head, attrs)) = route.split_at_checked(HEADER) else {
            return false;
        };
        let of = |bytes, kind| sys::attribute(bytes, kind).unwrap_or_default();
        // The default route has no destination.
        let destination = bytes(self.destination);
        let is_same = match self.bits {
            0 => of(attrs, RTA_DST).is_empty(),
            _ => of(attrs, RTA_DST) == destination,
        };
        let encapsulation = of(attrs, RTA_ENCAP);
        let has = |placed: &Placed| {
            let name = of(of(encapsulation, placed.place), PROG_NAME);
            name.strip_suffix(b"\0") == Some(placed.name.as_bytes())
        };
        is_same
            && head[1] == self.bits
            && sys::u32_at(of(attrs, RTA_TABLE), 0) == self.table
            && sys::u32_at(of(attrs, RTA_OIF), 0) == self.index
            && sys::u32_at(of(attrs, RTA_PRIORITY), 0) == self.metric
            && self.programs.iter().all(has)
    }
}

impl Binding for Added {
    /// Removes the route. IPv4 compares the programs' names, and so takes no other for it. IPv6 does not: it is looked at
    /// before, and one who replaces it in between still loses.
    fn undo(&mut self, _program: BorrowedFd<'_>) -> io::Result<()> {
        remove(libc::ESRCH, || {
            if self.destination.is_ipv6() && !self.is_there()? {
                return Err(io::Error::from_raw_os_error(libc::ESRCH).into());
            }
            let request = self.request(RTM_DELROUTE, 0);
            self.netlink.send(request).map(drop)
        })
    }
}

/// `struct rtmsg`. The table is an attribute.
fn header(of: IpAddr, bits: u8, scope: u8, kind: u8) -> [u8; HEADER] {
    let family = match of {
        IpAddr::V4(_) => libc::AF_INET,
        IpAddr::V6(_) => libc::AF_INET6,
    };
    let protocol = if kind == 0 { 0 } else { PROTOCOL };
    // Families have small numbers.
    [
        family as u8,
        bits,
        0,
        0,
        0,
        protocol,
        scope,
        kind,
        0,
        0,
        0,
        0,
    ]
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn explain(route: &Route<'_>, is_segment: bool, refusal: Refusal) -> Error {
    let errno = refusal.error.raw_os_error();
    let error = refused_request(format!("cannot add the {route}"), refusal);
    match errno {
        Some(libc::EEXIST) => error.hint(
            "a route with this destination and metric is in the table: take another metric; `ip route` lists them",
        ),
        Some(libc::EOPNOTSUPP | libc::EINVAL) if is_segment && route.destination.is_ipv4() => {
            error.hint("segments are of IPv6")
        }
        Some(libc::EOPNOTSUPP) if is_segment => error.hint(
            "this kernel may be built without CONFIG_IPV6_SEG6_LWTUNNEL",
        ),
        Some(libc::EOPNOTSUPP) => {
            error.hint("this kernel may be built without CONFIG_LWTUNNEL_BPF")
        }
        Some(libc::ERANGE) => error.hint("256 bytes of headroom are the most"),
        Some(libc::ENETDOWN) => error.hint("the device is down: `ip link set … up`"),
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => {
            error.hint("the gateway must be a neighbour on the device")
        }
        _ => error,
    }
}
