//! Programs that take another's place in its link, and links that are detached though others hold them.

use std::time::{Duration, Instant};

use btf_core::attach::{
    CgroupSharing, Netfilter, NetfilterFamily, NetfilterHook, NetfilterOptions, Netkit, Netns,
    OrderOptions, Tcx, Xdp, XdpMode,
};
use btf_core::link::Link;
use btf_core::prog::Program;

use crate::cgroup::{self, Inside};
use crate::feature::Feature;
use crate::net::{Pair, load};
use crate::support::skips_before;
use crate::tc::Devices;

/// `XDP_DROP`, `SK_PASS`, `TC_ACT_SHOT` and `NF_ACCEPT`.
const DROP: i32 = 1;
const PASS: i32 = 1;
const SHOT: i32 = 2;
const ACCEPT: i32 = 1;

/// One program runs while it is in the link, and the other from then on.
fn changes(
    feature: &'static str,
    since: (u32, u32),
    answer: i32,
    name: &str,
    attach: fn(Program) -> Link,
) {
    let Some(feature) = Feature::since(feature, since) else {
        return;
    };
    let pair = Pair::new();
    let (old_bss, [old]) = load(&pair, answer, [name]);
    let (new_bss, [new]) = load(&pair, answer, [name]);
    let hits = || (old_bss.hits.get(), new_bss.hits.get());
    let mut link = attach(old);
    pair.send();
    assert_eq!(hits(), (1, 0), "{name}");
    link.update(&new).unwrap();
    pair.send();
    assert_eq!(hits(), (1, 1), "{name}");
    drop(link);
    pair.send();
    assert_eq!(hits(), (1, 1), "{name}");
    feature.works();
}

#[test]
fn xdp() {
    changes("link: update of XDP", (5, 10), DROP, "on_xdp", |program| {
        let xdp = Xdp::try_from(program).unwrap();
        xdp.attach_to("lo", XdpMode::Skb.into()).unwrap()
    });
}

#[test]
fn network_namespace() {
    changes(
        "link: update of sk_lookup",
        (5, 10),
        PASS,
        "on_sk_lookup",
        |program| Netns::try_from(program).unwrap().attach_here().unwrap(),
    );
}

#[test]
fn tcx() {
    changes(
        "link: update of tcx",
        (6, 6),
        SHOT,
        "on_tcx_ingress",
        |program| {
            let tcx = Tcx::try_from(program).unwrap();
            tcx.attach_to("lo", OrderOptions::default()).unwrap()
        },
    );
}

#[test]
fn netkit() {
    let Some(feature) = Feature::since("link: update of netkit", (6, 7)) else {
        return;
    };
    let devices = Devices::new("btfupdate");
    let pair = Pair::new();
    let [old, new] = [(), ()].map(|()| load(&pair, 0, ["on_netkit_primary"]));
    let ((old_bss, [old]), (new_bss, [new])) = (old, new);
    let old = Netkit::try_from(old).unwrap();
    let mut link = old.attach_to("btfupdate", OrderOptions::default()).unwrap();
    devices.greet(|| old_bss.hits.get() > 0);
    assert_eq!(new_bss.hits.get(), 0);
    link.update(&new).unwrap();
    let before = old_bss.hits.get();
    devices.greet(|| new_bss.hits.get() > 0);
    assert_eq!(old_bss.hits.get(), before);
    drop(link);
    feature.works();
}

#[test]
fn cgroups() {
    let feature = Feature::since("link: update of cgroup", (5, 7)).unwrap();
    let cgroup = Inside::new("btf-kernel-update");
    let (old_bss, old) = cgroup::load("connect4").unwrap();
    let (new_bss, new) = cgroup::load("connect4").unwrap();
    let (_, other) = cgroup::load("sock_create").unwrap();
    let mut link = old.attach_to(&cgroup.0, CgroupSharing::Link).unwrap();
    let hits = || (old_bss.hits.get(), new_bss.hits.get());
    cgroup::udp4();
    assert_eq!(hits(), (1, 0));
    link.update(new.program()).unwrap();
    cgroup::udp4();
    assert_eq!(hits(), (1, 1));
    let e = link.update(other.program()).unwrap_err();
    assert_eq!(
        e.to_string(),
        "link of program `connect4`: cannot put program `sock_create` into it: Invalid argument (os error 22) (it takes a program \
         of the same type alone, which attaches the same way; attach this one by a link of its own)"
    );
    cgroup::udp4();
    assert_eq!(hits(), (1, 2), "the refused one is not there");
    // A cgroup takes its links along, once nothing holds it.
    drop(cgroup);
    let until = Instant::now() + Duration::from_secs(10);
    let e = loop {
        match link.update(old.program()) {
            Ok(()) => assert!(Instant::now() < until, "the cgroup is there still"),
            Err(e) => break e,
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(
        e.to_string(),
        "link of program `connect4`: cannot put program `connect4` into it: Link has been severed (os error 67) (what it was \
         attached to is gone: attach the program anew)"
    );
    drop(link);
    feature.works();
}

#[test]
fn netfilter_keeps_its_program() {
    if skips_before("link_update::netfilter_keeps_its_program", (6, 4)) {
        return;
    }
    let pair = Pair::new();
    let (old_bss, [old]) = load(&pair, ACCEPT, ["on_netfilter"]);
    let (_, [new]) = load(&pair, ACCEPT, ["on_netfilter"]);
    let netfilter = Netfilter::try_from(old).unwrap();
    let options = NetfilterOptions {
        family: NetfilterFamily::IPV4,
        hook: NetfilterHook::LOCAL_IN,
        priority: 8,
        defragment: false,
    };
    let mut link = netfilter.attach_to(options).unwrap();
    let e = link.update(&new).unwrap_err();
    assert_eq!(
        e.to_string(),
        "link of program `on_netfilter`: cannot put program `on_netfilter` into it: Operation not supported (os error 95) (links \
         of this type (tracing, netfilter, perf events) keep their program: attach the other by a link of its own, then drop \
         this one)"
    );
    assert!(pair.send());
    assert_eq!(old_bss.hits.get(), 1, "it is there still");
}

#[test]
fn a_pinned_link_is_detached() {
    let feature = Feature::since("link: detach of a pinned one", (5, 9)).unwrap();
    let pair = Pair::new();
    let (bss, [program]) = load(&pair, DROP, ["on_xdp"]);
    let xdp = Xdp::try_from(program).unwrap();
    let pin = format!("/sys/fs/bpf/detached-{}", std::process::id());
    let mut link = xdp.attach_to("lo", XdpMode::Skb.into()).unwrap();
    link.pin(&pin).unwrap();
    drop(link);
    assert!(!pair.send(), "the pin holds it");
    let link = Link::open_pinned(&pin).unwrap();
    link.detach().unwrap();
    assert!(pair.send());
    assert_eq!(bss.hits.get(), 1);
    std::fs::remove_file(&pin).unwrap();
    feature.works();
}
