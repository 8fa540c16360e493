//! Tracepoints that programs may write to: `SEC("raw_tp.w/…")`.

use btf_core::prog::{RawTracepoint, Tc, TcAction, TestRun};

use crate::feature::Feature;
use crate::net::{Pair, load, packet};

/// What it passes is the error with which a run of another program ends.
#[test]
fn an_error_is_written() {
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
