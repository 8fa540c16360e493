//! Programs on sockets, and on those in a map.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use btf_core::attach::{Cgroup, CgroupSharing, Netns, SkMap, SkReuseport, SkSkbRole, SocketFilter};
use btf_core::link::{Link, LinkType};
use btf_core::load::OpenObject;
use btf_core::map::{Global, Map, Mapped, Section};
use btf_core::prog::{Program, TestRun};
use rustix::net::{AddressFamily, SocketType, sockopt};

use crate::feature::Feature;
use crate::net::{Pair, load, packet};
use crate::support::needs;

static CGROUP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cgroup.bpf.o"));

#[repr(C)]
pub(crate) struct Bss {
    pub(crate) hits: Global<u64>,
    pub(crate) connections: Global<u64>,
}
// SAFETY: numbers in cells, so any bytes are a value, and they may change.
unsafe impl Section for Bss {
    const SHARED: bool = true;
}

#[test]
fn socket_filter() {
    let feature = Feature::since("SEC: socket", (5, 10)).unwrap();
    let pair = Pair::new();
    let (bss, [program]) = load(&pair, 0, ["on_socket"]);
    let filter = SocketFilter::try_from(program).unwrap();
    assert!(pair.send());
    filter.attach_to(&pair.to).unwrap();
    assert!(!pair.send(), "it lets no byte through");
    assert_eq!(bss.hits.get(), 1);
    filter.detach_from(&pair.to).unwrap();
    assert!(pair.send());
    assert_eq!(bss.hits.get(), 1);
    let e = filter.detach_from(&pair.to).unwrap_err().to_string();
    assert!(e.contains("nothing is attached to the socket"), "{e}");
    let ran = filter.test_run(&TestRun::packet(&packet(1))).unwrap();
    assert_eq!((ran.result, bss.hits.get()), (0, 2));
    feature.works();
}

/// A socket that shares its port.
pub(crate) fn sharing(port: u16) -> UdpSocket {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
    sockopt::set_socket_reuseport(&socket, true).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    let socket = UdpSocket::from(socket);
    let wait = Some(Duration::from_millis(200));
    socket.set_read_timeout(wait).unwrap();
    socket
}

#[test]
fn sk_reuseport() {
    let feature = Feature::since("SEC: sk_reuseport", (5, 10)).unwrap();
    let to = sharing(0);
    let from = UdpSocket::bind("127.0.0.1:0").unwrap();
    let send = || {
        from.send_to(b"x", to.local_addr().unwrap()).unwrap();
        to.recv(&mut [0; 4]).is_ok()
    };
    let pair = Pair::new();
    // `SK_DROP`.
    let (bss, [program]) = load(&pair, 0, ["on_sk_reuseport"]);
    let chooser = SkReuseport::try_from(program).unwrap();
    assert!(send());
    chooser.attach_to(&to).unwrap();
    assert!(!send());
    assert_eq!(bss.hits.get(), 1);
    chooser.detach_from(&to).unwrap();
    assert!(send());
    let e = chooser.attach_to(&pair.to).unwrap_err().to_string();
    assert!(e.contains("set SO_REUSEPORT on the socket"), "{e}");
    feature.works();
}

/// A socket that listens at a port that it shares.
fn listening(port: u16) -> TcpListener {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_reuseport(&socket, true).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    rustix::net::listen(&socket, 64).unwrap();
    TcpListener::from(socket)
}

/// Connections that wait at a socket that is closed go to another of its group.
#[test]
fn sk_reuseport_migrate() {
    let Some(feature) = Feature::since("SEC: sk_reuseport/migrate", (5, 14)) else {
        return;
    };
    let (bss, [program]) = load(&Pair::new(), 0, ["on_migration"]);
    let chooser = SkReuseport::try_from(program).unwrap();
    let first = listening(0);
    let at = first.local_addr().unwrap();
    let second = listening(at.port());
    chooser.attach_to(&first).unwrap();
    let connections: Vec<_> = (0..32).map(|_| TcpStream::connect(at).unwrap()).collect();
    assert_eq!(bss.hits.get(), 0, "none is to migrate yet");
    assert_eq!(bss.second_hits.get(), 32);
    drop(first);
    // That all 32 came to one socket is once in four thousand million times.
    assert!(bss.hits.get() > 0, "those of the first migrate");
    second.set_nonblocking(true).unwrap();
    let accepted = std::iter::from_fn(|| second.accept().ok()).count();
    assert_eq!(accepted, connections.len());
    feature.works();
}

/// Loads programs of the object, with its map.
fn load_cgroup(names: &[&str]) -> (Mapped<Bss>, Map, Vec<Program>) {
    let mut open = OpenObject::open("cgroup", CGROUP).unwrap();
    for name in names {
        let program = open.program_mut(name).unwrap();
        program.set_autoload(true);
    }
    let loaded = open.load().unwrap();
    let bss = loaded.data(".bss").unwrap();
    let map = loaded.map("sockets").unwrap().try_clone().unwrap();
    let programs = names
        .iter()
        .map(|name| loaded.program(name).unwrap().try_clone().unwrap());
    (bss, map, programs.collect())
}

/// A connection of this process with itself: the end that accepted, and the one that connected.
pub(crate) fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (here, _) = listener.accept().unwrap();
    for stream in [&here, &there] {
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
    }
    (here, there)
}

/// Sends a few bytes from one end to the other.
fn talk((here, there): &mut (TcpStream, TcpStream)) {
    there.write_all(b"hello").unwrap();
    let mut got = [0; 5];
    here.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello");
}

/// Attaches programs to the map, and talks over a connection whose ends are in it.
fn on_map(
    features: &[&'static str],
    since: (u32, u32),
    names: &[&str],
    attach_to: fn(&SkMap, &Map) -> btf_core::Result<Link>,
) {
    let features = features.iter().map(|name| Feature::since(name, since));
    let Some(features) = features.collect::<Option<Vec<Feature>>>() else {
        return;
    };
    let (bss, map, mut programs) = load_cgroup(&[names, &["sockops"]].concat());
    let sockops = Cgroup::try_from(programs.pop().unwrap()).unwrap();
    let programs: Vec<SkMap> = programs
        .into_iter()
        .map(|p| p.try_into().unwrap())
        .collect();
    let attach = || -> Vec<Link> {
        let links = programs
            .iter()
            .map(|program| attach_to(program, &map).unwrap());
        links.collect()
    };
    let links = attach();
    let sockops_link = sockops
        .attach_to("/sys/fs/cgroup", CgroupSharing::Link)
        .unwrap();
    let mut ends = connection();
    assert_eq!(bss.connections.get(), 2);
    drop(sockops_link);
    talk(&mut ends);
    assert!(bss.hits.get() >= names.len() as u64, "{}", bss.hits.get());
    drop(ends);
    drop(links);
    let hits = bss.hits.get();
    // Later connections are not in the map, and nobody sees them.
    talk(&mut connection());
    assert_eq!((bss.hits.get(), bss.connections.get()), (hits, 2));
    // They were detached: there is room for them again.
    drop(attach());
    features.into_iter().for_each(Feature::works);
}

#[test]
fn sk_skb_stream() {
    let features = ["SEC: sk_skb/stream_parser", "SEC: sk_skb/stream_verdict"];
    let names = ["stream_parser", "stream_verdict"];
    on_map(&features, (5, 10), &names, |program, map| {
        program.attach_to(map)
    });
}

#[test]
fn sk_skb() {
    let names = ["plain_parser", "plain_verdict"];
    on_map(&["SEC: sk_skb"], (5, 10), &names, |program, map| {
        let e = program.attach_to(map).unwrap_err().to_string();
        assert!(
            e.contains("does not say whether it parses or judges"),
            "{e}"
        );
        let role = match program.program().name() {
            "plain_parser" => SkSkbRole::StreamParser,
            _ => SkSkbRole::StreamVerdict,
        };
        program.attach_as(role, map)
    });
}

#[test]
fn sk_skb_verdict() {
    let features = ["SEC: sk_skb/verdict"];
    on_map(&features, (5, 13), &["verdict"], |program, map| {
        program.attach_to(map)
    });
}

#[test]
fn sk_msg() {
    on_map(&["SEC: sk_msg"], (5, 10), &["msg"], |program, map| {
        let e = program.attach_as(SkSkbRole::Verdict, map).unwrap_err();
        assert!(e.to_string().contains("says already what it does"), "{e}");
        program.attach_to(map)
    });
}

/// Sockets that come into the map see the program that its link has then.
#[test]
fn a_link_of_a_map_takes_another_program() {
    let feature = Feature::since("link: update of sockmap", (6, 10));
    let (old_bss, map, mut programs) = load_cgroup(&["msg", "sockops"]);
    let (new_bss, _, mut others) = load_cgroup(&["msg"]);
    let sockops = Cgroup::try_from(programs.pop().unwrap()).unwrap();
    let old = SkMap::try_from(programs.pop().unwrap()).unwrap();
    let new = others.pop().unwrap();
    let mut link = old.attach_to(&map).unwrap();
    let Some(feature) = feature else {
        let e = link.update(&new).unwrap_err();
        assert_eq!(
            e.to_string(),
            "link of program `msg`: it is attached without a link"
        );
        return;
    };
    assert_eq!(link.info().unwrap().link_type, LinkType::SOCKMAP);
    let _sockops = sockops
        .attach_to("/sys/fs/cgroup", CgroupSharing::Link)
        .unwrap();
    let mut first = connection();
    talk(&mut first);
    let hits = old_bss.hits.get();
    assert!(hits > 0 && new_bss.hits.get() == 0);
    drop(first);
    link.update(&new).unwrap();
    talk(&mut connection());
    assert_eq!(old_bss.hits.get(), hits);
    assert!(new_bss.hits.get() > 0);
    feature.works();
}

#[test]
fn programs_of_socket_maps_go_to_such_maps_only() {
    needs(5, 10);
    let (_, map, mut programs) = load_cgroup(&["sockops", "msg"]);
    let msg = SkMap::try_from(programs.pop().unwrap()).unwrap();
    let e = msg
        .attach_to(std::io::stdout().as_fd())
        .unwrap_err()
        .to_string();
    assert!(
        e.starts_with("program `msg`: cannot attach to the map"),
        "{e}"
    );
    drop(msg.attach_to(&map).unwrap());
    let e = Netns::try_from(programs.pop().unwrap())
        .unwrap_err()
        .to_string();
    assert_eq!(
        e,
        "program `sockops`: it is in SEC(\"sockops\") and cannot be used as a program of a network namespace"
    );
}
