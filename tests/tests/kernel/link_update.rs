//! Programs that take another's place in its link.

use btf_core::link::Link;
use btf_core::prog::{Netns, OrderOptions, Program, Tc, Tcx, TestRun, Xdp, XdpMode};
use btf_core::prog::{RawTracepoint, TcAction};

use crate::feature::Feature;
use crate::net::{Pair, load, packet};

/// `XDP_DROP`, `SK_DROP` is 0, `TC_ACT_SHOT`.
const DROP: i32 = 1;
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
        1,
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

/// A tracepoint whose programs may write what it passes: here the error with which a run of another program ends.
#[test]
fn writable_tracepoint() {
    let feature = Feature::since("SEC: raw_tp.w", (5, 10)).unwrap();
    let pair = Pair::new();
    let (bss, [program, run]) = load(&pair, -7, ["on_test_finish", "on_tc"]);
    let program = <RawTracepoint>::try_from(program).unwrap();
    let tc = Tc::try_from(run).unwrap();
    let packet = packet(1);
    let run = || tc.test_run(&TestRun::packet(&packet));
    assert_eq!(run().unwrap().result, TcAction::UNSPEC);
    let link = program.attach().unwrap();
    let e = run().unwrap_err();
    assert_eq!((e.os_error(), bss.hits.get()), (Some(7), 1), "{e}");
    drop(link);
    assert!(run().is_ok());
    feature.works();
}
