//! Programs whose type, attach type or network device is set before they are loaded.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use btf_core::attach::{
    Direction, OrderOptions, PerfEvent, PerfEventOptions, SocketFilter, Tc, TcOptions, Tcx, Xdp,
    XdpMode,
};
use btf_core::link::LinkDetails;
use btf_core::load::ProgFlags;
use btf_core::obj::{AttachType, ProgType};
use btf_core::{Error, ErrorKind};
use btf_skel_macros::include_skel;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, netdevice};

use crate::feature::Feature;
use crate::net::Pair;
use crate::netns::{NEAR, joined};
use crate::support::needs;

include_skel!("device_bound");
include_skel!("section_extras");

use device_bound::{DeviceBound, OpenDeviceBound};
use section_extras::{OpenSectionExtras, SectionExtras};

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/section_extras.bpf.o"));

fn load(set: impl FnOnce(&mut OpenSectionExtras)) -> SectionExtras {
    let mut open = SectionExtras::open().unwrap();
    set(&mut open);
    open.load().unwrap()
}

#[test]
fn unknown_sections_are_left_out_with_the_setter_named() {
    needs(5, 10);
    let skel = load(|open| assert!(!open.progs.on_tick.autoload()));
    let expected = [
        ("on_ingress", "classifier/ingress", "tc", "SCHED_CLS"),
        ("on_socket", "socket/filter", "socket", "SOCKET_FILTER"),
        ("on_tick", "perf_event/profiler", "perf_event", "PERF_EVENT"),
    ]
    .map(|(program, section, known, prog_type)| {
        format!(
            "program `{program}` is not loaded: SEC(\"{section}\") is not a known section name (write SEC(\"{known}\"), or call \
             set_type(ProgType::{prog_type}) on the open program before it is loaded)"
        )
    });
    assert_eq!(skel.warnings(), expected);
    let e = SocketFilter::try_from(&skel.progs.on_socket).unwrap_err();
    assert_eq!(
        e.to_string(),
        "program `on_socket`: it is in SEC(\"socket/filter\") and cannot be used as a socket filter"
    );
    assert!(!skel.progs.on_socket.is_loaded());
}

#[test]
fn classifiers_of_unknown_sections_fire() {
    let feature = Feature::since("set_type: sched_cls", (5, 10)).unwrap();
    let skel = load(|open| open.progs.on_ingress.set_type(ProgType::SCHED_CLS));
    assert_eq!(skel.warnings().len(), 2, "of the two others");
    let tc = Tc::try_from(&skel.progs.on_ingress).unwrap();
    let pair = Pair::new();
    assert!(pair.send());
    assert_eq!(skel.bss.hits.get(), 0, "it is not attached yet");
    let link = tc
        .attach_to("lo", Direction::Ingress, TcOptions::default())
        .unwrap();
    assert!(pair.send());
    assert!(skel.bss.hits.get() >= 1);
    drop(link);
    feature.works();
}

#[test]
fn socket_filters_of_unknown_sections_fire() {
    let feature = Feature::since("set_type: socket_filter", (5, 10)).unwrap();
    let skel = load(|open| open.progs.on_socket.set_type(ProgType::SOCKET_FILTER));
    let filter = SocketFilter::try_from(&skel.progs.on_socket).unwrap();
    let pair = Pair::new();
    filter.attach_to(&pair.to).unwrap();
    assert!(pair.send());
    assert_eq!(skel.bss.hits.get(), 1);
    feature.works();
}

#[test]
fn perf_event_programs_of_unknown_sections_fire() {
    let feature = Feature::since("set_type: perf_event", (5, 10)).unwrap();
    let skel = load(|open| open.progs.on_tick.set_type(ProgType::PERF_EVENT));
    let program = PerfEvent::try_from(&skel.progs.on_tick).unwrap();
    let link = program
        .attach_with(&PerfEventOptions::cpu_clock().frequency(1000))
        .unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while skel.bss.hits.get() < 2 && Instant::now() < end {
        std::hint::spin_loop();
    }
    assert!(skel.bss.hits.get() >= 2);
    drop(link);
    feature.works();
}

#[test]
fn an_attach_type_makes_a_classifier_one_for_tcx() {
    let Some(feature) = Feature::since("set_expected_attach_type: tcx_ingress", (6, 6)) else {
        return;
    };
    let mut open = btf_core::load::OpenObject::open("section_extras", OBJECT).unwrap();
    let program = open.program_mut("on_tcx").unwrap();
    program.set_autoload(true);
    program.set_expected_attach_type(AttachType::TCX_INGRESS);
    let loaded = open.load().unwrap();
    let program = loaded.program("on_tcx").unwrap();
    let e = Tc::try_from(program).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
    let tcx = Tcx::try_from(program).unwrap();
    let link = tcx.attach_to("lo", OrderOptions::default()).unwrap();
    let details = link.info().unwrap().details;
    assert!(matches!(details, LinkDetails::Tcx { .. }), "{details:?}");
    feature.works();
}

fn try_load(set: impl FnOnce(&mut OpenDeviceBound)) -> Result<DeviceBound, Error> {
    let mut open = DeviceBound::open().unwrap();
    set(&mut open);
    open.load()
}

fn index_of(device: &str) -> u32 {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
    netdevice::name_to_index(socket, device).unwrap()
}

#[test]
fn programs_for_one_device_call_its_driver() {
    let Some(feature) = Feature::since("set_ifindex: XDP of one device", (6, 3)) else {
        return;
    };
    joined(|pair| {
        let address = |last| IpAddr::V4(Ipv4Addr::new(10, 9, 8, last));
        pair.near_address(address(1), 24);
        pair.far_address(address(2), 24);
        let near = index_of(NEAR);
        // Functions of a driver are for programs that are bound to a device.
        let e = try_load(|_| {}).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Verifier, "{e}");
        let skel = try_load(|open| {
            open.progs.on_xdp.set_ifindex(near);
            open.progs.on_xdp.set_flags(ProgFlags::XDP_DEV_BOUND_ONLY);
        })
        .unwrap();
        let e = skel
            .progs
            .on_xdp
            .attach_to("lo", XdpMode::Skb.into())
            .unwrap_err();
        assert_eq!(e.os_error(), Some(Errno::INVAL.raw_os_error()), "{e}");
        let program: &Xdp = &skel.progs.on_xdp;
        let _link = program.attach_to(NEAR, XdpMode::Driver.into()).unwrap();
        let to = UdpSocket::bind((address(1), 0)).unwrap();
        to.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let from = pair.on_far(|| UdpSocket::bind((address(2), 0)).unwrap());
        from.send_to(b"datagram", to.local_addr().unwrap()).unwrap();
        to.recv(&mut [0; 16]).unwrap();
        assert!(skel.bss.hits.get() >= 1);
    });
    feature.works();
}
