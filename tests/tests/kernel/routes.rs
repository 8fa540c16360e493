//! Programs of routes: what goes over a cable between two namespaces, or comes back over it, passes through them.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use btf_core::ErrorKind;
use btf_core::attach::{Lwt, Route};
use btf_core::map::Mapped;
use rustix::net::{
    AddressFamily, Protocol, SendFlags, SocketFlags, SocketType, sendto, socket_with,
};

use crate::feature::Feature;
use crate::net::{self, Bss};
use crate::netns::{self, FAR, NEAR, Pair, joined};

/// `BPF_OK` and `BPF_DROP`.
const OK: i32 = 0;
const DROP: i32 = 2;

fn load<const N: usize>(answer: i32, programs: [&str; N]) -> (Mapped<Bss>, [Lwt; N]) {
    let (bss, programs) = net::load(&net::Pair::new(), answer, programs);
    (bss, programs.map(|program| Lwt::try_from(program).unwrap()))
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Both sides' addresses on the cable, of IPv4 and IPv6.
const CABLES: [(&str, &str, u8); 2] = [("10.7.0.1", "10.7.0.2", 24), ("fd07::1", "fd07::2", 64)];

/// Addresses that no side has, likewise.
const BEYOND: [&str; 2] = ["10.9.9.9", "fd09::9"];

/// An address on its own.
fn whole(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Gives both sides addresses; a socket on each.
fn sockets(pair: &Pair, near: IpAddr, far: IpAddr, bits: u8) -> [UdpSocket; 2] {
    pair.near_address(near, bits);
    pair.far_address(far, bits);
    let on_far = pair.on_far(|| UdpSocket::bind((far, 0)).unwrap());
    [UdpSocket::bind((near, 0)).unwrap(), on_far]
}

/// Sends a datagram; whether it arrives. The sender is told of programs that drop it.
fn arrives(from: &UdpSocket, to: &UdpSocket) -> bool {
    let is_sent = from.send_to(b"datagram", to.local_addr().unwrap()).is_ok();
    let wait = if is_sent { 2000 } else { 100 };
    to.set_read_timeout(Some(Duration::from_millis(wait)))
        .unwrap();
    to.recv(&mut [0; 16]).is_ok()
}

/// Programs that see what goes out let it pass and drop it.
fn on_the_way_out(name: &str) {
    let (passing_bss, [passing]) = load(OK, [name]);
    let (dropping_bss, [dropping]) = load(DROP, [name]);
    for (near, far, bits) in CABLES {
        let (near, far) = (address(near), address(far));
        let before = (passing_bss.hits.get(), dropping_bss.hits.get());
        let hits = || {
            (
                passing_bss.hits.get() - before.0,
                dropping_bss.hits.get() - before.1,
            )
        };
        joined(|pair| {
            let [from, to] = sockets(pair, near, far, bits);
            let route = Route::new(far, whole(far), NEAR);
            assert!(arrives(&from, &to));
            let link = passing.attach_to(&route.headroom(32)).unwrap();
            assert!(arrives(&from, &to), "{far}: it passes");
            assert_eq!(hits(), (1, 0));
            drop(link);
            let link = dropping.attach_to(&route.metric(7)).unwrap();
            assert!(!arrives(&from, &to), "{far}: it is dropped");
            assert_eq!(hits(), (1, 1));
            link.detach().unwrap();
            assert!(arrives(&from, &to), "{far}: the route is gone");
            assert_eq!(hits(), (1, 1));
        });
    }
}

#[test]
fn lwt_out() {
    let feature = Feature::since("SEC: lwt_out", (5, 10)).unwrap();
    on_the_way_out("on_lwt_out");
    feature.works();
}

#[test]
fn lwt_xmit() {
    let feature = Feature::since("SEC: lwt_xmit", (5, 10)).unwrap();
    on_the_way_out("on_lwt_xmit");
    feature.works();
}

/// Lets this side pass on what comes for addresses that it has not.
fn forward(near: IpAddr) {
    let version = if near.is_ipv4() { "ipv4" } else { "ipv6" };
    let switch = format!("/proc/sys/net/{version}/conf/all/forwarding");
    std::fs::write(switch, "1").unwrap();
}

/// A program sees what comes in; with others beside it, a packet that is passed on goes through all three.
#[test]
fn lwt_in() {
    let feature = Feature::since("SEC: lwt_in", (5, 10)).unwrap();
    let (bss, [program, on_output, on_transmission]) =
        load(OK, ["on_lwt_in", "on_lwt_out", "on_lwt_xmit"]);
    let (far_bss, [far_program]) = load(OK, ["on_lwt_xmit"]);
    for ((near, far, bits), beyond) in CABLES.into_iter().zip(BEYOND) {
        let (near, far, beyond) = (address(near), address(far), address(beyond));
        joined(|pair| {
            let [_, from] = sockets(pair, near, far, bits);
            forward(near);
            let route = Route::new(beyond, whole(beyond), FAR).gateway(near);
            let there = pair.on_far(|| far_program.attach_to(&route)).unwrap();
            let hits = |sent: u64| {
                let (before, far_before) = (bss.hits.get(), far_bss.hits.get());
                for _ in 0..sent {
                    from.send_to(b"datagram", SocketAddr::new(beyond, 9))
                        .unwrap();
                }
                assert_eq!(far_bss.hits.get(), far_before + sent, "{beyond}");
                bss.hits.get() - before
            };
            assert_eq!(hits(1), 0);
            let route = Route::new(beyond, whole(beyond), NEAR);
            let link = program.attach_to(&route).unwrap();
            assert_eq!(hits(2), 2, "{beyond}");
            drop(link);
            let link = program
                .attach_to(&route.beside(&[&on_output, &on_transmission]))
                .unwrap();
            assert_eq!(hits(2), 6, "{beyond}");
            link.detach().unwrap();
            assert_eq!(hits(1), 0, "{beyond}");
            // It is removed on the far side, though dropped on this one.
            there.detach().unwrap();
            assert!(
                from.send_to(b"datagram", SocketAddr::new(beyond, 9))
                    .is_err()
            );
        });
    }
    feature.works();
}

/// A packet for one segment and then for the far side's address, in IPv6 with a routing header.
fn segments(socket: SocketAddr, segment: IpAddr) -> Vec<u8> {
    let IpAddr::V6(segment) = segment else {
        panic!("segments are of IPv6")
    };
    let SocketAddr::V6(last) = socket else {
        panic!("segments are of IPv6")
    };
    let (segment, last, port) = (segment.octets(), last.ip().octets(), last.port());
    let mut udp = Vec::new();
    for word in [port, port, 16, 0] {
        udp.extend(word.to_be_bytes());
    }
    udp.extend(b"segments");
    // Of the pseudo header, with the last address, and of what follows.
    let pseudo = [
        &last[..],
        &last,
        &16u32.to_be_bytes(),
        &17u32.to_be_bytes(),
        &udp,
    ]
    .concat();
    let mut sum: u32 = pseudo
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    udp[6..8].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    // Next header, length in 8 bytes after the first, type, segments left, last entry, flags, tag; the segments backwards.
    let routing = [&[17, 4, 4, 1, 1, 0, 0, 0][..], &last, &segment, &udp].concat();
    let length = u16::try_from(routing.len()).unwrap().to_be_bytes();
    [
        &[0x60, 0, 0, 0, length[0], length[1], 43, 64],
        &last[..],
        &segment,
        &routing,
    ]
    .concat()
}

#[test]
fn lwt_seg6local() {
    let feature = Feature::since("SEC: lwt_seg6local", (5, 10)).unwrap();
    let (near, far, bits) = CABLES[1];
    let (near, far, segment) = (address(near), address(far), address("fd09::9"));
    let (bss, [passing]) = load(OK, ["on_lwt_seg6local"]);
    let (dropping_bss, [dropping]) = load(DROP, ["on_lwt_seg6local"]);
    let (_, [far_program, beside]) = load(OK, ["on_lwt_xmit", "on_lwt_in"]);
    joined(|pair| {
        let [_, socket] = sockets(pair, near, far, bits);
        forward(near);
        let route = Route::new(segment, 128, FAR).gateway(near);
        let _there = pair.on_far(|| {
            for device in ["all", FAR] {
                let switch = format!("/proc/sys/net/ipv6/conf/{device}/seg6_enabled");
                std::fs::write(switch, "1").unwrap();
            }
            far_program.attach_to(&route).unwrap()
        });
        socket
            .set_read_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        let packet = segments(socket.local_addr().unwrap(), segment);
        let raw = pair.on_far(|| {
            let kind = Protocol::from_raw(255.try_into().unwrap());
            socket_with(
                AddressFamily::INET6,
                SocketType::RAW,
                SocketFlags::CLOEXEC,
                Some(kind),
            )
        });
        let raw = raw.unwrap();
        let arrives = || {
            let to = SocketAddr::new(segment, 0);
            sendto(&raw, &packet, SendFlags::empty(), &to).unwrap();
            let mut bytes = [0; 16];
            socket
                .recv(&mut bytes)
                .is_ok_and(|n| &bytes[..n] == b"segments")
        };
        assert!(!arrives());
        let route = Route::new(segment, 128, NEAR);
        let link = passing.attach_to(&route).unwrap();
        assert!(arrives(), "the program passes it to the next segment");
        assert_eq!(bss.hits.get(), 1);
        link.detach().unwrap();
        let link = dropping.attach_to(&route).unwrap();
        assert!(!arrives());
        assert_eq!((bss.hits.get(), dropping_bss.hits.get()), (1, 1));
        drop(link);
        let e = passing.attach_to(&route.beside(&[&beside])).unwrap_err();
        assert!(e.to_string().contains("cannot be beside the others"), "{e}");
    });
    feature.works();
}

/// A link is of one route: what another has put in its place stays, and is told from it.
#[test]
fn routes_of_others_stay() {
    let feature = Feature::since("attach: route that another replaced", (5, 10)).unwrap();
    let (bss, [program]) = load(OK, ["on_lwt_out"]);
    let (_, [second]) = load(OK, ["on_lwt_out"]);
    for (near, far, bits) in CABLES {
        let (near, far) = (address(near), address(far));
        joined(|pair| {
            let [from, to] = sockets(pair, near, far, bits);
            let metric = 50;
            let route = Route::new(far, whole(far), NEAR).metric(metric);
            let link = program.attach_to(&route).unwrap();
            let e = second.attach_to(&route).unwrap_err().to_string();
            assert!(e.contains("take another metric"), "{e}");
            netns::replace_route(far, whole(far), NEAR, metric).unwrap();
            let before = bss.hits.get();
            assert!(arrives(&from, &to));
            let e = link.detach().unwrap_err();
            assert_eq!(e.error().os_error(), Some(3), "{e}");
            drop(e);
            assert_eq!(bss.hits.get(), before);
            netns::delete_route(far, whole(far), NEAR, metric).unwrap();
            assert!(netns::delete_route(far, whole(far), NEAR, metric).is_err());
        });
    }
    feature.works();
}

/// Where no rule leads to its table, a route has no packets; and it is found again there to be removed, even that to everywhere.
#[test]
fn routes_are_in_tables() {
    let feature = Feature::since("attach: route in a table", (5, 10)).unwrap();
    let (bss, [program]) = load(OK, ["on_lwt_out"]);
    for ((near, far, bits), beyond) in CABLES.into_iter().zip(BEYOND) {
        let (near, far, beyond) = (address(near), address(far), address(beyond));
        let all = address(if near.is_ipv4() { "0.0.0.0" } else { "::" });
        joined(|pair| {
            let [from, to] = sockets(pair, near, far, bits);
            let before = bss.hits.get();
            let route = Route::new(all, 0, NEAR).gateway(far).table(1000);
            for _ in 0..2 {
                let link = program.attach_to(&route).unwrap();
                assert!(program.attach_to(&route).is_err(), "it is there");
                assert!(arrives(&from, &to));
                link.detach().unwrap();
            }
            let link = program.attach_to(&route.table(254)).unwrap();
            from.send_to(b"datagram", SocketAddr::new(beyond, 9))
                .unwrap();
            assert_eq!(bss.hits.get(), before + 1, "the main table's");
            link.detach().unwrap();
        });
    }
    feature.works();
}

#[test]
fn routes_that_cannot_be_added_say_why() {
    let (_, [program]) = load(OK, ["on_lwt_out"]);
    let (_, [same]) = load(OK, ["on_lwt_out"]);
    joined(|pair| {
        let [_, _] = sockets(pair, address("10.7.0.1"), address("10.7.0.2"), 24);
        let route = Route::new(address("10.7.0.2"), 32, NEAR);
        let e = program.attach_to(&route.beside(&[&same])).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidInput);
        let e = program
            .attach_to(&route.gateway(address("10.8.0.1")))
            .unwrap_err();
        assert!(e.to_string().contains("must be a neighbour"), "{e}");
        let e = program.attach_to(&route.headroom(257)).unwrap_err();
        // It does not matter for what goes out, but is checked.
        assert!(e.to_string().contains("256 bytes of headroom"), "{e}");
        let e = program
            .attach_to(&Route::new(address("10.7.0.2"), 32, "neer"))
            .unwrap_err();
        assert_eq!(e.kind(), ErrorKind::NotFound, "{e}");
        let e = program.program().attach().unwrap_err().to_string();
        assert!(e.contains("attach_to takes the route"), "{e}");
    });
}
