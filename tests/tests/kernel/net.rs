//! Programs that see packets: attached to the loopback device, they count datagrams that a socket of this process sends.

use std::net::UdpSocket;
use std::time::Duration;

use btf_core::ErrorKind;
use btf_core::attach::{Xdp, XdpMode, XdpOptions};
use btf_core::link::LinkDetails;
use btf_core::map::{Global, Mapped, Section};
use btf_core::prog::{Program, TestRun, XdpAction};
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::support::{needs, running, set};

include_skel!("net");

pub(crate) static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/net.bpf.o"));

/// `XDP_DROP` and `XDP_PASS`.
const DROP: i32 = 1;
const PASS: i32 = 2;

#[repr(C)]
pub(crate) struct Bss {
    pub(crate) hits: Global<u64>,
    pub(crate) second_hits: Global<u64>,
}
// SAFETY: numbers in cells, so any bytes are a value, and they may change.
unsafe impl Section for Bss {
    const SHARED: bool = true;
}

/// Two sockets of which one sends to the other.
pub(crate) struct Pair {
    from: UdpSocket,
    pub(crate) to: UdpSocket,
}

impl Pair {
    pub(crate) fn new() -> Pair {
        let socket = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let (from, to) = (socket(), socket());
        to.set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        Pair { from, to }
    }

    pub(crate) fn port(&self) -> u16 {
        self.to.local_addr().unwrap().port()
    }

    /// Sends a datagram; whether it arrives.
    pub(crate) fn send(&self) -> bool {
        self.from
            .send_to(b"datagram", self.to.local_addr().unwrap())
            .unwrap();
        self.to.recv(&mut [0; 16]).is_ok()
    }
}

/// Loads programs that answer `answer` to datagrams for the pair.
pub(crate) fn load<const N: usize>(
    pair: &Pair,
    answer: i32,
    programs: [&str; N],
) -> (Mapped<Bss>, [Program; N]) {
    let mut open = btf_core::load::OpenObject::open("net", OBJECT).unwrap();
    set(&mut open, ".rodata", "port", &pair.port());
    set(&mut open, ".rodata", "answer", &answer);
    for name in programs {
        let program = open.program_mut(name).unwrap();
        program.set_autoload(true);
    }
    let loaded = open.load().unwrap();
    let bss = loaded.data(".bss").unwrap();
    (
        bss,
        programs.map(|name| loaded.program(name).unwrap().try_clone().unwrap()),
    )
}

#[test]
fn xdp() {
    let feature = Feature::since("SEC: xdp", (5, 10)).unwrap();
    let pair = Pair::new();
    let (bss, [program]) = load(&pair, DROP, ["on_xdp"]);
    let xdp = Xdp::try_from(program).unwrap();
    assert!(pair.send());
    assert_eq!(bss.hits.get(), 0, "it is not attached yet");
    let link = xdp.attach_to("lo", XdpMode::Skb.into()).unwrap();
    assert!(!pair.send(), "it drops");
    assert_eq!(bss.hits.get(), 1);
    let details = link.info().unwrap().details;
    assert_eq!(details, LinkDetails::Xdp { ifindex: 1 });
    link.detach().unwrap();
    assert!(pair.send(), "it is not attached any more");
    // Device 1 is the loopback device in every network namespace; it has no driver, so `Auto` is `Skb`.
    let link = xdp.attach_to(1, XdpOptions::default()).unwrap();
    assert!(!pair.send());
    drop(link);
    assert!(pair.send());
    assert_eq!(bss.hits.get(), 2);
    feature.works();
}

#[test]
fn xdp_by_netlink() {
    let feature = Feature::since("attach: XDP by netlink", (5, 10)).unwrap();
    let pair = Pair::new();
    let (bss, [first, second]) = load(&pair, DROP, ["on_xdp", "second_xdp"]);
    let (first, second) = (
        Xdp::try_from(first).unwrap(),
        Xdp::try_from(second).unwrap(),
    );
    let replacing = XdpOptions {
        mode: XdpMode::Skb,
        replace: true,
    };
    let first_link = first.attach_to("lo", replacing).unwrap();
    assert!(!pair.send());
    let e = second
        .attach_to("lo", XdpMode::Skb.into())
        .unwrap_err()
        .to_string();
    assert!(e.contains("another program is attached there"), "{e}");
    let second_link = second.attach_to("lo", replacing).unwrap();
    assert!(pair.send(), "the second passes all");
    // It is not there any more, and the second stays.
    drop(first_link);
    assert!(pair.send());
    assert_eq!((bss.hits.get(), bss.second_hits.get()), (1, 2));
    second_link.detach().unwrap();
    assert!(pair.send());
    assert_eq!((bss.hits.get(), bss.second_hits.get()), (1, 2));
    feature.works();
}

#[test]
fn xdp_frags() {
    let Some(feature) = Feature::since("SEC: xdp.frags", (5, 18)) else {
        return;
    };
    let pair = Pair::new();
    let (bss, [program]) = load(&pair, PASS, ["on_xdp_frags"]);
    let xdp = Xdp::try_from(program).unwrap();
    let _link = xdp.attach_to("lo", XdpOptions::default()).unwrap();
    assert!(pair.send());
    assert_eq!(bss.hits.get(), 1);
    feature.works();
}

#[test]
fn xdp_programs_that_cannot_be_attached_say_why() {
    needs(5, 10);
    let pair = Pair::new();
    let (_, [first, second]) = load(&pair, PASS, ["on_xdp", "second_xdp"]);
    let (first, second) = (
        Xdp::try_from(first).unwrap(),
        Xdp::try_from(second).unwrap(),
    );
    let e = first.attach_to("l0", XdpOptions::default()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    assert_eq!(
        e.to_string(),
        "program `on_xdp`: there is no network device `l0` (did you mean `lo`?)"
    );
    let e = first.attach_to("lo", XdpMode::Driver.into()).unwrap_err();
    let text = e.to_string();
    assert!(
        text.contains("the device's driver runs no programs; try XdpMode::Skb"),
        "{text}"
    );
    let _link = first.attach_to("lo", XdpMode::Skb.into()).unwrap();
    for replace in [false, true] {
        let options = XdpOptions {
            mode: XdpMode::Skb,
            replace,
        };
        let text = second.attach_to("lo", options).unwrap_err().to_string();
        assert!(text.contains("unless a link holds it"), "{text}");
    }
    let e = first.program().attach().unwrap_err().to_string();
    assert!(e.contains("attach_to takes the network device"), "{e}");
}

/// A packet for a port: Ethernet, IPv4, UDP.
pub(crate) fn packet(port: u16) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[12..14].copy_from_slice(&[8, 0]);
    bytes[14] = 0x45;
    bytes[17] = 50;
    bytes[22] = 64;
    bytes[23] = 17;
    bytes[26..30].copy_from_slice(&[127, 0, 0, 1]);
    bytes[30..34].copy_from_slice(&[127, 0, 0, 1]);
    bytes[36..38].copy_from_slice(&port.to_be_bytes());
    bytes[39] = 30;
    bytes
}

#[test]
fn xdp_programs_run_by_themselves() {
    let feature = Feature::since("test_run: xdp", (5, 10)).unwrap();
    let pair = Pair::new();
    let (bss, [counts, shortens]) = load(&pair, DROP, ["on_xdp", "shorten"]);
    let counts = Xdp::try_from(counts).unwrap();
    let packet = packet(pair.port());
    let ran = counts
        .test_run(&TestRun::packet(&packet).repeat(10))
        .unwrap();
    assert_eq!((ran.result, bss.hits.get()), (XdpAction::DROP, 10));
    assert_eq!(ran.data, packet);
    let ran = counts.test_run(&TestRun::packet(&[0; 64])).unwrap();
    assert_eq!((ran.result, bss.hits.get()), (XdpAction::PASS, 10));

    let shortens = Xdp::try_from(shortens).unwrap();
    let ran = shortens.test_run(&TestRun::packet(&packet)).unwrap();
    assert_eq!((ran.result, &ran.data[..]), (XdpAction::PASS, &packet[4..]));
    if running() >= (6, 1) {
        let e = counts
            .test_run(&TestRun::packet(&[0; 13]))
            .unwrap_err()
            .to_string();
        assert!(
            e.contains("program `on_xdp`: the kernel refused to run it"),
            "{e}"
        );
        assert!(e.contains("Ethernet header"), "{e}");
    }
    feature.works();
}

/// `struct xdp_md`.
#[test]
fn xdp_programs_run_with_a_context() {
    let Some(feature) = Feature::since("test_run: xdp with context", (5, 15)) else {
        return;
    };
    let pair = Pair::new();
    let (_, [shortens]) = load(&pair, PASS, ["shorten"]);
    let shortens = Xdp::try_from(shortens).unwrap();
    let packet = packet(pair.port());
    // The packet begins after four bytes of metadata.
    let context: [u32; 6] = [4, 64, 0, 1, 0, 0];
    let ran = shortens
        .test_run(&TestRun::packet(&packet).context(&context))
        .unwrap();
    assert_eq!(ran.result, XdpAction::PASS);
    let after: [u32; 6] = ran.context_as().unwrap();
    assert_eq!(ran.data.len(), 60, "metadata, and what is left");
    assert_eq!(after[1] - after[0], 56);
    feature.works();
}

#[test]
fn xdp_programs_run_on_live_frames() {
    let Some(feature) = Feature::since("test_run: live frames", (5, 18)) else {
        return;
    };
    let pair = Pair::new();
    let (bss, [counts]) = load(&pair, PASS, ["on_xdp"]);
    let counts = Xdp::try_from(counts).unwrap();
    let packet = packet(pair.port());
    let run = TestRun::packet(&packet).repeat(100).live_frames(16);
    let ran = counts.test_run(&run).unwrap();
    assert!(ran.data.is_empty());
    assert_eq!(bss.hits.get(), 100);
    feature.works();
}

/// The skeleton's types: one for each kind.
#[test]
fn network_programs_are_typed_in_skeletons() {
    needs(5, 10);
    let mut open = net::Net::open().unwrap();
    open.progs.on_xdp.set_autoload(true);
    let skel = open.load().unwrap();
    let link = skel
        .progs
        .on_xdp
        .attach_to("lo", XdpOptions::default())
        .unwrap();
    drop(link);
}
