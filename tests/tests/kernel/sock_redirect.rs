//! Sockets that a program puts into maps as they are connected, and bytes that other programs send from one to another.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsFd;

use btf_core::attach::{CgroupSharing, SkMap};
use btf_core::link::Link;
use btf_skel_macros::include_skel;
use rustix::net::sockopt;

use crate::feature::Feature;
use crate::sockets::{connection, sharing};

include_skel!("sock_redirect");

use sock_redirect::{Ports, SockRedirect};

/// `BPF_F_INGRESS`: into what the socket receives, instead of what it sends.
const INGRESS: u64 = 1;

/// A connection of this process with itself.
struct Connection {
    client: TcpStream,
    server: TcpStream,
}

impl Connection {
    fn new() -> Connection {
        let (server, client) = connection();
        Connection { client, server }
    }
}

fn port(stream: &TcpStream) -> u32 {
    stream.local_addr().unwrap().port().into()
}

fn ports(stream: &TcpStream) -> Ports {
    let remote = stream.peer_addr().unwrap().port().into();
    let local = port(stream);
    Ports { local, remote }
}

fn cookie(socket: impl AsFd) -> Option<u64> {
    Some(sockopt::socket_cookie(socket).unwrap())
}

fn receives(mut stream: &TcpStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(got, bytes);
}

/// Which end of a connection sends on what it sees, and which is the other.
type End = fn(&Connection) -> [&TcpStream; 2];

/// What a case does with its map from outside, where sockets have a number and ports.
struct Typed {
    is_by_ports: bool,
    cookie: fn(&SockRedirect, u32, &TcpStream) -> Option<u64>,
    set: fn(&SockRedirect, u32, &TcpStream),
    remove: fn(&SockRedirect, u32, &TcpStream) -> bool,
}

const BY_NUMBER: Typed = Typed {
    is_by_ports: false,
    cookie: |skel, number, _| skel.maps.by_number.cookie(number).unwrap(),
    set: |skel, number, stream| skel.maps.by_number.set(number, stream).unwrap(),
    remove: |skel, number, _| skel.maps.by_number.clear(number).unwrap(),
};

const BY_PORTS: Typed = Typed {
    is_by_ports: true,
    cookie: |skel, _, stream| skel.maps.by_ports.cookie(&ports(stream)).unwrap(),
    set: |skel, _, stream| skel.maps.by_ports.insert(&ports(stream), stream).unwrap(),
    remove: |skel, _, stream| skel.maps.by_ports.remove(&ports(stream)).unwrap(),
};

/// Two connections, whose ends a program puts into the map.
fn connections(skel: &SockRedirect, map: &Typed) -> [Connection; 2] {
    skel.bss.is_by_ports.set(map.is_by_ports.into());
    let link = skel
        .progs
        .on_established
        .attach_to("/sys/fs/cgroup", CgroupSharing::Link)
        .unwrap();
    let connections = [0, 2].map(|number| {
        skel.bss.next.set(number);
        Connection::new()
    });
    link.detach().unwrap();
    assert_eq!(skel.bss.update_error.get(), 0);
    connections
}

/// All that the first connection's client sends goes to a socket of the second: through it to its other end, and into it.
fn redirected(skel: &SockRedirect, map: &Typed, end: End) -> [Connection; 2] {
    let [one, two] = connections(skel, map);
    let all = [&one.client, &one.server, &two.client, &two.server];
    for (number, stream) in (0..).zip(all) {
        assert_eq!((map.cookie)(skel, number, stream), cookie(stream));
    }
    let ([from, _], [to, beyond]) = (end(&one), end(&two));
    let bss = &skel.bss;
    bss.from.set(port(from));
    bss.to_number
        .set(2 + u32::from(port(to) == port(&two.server)));
    bss.to_ports.set(ports(to));
    for (flags, receiver) in [(0, beyond), (INGRESS, to)] {
        bss.flags.set(flags);
        let before = bss.redirected.get();
        (&one.client).write_all(b"for somebody else").unwrap();
        receives(receiver, b"for somebody else");
        assert!(bss.redirected.get() > before);
    }
    [one, two]
}

/// Sockets that are put there from outside are as good as those that a program put there, and none does what it did before. Not
/// where a program parses: kernel 5.10 complains about a socket that leaves such a map before it is closed.
fn from_outside(skel: &SockRedirect, map: &Typed, [one, two]: [Connection; 2]) {
    let number = skel.bss.to_number.get();
    assert!((map.remove)(skel, number, &two.client));
    assert_eq!((map.cookie)(skel, number, &two.client), None);
    (map.set)(skel, number, &two.client);
    (&one.client).write_all(b"for the other client").unwrap();
    receives(&two.client, b"for the other client");
    assert!((map.remove)(skel, 0, &one.client));
    (&one.client).write_all(b"for the server").unwrap();
    receives(&one.server, b"for the server");
}

/// Programs that are attached to a map see the sockets that come into it from then on.
fn attached(map: impl AsFd, programs: &[&SkMap]) -> Vec<Link> {
    let links = programs
        .iter()
        .map(|program| program.attach_to(&map).unwrap());
    links.collect()
}

fn loaded() -> SockRedirect {
    SockRedirect::open().unwrap().load().unwrap()
}

#[test]
fn what_is_received_goes_on_by_a_map() {
    let feature = Feature::since("redirect: sk_skb by sockmap and sockhash", (5, 10)).unwrap();
    let end: End = |connection| [&connection.server, &connection.client];
    let skel = loaded();
    let progs = &skel.progs;
    let links = attached(&skel.maps.by_number, &[&progs.parse, &progs.skb_to_number]);
    redirected(&skel, &BY_NUMBER, end);
    drop(links);
    let _links = attached(&skel.maps.by_ports, &[&progs.parse, &progs.skb_to_ports]);
    redirected(&skel, &BY_PORTS, end);
    feature.works();
}

#[test]
fn what_is_sent_goes_on_by_a_map() {
    let end: End = |connection| [&connection.client, &connection.server];
    let skel = loaded();
    let number = Feature::since("map: sockmap", (4, 14)).unwrap();
    let link = skel
        .progs
        .msg_to_number
        .attach_to(&skel.maps.by_number)
        .unwrap();
    let ends = redirected(&skel, &BY_NUMBER, end);
    from_outside(&skel, &BY_NUMBER, ends);
    link.detach().unwrap();
    number.works();
    let ports = Feature::since("map: sockhash", (4, 18)).unwrap();
    let _link = skel
        .progs
        .msg_to_ports
        .attach_to(&skel.maps.by_ports)
        .unwrap();
    let ends = redirected(&skel, &BY_PORTS, end);
    from_outside(&skel, &BY_PORTS, ends);
    ports.works();
}

#[test]
fn one_of_those_that_share_a_port_receives() {
    let feature = Feature::since("map: reuseport_sockarray", (4, 19)).unwrap();
    let skel = loaded();
    let first = sharing(0);
    let address = first.local_addr().unwrap();
    let both = [first, sharing(address.port())];
    let map = &skel.maps.receivers;
    for (number, socket) in (0..).zip(&both) {
        map.set(number, socket).unwrap();
        assert_eq!(map.cookie(number).unwrap(), cookie(socket));
    }
    skel.progs.choose.attach_to(&both[0]).unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let arrives = |chosen: usize| {
        skel.bss.to_number.set(chosen.try_into().unwrap());
        sender.send_to(b"datagram", address).unwrap();
        both.each_ref().map(|socket| socket.recv(&mut [0; 16]).ok())
    };
    assert_eq!(arrives(0), [Some(8), None]);
    assert_eq!(arrives(1), [None, Some(8)]);
    assert_eq!(arrives(0), [Some(8), None]);
    assert!(map.clear(1).unwrap());
    assert!(!map.clear(1).unwrap());
    assert_eq!(arrives(1), [None, None], "the program drops it");
    skel.progs.choose.detach_from(&both[0]).unwrap();
    assert_eq!(arrives(1).iter().flatten().count(), 1);
    feature.works();
}
