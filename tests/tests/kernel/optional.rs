//! Maps that are left out: programs load that never reach them, and the skeleton says that they are not there.

use std::os::fd::AsFd;

use btf_core::ErrorKind;
use btf_core::map::Map;
use btf_core::prog::TestRun;
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::support::running;

include_skel!("optional");
include_skel!("map_events");
include_skel!("map_kinds");
include_skel!("map_net");

/// The first kernel with Bloom filters.
const HAS_FILTERS: (u32, u32) = (5, 16);

/// Runs the program on a packet of 64 bytes.
fn run(skel: &optional::Optional) -> u32 {
    let ran = skel.progs.guarded.test_run(&TestRun::packet(&[0; 64]));
    ran.unwrap().result
}

#[test]
fn a_map_is_left_out() {
    let feature = Feature::since("map: left out", (5, 10)).unwrap();
    let mut open = optional::Optional::open().unwrap();
    open.maps.filter.set_autocreate(false);
    open.rodata.has_filter = false.into();
    let skel = open.load().unwrap();
    assert!(!skel.maps.filter.is_created());
    assert!(skel.maps.counts.is_created());
    assert_eq!(run(&skel), 1);
    assert_eq!((skel.bss.seen.get(), skel.bss.passed.get()), (1, 0));
    assert_eq!(skel.maps.counts.iter().count(), 1);

    let absent = "map `filter`: it was not created (call set_autocreate(true) on it before the object is loaded)";
    let filter = &skel.maps.filter;
    let errors = [
        filter.add(&7).unwrap_err(),
        filter.may_contain(&7).unwrap_err(),
        filter.map().info().unwrap_err(),
        filter.map().freeze().unwrap_err(),
        filter.map().pin("/sys/fs/bpf/absent").unwrap_err(),
        filter.map().unpin("/sys/fs/bpf/absent").unwrap_err(),
    ];
    for e in errors {
        assert_eq!(e.kind(), ErrorKind::InvalidInput);
        assert_eq!(e.to_string(), absent);
    }
    feature.works();
}

/// On a kernel with such maps it is used, and on one without the error says how to do without.
#[test]
fn a_map_is_there_or_can_be_left_out() {
    let loaded = optional::Optional::open().unwrap().load();
    if running() < HAS_FILTERS {
        let e = loaded.unwrap_err().to_string();
        assert!(
            e.contains("map `filter`") && e.contains("set_autocreate(false)"),
            "{e}"
        );
        return;
    }
    let skel = loaded.unwrap();
    assert!(skel.maps.filter.is_created());
    assert_eq!(run(&skel), 1);
    for len in skel.maps.counts.keys() {
        skel.maps.filter.add(&len.unwrap()).unwrap();
    }
    assert_eq!(run(&skel), 0);
    assert_eq!((skel.bss.seen.get(), skel.bss.passed.get()), (2, 1));
}

#[test]
fn a_map_that_is_left_out_must_not_be_reached() {
    let mut open = optional::Optional::open().unwrap();
    open.maps.filter.set_autocreate(false);
    let e = open.load().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Verifier);
    let text = e.to_string();
    assert!(text.contains("program `guarded`"), "{text}");
    assert!(
        text.ends_with(
            "it uses map `filter`, which was not created (create the map, or let a constant in .rodata decide whether it is used)"
        ),
        "{text}"
    );
    assert!(text.contains("optional.bpf.c:"), "{text}");
}

/// Loads a skeleton with all of these maps and programs left out.
macro_rules! without {
    ($skeleton:path, [$($map:ident),*], [$($program:ident),*]) => {{
        let mut open = <$skeleton>::open().unwrap();
        $(open.maps.$map.set_autocreate(false);)*
        $(open.progs.$program.set_autoload(false);)*
        let skel = open.load().unwrap();
        $(refuses(&skel.maps.$map);)*
    }};
}

/// Nothing can be done with the descriptor that stands for a map.
fn refuses(map: &impl AsFd) {
    let fd = map.as_fd().try_clone_to_owned().unwrap();
    assert_eq!(
        Map::from_fd(fd).unwrap_err().message(),
        "the descriptor is not one of a map"
    );
}

/// Each kind of map is made of one that is not there.
#[test]
fn every_kind_of_map_can_be_left_out() {
    without!(
        map_kinds::MapKinds,
        [
            queue,
            stack,
            handlers,
            first,
            second,
            generations,
            by_name,
            groups,
            stacks,
            recent,
            recent_per_cpu
        ],
        [
            in_order,
            call_handler,
            count,
            under_group,
            note_stack,
            touch
        ]
    );
    without!(
        map_net::MapNet,
        [
            sockets,
            sockets_by_key,
            listeners,
            devices,
            devices_by_key,
            cpus,
            xdp_sockets
        ],
        []
    );
    without!(
        map_events::MapEvents,
        [events, others, perf, table],
        [burst, one_of_each, perf_burst, touch]
    );
    without!(optional::Optional, [filter, counts], [guarded]);
}

/// What would look into memory that the kernel shares, or wait for it, is refused as well.
#[test]
fn what_is_left_out_has_no_consumer() {
    let mut open = map_events::MapEvents::open().unwrap();
    open.maps.events.set_autocreate(false);
    open.maps.perf.set_autocreate(false);
    for program in [
        &mut open.progs.burst,
        &mut open.progs.one_of_each,
        &mut open.progs.perf_burst,
    ] {
        program.set_autoload(false);
    }
    let skel = open.load().unwrap();
    let refusals = [
        skel.maps
            .events
            .consumer(|_: &map_events::Event| ())
            .map(drop)
            .unwrap_err(),
        skel.maps
            .perf
            .consumer(1, |_, _| (), |_, _| ())
            .map(drop)
            .unwrap_err(),
    ];
    for e in refusals {
        assert!(
            e.to_string().ends_with(
                "it was not created (call set_autocreate(true) on it before the object is loaded)"
            ),
            "{e}"
        );
    }
}
