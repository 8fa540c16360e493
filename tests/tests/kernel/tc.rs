//! Programs at ingress and egress of devices: traffic control's filters, tcx, netkit.

use std::time::{Duration, Instant};

use btf_core::attach::{Direction, Netkit, OrderOptions, Position, Tc, TcOptions, Tcx};
use btf_core::link::LinkDetails;
use btf_core::obj::AttachType;
use btf_core::prog::{TcAction, TestRun};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::feature::Feature;
use crate::net::{Pair, load, packet};

/// `TC_ACT_SHOT` and `TC_ACT_OK`.
const SHOT: i32 = 2;
const OK: i32 = 0;

/// Attaches a program to both directions, of which it drops what it sees.
fn both_directions(feature: &'static str, name: &str) {
    let feature = Feature::since(feature, (5, 10)).unwrap();
    let pair = Pair::new();
    let (bss, [program]) = load(&pair, SHOT, [name]);
    let tc = Tc::try_from(program).unwrap();
    assert!(pair.send());
    for (n, direction) in [(1, Direction::Ingress), (2, Direction::Egress)] {
        let link = tc.attach_to("lo", direction, TcOptions::default()).unwrap();
        assert!(!pair.send(), "{direction:?}: it drops");
        assert_eq!(bss.hits.get(), n);
        link.detach().unwrap();
        assert!(pair.send(), "{direction:?}: it is not attached any more");
    }
    feature.works();
}

#[test]
fn tc() {
    both_directions("SEC: tc", "on_tc");
}

#[test]
fn classifier() {
    both_directions("SEC: classifier", "on_classifier");
}

#[test]
fn action() {
    both_directions("SEC: action", "on_action");
}

#[test]
fn tc_filters_have_numbers() {
    let feature = Feature::since("attach: tc with handle and priority", (5, 10)).unwrap();
    let pair = Pair::new();
    let (bss, [program]) = load(&pair, OK, ["on_tc"]);
    let tc = Tc::try_from(program).unwrap();
    let attach = |handle, priority, replace| {
        let options = TcOptions {
            handle,
            priority,
            replace,
        };
        tc.attach_to("lo", Direction::Ingress, options)
    };
    let first = attach(3, 10, false).unwrap();
    let e = attach(3, 10, false).unwrap_err().to_string();
    assert!(e.contains("a filter has this handle and priority"), "{e}");
    let e = attach(0, 10, true).unwrap_err().to_string();
    assert!(
        e.contains("which filter to replace is said by its handle and priority"),
        "{e}"
    );
    let second = attach(3, 10, true).unwrap();
    let third = attach(4, 11, false).unwrap();
    assert!(pair.send());
    assert_eq!(bss.hits.get(), 1, "the first filter that answers decides");
    drop(second);
    assert!(pair.send());
    assert_eq!(bss.hits.get(), 2);
    drop(third);
    assert!(pair.send());
    assert_eq!(bss.hits.get(), 2);
    // It has been replaced, and its successor is gone: nothing is left to be detached.
    assert!(first.detach().is_err());
    let e = tc
        .attach_to("l0", Direction::Ingress, TcOptions::default())
        .unwrap_err();
    assert_eq!(
        e.to_string(),
        "program `on_tc`: there is no network device `l0` (did you mean `lo`?)"
    );
    feature.works();
}

/// Actions pass on what they do not answer, and their filters have numbers as others have.
#[test]
fn actions_are_of_filters() {
    let feature = Feature::since("attach: tc actions among filters", (5, 10)).unwrap();
    let pair = Pair::new();
    let (first_bss, [first]) = load(&pair, -1, ["on_action"]);
    let (second_bss, [second]) = load(&pair, SHOT, ["on_action"]);
    let [first, second] = [first, second].map(|program| Tc::try_from(program).unwrap());
    let attach = |tc: &Tc, priority| {
        let options = TcOptions {
            priority,
            ..TcOptions::default()
        };
        tc.attach_to("lo", Direction::Ingress, options)
    };
    let first_link = attach(&first, 5).unwrap();
    let second_link = attach(&second, 6).unwrap();
    assert!(!pair.send());
    assert_eq!((first_bss.hits.get(), second_bss.hits.get()), (1, 1));
    let e = attach(&second, 5).unwrap_err().to_string();
    assert!(e.contains("a filter has this handle and priority"), "{e}");
    second_link.detach().unwrap();
    assert!(pair.send());
    first_link.detach().unwrap();
    assert!(pair.send());
    assert_eq!((first_bss.hits.get(), second_bss.hits.get()), (2, 1));
    feature.works();
}

/// A link is one program's: what another has put in its place stays.
#[test]
fn filters_of_others_stay() {
    let feature = Feature::since("attach: tc filter that another replaced", (5, 10)).unwrap();
    let pair = Pair::new();
    let (bss, [program]) = load(&pair, SHOT, ["on_tc"]);
    let (other_bss, [other]) = load(&pair, SHOT, ["on_tc"]);
    let [program, other] = [program, other].map(|program| Tc::try_from(program).unwrap());
    let options = TcOptions {
        handle: 7,
        priority: 20,
        replace: true,
    };
    let link = program
        .attach_to("lo", Direction::Ingress, options)
        .unwrap();
    let newer = other.attach_to("lo", Direction::Ingress, options).unwrap();
    let e = link.detach().unwrap_err();
    assert_eq!(e.error().os_error(), Some(2), "{e}");
    // Neither does the link's drop remove it.
    drop(e);
    assert!(!pair.send(), "the other program drops it still");
    assert_eq!((bss.hits.get(), other_bss.hits.get()), (0, 1));
    newer.detach().unwrap();
    assert!(pair.send());
    feature.works();
}

/// Where there are no links, it is a filter; and says so if asked for more.
#[test]
fn tcx_falls_back_to_filters() {
    let feature = Feature::since("attach: tcx programs as filters", (5, 10)).unwrap();
    let pair = Pair::new();
    for (section, program) in [
        ("SEC: tcx/ingress", "on_tcx_ingress"),
        ("SEC: tcx/egress", "on_tcx_egress"),
        ("SEC: tc/ingress", "on_tc_ingress"),
        ("SEC: tc/egress", "on_tc_egress"),
    ] {
        let section = Feature::since(section, (5, 10)).unwrap();
        let (bss, [program]) = load(&pair, SHOT, [program]);
        let tcx = Tcx::try_from(program).unwrap();
        let link = tcx.attach_to("lo", OrderOptions::default()).unwrap();
        assert!(!pair.send());
        assert_eq!(bss.hits.get(), 1);
        drop(link);
        assert!(pair.send());
        assert_eq!(bss.hits.get(), 1);
        section.works();
    }
    feature.works();
}

#[test]
fn tcx() {
    let pair = Pair::new();
    let (bss, [first, second]) = load(&pair, SHOT, ["on_tcx_ingress", "second_tcx_ingress"]);
    let (first, second) = (
        Tcx::try_from(first).unwrap(),
        Tcx::try_from(second).unwrap(),
    );
    let Some(feature) = Feature::since("attach: tcx in an order", (6, 6)) else {
        let e = first
            .attach_to("lo", Position::First.into())
            .unwrap_err()
            .to_string();
        assert!(e.contains("such a link requires Linux 6.6 or newer"), "{e}");
        return;
    };
    let link = first.attach_to("lo", OrderOptions::default()).unwrap();
    let at_ingress = LinkDetails::Tcx {
        ifindex: 1,
        attach_type: AttachType::TCX_INGRESS,
    };
    assert_eq!(link.info().unwrap().details, at_ingress);
    let hits = || (bss.hits.get(), bss.second_hits.get());
    let after = second
        .attach_to("lo", Position::After(&link).into())
        .unwrap();
    assert!(!pair.send());
    assert_eq!(hits(), (1, 0), "the first drops it");
    drop(after);
    let before = second
        .attach_to("lo", Position::Before(&link).into())
        .unwrap();
    assert!(!pair.send());
    assert_eq!(hits(), (2, 1));
    drop(before);
    let at_first = second.attach_to("lo", Position::First.into()).unwrap();
    assert!(!pair.send());
    assert_eq!(hits(), (3, 2));
    drop(at_first);
    let stale = OrderOptions {
        expected_revision: 1,
        ..OrderOptions::default()
    };
    let e = second.attach_to("lo", stale).unwrap_err().to_string();
    assert!(e.contains("since the expected revision"), "{e}");
    drop(link);
    assert!(pair.send());
    assert_eq!(hits(), (3, 2));
    feature.works();
}

#[test]
fn tc_programs_run_by_themselves() {
    let feature = Feature::since("test_run: tc", (5, 10)).unwrap();
    let pair = Pair::new();
    let (bss, [counts, marks]) = load(&pair, SHOT, ["on_tc", "mark"]);
    let counts = Tc::try_from(counts).unwrap();
    let packet = packet(pair.port());
    let ran = counts.test_run(&TestRun::packet(&packet)).unwrap();
    assert_eq!((ran.result, bss.hits.get()), (TcAction::SHOT, 1));
    assert_eq!(ran.data, packet);
    // `struct __sk_buff`: its mark is the third word, its control words begin at the thirteenth.
    let mut context = [0u32; 48];
    context[2] = 5;
    let marks = Tc::try_from(marks).unwrap();
    let ran = marks
        .test_run(&TestRun::packet(&packet).context(&context))
        .unwrap();
    assert_eq!(ran.result, TcAction::REDIRECT);
    let after: [u32; 48] = ran.context_as().unwrap();
    assert_eq!((after[2], after[12]), (6, 42));
    feature.works();
}

/// A request of route netlink for a device: its flags and the change of them, and attributes.
fn request(kind: u16, flags: u16, up: Option<bool>, attrs: &[(u16, Vec<u8>)], index: u32) {
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.extend(u32::from(up == Some(true)).to_ne_bytes());
    body.extend(u32::from(up.is_some()).to_ne_bytes());
    for (kind, value) in attrs {
        body.extend(attr(*kind, value));
    }
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
    rustix::net::send(&socket, &message, rustix::net::SendFlags::empty()).unwrap();
    let mut answer = [0; 4096];
    rustix::net::recv(&socket, &mut answer[..], rustix::net::RecvFlags::empty()).unwrap();
    let errno = i32::from_ne_bytes(answer[16..20].try_into().unwrap());
    assert_eq!(errno, 0, "request {kind} for device {index}");
}

fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn index_of(device: &str) -> u32 {
    let text = std::fs::read_to_string(format!("/sys/class/net/{device}/ifindex")).unwrap();
    text.trim().parse().unwrap()
}

/// Makes a pair of netkit devices like Ethernet's (RTM_NEWLINK), of which the second comes to be called `nk0` or so.
fn make_netkit(name: &str) {
    let kind = attr(1, b"netkit");
    let mode = attr(2, &attr(4, &0u32.to_ne_bytes()));
    let info = [kind, mode].concat();
    let name = [name.as_bytes(), b"\0"].concat();
    request(16, 0x600, None, &[(3, name), (18, info)], 0);
}

/// A pair of netkit devices.
pub(crate) struct Devices {
    name: String,
    peer: String,
}

impl Devices {
    pub(crate) fn new(name: &str) -> Devices {
        make_netkit(name);
        let peer = std::fs::read_dir("/sys/class/net")
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .find(|name| name.starts_with("nk"))
            .expect("the other of the pair");
        Devices {
            name: name.to_owned(),
            peer,
        }
    }

    /// Has them greet their neighbours, as devices do that come up, until it has been seen.
    pub(crate) fn greet(&self, is_seen: impl Fn() -> bool) {
        for is_up in [false, true] {
            for device in [&self.name, &self.peer] {
                request(16, 0, Some(is_up), &[], index_of(device));
            }
        }
        let until = Instant::now() + Duration::from_secs(10);
        while !is_seen() {
            assert!(Instant::now() < until, "nothing was sent");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        request(17, 0, None, &[], index_of(&self.name));
    }
}

#[test]
fn netkit() {
    let (Some(primary), Some(second)) = (
        Feature::since("SEC: netkit/primary", (6, 7)),
        Feature::since("SEC: netkit/peer", (6, 7)),
    ) else {
        return;
    };
    let devices = Devices::new("btfcase");
    let pair = Pair::new();
    let mut links = Vec::new();
    let mut sections = Vec::new();
    for name in ["on_netkit_primary", "on_netkit_peer"] {
        let (bss, [program]) = load(&pair, OK, [name]);
        let program = Netkit::try_from(program).unwrap();
        links.push(
            program
                .attach_to("btfcase", OrderOptions::default())
                .unwrap(),
        );
        let e = program
            .attach_to("lo", OrderOptions::default())
            .unwrap_err()
            .to_string();
        assert!(e.contains("netkit device"), "{e}");
        sections.push(bss);
    }
    devices.greet(|| sections.iter().all(|bss| bss.hits.get() > 0));
    drop(links);
    primary.works();
    second.works();
}
