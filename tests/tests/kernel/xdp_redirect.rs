//! Frames that XDP programs send on by maps: datagrams arrive in another namespace, on a CPU, in a socket of `AF_XDP`.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use btf_core::attach::{Xdp, XdpMode};
use btf_core::link::Link;
use btf_core::map::Redirect;
use btf_skel_macros::include_skel;

use crate::af_xdp::XdpSocket;
use crate::feature::Feature;
use crate::netns::{FAR, NEAR, Pair, index, joined, star};

include_skel!("xdp_redirect");

use xdp_redirect::XdpRedirect;

/// The devices of the second and the third cable.
const SECOND: &str = "second";
const THIRD: &str = "third";

fn loaded() -> XdpRedirect {
    XdpRedirect::open().unwrap().load().unwrap()
}

fn on(device: &str, program: &Xdp) -> Link {
    program.attach_to(device, XdpMode::Driver.into()).unwrap()
}

/// What a redirecting map is asked about a device.
fn entry(number: u32) -> Option<Redirect> {
    Some(Redirect {
        number,
        program_id: 0,
    })
}

/// A socket that waits for datagrams to the address to which [`Sender`] sends.
fn receiver(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind(("10.9.0.1", port)).unwrap();
    let wait = Some(Duration::from_millis(50));
    socket.set_read_timeout(wait).unwrap();
    socket
}

/// What sends from the far end of the first cable to its near end.
struct Sender {
    socket: UdpSocket,
    port: u16,
}

impl Sender {
    fn new(pair: &Pair, port: u16) -> Sender {
        pair.near_address("10.9.0.1".parse().unwrap(), 16);
        pair.far_address("10.9.0.2".parse().unwrap(), 16);
        let socket = pair.on_far(|| UdpSocket::bind("10.9.0.2:0").unwrap());
        Sender { socket, port }
    }

    fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, ("10.9.0.1", self.port)).unwrap();
    }

    /// Sends until it arrives there; devices need a moment before they pass frames on.
    fn reaches(&self, bytes: &[u8], to: &UdpSocket) {
        let started = Instant::now();
        let mut got = [0; 64];
        loop {
            self.send(bytes);
            match to.recv(&mut got) {
                Ok(len) if got[..len] == *bytes => return,
                // What was sent more than once for an earlier question.
                Ok(_) => {}
                Err(_) => assert!(
                    started.elapsed() < Duration::from_secs(10),
                    "{bytes:?} did not arrive"
                ),
            }
        }
    }
}

/// Gives a far end the first cable's near address, so that it takes what was sent there.
fn impostor(pair: &Pair, port: u16) -> UdpSocket {
    pair.far_address("10.9.0.1".parse().unwrap(), 16);
    pair.on_far(|| receiver(port))
}

/// Datagrams that come from one namespace arrive in another while there is an entry, and here without one.
fn to_a_device(
    feature: &'static str,
    program: fn(&XdpRedirect) -> &Xdp,
    set: fn(&XdpRedirect, u32),
    clear: fn(&XdpRedirect),
) {
    let feature = Feature::since(feature, (5, 4)).unwrap();
    let skel = loaded();
    star([NEAR, SECOND], |[first, second]| {
        let sender = Sender::new(first, 901);
        let (here, there) = (receiver(901), impostor(second, 901));
        // Of a pair, one takes redirected frames only while the other has a program.
        let _far = second.on_far(|| on(FAR, &skel.progs.pass));
        let _near = on(NEAR, program(&skel));
        sender.reaches(b"without", &here);
        set(&skel, index(SECOND));
        sender.reaches(b"by the map", &there);
        clear(&skel);
        sender.reaches(b"cleared", &here);
        // Nothing of it went the other way.
        while let Ok(len) = there.recv(&mut [0; 64]) {
            assert_eq!(len, b"by the map".len());
        }
    });
    feature.works();
}

#[test]
fn to_a_device_by_number() {
    to_a_device(
        "map: devmap",
        |skel| &skel.progs.to_device,
        |skel, device| {
            skel.maps.devices.set(3, device).unwrap();
            assert_eq!(skel.maps.devices.get(3).unwrap(), entry(device));
            skel.bss.key.set(3);
        },
        |skel| skel.maps.devices.clear(3).unwrap(),
    );
}

#[test]
fn to_a_device_by_key() {
    to_a_device(
        "map: devmap_hash",
        |skel| &skel.progs.to_device_by_key,
        |skel, device| {
            skel.maps.devices_by_key.set(70_000, device).unwrap();
            assert_eq!(skel.maps.devices_by_key.get(70_000).unwrap(), entry(device));
            skel.bss.key.set(70_000);
        },
        |skel| assert!(skel.maps.devices_by_key.remove(70_000).unwrap()),
    );
}

/// One frame goes out by every device of a map.
#[test]
fn to_all_devices() {
    let Some(feature) = Feature::since("redirect: to all devices of a map", (5, 14)) else {
        return;
    };
    let mut open = XdpRedirect::open().unwrap();
    open.progs.to_devices.set_autoload(true);
    open.progs.to_devices_by_key.set_autoload(true);
    let skel = open.load().unwrap();
    star([NEAR, SECOND, THIRD], |[first, second, third]| {
        let sender = Sender::new(first, 902);
        let [two, three] = [second, third].map(|pair| impostor(pair, 902));
        let far = [first, second, third].map(|pair| pair.on_far(|| on(FAR, &skel.progs.pass)));
        for (n, device) in [NEAR, SECOND, THIRD].map(index).into_iter().enumerate() {
            let n = u32::try_from(n).unwrap();
            skel.maps.devices.set(n, device).unwrap();
            skel.maps.devices_by_key.set(1000 * n, device).unwrap();
        }
        for (bytes, program) in [
            (&b"by number"[..], &skel.progs.to_devices),
            (b"by key", &skel.progs.to_devices_by_key),
        ] {
            let near = on(NEAR, program);
            sender.reaches(bytes, &two);
            // The same one, not another: none was sent for this.
            let mut got = [0; 64];
            let len = loop {
                let len = three.recv(&mut got).unwrap();
                if got[..len] == *bytes {
                    break len;
                }
            };
            assert_eq!(&got[..len], bytes);
            near.detach().unwrap();
        }
        drop(far);
    });
    feature.works();
}

#[test]
fn to_a_cpu() {
    let feature = Feature::since("map: cpumap", (4, 15)).unwrap();
    let skel = loaded();
    joined(|pair| {
        let sender = Sender::new(pair, 903);
        let here = receiver(903);
        let _near = on(NEAR, &skel.progs.to_cpu);
        sender.send(b"dropped: the entry is empty");
        assert!(here.recv(&mut [0; 64]).is_err());
        skel.maps.cpus.set(0, 192).unwrap();
        assert_eq!(skel.maps.cpus.get(0).unwrap(), entry(192));
        sender.reaches(b"by a CPU", &here);
        skel.maps.cpus.clear(0).unwrap();
        assert_eq!(skel.maps.cpus.get(0).unwrap(), None);
        while here.recv(&mut [0; 64]).is_ok() {}
        let before = skel.bss.redirected.get();
        sender.send(b"dropped again");
        assert!(here.recv(&mut [0; 64]).is_err());
        assert!(skel.bss.redirected.get() > before, "it was seen");
    });
    feature.works();
}

#[test]
fn to_an_xdp_socket() {
    let feature = Feature::since("map: xskmap", (4, 18)).unwrap();
    let skel = loaded();
    joined(|pair| {
        let sender = Sender::new(pair, 904);
        let here = receiver(904);
        let program = &skel.progs.to_socket;
        let _near = program.attach_to(NEAR, XdpMode::Skb.into()).unwrap();
        let mut socket = XdpSocket::on(index(NEAR));
        sender.reaches(b"without", &here);
        skel.maps.sockets.set(2, &socket).unwrap();
        skel.bss.key.set(2);
        while here.recv(&mut [0; 64]).is_ok() {}
        sender.send(b"past the stack");
        let started = Instant::now();
        let frame = loop {
            match socket.receive() {
                Some(frame) => break frame,
                None => std::thread::sleep(Duration::from_millis(1)),
            }
            assert!(started.elapsed() < Duration::from_secs(10));
        };
        // Ethernet, IPv4 and UDP come first.
        assert_eq!(&frame[12..14], [8, 0]);
        assert_eq!(&frame[14 + 20 + 8..], b"past the stack");
        assert!(here.recv(&mut [0; 64]).is_err(), "it did not come here");
        skel.maps.sockets.clear(2).unwrap();
        sender.reaches(b"cleared", &here);
        assert!(socket.receive().is_none());
    });
    feature.works();
}
