//! Arenas: variables, pages and pointers that programs and this process share.

use btf_core::ErrorKind;
use btf_core::pod::Ptr;
use btf_core::prog::TestRun;
use btf_skel_macros::include_skel;

use crate::feature::Feature;

include_skel!("arena");

use arena::{Arena, Item};

#[test]
fn pointers_lead_from_variables_through_pages() {
    let Some(feature) = Feature::since("map: arena", (6, 9)) else {
        return;
    };
    let mut open = Arena::open().unwrap();
    assert_eq!((open.arena.first, open.arena.second), (40, [1, 2, 3]));
    open.arena.first = 100;
    let skel = open.load().unwrap();
    assert_eq!(skel.warnings(), [""; 0]);
    let memory = &skel.maps.memory;
    assert_eq!(memory.address().unwrap(), Ptr(1 << 44));
    assert_eq!(memory.size(), 16 * 4096);
    assert_eq!(skel.arena.first.get(), 100);
    assert!(skel.arena.list.get().is_null());

    for _ in 0..3 {
        assert_eq!(skel.progs.push.run(&TestRun::new()).unwrap().result, 0);
    }
    assert_eq!((skel.arena.first.get(), skel.bss.pushed.get()), (103, 3));
    // The list is in the order of a stack.
    let mut values = Vec::new();
    let mut at = skel.arena.list.get();
    while !at.is_null() {
        let node = memory.get::<Item>(at).unwrap();
        values.push(node.get().value);
        at = node.get().next;
    }
    assert_eq!(values, [102, 101, 100]);

    // What is written here is seen there.
    let head = memory.get::<Item>(skel.arena.list.get()).unwrap();
    head.set(Item {
        value: 1000,
        ..head.get()
    });
    skel.arena.second.set([10, 20, 30]);
    assert_eq!(
        skel.progs.sum.run(&TestRun::new()).unwrap().result,
        1000 + 101 + 100 + 60
    );
    let page = memory.slice::<u64>(skel.arena.list.get(), 512).unwrap();
    assert_eq!((page[1].get(), page[511].get()), (1000, 0));
    feature.works();
}

#[test]
fn pointers_out_of_it_are_refused() {
    let Some(feature) = Feature::since("map: arena where there is room", (6, 9)) else {
        return;
    };
    let mut open = Arena::open().unwrap();
    open.maps.memory.set_map_extra(0);
    let skel = open.load().unwrap();
    let memory = &skel.maps.memory;
    let start = memory.address().unwrap().0;
    assert_ne!(start, 1 << 44);
    assert_eq!(skel.progs.push.run(&TestRun::new()).unwrap().result, 0);
    let at = skel.arena.list.get();
    assert!((start..start + 16 * 4096).contains(&at.0), "{at}");
    assert_eq!(memory.get::<Item>(at).unwrap().get().value, 40);
    // The variables come first.
    assert_eq!(std::ptr::from_ref(&*skel.arena).addr() as u64, start);
    let end = start + 16 * 4096;
    for bad in [0, 1, start - 1, end - 7, end, u64::MAX] {
        let e = memory.get::<u64>(Ptr(bad)).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidInput);
        let text = format!(
            "map `memory`: 1 values of 8 bytes at {bad:#x} are not within its 65536 bytes from {start:#x} on"
        );
        assert_eq!(e.to_string(), text);
    }
    assert!(memory.slice::<u64>(Ptr(start), usize::MAX).is_err());
    feature.works();
}

#[test]
fn two_of_one_address_do_not_fit() {
    let Some(feature) = Feature::since("map: arena at an address", (6, 9)) else {
        return;
    };
    let first = Arena::open().unwrap().load().unwrap();
    let e = Arena::open().unwrap().load().unwrap_err();
    let text = e.to_string();
    assert!(
        text.starts_with("object `arena`: map `memory`: cannot map its memory: "),
        "{text}"
    );
    assert!(
        text.contains("something else lies at 0x100000000000; set_map_extra has it elsewhere"),
        "{text}"
    );
    drop(first);
    let mut open = Arena::open().unwrap();
    open.maps.memory.set_max_entries(1);
    open.arena.first = 1;
    assert_eq!(open.load().unwrap().arena.first.get(), 1);
    feature.works();
}

#[test]
fn without_it_its_variables_are_this_process_s() {
    let mut open = Arena::open().unwrap();
    open.maps.memory.set_autocreate(false);
    open.progs.push.set_autoload(false);
    open.progs.sum.set_autoload(false);
    open.arena.first = 7;
    let skel = open.load().unwrap();
    assert_eq!(
        (skel.arena.first.get(), skel.arena.second.get()),
        (7, [1, 2, 3])
    );
    let e = skel.maps.memory.address().unwrap_err();
    assert_eq!(
        e.to_string(),
        "map `memory`: it was not created (call set_autocreate(true) on it before the object is loaded)"
    );
}
