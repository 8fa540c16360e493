//! xdp-drop's object and the tool itself, on a device that real packets arrive at from another network namespace.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use btf_core::attach::XdpMode;
use btf_core::link::Link;
use btf_skel_macros::include_skel;
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sendto, socket_with};
use rustix::net::{bind, connect};

use crate::netns::{FAR, NEAR, Pair, index, joined};
use crate::support::{needs, tool};

include_skel!("xdp_drop");

use xdp_drop::{Blocked, Counter, Prefix4, Prefix6, Protocol, XdpDrop};

/// Both ways that a virtual device has.
const MODES: [XdpMode; 2] = [XdpMode::Skb, XdpMode::Driver];

/// An address of each side, and one of the other side that the cases block.
struct Hosts {
    near: IpAddr,
    far: IpAddr,
    blocked: IpAddr,
    bits: u8,
    /// Bytes of a packet in front of UDP's content.
    headers: u64,
}

const HOSTS: [Hosts; 2] = [
    Hosts {
        near: IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1)),
        far: IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2)),
        blocked: IpAddr::V4(Ipv4Addr::new(10, 9, 1, 2)),
        bits: 16,
        headers: 14 + 20 + 8,
    },
    Hosts {
        near: IpAddr::V6(Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 1)),
        far: IpAddr::V6(Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 2)),
        blocked: IpAddr::V6(Ipv6Addr::new(0xfd09, 0, 1, 0, 0, 0, 0, 2)),
        bits: 32,
        headers: 14 + 40 + 8,
    },
];

fn with_addresses(pair: &Pair) {
    for hosts in &HOSTS {
        pair.near_address(hosts.near, hosts.bits);
        pair.far_address(hosts.far, hosts.bits);
        pair.far_address(hosts.blocked, hosts.bits);
    }
}

/// Blocks the networks of the addresses to be blocked.
fn attached(mode: XdpMode, dry_run: bool) -> (XdpDrop, Link) {
    let mut open = XdpDrop::open().unwrap();
    open.rodata.dry_run = dry_run.into();
    let skel = open.load().unwrap();
    let (bits4, bits6) = (
        Prefix4 {
            bits: 24,
            address: [10, 9, 1, 0],
        },
        {
            let mut address = [0; 16];
            address[..6].copy_from_slice(&[0xfd, 9, 0, 0, 0, 1]);
            Prefix6 { bits: 48, address }
        },
    );
    skel.maps
        .blocked4
        .insert(&bits4, &Blocked::default())
        .unwrap();
    skel.maps
        .blocked6
        .insert(&bits6, &Blocked::default())
        .unwrap();
    let link = skel.progs.on_packet.attach_to(NEAR, mode.into()).unwrap();
    (skel, link)
}

/// What was counted of a protocol: packets, bytes, dropped packets.
fn counted(skel: &XdpDrop, protocol: Protocol) -> (u64, u64, u64) {
    let cpus: Vec<Counter> = skel.maps.counters.get(protocol.0).unwrap().unwrap();
    let sum = |of: fn(&Counter) -> u64| cpus.iter().map(of).sum();
    (sum(|c| c.packets), sum(|c| c.bytes), sum(|c| c.dropped))
}

/// What the blocked prefixes kept out: packets and bytes.
fn kept_out(skel: &XdpDrop) -> (Blocked, Blocked) {
    let [(_, v4)] = skel.maps.blocked4.iter().collect::<Vec<_>>()[..] else {
        panic!("not one prefix")
    };
    let [(_, v6)] = skel.maps.blocked6.iter().collect::<Vec<_>>()[..] else {
        panic!("not one prefix")
    };
    (v4, v6)
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < end, "not within ten seconds: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends datagrams of ten bytes from an address of the other side.
fn send(pair: &Pair, from: IpAddr, to: SocketAddr, count: usize) {
    let socket = pair.on_far(|| UdpSocket::bind((from, 0)).unwrap());
    for _ in 0..count {
        assert_eq!(socket.send_to(&[7; 10], to).unwrap(), 10);
    }
}

/// How many datagrams have arrived.
fn arrived(socket: &UdpSocket) -> usize {
    socket.set_nonblocking(true).unwrap();
    let mut count = 0;
    loop {
        match socket.recv(&mut [0; 100]) {
            Ok(len) => assert_eq!(len, 10),
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::WouldBlock);
                return count;
            }
        }
        count += 1;
    }
}

#[test]
fn packets_are_counted_and_those_of_the_block_list_dropped() {
    needs(5, 10);
    for mode in MODES {
        joined(|pair| {
            with_addresses(pair);
            let (skel, link) = attached(mode, false);
            for hosts in &HOSTS {
                let before = counted(&skel, Protocol::PROTOCOL_UDP);
                let server = UdpSocket::bind((hosts.near, 0)).unwrap();
                let to = server.local_addr().unwrap();
                // Those from the address that is let through also find out where the device is.
                send(pair, hosts.far, to, 5);
                until("five datagrams", || {
                    counted(&skel, Protocol::PROTOCOL_UDP).0 == before.0 + 5
                });
                send(pair, hosts.blocked, to, 7);
                until("seven more", || {
                    counted(&skel, Protocol::PROTOCOL_UDP).0 == before.0 + 12
                });
                let after = counted(&skel, Protocol::PROTOCOL_UDP);
                assert_eq!(after.1 - before.1, 12 * (hosts.headers + 10), "{mode:?}");
                assert_eq!(after.2 - before.2, 7, "{mode:?}");
                let mut count = 0;
                until("five that arrive", || {
                    count += arrived(&server);
                    count >= 5
                });
                std::thread::sleep(Duration::from_millis(50));
                assert_eq!(count + arrived(&server), 5, "{mode:?}");
            }
            let (v4, v6) = kept_out(&skel);
            assert_eq!((v4.packets, v4.bytes), (7, 7 * 52), "{mode:?}");
            // Beside the datagrams, neighbours may have asked for each other from there.
            assert!(v6.packets >= 7 && v6.bytes >= 7 * 72, "{mode:?}: {v6:?}");
            assert!(counted(&skel, Protocol::PROTOCOL_ARP).0 > 0);
            assert!(counted(&skel, Protocol::PROTOCOL_ICMP6).0 > 0);
            assert_eq!(counted(&skel, Protocol::PROTOCOL_MALFORMED), (0, 0, 0));

            // Detached, nothing is dropped.
            drop(link);
            let server = UdpSocket::bind((HOSTS[0].near, 0)).unwrap();
            send(pair, HOSTS[0].blocked, server.local_addr().unwrap(), 3);
            let mut count = 0;
            until("three that arrive", || {
                count += arrived(&server);
                count == 3
            });
        });
    }
}

#[test]
fn a_blocked_address_cannot_connect() {
    needs(5, 10);
    joined(|pair| {
        with_addresses(pair);
        let (skel, _link) = attached(XdpMode::Auto, false);
        for hosts in &HOSTS {
            let listener = TcpListener::bind((hosts.near, 0)).unwrap();
            let to = listener.local_addr().unwrap();
            let _connects = connect_from(pair, hosts.far, to);
            let (_, peer) = listener.accept().unwrap();
            assert_eq!(peer.ip(), hosts.far);
            let before = counted(&skel, Protocol::PROTOCOL_TCP);
            assert!(before.0 > 0);
            let _tries = connect_from(pair, hosts.blocked, to);
            until("a SYN", || {
                counted(&skel, Protocol::PROTOCOL_TCP).2 > before.2
            });
            listener.set_nonblocking(true).unwrap();
            assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        }
    });
}

/// Begins to connect from an address of the other side.
fn connect_from(pair: &Pair, from: IpAddr, to: SocketAddr) -> std::os::fd::OwnedFd {
    pair.on_far(|| {
        let family = if from.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None).unwrap();
        bind(&socket, &SocketAddr::new(from, 0)).unwrap();
        assert_eq!(connect(&socket, &to), Err(rustix::io::Errno::INPROGRESS));
        socket
    })
}

#[test]
fn a_dry_run_drops_nothing() {
    needs(5, 10);
    joined(|pair| {
        with_addresses(pair);
        let (skel, _link) = attached(XdpMode::Skb, true);
        let server = UdpSocket::bind((HOSTS[0].near, 0)).unwrap();
        send(pair, HOSTS[0].blocked, server.local_addr().unwrap(), 3);
        let mut count = 0;
        until("three that arrive", || {
            count += arrived(&server);
            count == 3
        });
        assert_eq!(counted(&skel, Protocol::PROTOCOL_UDP).2, 3);
        assert_eq!(kept_out(&skel).0.packets, 3);
    });
}

/// A `struct sockaddr_ll`: frames go out of the device as they are.
#[derive(Clone, Copy)]
struct Device(u32);

// SAFETY: the closure is given a `sockaddr_ll` of its full length, which lives while it runs.
unsafe impl SocketAddrArg for Device {
    unsafe fn with_sockaddr<R>(
        &self,
        f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R,
    ) -> R {
        let [a, b, c, d] = self.0.to_ne_bytes();
        // family (AF_PACKET), protocol, index, and a hardware address that is in the frame itself
        let mut address = [0u8; 20];
        address[..2].copy_from_slice(&17u16.to_ne_bytes());
        address[4..8].copy_from_slice(&[a, b, c, d]);
        let len = SocketAddrLen::try_from(address.len()).expect("short");
        f((&raw const address).cast::<SocketAddrOpaque>(), len)
    }
}

/// An Ethernet frame: addresses, a type, what follows.
fn frame(kind: u16, content: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 1]);
    frame.extend(kind.to_be_bytes());
    frame.extend(content);
    frame
}

fn ipv4(protocol: u8, source: [u8; 4]) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 20, 0, 0, 0, 0, 64, protocol, 0, 0];
    header.extend(source);
    header.extend([10, 9, 0, 1]);
    header
}

fn ipv6(next: u8, content: &[u8]) -> Vec<u8> {
    let mut header = vec![
        0x60,
        0,
        0,
        0,
        0,
        u8::try_from(content.len()).unwrap(),
        next,
        64,
    ];
    header.extend([0xfd; 32]);
    header.extend(content);
    header
}

/// Frames that no socket sends: what they are counted as, and whether they are dropped.
fn odd_frames() -> Vec<(&'static str, Vec<u8>, Protocol, bool)> {
    let tagged = |inner: u16, content: &[u8]| [&[0, 7], &inner.to_be_bytes()[..], content].concat();
    let blocked = ipv4(17, [10, 9, 1, 77]);
    let two_tags = tagged(0x8100, &tagged(0x0800, &blocked));
    let three_tags = tagged(0x8100, &two_tags);
    // Hop-by-hop options of 16 bytes, a fragment header, destination options of 8, then the protocol.
    let options = [
        &[44, 1][..],
        &[0; 14],
        &[60, 9, 0, 0, 0, 0, 0, 0],
        &[6, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    vec![
        (
            "SCTP",
            frame(0x0800, &ipv4(132, [10, 9, 0, 2])),
            Protocol::PROTOCOL_IP_OTHER,
            false,
        ),
        (
            "ICMP",
            frame(0x0800, &ipv4(1, [10, 9, 0, 2])),
            Protocol::PROTOCOL_ICMP,
            false,
        ),
        (
            "two tags",
            frame(0x88a8, &two_tags),
            Protocol::PROTOCOL_UDP,
            true,
        ),
        (
            "three tags",
            frame(0x88a8, &three_tags),
            Protocol::PROTOCOL_OTHER,
            false,
        ),
        (
            "extension headers",
            frame(0x86dd, &ipv6(0, &options)),
            Protocol::PROTOCOL_TCP,
            false,
        ),
        (
            "none of them whole",
            frame(0x86dd, &ipv6(0, &options[..16])),
            Protocol::PROTOCOL_MALFORMED,
            false,
        ),
        (
            "half a header",
            frame(0x0800, &blocked[..10]),
            Protocol::PROTOCOL_MALFORMED,
            false,
        ),
        (
            "the wrong version",
            frame(0x86dd, &blocked.repeat(3)),
            Protocol::PROTOCOL_MALFORMED,
            false,
        ),
        (
            "LLDP",
            frame(0x88cc, &[0; 50]),
            Protocol::PROTOCOL_OTHER,
            false,
        ),
    ]
}

#[test]
fn tags_extension_headers_and_broken_frames() {
    needs(5, 10);
    for mode in MODES {
        joined(|pair| {
            let (skel, _link) = attached(mode, false);
            let send = pair.on_far(|| {
                let flags = SocketFlags::CLOEXEC;
                let socket =
                    socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None).unwrap();
                let device = Device(index(FAR));
                move |frame: &[u8]| sendto(&socket, frame, SendFlags::empty(), &device).unwrap()
            });
            for (what, frame, protocol, is_dropped) in odd_frames() {
                let before = counted(&skel, protocol);
                assert_eq!(send(&frame), frame.len());
                until(what, || counted(&skel, protocol).0 > before.0);
                let after = counted(&skel, protocol);
                assert_eq!(after.0 - before.0, 1, "{what}, {mode:?}");
                assert_eq!(after.1 - before.1, frame.len() as u64, "{what}, {mode:?}");
                assert_eq!(
                    after.2 - before.2,
                    u64::from(is_dropped),
                    "{what}, {mode:?}"
                );
            }
        });
    }
}

/// What the program prints, from start to end.
#[test]
fn the_tool_drops_and_shows_it() {
    needs(5, 10);
    let Some(program) = tool("xdp-drop") else {
        return;
    };
    joined(|pair| {
        with_addresses(pair);
        let mut child = Command::new(program)
            .args([
                NEAR,
                "--json",
                "--block",
                "10.9.1.0/24",
                "--block",
                "fd09:0:1::/48",
            ])
            .args(["--interval", "0.2", "--count", "200"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = || lines.next().expect("another line").unwrap();
        // With the first, it is attached.
        assert!(line().contains("\"10.9.1.0/24\":{\"bytes\":0,\"dropped\":0,\"packets\":0}"));
        let server = UdpSocket::bind((HOSTS[0].near, 0)).unwrap();
        send(pair, HOSTS[0].blocked, server.local_addr().unwrap(), 4);
        let is_shown = |line: &str| {
            line.contains("\"10.9.1.0/24\":{\"bytes\":208,\"dropped\":4,\"packets\":4}")
        };
        while !is_shown(&line()) {}
        assert_eq!(arrived(&server), 0);
        // A killed program leaves nothing attached.
        child.kill().unwrap();
        child.wait().unwrap();
        let mut count = 0;
        until("one that arrives", || {
            send(pair, HOSTS[0].blocked, server.local_addr().unwrap(), 1);
            count += arrived(&server);
            count > 0
        });
    });
}
