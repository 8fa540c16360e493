//! Maps, ring buffers and globals of a program that runs at a system call of this process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use btf_core::link::Link;
use btf_core::load::LoadedObject;
use btf_core::map::{
    Array, Flags, Global, Hash, Map, Mapped, PerCpuArray, PerCpuHash, RingBuf, Section,
    possible_cpus,
};
use btf_core::prog::MAX_WORDS;
use btf_core::{Error, ErrorKind, Pod};
use btf_skel_macros::include_skel;

use crate::support::{GETPPID, getppid, needs, open, set};

include_skel!("zeroed");

static MAPS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/maps.bpf.o"));
static TYPES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/types.bpf.o"));

#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(C)]
struct Event {
    seq: u64,
    pid: u32,
    nr: i32,
    comm: [u8; 16],
}
// SAFETY: 8 + 4 + 4 + 16 bytes of numbers, without padding.
unsafe impl Pod for Event {}

#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(C)]
struct Tally {
    calls: u64,
    scaled: u64,
}
// SAFETY: two numbers of the same size.
unsafe impl Pod for Tally {}

#[repr(C)]
struct Bss {
    hits: Global<u64>,
    short_samples: Global<u32>,
}
// SAFETY: numbers in cells, so any bytes are a value, and they may change.
unsafe impl Section for Bss {
    const SHARED: bool = true;
}

#[repr(C)]
struct Data {
    step: Global<u64>,
}
// SAFETY: a number in a cell.
unsafe impl Section for Data {
    const SHARED: bool = true;
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Rodata {
    target_pid: u32,
    pad: u32,
    target_nr: i64,
    scale: u64,
}
// SAFETY: numbers, with the padding spelled out.
unsafe impl Pod for Rodata {}

/// The object, loaded and attached.
fn attached() -> (LoadedObject, Link) {
    needs(5, 10);
    let loaded = open("maps", MAPS).load().unwrap();
    assert_eq!(loaded.warnings(), [""; 0]);
    let link = loaded.program("on_enter").unwrap().attach().unwrap();
    (loaded, link)
}

fn typed<T: TryFrom<Map, Error = Error>>(loaded: &mut LoadedObject, name: &str) -> T {
    loaded.map(name).unwrap().typed().unwrap()
}

#[test]
fn a_ring_buffer_delivers_typed_events() {
    let (mut loaded, _link) = attached();
    let ring: RingBuf<Event> = typed(&mut loaded, "events");
    assert_eq!(ring.map().max_entries(), 8192, "rounded up from 5000");
    let mut events = Vec::new();
    let mut consumer = ring.consumer(|event: &Event| events.push(*event)).unwrap();
    assert_eq!(consumer.poll(Duration::from_millis(1)).unwrap(), 0);
    getppid(5);
    // The third was discarded.
    assert_eq!(consumer.poll(Duration::from_secs(10)).unwrap(), 4);
    assert_eq!(consumer.consume().unwrap(), 0);
    drop(consumer);
    let seqs: Vec<u64> = events.iter().map(|e| e.seq).collect();
    assert_eq!(seqs, [1, 2, 4, 5]);
    assert!(
        events
            .iter()
            .all(|e| e.pid == std::process::id() && i64::from(e.nr) == GETPPID)
    );
    assert_ne!(events[0].comm, [0; 16]);
}

#[test]
fn a_ring_buffer_wraps_around() {
    let (mut loaded, _link) = attached();
    let ring: RingBuf<[u8]> = typed(&mut loaded, "events");
    let mut bytes = 0;
    let mut consumer = ring
        .consumer(|sample: &[u8]| bytes += sample.len())
        .unwrap();
    let mut samples = 0;
    for _ in 0..40 {
        getppid(100);
        samples += consumer.consume().unwrap();
    }
    drop(consumer);
    // One in four is discarded; 4000 of 40 bytes each go around the 8192 nearly twenty times.
    assert_eq!((samples, bytes), (3000, 3000 * size_of::<Event>()));
}

#[test]
fn a_ring_buffer_has_one_consumer_at_a_time() {
    let (mut loaded, _link) = attached();
    let ring: RingBuf<Event> = typed(&mut loaded, "events");
    let first = ring.consumer(|_| {}).unwrap();
    let e = ring.consumer(|_| {}).unwrap_err();
    assert!(e.to_string().contains("already has a consumer"), "{e}");
    drop(first);
    assert!(ring.consumer(|_| {}).is_ok());
}

#[test]
fn a_sample_that_is_too_short_is_named_and_passed_over() {
    let (mut loaded, _link) = attached();
    let bss: Mapped<Bss> = loaded.data(".bss").unwrap();
    let ring: RingBuf<Event> = typed(&mut loaded, "events");
    let mut seen = 0;
    let mut consumer = ring.consumer(|_| seen += 1).unwrap();
    bss.short_samples.set(1);
    getppid(1);
    bss.short_samples.set(0);
    getppid(1);
    let e = consumer.consume().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
    let text = e.to_string();
    assert!(
        text.starts_with("map `events`: a sample has 4 bytes, but `"),
        "{text}"
    );
    assert!(text.ends_with("Event` has 32"), "{text}");
    assert_eq!(consumer.consume().unwrap(), 1);
    drop(consumer);
    assert_eq!(seen, 1);
}

#[test]
fn a_panic_while_consuming_loses_one_sample_only() {
    let (mut loaded, _link) = attached();
    let ring: RingBuf<Event> = typed(&mut loaded, "events");
    let mut seqs = Vec::new();
    let mut consumer = ring
        .consumer(|event: &Event| {
            seqs.push(event.seq);
            assert_ne!(event.seq, 1, "the first one panics");
        })
        .unwrap();
    getppid(2);
    let panicked = catch_unwind(AssertUnwindSafe(|| consumer.consume()));
    assert!(panicked.is_err());
    assert_eq!(consumer.consume().unwrap(), 1);
    drop(consumer);
    assert_eq!(seqs, [1, 2]);
}

#[test]
fn hash_maps_are_read_and_written() {
    let (mut loaded, _link) = attached();
    let counts: Hash<u32, Tally> = typed(&mut loaded, "counts");
    getppid(3);
    let me = std::process::id();
    let mine = Tally {
        calls: 3,
        scaled: 9,
    };
    assert_eq!(counts.get(&me).unwrap(), Some(mine));
    assert_eq!(counts.get(&0).unwrap(), None);

    let other = Tally {
        calls: 7,
        scaled: 8,
    };
    counts.insert(&0, &other).unwrap();
    let mut all: Vec<(u32, Tally)> = counts.iter().collect();
    all.sort_by_key(|(pid, _)| *pid);
    assert_eq!(all, [(0, other), (me, mine)]);

    let e = counts.update(&0, &mine, Flags::NO_EXIST).unwrap_err();
    assert_eq!(e.os_error(), Some(17), "{e}");
    assert!(
        e.to_string()
            .starts_with("map `counts`: cannot write a value: "),
        "{e}"
    );
    assert!(counts.remove(&0).unwrap());
    assert!(!counts.remove(&0).unwrap());

    // What is handed out may be removed on the way.
    for key in 0..10 {
        counts.insert(&key, &other).unwrap();
    }
    let mut removed = 0;
    for entry in counts.try_iter() {
        let (key, _) = entry.unwrap();
        removed += u32::from(counts.remove(&key).unwrap());
    }
    assert_eq!(removed, 11);
    assert_eq!(counts.iter().count(), 0);

    for key in 0..16 {
        counts.insert(&key, &other).unwrap();
    }
    let e = counts.insert(&99, &other).unwrap_err();
    assert!(
        e.to_string().contains("it is full: its max_entries is 16"),
        "{e}"
    );
}

#[test]
fn arrays_are_read_and_written() {
    let (mut loaded, _link) = attached();
    let slots: Array<u64> = typed(&mut loaded, "slots");
    getppid(5);
    assert_eq!(slots.iter().collect::<Vec<u64>>(), [1, 2, 1, 1]);
    slots.set(2, &40).unwrap();
    getppid(1);
    assert_eq!(slots.get(2).unwrap(), Some(41));
    assert_eq!(slots.get(4).unwrap(), None);
    let e = slots.set(4, &0).unwrap_err();
    assert_eq!(
        e.to_string(),
        "map `slots`: index 4 is out of its 4 entries"
    );
}

#[test]
fn per_cpu_maps_have_a_value_for_each_cpu() {
    let (mut loaded, _link) = attached();
    let cpus = possible_cpus().unwrap();
    let hash: PerCpuHash<u32, [u8; 3]> = typed(&mut loaded, "per_cpu_counts");
    let array: PerCpuArray<u32> = typed(&mut loaded, "per_cpu_slots");
    getppid(4);
    let me = std::process::id();

    let counts = array.get(1).unwrap().unwrap();
    assert_eq!(counts.len(), cpus);
    assert_eq!(counts.iter().sum::<u32>(), 4);
    let values = hash.get(&me).unwrap().unwrap();
    assert_eq!(values.len(), cpus);
    // The first run wrote [1, 2, 3] on its own CPU.
    assert_eq!(values.iter().map(|v| u32::from(v[0])).sum::<u32>(), 4);
    assert!(values.iter().any(|v| v[1..] == [2, 3]), "{values:?}");

    let written: Vec<[u8; 3]> = (0..cpus as u8).map(|cpu| [cpu, cpu + 1, cpu + 2]).collect();
    hash.insert(&7, &written).unwrap();
    assert_eq!(hash.get(&7).unwrap().unwrap(), written);
    assert_eq!(hash.iter().count(), 2);
    array.set(0, &vec![5; cpus]).unwrap();
    assert_eq!(array.iter().next().unwrap(), vec![5; cpus]);
    let e = hash.insert(&8, &vec![[0; 3]; cpus + 1]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidInput, "{e}");
    assert!(hash.remove(&7).unwrap());
}

#[test]
fn globals_are_shared_both_ways() {
    let (loaded, _link) = attached();
    let bss: Mapped<Bss> = loaded.data(".bss").unwrap();
    let data: Mapped<Data> = loaded.data(".data").unwrap();
    getppid(2);
    assert_eq!((bss.hits.get(), data.step.get()), (2, 1));
    data.step.set(10);
    getppid(2);
    assert_eq!(bss.hits.to_string(), "22");
    bss.hits.set(100);
    getppid(1);
    assert_eq!(bss.hits.get(), 110);
}

#[test]
fn variables_that_start_as_zero_lie_where_clang_put_them() {
    needs(5, 10);
    let mut open = zeroed::Zeroed::open().unwrap();
    open.bss.second[0].set_low(5);
    let skel = open.load().unwrap();
    skel.progs.turn.test_run(&[0; MAX_WORDS]).unwrap();
    let (first, second) = (skel.bss.first.get(), skel.bss.second.get());
    assert_eq!((first.low(), first.high()), (1, 2));
    assert_eq!((second[0].low(), second[1].high()), (5, 7));
    assert_eq!(
        (
            skel.bss.before.get(),
            skel.data.rounds.get(),
            skel.data.step.get()
        ),
        (1, 42, 2)
    );
}

#[test]
fn constants_are_set_before_the_load_and_fixed_after() {
    needs(5, 10);
    let mut open = open("maps", MAPS);
    set(&mut open, ".rodata", "scale", &1000u64);
    set(&mut open, ".bss", "hits", &50u64);
    let mut loaded = open.load().unwrap();
    let _link = loaded.program("on_enter").unwrap().attach().unwrap();
    getppid(2);
    let rodata: Mapped<Rodata> = loaded.data(".rodata").unwrap();
    assert_eq!(
        (rodata.target_pid, rodata.target_nr),
        (std::process::id(), GETPPID)
    );
    assert_eq!(rodata.scale, 1000);
    let counts: Hash<u32, Tally> = typed(&mut loaded, "counts");
    let mine = counts.get(&std::process::id()).unwrap().unwrap();
    assert_eq!(
        mine,
        Tally {
            calls: 2,
            scaled: 2000
        }
    );
    let bss: Mapped<Bss> = loaded.data(".bss").unwrap();
    assert_eq!(bss.hits.get(), 52);

    let e = loaded.data::<Data>(".rodata").err().unwrap();
    assert!(
        e.to_string()
            .contains("section .rodata is read-only once loaded"),
        "{e}"
    );
    let e = loaded.data::<u64>(".bss").err().unwrap();
    assert!(e.to_string().contains("programs write"), "{e}");
    let e = loaded.data::<u64>(".rodata.none").err().unwrap();
    assert_eq!(
        e.to_string(),
        "object `maps`: it has no section .rodata.none of global variables"
    );
    let e = loaded.data::<[u64; 100]>(".rodata").err().unwrap();
    assert!(e.to_string().contains("but `[u64; 100]` has 800"), "{e}");
}

#[test]
fn a_map_of_another_type_or_size_is_refused() {
    let (loaded, _link) = attached();
    let e = loaded
        .map("counts")
        .unwrap()
        .typed::<Array<u64>>()
        .unwrap_err();
    assert_eq!(
        e.to_string(),
        "map `counts`: it is a map of type hash and cannot be used as an array"
    );
    let e = loaded
        .map("slots")
        .unwrap()
        .typed::<Array<u32>>()
        .unwrap_err();
    assert_eq!(
        e.to_string(),
        "map `slots`: its value has 8 bytes, but `u32` has 4"
    );
}

#[test]
fn types_that_older_kernels_do_not_know_are_replaced() {
    needs(5, 10);
    let loaded = btf_core::load::OpenObject::open("types", TYPES)
        .unwrap()
        .load()
        .unwrap();
    // That the BTF was refused would be a second warning.
    assert_eq!(
        loaded.warnings(),
        [
            "program `unknown` is not loaded: SEC(\"no_such_section/x\") is not a known section name (a section names the program \
             type and what it attaches to, as SEC(\"fentry/vfs_read\") or SEC(\"xdp\"); for another name, call set_type on the open \
             program before it is loaded; a function that programs call needs no section)"
        ]
    );
    let _link = loaded.program("on_enter").unwrap().attach().unwrap();
    let unknown = loaded.program("unknown").unwrap();
    assert!(!unknown.is_loaded());
    assert_eq!(
        unknown.attach().unwrap_err().to_string(),
        "program `unknown`: it is not loaded (its section SEC(\"no_such_section/x\") is not known: call \
         set_type on it before the object is loaded)"
    );
}
