//! Names of sections that mean what others mean, and programs that sleep.

use std::io::Read as _;
use std::process::Command;

use btf_core::link::Link;
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::support::{GETPPID, getppid, running};

include_skel!("sections");

use sections::{OpenSections, Sections};

/// What programs that sleep read.
static WORD: u64 = 4711;

fn try_load(choose: impl FnOnce(&mut OpenSections)) -> btf_core::Result<Sections> {
    let mut open = Sections::open().unwrap();
    open.rodata.target_pid = std::process::id();
    open.rodata.target_nr = GETPPID;
    open.rodata.address = (&raw const WORD).addr() as u64;
    choose(&mut open);
    open.load()
}

/// Loads, attaches, fires, detaches, and fires in vain.
fn fires(
    feature: Feature,
    choose: fn(&mut OpenSections),
    attach: fn(&Sections) -> btf_core::Result<Link>,
    set_off: fn(&Sections),
    expected: u64,
) {
    let skel = try_load(choose).unwrap();
    let hits = || {
        let before = skel.bss.hits.get();
        set_off(&skel);
        skel.bss.hits.get() - before
    };
    assert_eq!(hits(), 0, "it is not attached yet");
    let link = attach(&skel).unwrap();
    assert_eq!(hits(), expected);
    drop(link);
    assert_eq!(hits(), 0, "it is not attached any more");
    feature.works();
}

#[test]
fn tracepoint() {
    fires(
        Feature::since("SEC: tracepoint", (5, 10)).unwrap(),
        |open| open.progs.on_tracepoint.set_autoload(true),
        |skel| skel.progs.on_tracepoint.attach(),
        |_| getppid(1),
        1,
    );
}

#[test]
fn raw_tracepoint() {
    fires(
        Feature::since("SEC: raw_tracepoint", (5, 10)).unwrap(),
        |open| open.progs.on_raw_tracepoint.set_autoload(true),
        |skel| skel.progs.on_raw_tracepoint.attach(),
        |_| getppid(1),
        1,
    );
}

#[test]
fn test_runs_call_functions() {
    fires(
        Feature::since("test_run: fentry", (5, 10)).unwrap(),
        |open| open.progs.on_test_run.set_autoload(true),
        |skel| skel.progs.on_test_run.attach(),
        |skel| assert_eq!(skel.progs.on_test_run.test_run().unwrap(), 0),
        1,
    );
}

/// The kernel has a function for tests on which programs may sleep, from 6.3 on; before, only those into which errors can be
/// injected, and Debian's kernels have none.
fn on_a_function(
    feature: Option<Feature>,
    choose: fn(&mut OpenSections),
    attach: fn(&Sections) -> btf_core::Result<Link>,
    expected: u64,
) {
    let Some(feature) = feature else { return };
    if running() < (6, 3) {
        let e = try_load(choose).unwrap_err();
        let log = e.verifier_log().unwrap_or_default();
        assert!(log.contains("is not sleepable"), "{e:?}");
        return feature.not_built_in("CONFIG_FUNCTION_ERROR_INJECTION");
    }
    // A test run of any program on functions calls them all; this one need not be attached itself.
    let run = |skel: &Sections| assert_eq!(skel.progs.on_fentry.test_run().unwrap(), 0);
    let skel = try_load(|open| {
        choose(open);
        open.progs.on_fentry.set_autoload(true);
    })
    .unwrap();
    run(&skel);
    assert_eq!(skel.bss.hits.get(), 0, "it is not attached yet");
    let link = attach(&skel).unwrap();
    run(&skel);
    assert_eq!(skel.bss.hits.get(), expected);
    drop(link);
    run(&skel);
    assert_eq!(skel.bss.hits.get(), expected, "it is not attached any more");
    feature.works();
}

#[test]
fn fentry_that_sleeps() {
    on_a_function(
        Feature::since("SEC: fentry.s", (5, 10)),
        |open| open.progs.on_fentry.set_autoload(true),
        |skel| skel.progs.on_fentry.attach(),
        1,
    );
}

#[test]
fn fexit_that_sleeps() {
    on_a_function(
        Feature::since("SEC: fexit.s", (5, 10)),
        |open| open.progs.on_fexit.set_autoload(true),
        |skel| skel.progs.on_fexit.attach(),
        1,
    );
}

#[test]
fn fmod_ret_that_sleeps() {
    on_a_function(
        Feature::since("SEC: fmod_ret.s", (5, 10)),
        |open| open.progs.on_fmod_ret.set_autoload(true),
        |skel| skel.progs.on_fmod_ret.attach(),
        1,
    );
}

#[test]
fn fsession_that_sleeps() {
    on_a_function(
        Feature::since("SEC: fsession.s", (7, 0)),
        |open| open.progs.on_fsession.set_autoload(true),
        |skel| skel.progs.on_fsession.attach(),
        2,
    );
}

#[test]
fn lsm_that_sleeps() {
    fires(
        Feature::since("SEC: lsm.s", (5, 10)).unwrap(),
        |open| open.progs.on_lsm.set_autoload(true),
        |skel| skel.progs.on_lsm.attach(),
        |_| {
            let listed = Command::new("/proc/self/exe")
                .args(["--list", "no such case"])
                .output();
            assert!(listed.unwrap().status.success());
        },
        1,
    );
}

#[test]
fn iterator_that_sleeps() {
    let Some(feature) = Feature::since("SEC: iter.s", (5, 19)) else {
        return;
    };
    let skel = try_load(|open| open.progs.on_iter.set_autoload(true)).unwrap();
    for hits in 1..=2 {
        let mut file = skel.progs.on_iter.iterate().unwrap();
        file.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(skel.bss.hits.get(), hits);
    }
    feature.works();
}
