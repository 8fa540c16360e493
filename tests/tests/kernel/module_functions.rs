//! Functions of kernel modules: traced, and called.

use std::net::UdpSocket;

use btf_core::prog::{TestRun, XdpAction};
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::netns::joined;

include_skel!("modules");

use modules::Modules;

#[test]
fn fentry() {
    // Modules have BTF from 5.11 on.
    let Some(feature) = Feature::since("fentry of a module's function", (5, 11)) else {
        return;
    };
    let mut open = Modules::open().unwrap();
    open.progs.on_send.set_autoload(true);
    let skel = open.load().unwrap();
    joined(|pair| {
        pair.near_address("10.9.0.1".parse().unwrap(), 16);
        pair.far_address("10.9.0.2".parse().unwrap(), 16);
        let socket = UdpSocket::bind("10.9.0.1:0").unwrap();
        let send = || {
            let before = skel.bss.sent.get();
            socket.send_to(b"datagram", "10.9.0.2:9").unwrap();
            skel.bss.sent.get() - before
        };
        assert_eq!(send(), 0, "it is not attached yet");
        let link = skel.progs.on_send.attach().unwrap();
        assert!(send() > 0);
        drop(link);
        assert_eq!(send(), 0, "it is not attached any more");
    });
    feature.works();
}

#[test]
fn kernel_function() {
    let feature = Feature::since("extern: kernel function of a module", (6, 1));
    let mut open = Modules::open().unwrap();
    open.progs.ask.set_autoload(true);
    let skel = open.load().unwrap();
    let ran = skel.progs.ask.test_run(&TestRun::packet(&[0; 64])).unwrap();
    let Some(feature) = feature else {
        assert_eq!((ran.result, skel.bss.is_there.get()), (XdpAction::PASS, 0));
        return;
    };
    assert_eq!((ran.result, skel.bss.is_there.get()), (XdpAction::DROP, 1));
    assert_eq!(
        skel.bss.error.get(),
        -2,
        "ENOENT: there is no such connection"
    );
    feature.works();
}
