//! Events in every form, and maps under load: nothing is lost but what is reported, nothing leaks.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use btf_core::ErrorKind;
use btf_core::attach::RawTracepoint;
use btf_core::load::OpenObject;
use btf_core::map::{Consumers, Hash, Map, RingBuf};
use btf_core::obj::Object;
use btf_core::prog::MAX_WORDS;
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::support::needs;

include_skel!("map_events");
include_skel!("map_orders");

static CYCLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cycle.bpf.o"));

use map_events::{Event, MapEvents, OpenMapEvents};
use map_orders::MapOrders;

const NOTHING: [u64; MAX_WORDS] = [0; MAX_WORDS];
const BURST: u64 = 64;

fn open() -> OpenMapEvents {
    needs(5, 10);
    MapEvents::open().unwrap()
}

fn event(seq: u64) -> Event {
    Event {
        seq,
        square: seq * seq,
    }
}

#[test]
fn several_ring_buffers_at_once() {
    let one = Feature::since("map: ringbuf", (5, 8)).unwrap();
    let several = Feature::since("map: several ring buffers in one epoll", (5, 8)).unwrap();
    let skel = open().load().unwrap();
    let (mut seqs, mut numbers) = (Vec::new(), Vec::new());
    let mut all = Consumers::new().unwrap();
    all.add(
        skel.maps
            .events
            .consumer(|event: &Event| seqs.push(event.seq))
            .unwrap(),
    )
    .unwrap();
    all.add(
        skel.maps
            .others
            .consumer(|n: &u64| numbers.push(*n))
            .unwrap(),
    )
    .unwrap();
    assert_eq!(all.poll(Duration::from_millis(1)).unwrap(), 0);
    for _ in 0..3 {
        skel.progs.one_of_each.test_run(&NOTHING).unwrap();
    }
    let mut count = 0;
    while count < 6 {
        let more = all.poll(Duration::from_secs(10)).unwrap();
        assert_ne!(more, 0, "after {count}");
        count += more;
    }
    assert_eq!(all.consume().unwrap(), 0);
    drop(all);
    assert_eq!((seqs, numbers), (vec![1, 2, 3], vec![1, 2, 3]));
    one.works();
    several.works();
}

#[test]
fn perf_buffers() {
    let feature = Feature::since("map: perf_event_array", (4, 4)).unwrap();
    let skel = open().load().unwrap();
    let perf = &skel.maps.perf;
    let e = perf.consumer(3, |_, _: &Event| {}, |_, _| {}).unwrap_err();
    assert_eq!(e.to_string(), "map `perf`: 3 pages are no power of two");

    // As much as fits, around the end of the memory many times.
    let mut seen = Vec::new();
    let mut lost = 0;
    let mut consumer = perf
        .consumer(1, |_, event: &Event| seen.push(*event), |_, n| lost += n)
        .unwrap();
    assert_eq!(consumer.poll(Duration::from_millis(1)).unwrap(), 0);
    for _ in 0..20 {
        skel.progs.perf_burst.test_run(&NOTHING).unwrap();
        assert_eq!(
            consumer.poll(Duration::from_secs(10)).unwrap() as u64,
            BURST
        );
    }
    drop(consumer);
    assert_eq!(lost, 0);
    // The order is that of a CPU; the test may have moved.
    seen.sort_by_key(|event| event.seq);
    let all: Vec<Event> = (1..=20 * BURST).map(event).collect();
    assert_eq!(seen, all);

    feature.works();
    let feature = Feature::since("map: lost events of perf_event_array", (4, 4)).unwrap();
    // Too much: what does not fit is counted, to the event, once there is room to say so.
    skel.bss.seq.set(0);
    skel.bss.dropped.set(0);
    let (mut seen, mut lost) = (0, 0);
    let mut consumer = perf
        .consumer(1, |_, _: &Event| seen += 1, |_, n| lost += n)
        .unwrap();
    for _ in 0..10 {
        skel.progs.perf_burst.test_run(&NOTHING).unwrap();
    }
    let first = consumer.consume().unwrap() as u64;
    assert!(first < 10 * BURST, "{first}");
    let before = skel.bss.dropped.get();
    // The number of those lost comes with the next sample.
    skel.progs.perf_burst.test_run(&NOTHING).unwrap();
    consumer.consume().unwrap();
    drop(consumer);
    assert_eq!(skel.bss.seq.get(), 11 * BURST);
    assert_eq!(
        skel.bss.dropped.get(),
        before,
        "there was room for the last ones"
    );
    assert_eq!((seen + lost, lost), (11 * BURST, before), "seen and lost");
    feature.works();
}

#[test]
fn user_ring_buffers() {
    let Some(feature) = Feature::since("map: user_ringbuf", (6, 1)) else {
        return;
    };
    let skel = MapOrders::open().unwrap().load().unwrap();
    let mut producer = skel.maps.orders.producer().unwrap();
    let e = skel.maps.orders.producer().unwrap_err();
    assert!(e.to_string().contains("already has a producer"), "{e}");
    let mut sent = 0;
    for _ in 0..5 {
        // Until it is full: 4096 bytes are 170 samples of 24.
        let first = sent;
        let order = |seq| map_orders::Event {
            seq,
            square: seq * seq,
        };
        while producer.send(&order(sent + 1)).unwrap() {
            sent += 1;
        }
        assert_eq!(sent - first, 170);
        skel.progs.take_orders.test_run(&NOTHING).unwrap();
        assert_eq!((skel.bss.drained.get(), skel.bss.wrong.get()), (sent, 0));
        assert!(producer.wait(Duration::from_secs(10)).unwrap());
    }
    drop(producer);
    assert!(skel.maps.orders.producer().is_ok());
    feature.works();
}

/// The kernel reports what it had no room for; everything else arrives, once and in order.
#[test]
fn a_ring_buffer_that_is_outrun() {
    let skel = open().load().unwrap();
    let (mut received, mut last, mut wrong) = (0u64, 0u64, 0u64);
    let mut consumer = skel
        .maps
        .events
        .consumer(|event: &Event| {
            wrong += u64::from(event.seq <= last || event.square != event.seq * event.seq);
            last = event.seq;
            received += 1;
        })
        .unwrap();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Acquire) {
                consumer.poll(Duration::from_millis(1)).unwrap();
            }
            consumer.consume().unwrap();
        });
        for _ in 0..2000 {
            skel.progs.burst.test_run(&NOTHING).unwrap();
        }
        is_done.store(true, Ordering::Release);
    });
    drop(consumer);
    let (sent, dropped) = (skel.bss.seq.get(), skel.bss.dropped.get());
    assert_eq!(sent, 2000 * BURST);
    assert_eq!(wrong, 0);
    assert!(
        received > 0 && dropped > 0,
        "{received} received, {dropped} dropped"
    );
    assert_eq!(received + dropped, sent);
}

/// A million entries are all seen, by batches and one by one, while programs change them and others come and go.
#[test]
fn a_million_entries() {
    const MANY: u32 = 1 << 20;
    let mut open = open();
    open.maps.table.set_max_entries(MANY + 4096);
    let skel = open.load().unwrap();
    let table: &Hash<u32, u64> = &skel.maps.table;
    let keys: Vec<u32> = (0..MANY).collect();
    for keys in keys.chunks(1 << 16) {
        table.insert_many(keys, &vec![1; keys.len()]).unwrap();
    }
    let is_done = AtomicBool::new(false);
    let changes = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Those that come and go are few, and stop: a key that goes sends a walk back to the start.
            for n in (0..).take_while(|_| !is_done.load(Ordering::Relaxed)) {
                skel.progs.touch.test_run(&NOTHING).unwrap();
                if n < 4096 {
                    table.insert(&(MANY + n), &1).unwrap();
                }
                if (64..4096).contains(&n) {
                    assert!(table.remove(&(MANY + n - 64)).unwrap());
                }
                changes.fetch_add(256, Ordering::Relaxed);
                // The walk shares a CPU with this.
                std::thread::sleep(Duration::from_micros(500));
            }
        });
        let complete = |keys: &mut dyn Iterator<Item = u32>| {
            let mut seen = vec![false; MANY as usize];
            let mut count = 0;
            for key in keys.filter(|key| *key < MANY) {
                count += u32::from(!std::mem::replace(&mut seen[key as usize], true));
            }
            count == MANY
        };
        let mut batched = table.batched(1 << 14).map(|entry| {
            let (key, value) = entry.unwrap();
            assert!(value >= 1, "{key}");
            key
        });
        let by_batches = complete(&mut batched);
        let one_by_one = complete(&mut table.keys().map(Result::unwrap));
        is_done.store(true, Ordering::Relaxed);
        assert!(by_batches && one_by_one, "{by_batches} {one_by_one}");
    });
    assert!(changes.load(Ordering::Relaxed) > 0);
}

/// Descriptors, mappings and resident pages of this process.
fn held() -> (usize, usize, u64) {
    let fds = std::fs::read_dir("/proc/self/fd").unwrap().count();
    let maps = std::fs::read_to_string("/proc/self/maps")
        .unwrap()
        .lines()
        .count();
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    (fds, maps, statm.split(' ').nth(1).unwrap().parse().unwrap())
}

/// A thousand loads: of little, read once, because that is a good part of a load under emulation.
#[test]
fn a_thousand_loads_leave_nothing_behind() {
    needs(5, 10);
    let object = Object::parse("cycle", CYCLE).unwrap();
    let mut ids = HashSet::new();
    let mut cycle = || {
        let loaded = OpenObject::from(object.clone()).load().unwrap();
        let program = loaded.program("on_any").unwrap();
        let link = RawTracepoint::<[u64; MAX_WORDS]>::try_from(program)
            .unwrap()
            .attach_to("sys_enter")
            .unwrap();
        let events: RingBuf<u64> = loaded.map("events").unwrap().typed().unwrap();
        let mut consumer = events.consumer(|_: &u64| {}).unwrap();
        assert!(consumer.poll(Duration::from_secs(10)).unwrap() > 0);
        ids.insert(events.map().info().unwrap().id);
        link.detach().unwrap();
    };
    (0..20).for_each(|_| cycle());
    let before = held();
    (20..1000).for_each(|_| cycle());
    let after = held();
    assert_eq!(
        (before.0, before.1),
        (after.0, after.1),
        "descriptors and mappings"
    );
    assert!(after.2 < before.2 + 512, "pages: {before:?}, {after:?}");
    assert_eq!(ids.len(), 1000);
    // The kernel frees a map some time after its last descriptor is closed.
    let end = Instant::now() + Duration::from_secs(20);
    let is_gone = |id: &u32| Map::from_id(*id).is_err_and(|e| e.kind() == ErrorKind::NotFound);
    while !ids.iter().all(is_gone) {
        assert!(Instant::now() < end, "maps are left");
        std::thread::sleep(Duration::from_millis(50));
    }
}
