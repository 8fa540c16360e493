//! Functions that are not programs, and sections of variables of one's own.

use std::time::{Duration, Instant};

use btf_core::attach::RawTracepoint;
use btf_core::prog::{Arguments, TestRun, XdpAction};
use btf_skel_macros::include_skel;

use crate::feature::Feature;

include_skel!("callbacks");

fn runs<A: Arguments>(program: &RawTracepoint<A>) -> i32 {
    program.test_run(&A::from_words(&[])).unwrap()
}

fn loaded(choose: fn(&mut callbacks::OpenProgs)) -> callbacks::Callbacks {
    let mut open = callbacks::Callbacks::open().unwrap();
    choose(&mut open.progs);
    open.load().unwrap()
}

#[test]
fn functions_are_called() {
    let Some(feature) = Feature::since("functions: static and global", (5, 10)) else {
        return;
    };
    let skel = loaded(|p| p.calls.set_autoload(true));
    runs(&skel.progs.calls);
    assert_eq!(skel.bss.called.get(), (10 * 3 + 7 + 1) + (3 + 7));
    feature.works();
}

#[test]
fn sections_may_have_names_of_their_own() {
    let Some(feature) = Feature::since("data: sections of any name", (5, 10)) else {
        return;
    };
    let mut open = callbacks::Callbacks::open().unwrap();
    open.progs.calls.set_autoload(true);
    assert_eq!((open.data_own.own_data, open.rodata_own.own_rodata), (5, 6));
    open.rodata_own.own_rodata = 8;
    let skel = open.load().unwrap();
    runs(&skel.progs.calls);
    assert_eq!(skel.bss.sections.get(), 6 * 100 + 8 * 10 + 2 + 1);
    assert_eq!(skel.data_own.own_data.get(), 6);
    assert_eq!(skel.bss_own.own_bss.get(), 2);
    feature.works();
}

#[test]
fn for_each_map_elem() {
    let Some(feature) = Feature::since("callback: bpf_for_each_map_elem", (5, 13)) else {
        return;
    };
    let skel = loaded(|p| p.for_each.set_autoload(true));
    for key in 0..4 {
        skel.maps.numbers.set(key, &(u64::from(key) + 1)).unwrap();
    }
    assert_eq!(runs(&skel.progs.for_each), 4);
    assert_eq!(skel.bss.sum.get(), 1 + 2 + 3 + 4);
    feature.works();
}

#[test]
fn bpf_loop() {
    let Some(feature) = Feature::since("callback: bpf_loop", (5, 17)) else {
        return;
    };
    let skel = loaded(|p| p.ten_loops.set_autoload(true));
    assert_eq!(runs(&skel.progs.ten_loops), 10);
    assert_eq!(skel.bss.loops.get(), (0..=9).sum::<u64>());
    feature.works();
}

#[test]
fn timer() {
    let Some(feature) = Feature::since("callback: timer", (5, 15)) else {
        return;
    };
    let skel = loaded(|p| p.start_timer.set_autoload(true));
    let link = skel.progs.start_timer.attach().unwrap();
    let file = std::env::temp_dir().join("btf-timer-case");
    std::fs::write(&file, "x").unwrap();
    std::fs::remove_file(&file).unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while skel.bss.fired.get() == 0 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(skel.bss.fired.get(), 3);
    drop(link);
    feature.works();
}

#[test]
fn exceptions() {
    let Some(feature) = Feature::since("callback: exception", (6, 7)) else {
        return;
    };
    let skel = loaded(|p| p.throws.set_autoload(true));
    let ran = skel
        .progs
        .throws
        .test_run(&TestRun::packet(&[0; 64]))
        .unwrap();
    assert_eq!(ran.result.0, 123);
    feature.works();
}

#[test]
fn global_functions_take_the_context() {
    let Some(feature) = Feature::since("functions: __arg_ctx", (5, 10)) else {
        return;
    };
    let skel = loaded(|p| p.with_context.set_autoload(true));
    assert!(skel.warnings().is_empty(), "{:?}", skel.warnings());
    let run = |len| {
        let packet = vec![0; len];
        let ran = skel.progs.with_context.test_run(&TestRun::packet(&packet));
        ran.unwrap().result
    };
    assert_eq!(run(64), XdpAction::TX);
    assert_eq!(run(65), XdpAction::DROP);
    feature.works();
}
