//! Kinds of maps that kernel 5.10 has, each from both sides.

use std::collections::BTreeSet;
use std::fs::File;

use btf_core::ErrorKind;
use btf_core::map::{ArrayOfMaps, Hash, Map, ProgArray};
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::support::needs;

include_skel!("map_kinds");

use map_kinds::{MapKinds, Point};

/// What raw tracepoint programs are run with here: they look at none of it.
const NOTHING: [u64; btf_core::prog::MAX_WORDS] = [0; btf_core::prog::MAX_WORDS];

fn loaded() -> MapKinds {
    needs(5, 10);
    let skel = MapKinds::open().unwrap().load().unwrap();
    assert_eq!(skel.warnings(), [""; 0]);
    skel
}

fn point(x: u32, y: u32) -> Point {
    Point { x, y }
}

#[test]
fn queues_and_stacks() {
    let queue = Feature::since("map: queue", (4, 20)).unwrap();
    let stack = Feature::since("map: stack", (4, 20)).unwrap();
    let skel = loaded();
    let run = |value: Point| {
        skel.bss.pushed.set(value);
        skel.progs.in_order.test_run(&NOTHING).unwrap();
        let bss = &skel.bss;
        (
            bss.from_queue.get(),
            bss.from_stack.get(),
            bss.pop_answers.get(),
        )
    };
    for n in 1..=3 {
        skel.maps.queue.push(&point(n, 0)).unwrap();
        skel.maps.stack.push(&point(n, 0)).unwrap();
    }
    let e = skel.maps.queue.push(&point(4, 0)).unwrap_err();
    assert!(
        e.to_string()
            .contains("it is full: its max_entries is 3; use set_max_entries"),
        "{e}"
    );
    skel.maps.queue.push_over(&point(4, 0)).unwrap();
    skel.maps.stack.push_over(&point(4, 0)).unwrap();

    // Of both the oldest went for the fourth.
    assert_eq!(run(point(5, 5)), (point(2, 0), point(4, 0), 0));
    assert_eq!(skel.maps.queue.peek().unwrap(), Some(point(3, 0)));
    assert_eq!(skel.maps.stack.peek().unwrap(), Some(point(5, 5)));
    let left = std::iter::from_fn(|| skel.maps.queue.pop().unwrap()).map(|p| p.x);
    assert_eq!(left.collect::<Vec<u32>>(), [3, 4, 5]);
    let left = std::iter::from_fn(|| skel.maps.stack.pop().unwrap()).map(|p| p.x);
    assert_eq!(left.collect::<Vec<u32>>(), [5, 3, 2]);
    assert_eq!(skel.maps.queue.peek().unwrap(), None);
    let (.., answers) = run(point(6, 6));
    assert_eq!(answers, -4, "two times ENOENT");
    queue.works();
    stack.works();
}

#[test]
fn arrays_of_programs() {
    let feature = Feature::since("map: prog_array", (4, 2)).unwrap();
    let declared = Feature::since("map: declared values of prog_array", (4, 2)).unwrap();
    let skel = loaded();
    let handlers: &ProgArray = &skel.maps.handlers;
    let call = |index| {
        skel.bss.wanted_handler.set(index);
        skel.progs.call_handler.test_run(&NOTHING).unwrap()
    };
    // What the declaration says.
    assert_eq!((call(0), call(1), call(2)), (-1, 101, -1));
    declared.works();
    handlers.set(2, skel.progs.on_two.program()).unwrap();
    handlers
        .set_fd(0, skel.progs.on_one.program().fd().unwrap())
        .unwrap();
    assert_eq!((call(0), call(1), call(2)), (101, 101, 102));
    assert_eq!(
        handlers.program_id(0).unwrap(),
        handlers.program_id(1).unwrap()
    );
    assert_ne!(
        handlers.program_id(0).unwrap(),
        handlers.program_id(2).unwrap()
    );
    assert!(handlers.clear(1).unwrap());
    assert!(!handlers.clear(1).unwrap());
    assert_eq!((call(1), handlers.program_id(1).unwrap()), (-1, None));
    assert_eq!(handlers.len(), 4);
    let e = handlers.set(4, skel.progs.on_two.program()).unwrap_err();
    assert_eq!(
        e.to_string(),
        "map `handlers`: index 4 is out of its 4 entries"
    );
    let e = handlers.set_fd(0, &skel.maps.queue).unwrap_err();
    let text = e.to_string();
    assert!(
        text.starts_with("map `handlers`: cannot write a value: "),
        "{text}"
    );
    assert!(
        text.contains("programs of one array are of one type"),
        "{text}"
    );
    feature.works();
}

#[test]
fn a_program_that_a_map_holds_must_be_loaded() {
    needs(5, 10);
    let mut open = MapKinds::open().unwrap();
    open.progs.on_one.set_autoload(false);
    let e = open.load().unwrap_err();
    assert_eq!(
        e.to_string(),
        "object `map_kinds`: map `handlers`: a program that is to be one of its values: program `on_one`: it is not loaded \
         (call set_autoload(true) on it before the object is loaded)"
    );
    let mut open = MapKinds::open().unwrap();
    open.maps.second.set_autocreate(false);
    let e = open.load().unwrap_err();
    assert_eq!(
        e.to_string(),
        "object `map_kinds`: map `generations`: map `second`, which is to be one of its values, was not created"
    );
}

#[test]
fn maps_of_maps() {
    let array = Feature::since("map: array_of_maps", (4, 12)).unwrap();
    let hash = Feature::since("map: hash_of_maps", (4, 12)).unwrap();
    let declared = Feature::since("map: declared values of array_of_maps", (4, 12)).unwrap();
    let inline = Feature::since("map: inner map declared inline", (4, 12)).unwrap();
    let skel = loaded();
    let count = |generation, name| {
        skel.bss.wanted_generation.set(generation);
        skel.bss.wanted_name.set(name);
        skel.progs.count.test_run(&NOTHING).unwrap()
    };
    // What the declaration says.
    assert_eq!(
        (count(0, 9), count(1, 9), count(2, 9), count(2, 9)),
        (1, 0, 1, 1)
    );
    let (first, second) = (&skel.maps.first, &skel.maps.second);
    assert_eq!(
        (first.get(0).unwrap(), second.get(0).unwrap()),
        (Some(1), Some(2))
    );

    declared.works();
    let generations = &skel.maps.generations;
    let third = generations.new_inner("third").unwrap();
    generations.set(1, &third).unwrap();
    assert_eq!(count(1, 9), 1);
    assert_eq!(third.get(0).unwrap(), Some(1));
    let id = generations.map_id(1).unwrap();
    assert_eq!(id, Some(third.map().info().unwrap().id));
    let opened = generations.get(1).unwrap().unwrap();
    opened.set(0, &40).unwrap();
    assert_eq!(third.get(0).unwrap(), Some(40));
    assert_eq!(opened.map().name(), "third");
    assert!(generations.clear(0).unwrap());
    assert!(!generations.clear(0).unwrap());
    assert!(generations.get(0).unwrap().is_none());
    assert_eq!(count(0, 9), 0);

    let by_name = &skel.maps.by_name;
    let inner: Hash<u32, Point> = by_name.new_inner("inner").unwrap();
    by_name.insert(&77, &inner).unwrap();
    assert_eq!(count(0, 77), 2);
    assert_eq!(inner.get(&0).unwrap(), Some(point(7, 8)));
    inline.works();
    inner.insert(&1, &point(1, 1)).unwrap();
    let opened = by_name.get(&77).unwrap().unwrap();
    assert_eq!(opened.get(&1).unwrap(), Some(point(1, 1)));
    assert_eq!(
        by_name.keys().map(Result::unwrap).collect::<Vec<u64>>(),
        [77]
    );
    assert!(by_name.remove(&77).unwrap());
    assert_eq!(by_name.map_id(&77).unwrap(), None);

    // A map of another shape.
    let loaded = btf_core::load::OpenObject::open("map_kinds", OBJECT)
        .unwrap()
        .load()
        .unwrap();
    let untyped: ArrayOfMaps<Map> = loaded.map("generations").unwrap().typed().unwrap();
    let e = untyped.set(0, loaded.map("queue").unwrap()).unwrap_err();
    assert!(
        e.to_string()
            .contains("has the type, sizes and flags of the inner map"),
        "{e}"
    );
    array.works();
    hash.works();
}

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/map_kinds.bpf.o"));

#[test]
fn arrays_of_cgroups() {
    let feature = Feature::since("map: cgroup_array", (4, 8)).unwrap();
    let skel = loaded();
    let under = || skel.progs.under_group.test_run(&NOTHING).unwrap();
    assert!(under() < 0, "no cgroup is there");
    let root = File::open("/sys/fs/cgroup").unwrap();
    skel.maps.groups.set(1, &root).unwrap();
    assert_eq!(under(), 1);
    let other = format!("/sys/fs/cgroup/btf-{}", std::process::id());
    std::fs::create_dir(&other).unwrap();
    skel.maps
        .groups
        .set(1, File::open(&other).unwrap())
        .unwrap();
    assert_eq!(under(), 0);
    assert!(skel.maps.groups.clear(1).unwrap());
    assert!(under() < 0);
    std::fs::remove_dir(&other).unwrap();
    let e = skel.maps.groups.set(2, &root).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
    feature.works();
}

#[test]
fn stack_traces() {
    let feature = Feature::since("map: stack_trace", (4, 6)).unwrap();
    let skel = loaded();
    let id = skel.progs.note_stack.test_run(&NOTHING).unwrap();
    let id = u32::try_from(id).unwrap_or_else(|_| panic!("bpf_get_stackid says {id}"));
    let stacks = &skel.maps.stacks;
    let frames = stacks.get(id).unwrap().unwrap();
    assert!((2..=32).contains(&frames.len()), "{frames:x?}");
    assert!(
        frames.iter().all(|address| *address > 1 << 63),
        "{frames:x?}"
    );
    assert_eq!(stacks.ids().map(Result::unwrap).collect::<Vec<u32>>(), [id]);
    let e = stacks.get_build_ids(id).unwrap_err();
    assert_eq!(
        e.to_string(),
        "map `stacks`: it has addresses instead of build ids"
    );
    assert!(stacks.remove(id).unwrap());
    assert_eq!(stacks.get(id).unwrap(), None);
    feature.works();
}

#[test]
fn maps_that_forget() {
    let one = Feature::since("map: lru_hash", (4, 10)).unwrap();
    let per_cpu = Feature::since("map: lru_percpu_hash", (4, 10)).unwrap();
    let skel = loaded();
    let touch = |key| {
        skel.bss.recent_key.set(key);
        skel.progs.touch.test_run(&NOTHING).unwrap();
    };
    touch(5);
    touch(5);
    assert_eq!(skel.maps.recent.get(&5).unwrap(), Some(2));
    let values = skel.maps.recent_per_cpu.get(&5).unwrap().unwrap();
    assert_eq!(values.iter().sum::<u64>(), 2);
    for key in 100..400 {
        skel.maps.recent.insert(&key, &1).unwrap();
        skel.maps
            .recent_per_cpu
            .insert(&key, &vec![1; values.len()])
            .unwrap();
    }
    let kept: BTreeSet<u32> = skel.maps.recent.keys().map(Result::unwrap).collect();
    assert!(kept.len() <= 64 && kept.contains(&399), "{kept:?}");
    assert!(skel.maps.recent_per_cpu.iter().count() <= 64);
    one.works();
    per_cpu.works();
}
