//! Maps of sockets, devices and CPUs, as far as user space fills them: programs that redirect are cases of their own.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use btf_core::attach::{Xdp, XdpMode};
use btf_core::map::{Flags, Global, Redirect};
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::netns::{FAR, NEAR, index, joined};
use crate::support::needs;

include_skel!("map_net");

use map_net::{MapNet, OpenMapNet};

/// The loopback device's.
const LO: u32 = 1;

fn loaded() -> MapNet {
    needs(5, 10);
    MapNet::open().unwrap().load().unwrap()
}

/// Both ends of a connection.
fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (one, listener.accept().unwrap().0)
}

#[test]
fn sockets() {
    let skel = loaded();
    let (one, other) = connected();
    let by_number = &skel.maps.sockets;
    by_number.set(0, &one).unwrap();
    by_number.set(3, &other).unwrap();
    let cookies = [0, 1, 3].map(|index| by_number.cookie(index).unwrap());
    assert!(cookies[0].is_some() && cookies[2].is_some() && cookies[0] != cookies[2]);
    assert_eq!(cookies[1], None);
    let taken = by_number.update(0, &one, Flags::NO_EXIST).unwrap_err();
    assert_eq!(taken.os_error(), Some(17), "{taken}");
    assert!(by_number.clear(0).unwrap());
    assert!(!by_number.clear(0).unwrap());
    let e = by_number.set(4, &one).unwrap_err();
    assert_eq!(
        e.to_string(),
        "map `sockets`: index 4 is out of its 4 entries"
    );

    let by_key = &skel.maps.sockets_by_key;
    by_key.insert(&99, &one).unwrap();
    assert_eq!(by_key.cookie(&99).unwrap(), cookies[0]);
    assert_eq!(by_key.cookie(&98).unwrap(), None);
    by_key.insert(&97, &other).unwrap();
    assert!(by_key.remove(&99).unwrap());
    assert!(!by_key.remove(&99).unwrap());
    // What is closed leaves by itself.
    drop(other);
    drop(one);
    assert_eq!(by_number.cookie(3).unwrap(), None);
    assert_eq!(by_key.cookie(&97).unwrap(), None);
}

#[test]
fn sockets_that_share_a_port() {
    let skel = loaded();
    let alone = UdpSocket::bind("127.0.0.1:0").unwrap();
    let e = skel.maps.listeners.set(0, &alone).unwrap_err();
    assert_eq!(e.os_error(), Some(22), "it has no SO_REUSEPORT: {e}");
    assert_eq!(skel.maps.listeners.cookie(0).unwrap(), None);
    assert!(!skel.maps.listeners.clear(0).unwrap());
}

#[test]
fn devices_and_cpus() {
    let skel = loaded();
    let (maps, progs) = (&skel.maps, &skel.progs);
    let entry = |number| {
        Some(Redirect {
            number,
            program_id: 0,
        })
    };
    maps.devices.set(0, LO).unwrap();
    assert_eq!(maps.devices.get(0).unwrap(), entry(LO));
    assert_eq!(maps.devices.get(1).unwrap(), None);
    maps.devices
        .set_with_program(1, LO, &progs.at_device)
        .unwrap();
    let with = maps.devices.get(1).unwrap().unwrap();
    assert!(with.number == LO && with.program_id != 0, "{with:?}");
    maps.devices.clear(1).unwrap();
    assert_eq!(maps.devices.get(1).unwrap(), None);
    assert!(
        maps.devices.set(2, 9999).is_err(),
        "there is no such device"
    );

    maps.devices_by_key.set(1234, LO).unwrap();
    assert_eq!(maps.devices_by_key.get(1234).unwrap(), entry(LO));
    let keys: Vec<u32> = maps.devices_by_key.keys().map(Result::unwrap).collect();
    assert_eq!(keys, [1234]);
    let e = maps
        .devices_by_key
        .set_with_program(1, LO, &progs.at_device)
        .unwrap_err();
    assert!(e.to_string().contains("no room for a program"), "{e}");
    assert!(maps.devices_by_key.remove(1234).unwrap());
    assert!(!maps.devices_by_key.remove(1234).unwrap());

    maps.cpus.set(0, 192).unwrap();
    assert_eq!(maps.cpus.get(0).unwrap(), entry(192));
    maps.cpus.set_with_program(0, 64, &progs.at_cpu).unwrap();
    let with = maps.cpus.get(0).unwrap().unwrap();
    assert!(with.number == 64 && with.program_id != 0, "{with:?}");
    maps.cpus.clear(0).unwrap();
    assert_eq!(maps.cpus.get(0).unwrap(), None);
}

/// Frames that arrive at a device are redirected there or to a CPU, and run the program in that entry.
fn redirected(
    (feature, since): (&'static str, (u32, u32)),
    autoload: fn(&mut OpenMapNet),
    [near, far]: [fn(&MapNet) -> &Xdp; 2],
    set: fn(&MapNet),
    hits: fn(&MapNet) -> &Global<u64>,
) {
    let Some(feature) = Feature::since(feature, since) else {
        return;
    };
    let mut open = MapNet::open().unwrap();
    autoload(&mut open);
    let skel = open.load().unwrap();
    joined(|pair| {
        pair.near_address("10.9.0.1".parse().unwrap(), 16);
        pair.far_address("10.9.0.2".parse().unwrap(), 16);
        set(&skel);
        assert_eq!(hits(&skel).get(), 0);
        let link = near(&skel).attach_to(NEAR, XdpMode::Driver.into()).unwrap();
        // Of a pair, one takes redirected frames only while the other has a program.
        let far = pair.on_far(|| {
            let program = far(&skel);
            program.attach_to(FAR, XdpMode::Driver.into()).unwrap()
        });
        let socket = pair.on_far(|| UdpSocket::bind("10.9.0.2:0").unwrap());
        let started = Instant::now();
        while hits(&skel).get() == 0 {
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "it did not run"
            );
            socket.send_to(b"datagram", "10.9.0.1:9").unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        drop((link, far));
    });
    feature.works();
}

fn plain(open: &mut OpenMapNet) {
    open.progs.to_device.set_autoload(true);
    open.progs.to_cpu.set_autoload(true);
}

/// Loads those for packets of several buffers alone: a map has programs of one kind.
fn with_frags(open: &mut OpenMapNet) {
    let progs = &mut open.progs;
    for program in [
        &mut progs.to_device_frags,
        &mut progs.to_cpu_frags,
        &mut progs.at_device_frags,
        &mut progs.at_cpu_frags,
    ] {
        program.set_autoload(true);
    }
}

#[test]
fn programs_of_devices_see_several_buffers() {
    redirected(
        ("SEC: xdp.frags/devmap", (5, 18)),
        with_frags,
        [
            |skel| &skel.progs.to_device_frags,
            |skel| &skel.progs.to_cpu_frags,
        ],
        |skel| {
            let (at, device) = (&skel.progs.at_device_frags, index(NEAR));
            skel.maps.devices.set_with_program(0, device, at).unwrap();
        },
        |skel| &skel.bss.at_devices,
    );
}

#[test]
fn programs_of_cpus_see_several_buffers() {
    redirected(
        ("SEC: xdp.frags/cpumap", (5, 18)),
        with_frags,
        [|skel| &skel.progs.to_cpu_frags; 2],
        |skel| {
            let at = &skel.progs.at_cpu_frags;
            skel.maps.cpus.set_with_program(0, 64, at).unwrap();
        },
        |skel| &skel.bss.at_cpus,
    );
}

#[test]
fn programs_of_devices_run() {
    redirected(
        ("SEC: xdp/devmap", (5, 10)),
        plain,
        [|skel| &skel.progs.to_device, |skel| &skel.progs.to_cpu],
        |skel| {
            let at = &skel.progs.at_device;
            skel.maps
                .devices
                .set_with_program(0, index(NEAR), at)
                .unwrap();
        },
        |skel| &skel.bss.at_devices,
    );
}

#[test]
fn programs_of_cpus_run() {
    redirected(
        ("SEC: xdp/cpumap", (5, 10)),
        plain,
        [|skel| &skel.progs.to_cpu; 2],
        |skel| {
            let at = &skel.progs.at_cpu;
            skel.maps.cpus.set_with_program(0, 64, at).unwrap();
        },
        |skel| &skel.bss.at_cpus,
    );
}

#[test]
fn an_xdp_socket_is_of_its_own_kind() {
    let skel = loaded();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let e = skel.maps.xdp_sockets.set(0, &udp).unwrap_err();
    assert_eq!(e.os_error(), Some(95), "{e}");
    assert!(
        skel.maps
            .xdp_sockets
            .set(9, &udp)
            .unwrap_err()
            .to_string()
            .contains("out of its 4")
    );
    skel.maps.xdp_sockets.clear(0).unwrap();
}
