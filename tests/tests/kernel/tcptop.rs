//! tcptop's object and the tool itself, with real connections over the loopback: every byte is counted once, whichever way it goes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use btf_core::btf::Kind;
use btf_skel_macros::include_skel;
use rustix::fs::sendfile;
use rustix::net::{RecvFlags, recv};
use rustix::pipe::{SpliceFlags, pipe, splice};

use crate::support::{needs, tool};

include_skel!("tcptop");

use tcptop::{Flow, Links, OpenTcptop, Tcptop};

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

const LOCALHOSTS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Whether the kernel has another way to send pages.
static HAS_PAGES: LazyLock<bool> = LazyLock::new(|| {
    let kernel = btf_core::load::kernel_btf().unwrap();
    kernel.find("do_tcp_sendpages", Kind::FUNC).is_some()
});

/// Opens, changes, loads and attaches.
fn attached(change: impl FnOnce(&mut OpenTcptop)) -> (Tcptop, Links) {
    let mut open = Tcptop::open().unwrap();
    open.rodata.filter_pid = std::process::id();
    open.progs.on_send_pages.set_autoload(*HAS_PAGES);
    change(&mut open);
    let skel = open.load().unwrap();
    let links = skel.attach().unwrap();
    (skel, links)
}

/// Two ends of a connection.
fn connection(host: IpAddr) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((host, 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

/// What was counted for one end: bytes sent, bytes received. Zeros if there is no such flow.
fn counted(skel: &Tcptop, end: &TcpStream) -> (u64, u64) {
    let (local, peer) = (end.local_addr().unwrap(), end.peer_addr().unwrap());
    let is_of = |flow: &Flow| {
        flow.pid == std::process::id()
            && address(flow.family, &flow.local) == local
            && address(flow.family, &flow.peer) == peer
    };
    let mut found = skel.maps.flows.iter().filter(|(flow, _)| is_of(flow));
    let traffic = found.next().map(|(_, traffic)| traffic).unwrap_or_default();
    assert!(found.next().is_none(), "two flows of {local} and {peer}");
    (traffic.sent, traffic.received)
}

fn address(family: u16, end: &tcptop::Endpoint) -> SocketAddr {
    let ip = match family {
        AF_INET => {
            let [a, b, c, d, rest @ ..] = end.address;
            assert_eq!(rest, [0; 12]);
            IpAddr::from([a, b, c, d])
        }
        AF_INET6 => IpAddr::from(end.address),
        other => panic!("family {other}"),
    };
    SocketAddr::new(ip, end.port)
}

/// Sends so many bytes while they are received.
fn send(from: &mut TcpStream, to: &mut TcpStream, len: usize) {
    std::thread::scope(|scope| {
        scope.spawn(|| from.write_all(&vec![7; len]).unwrap());
        let mut bytes = vec![0; len];
        to.read_exact(&mut bytes).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 7));
    });
}

#[test]
fn every_byte_is_counted_once() {
    needs(5, 10);
    let (skel, _links) = attached(|_| {});
    for host in LOCALHOSTS {
        let (mut client, mut server) = connection(host);
        send(&mut client, &mut server, 1);
        assert_eq!(counted(&skel, &client), (1, 0));
        assert_eq!(counted(&skel, &server), (0, 1));
        // More than the buffers of both ends hold, so that calls wait and move a part.
        send(&mut client, &mut server, 9_000_001);
        send(&mut server, &mut client, 123_457);
        assert_eq!(counted(&skel, &client), (9_000_002, 123_457));
        assert_eq!(counted(&skel, &server), (123_457, 9_000_002));
    }
    assert_eq!(skel.bss.lost.get(), 0);
}

#[test]
fn what_moves_nothing_has_no_row() {
    needs(5, 10);
    let (skel, _links) = attached(|_| {});
    let (mut client, mut server) = connection(LOCALHOSTS[0]);
    assert_eq!(client.write(&[]).unwrap(), 0);
    server.set_nonblocking(true).unwrap();
    server.read(&mut [0; 8]).unwrap_err();
    drop(client);
    server.set_nonblocking(false).unwrap();
    // The end of the stream.
    assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
    let near = UdpSocket::bind("127.0.0.1:0").unwrap();
    near.send_to(b"hello", near.local_addr().unwrap()).unwrap();
    assert_eq!(near.recv(&mut [0; 8]).unwrap(), 5);
    let rows: Vec<_> = skel.maps.flows.iter().collect();
    assert!(rows.is_empty(), "{rows:?}");
}

#[test]
fn peeking_is_not_receiving() {
    needs(5, 10);
    let (skel, _links) = attached(|_| {});
    let (mut client, mut server) = connection(LOCALHOSTS[1]);
    client.write_all(b"hello").unwrap();
    for _ in 0..3 {
        assert_eq!(server.peek(&mut [0; 5]).unwrap(), 5);
    }
    assert_eq!(counted(&skel, &server), (0, 0));
    server.read_exact(&mut [0; 5]).unwrap();
    assert_eq!(counted(&skel, &server), (0, 5));
}

/// One call that takes what comes in pieces, with waits in between.
#[test]
fn waiting_for_all_counts_all_once() {
    needs(5, 10);
    let (skel, _links) = attached(|_| {});
    let (mut client, server) = connection(LOCALHOSTS[0]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..5 {
                client.write_all(&[7; 1000]).unwrap();
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let mut bytes = [0; 5000];
        let (got, _) = recv(&server, &mut bytes[..], RecvFlags::WAITALL).unwrap();
        assert_eq!(got, 5000);
    });
    assert_eq!(counted(&skel, &server), (0, 5000));
    assert_eq!(counted(&skel, &client), (5000, 0));
}

/// sendfile on one side, splice on the other: no byte passes through the process.
#[test]
fn bytes_that_the_process_never_sees_are_counted_too() {
    needs(5, 10);
    const LEN: usize = 300_000;
    let path = std::env::temp_dir().join(format!("sent-{}", std::process::id()));
    std::fs::write(&path, vec![7; LEN]).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let (skel, _links) = attached(|_| {});
    for host in LOCALHOSTS {
        let (client, server) = connection(host);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut offset = 0;
                while offset < LEN as u64 {
                    let left = LEN - usize::try_from(offset).unwrap();
                    sendfile(&client, &file, Some(&mut offset), left).unwrap();
                }
            });
            assert_eq!(spliced(&server, LEN), LEN);
        });
        assert_eq!(counted(&skel, &client), (LEN as u64, 0));
        assert_eq!(counted(&skel, &server), (0, LEN as u64));
    }
}

/// Takes so many bytes from a socket into a pipe, and from there to nowhere.
fn spliced(from: &TcpStream, len: usize) -> usize {
    let (out, into) = pipe().unwrap();
    let nowhere = std::fs::File::create("/dev/null").unwrap();
    let moved = |from: &dyn AsFd, to: &dyn AsFd, len| {
        splice(from.as_fd(), None, to.as_fd(), None, len, SpliceFlags::MOVE).unwrap()
    };
    let mut total = 0;
    while total < len {
        let taken = moved(from, &into, len - total);
        assert!(taken > 0, "the stream ended after {total} bytes");
        let mut left = taken;
        while left > 0 {
            left -= moved(&out, &nowhere, left);
        }
        total += taken;
    }
    total
}

#[test]
fn filters_leave_the_others_out() {
    needs(5, 10);
    let all_pairs = |skel: &Tcptop| {
        LOCALHOSTS.map(|host| {
            let (mut client, mut server) = connection(host);
            send(&mut client, &mut server, 10);
            counted(skel, &client)
        })
    };
    let (skel, links) = attached(|open| open.rodata.filter_family = AF_INET6);
    assert_eq!(all_pairs(&skel), [(0, 0), (10, 0)]);
    drop((skel, links));
    let (skel, _links) = attached(|open| open.rodata.filter_pid = 1);
    assert_eq!(all_pairs(&skel), [(0, 0), (0, 0)]);
}

/// A process's name is that of its first thread; rows that find no room push out old ones.
#[test]
fn a_full_map_makes_room() {
    needs(5, 10);
    let (skel, _links) = attached(|open| open.maps.flows.set_max_entries(16));
    let mut last = None;
    for _ in 0..200 {
        let (mut client, mut server) = connection(LOCALHOSTS[0]);
        send(&mut client, &mut server, 3);
        last = Some(client);
    }
    assert_eq!(counted(&skel, &last.unwrap()), (3, 0));
    let comm = std::fs::read_to_string(format!("/proc/{}/comm", std::process::id())).unwrap();
    for (_, traffic) in skel.maps.flows.iter() {
        assert_eq!(traffic.comm, comm.trim_end());
    }
    assert_eq!(skel.bss.lost.get(), 0);
}

/// Each program's link is its own.
#[test]
fn a_link_that_is_taken_out_detaches_its_program_alone() {
    needs(5, 10);
    let (skel, mut links) = attached(|open| open.progs.on_splice.set_autoload(false));
    let names = |links: &Links| links.iter().map(|(name, _)| name).collect::<Vec<_>>();
    let expected = ["on_send", "on_send_pages", "on_receive", "on_receive6"];
    let expected = expected
        .into_iter()
        .filter(|name| *HAS_PAGES || *name != "on_send_pages");
    assert_eq!(names(&links), expected.collect::<Vec<_>>());
    let (mut client, mut server) = connection(LOCALHOSTS[0]);
    let link = links.on_receive.take().unwrap();
    assert!(!names(&links).contains(&"on_receive"));
    send(&mut client, &mut server, 10);
    assert_eq!(counted(&skel, &server), (0, 10), "it is still held");
    link.detach().unwrap();
    send(&mut client, &mut server, 10);
    assert_eq!(counted(&skel, &server), (0, 10));
    assert_eq!(counted(&skel, &client), (20, 0));
    drop(links);
    send(&mut client, &mut server, 10);
    assert_eq!(counted(&skel, &client), (20, 0));
}

/// What the program prints, from start to end.
#[test]
fn the_tool_shows_what_was_sent() {
    needs(5, 10);
    let Some(program) = tool("tcptop") else {
        return;
    };
    let pid = std::process::id().to_string();
    let args = ["--json", "--connections", "--cumulative", "--pid", &pid];
    let mut child = Command::new(program)
        .args(args)
        .args(["--interval", "0.2", "--count", "100"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut client, mut server) = connection(LOCALHOSTS[1]);
    // It attaches at some time; from the first row on, it counts.
    let (first, stop) = (OnceLock::new(), OnceLock::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while stop.get().is_none() {
                send(&mut client, &mut server, 1000);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let line = lines.next().expect("a row").unwrap();
        first.set(line).unwrap();
        stop.set(()).unwrap();
    });
    let first = first.into_inner().unwrap();
    for field in [
        format!("\"pid\":{pid},"),
        "\"peer\":\"::1\"".to_owned(),
        "\"round\":".to_owned(),
    ] {
        assert!(first.contains(&field), "no {field} in {first}");
    }
    // No more is sent: what is shown once all is counted stays, and a known number later it is that much more.
    let port = client.local_addr().unwrap().port();
    let before = settled(&mut lines, port);
    send(&mut client, &mut server, 54_321);
    let grown = settled_above(&mut lines, port, before);
    assert_eq!(grown - before, 54_321);
    child.kill().unwrap();
    child.wait().unwrap();
}

type Lines = std::io::Lines<BufReader<ChildStdout>>;

/// The next count of bytes sent from this port.
fn next_sent(lines: &mut Lines, port: u16) -> u64 {
    let port = format!("\"local_port\":{port},");
    loop {
        let line = lines.next().expect("more rows").unwrap();
        if line.contains(&port) {
            let (_, sent) = line.split_once("\"sent\":").unwrap();
            let end = sent.find(|c: char| !c.is_ascii_digit()).unwrap();
            return sent[..end].parse().unwrap();
        }
    }
}

/// The count that two rounds in a row agree on.
fn settled(lines: &mut Lines, port: u16) -> u64 {
    let mut last = next_sent(lines, port);
    loop {
        let next = next_sent(lines, port);
        if next == last {
            return next;
        }
        last = next;
    }
}

/// As [`settled`], once it is more than `before`.
fn settled_above(lines: &mut Lines, port: u16, before: u64) -> u64 {
    while next_sent(lines, port) == before {}
    settled(lines, port)
}
