//! Programs that take another's place in its link.

use btf_core::link::Link;
use btf_core::prog::{Netns, OrderOptions, Program, Tcx, Xdp, XdpMode};

use crate::feature::Feature;
use crate::net::{Pair, load};

/// `XDP_DROP`, `SK_PASS` and `TC_ACT_SHOT`.
const DROP: i32 = 1;
const PASS: i32 = 1;
const SHOT: i32 = 2;

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
