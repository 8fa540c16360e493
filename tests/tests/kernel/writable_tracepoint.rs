//! Tracepoints that programs may write to: `SEC("raw_tp.w/…")`.

use btf_core::attach::{RawTracepoint, Tc};
use btf_core::prog::{TcAction, TestRun};

use crate::feature::Feature;
use crate::net::{Pair, load, packet};

/// What it passes is the error with which a run of another program ends.
fn writes_an_error(feature: &'static str, name: &str) {
    let feature = Feature::since(feature, (5, 10)).unwrap();
    let pair = Pair::new();
    let (bss, [program, run]) = load(&pair, -7, [name, "on_tc"]);
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

#[test]
fn an_error_is_written() {
    writes_an_error("SEC: raw_tp.w", "on_test_finish");
}

#[test]
fn an_error_is_written_by_the_long_name() {
    writes_an_error("SEC: raw_tracepoint.w", "on_test_finish_in_full");
}
