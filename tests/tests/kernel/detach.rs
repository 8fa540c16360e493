//! Detaching where resources are gone, and what failed loads and attachments leave: nothing.

use std::fs;
use std::path::Path;

use btf_core::ErrorKind;
use btf_core::attach::{
    AttachMode, CgroupSharing, Direction, KprobeOptions, Lwt, Route, Tc, TcOptions, Xdp, XdpMode,
    XdpOptions,
};
use btf_core::link::Link;
use btf_core::load::OpenObject;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::net::{Pair, load};
use crate::netns::{NEAR, joined};
use crate::probes;
use crate::support::load_only;

static REFUSED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/refused.bpf.o"));

/// `XDP_DROP`, and `TC_ACT_SHOT`.
const DROP: i32 = 1;
const SHOT: i32 = 2;

/// No file descriptor is to be had while this lives.
struct Exhausted(Rlimit);

impl Exhausted {
    fn new() -> Exhausted {
        let limit = getrlimit(Resource::Nofile);
        let none = Rlimit {
            current: Some(0),
            ..limit
        };
        setrlimit(Resource::Nofile, none).unwrap();
        assert!(fs::File::open("/").is_err());
        Exhausted(limit)
    }
}

impl Drop for Exhausted {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.0).unwrap();
    }
}

/// Ends a link by `detach` and another of the same kind by its drop, without file descriptors.
fn ends_without_descriptors(attach: &dyn Fn() -> Link, is_attached: &dyn Fn() -> bool) {
    for is_dropped in [false, true] {
        let link = attach();
        assert!(is_attached(), "it is attached");
        let exhausted = Exhausted::new();
        match is_dropped {
            true => drop(link),
            false => link.detach().unwrap(),
        }
        drop(exhausted);
        assert!(!is_attached(), "is_dropped: {is_dropped}");
    }
}

/// Sends route netlink a request; returns the bodies of the messages before its acknowledgement.
fn request(kind: u16, flags: u16, body: &[u8]) -> Vec<Vec<u8>> {
    let mut message = (16 + body.len() as u32).to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend((flags | 5).to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    rustix::net::send(&socket, &message, SendFlags::empty()).unwrap();
    let mut bodies = Vec::new();
    let mut answer = vec![0; 65536];
    loop {
        let (length, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty()).unwrap();
        let mut rest = &answer[..length];
        while let Some(header) = rest.get(..16) {
            let length = u32::from_ne_bytes(header[..4].try_into().unwrap()) as usize;
            let kind = u16::from_ne_bytes(header[4..6].try_into().unwrap());
            if kind == 2 || kind == 3 {
                return bodies;
            }
            bodies.push(rest[16..length].to_vec());
            rest = &rest[length.next_multiple_of(4).min(rest.len())..];
        }
    }
}

/// Queueing disciplines of the loopback device that are called `clsact`.
fn clsacts() -> usize {
    const GET_QDISC: u16 = 38;
    const DUMP: u16 = 0x300;
    request(GET_QDISC, DUMP, &[0; 20])
        .iter()
        .filter(|body| body[4] == 1 && body.windows(7).any(|name| name == b"clsact\0"))
        .count()
}

#[test]
fn tc_filters_end_without_descriptors() {
    let pair = Pair::new();
    let (_, [filter, action]) = load(&pair, SHOT, ["on_tc", "on_action"]);
    for program in [filter, action] {
        let tc = Tc::try_from(program).unwrap();
        let attach = || {
            let at = ("lo", Direction::Ingress);
            tc.attach_to(at.0, at.1, TcOptions::default()).unwrap()
        };
        ends_without_descriptors(&attach, &|| !pair.send());
    }
}

#[test]
fn netlink_xdp_ends_without_descriptors() {
    let pair = Pair::new();
    let (_, [program]) = load(&pair, DROP, ["on_xdp"]);
    let xdp = Xdp::try_from(program).unwrap();
    let options = XdpOptions {
        mode: XdpMode::Skb,
        replace: true,
    };
    let attach = || xdp.attach_to("lo", options).unwrap();
    ends_without_descriptors(&attach, &|| !pair.send());
}

#[test]
fn cgroup_programs_end_without_descriptors() {
    let cgroup = crate::cgroup::Inside::new("btf-detach-case");
    let (bss, program) = crate::cgroup::load("skb_egress").unwrap();
    let attach = || program.attach_to(&cgroup.0, CgroupSharing::Multi).unwrap();
    let pair = Pair::new();
    let is_attached = || {
        let before = bss.hits.get();
        pair.send();
        bss.hits.get() > before
    };
    ends_without_descriptors(&attach, &is_attached);
}

#[test]
fn tracefs_probes_end_without_descriptors() {
    let skel = probes::load(|open| open.progs.on_kprobe.set_autoload(true));
    let at = KprobeOptions::new("vfs_unlink").mode(AttachMode::Legacy);
    let attach = || skel.progs.on_kprobe.attach_with(&at).unwrap();
    let own = format!("/btf_{}_", std::process::id());
    let is_listed = || {
        let events = fs::read_to_string("/sys/kernel/tracing/kprobe_events").unwrap();
        events.contains(&own)
    };
    ends_without_descriptors(&attach, &is_listed);
}

#[test]
fn routes_end_without_descriptors() {
    let (_, [program]) = load(&Pair::new(), 0, ["on_lwt_out"]);
    let program = Lwt::try_from(program).unwrap();
    joined(|pair| {
        for (near, to) in [("10.7.0.1", "10.9.0.0"), ("fd07::1", "fd09::")] {
            let (near, to): (std::net::IpAddr, std::net::IpAddr) =
                (near.parse().unwrap(), to.parse().unwrap());
            pair.near_address(near, if near.is_ipv4() { 24 } else { 64 });
            let bits = if near.is_ipv4() { 16 } else { 32 };
            let route = Route::new(to, bits, NEAR).metric(77);
            let attach = || program.attach_to(&route).unwrap();
            // A second one with this destination and metric is refused.
            let is_there = || match program.attach_to(&route) {
                Ok(link) => {
                    link.detach().unwrap();
                    false
                }
                Err(_) => true,
            };
            ends_without_descriptors(&attach, &is_there);
        }
    });
}

#[test]
fn the_clsact_of_a_filter_goes_with_the_last() {
    let (_, [program]) = load(&Pair::new(), SHOT, ["on_tc"]);
    let tc = Tc::try_from(program).unwrap();
    let attach = |direction| {
        let options = TcOptions::default();
        tc.attach_to("lo", direction, options).unwrap()
    };
    assert_eq!(clsacts(), 0);
    let first = attach(Direction::Ingress);
    assert_eq!(clsacts(), 1);
    let second = attach(Direction::Egress);
    // It was made for the first, and the second uses it.
    first.detach().unwrap();
    assert_eq!(clsacts(), 1);
    let third = attach(Direction::Ingress);
    second.detach().unwrap();
    third.detach().unwrap();
    assert_eq!(clsacts(), 1, "it was there before the last filter");
    remove_clsact();
    drop(attach(Direction::Ingress));
    assert_eq!(clsacts(), 0);
    // A failed attachment leaves none.
    let options = TcOptions {
        handle: 1,
        priority: 1,
        replace: false,
    };
    let exhausted = Exhausted::new();
    assert!(tc.attach_to(1, Direction::Ingress, options).is_err());
    drop(exhausted);
    assert_eq!(clsacts(), 0);
}

fn remove_clsact() {
    const DELETE_QDISC: u16 = 37;
    let words = [0, 1, 0xffff_0000u32, 0xffff_fff1, 0];
    let body: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    request(DELETE_QDISC, 0, &body);
}

/// Pins a map, and loads a program that the verifier rejects.
fn fail_to_load(pin: &Path) {
    let mut open = OpenObject::open("refused", REFUSED).unwrap();
    let map = open.map_mut("slots").unwrap();
    map.set_pin_path(pin);
    let e = load_only(open, "unchecked").map(drop).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Verifier, "{e}");
}

#[test]
fn failed_loads_remove_the_pins_that_they_made() {
    let dir = Path::new("/sys/fs/bpf").join(format!("detach-{}", std::process::id()));
    let pin = dir.join("inner/slots");
    fail_to_load(&pin);
    assert!(!dir.exists());

    // A directory that existed before stays.
    fs::create_dir(&dir).unwrap();
    fail_to_load(&pin);
    assert!(dir.exists() && !dir.join("inner").exists());
    let mut open = OpenObject::open("refused", REFUSED).unwrap();
    let map = open.map_mut("slots").unwrap();
    map.set_pin_path(&pin);
    let loaded = open.load().unwrap();
    let map = loaded.map("slots").unwrap();
    fail_to_load(&pin);
    map.unpin(&pin).unwrap();
    fs::remove_dir_all(&dir).unwrap();
}
