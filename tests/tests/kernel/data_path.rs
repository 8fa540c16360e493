//! Samples without a declared type, ring buffers that overwrite, and variables accessed in place.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use btf_core::map::{Global, Pages};
use btf_core::pod::NulTerminated;
use btf_core::prog::MAX_WORDS;
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::support::needs;

include_skel!("data_path");

use data_path::{DataPath, OpenDataPath, Report};

const NOTHING: [u64; MAX_WORDS] = [0; MAX_WORDS];
/// Records that one run of `report_recent` reserves, and bytes of each.
const BURST: u64 = 64;
const RECORD: u64 = 8 + size_of::<Report>() as u64;
const SECONDS: Duration = Duration::from_secs(10);

/// Without the map that few kernels can create.
fn open() -> OpenDataPath {
    needs(5, 10);
    let mut open = DataPath::open().unwrap();
    open.maps.recent.set_autocreate(false);
    open.progs.report_recent.set_autoload(false);
    open
}

#[test]
fn shows_untyped_samples_as_a_type() {
    let ring = Feature::since("map: ringbuf without a type of its samples", (5, 8)).unwrap();
    let perf = Feature::since(
        "map: perf_event_array without a type of its samples",
        (4, 4),
    )
    .unwrap();
    let skel = open().load().unwrap();
    let (mut seen, mut names, mut lost) = (Vec::new(), Vec::new(), 0);
    let mut reports = skel
        .maps
        .reports
        .consumer_as::<Report>(|report| {
            seen.push(report.seq);
            names.push(report.comm.to_str_lossy().into_owned());
        })
        .unwrap();
    let mut perf_seen = Vec::new();
    let mut perf_reports = skel
        .maps
        .perf_reports
        .consumer_as::<Report>(
            Pages::DEFAULT,
            |_, report| perf_seen.push(report.seq),
            |_, count| lost += count,
        )
        .unwrap();
    for _ in 0..3 {
        skel.progs.report.test_run(&NOTHING).unwrap();
    }
    assert_eq!(reports.poll(SECONDS).unwrap(), 3);
    let mut count = 0;
    while count < 3 {
        count += perf_reports.poll(SECONDS).unwrap();
    }
    drop(reports);
    drop(perf_reports);
    assert_eq!((seen, perf_seen, lost), (vec![1, 2, 3], vec![1, 2, 3], 0));
    let own = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
    assert!(
        names.iter().all(|name| name == own.trim_end()),
        "{names:?} of {own}"
    );

    // The typed buffer and the untyped one are one, which has one consumer.
    let typed = skel.maps.reports.typed::<Report>().unwrap();
    let consumer = typed.consumer(|_| ()).unwrap();
    assert!(skel.maps.reports.consumer(|_: &[u8]| ()).is_err());
    drop(consumer);
    assert!(skel.maps.reports.consumer(|_: &[u8]| ()).is_ok());
    ring.works();
    perf.works();
}

#[test]
fn consumes_a_limited_number_and_goes_on_after_a_panic() {
    let skel = open().load().unwrap();
    let mut seen = Vec::new();
    let typed = skel.maps.reports.typed::<Report>().unwrap();
    let mut consumer = typed
        .consumer(|report| {
            seen.push(report.seq);
            assert_ne!(report.seq, 4, "as the case wants it");
        })
        .unwrap();
    for _ in 0..5 {
        skel.progs.report.test_run(&NOTHING).unwrap();
    }
    assert_eq!(consumer.consume_n(0).unwrap(), 0);
    assert_eq!(consumer.consume_n(2).unwrap(), 2);
    // The others still make it readable.
    let panicked = catch_unwind(AssertUnwindSafe(|| consumer.poll(SECONDS)));
    assert!(panicked.is_err());
    // The sample that the callback panicked at was consumed.
    assert_eq!(consumer.consume().unwrap(), 1);
    drop(consumer);
    assert_eq!(seen, [1, 2, 3, 4, 5]);
}

#[test]
fn accesses_parts_of_variables_in_place() {
    let skel = open().load().unwrap();
    let (counts, stats) = (&skel.bss.counts, &skel.bss.stats);
    let len = counts.len();
    assert_eq!(len, 3 << 17);
    for index in [0, len / 2, len - 1] {
        counts[index].set(40);
        skel.bss.wanted.set(index as u32);
        skel.progs.count.test_run(&NOTHING).unwrap();
        assert_eq!(counts[index].get(), 41);
    }
    assert_eq!(counts.iter().map(Global::get).sum::<u64>(), 3 * 41);
    assert_eq!(counts.get_boxed()[len / 2], 41);
    let mut some = [0; 4];
    assert_eq!(Global::copy_all_to(&counts[len - 2..], &mut some), 2);
    assert_eq!(some, [0, 41, 0, 0]);
    let shown = format!("{:?}", skel.bss);
    assert!(shown.contains("counts: [41, 0, ") && shown.contains("reported: 0"));

    // A member is set while programs change the others, and one of them in the same word.
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in (0..).take_while(|_| !is_done.load(Ordering::Acquire)) {
                stats.from_rust.set(n);
            }
        });
        for _ in 0..200 {
            skel.progs.report.test_run(&NOTHING).unwrap();
        }
        is_done.store(true, Ordering::Release);
    });
    assert_eq!(stats.reported.get(), 200);
    assert_eq!(stats.inner[1].last.get(), 200);
    assert_eq!(stats.get().inner[1].last, 200);
    stats.inner[0].last.set(7);
    let inner = stats.get().inner;
    assert_eq!((inner[0].last, inner[1].last), (7, 200));
}

fn open_recent() -> OpenDataPath {
    DataPath::open().unwrap()
}

#[test]
fn reads_what_is_left_of_overwritten_records() {
    let Some(feature) = Feature::since("map: ringbuf that overwrites", (6, 19)) else {
        needs(5, 10);
        let e = open_recent().load().unwrap_err().to_string();
        let why = "the flag BPF_F_RB_OVERWRITE requires Linux 6.19 or newer";
        assert!(e.contains("map `recent`") && e.contains(why), "{e}");
        return;
    };
    let skel = open_recent().load().unwrap();
    let burst = || assert_eq!(skel.progs.report_recent.test_run(&NOTHING).unwrap(), 0);
    let mut seen = Vec::new();
    let mut consumer = skel
        .maps
        .recent
        .consumer(|report| seen.push((report.seq, report.square)))
        .unwrap();
    assert_eq!(consumer.poll(Duration::from_millis(1)).unwrap(), 0);
    // Once within the buffer, and several times around it.
    for bursts in [1, 10] {
        (0..bursts).for_each(|_| burst());
        assert!(consumer.poll(SECONDS).unwrap() > 0);
        assert_eq!(consumer.consume().unwrap(), 0);
        assert_eq!(consumer.poll(Duration::from_millis(1)).unwrap(), 0);
    }
    let overwritten = consumer.overwritten();
    drop(consumer);
    let expected = |seqs: std::ops::RangeInclusive<u64>| {
        let kept = seqs.filter(|seq| seq % BURST != 8);
        kept.map(|seq| (seq, seq * seq)).collect::<Vec<_>>()
    };
    assert_eq!(overwritten % RECORD, 0);
    let lost = overwritten / RECORD;
    // The records that fit are still there.
    assert_eq!(lost, 10 * BURST - 4096 / RECORD);
    let all = [expected(1..=BURST), expected(BURST + lost + 1..=11 * BURST)];
    assert_eq!(seen, all.concat());
    feature.works();
}

/// Each sample is whole, and each one that is not seen was overwritten.
#[test]
fn reads_whole_samples_while_records_are_overwritten() {
    let Some(feature) = Feature::since("map: ringbuf read while it overwrites", (6, 19)) else {
        return;
    };
    let skel = open_recent().load().unwrap();
    let (mut last, mut wrong) = (0, 0);
    let mut consumer = skel
        .maps
        .recent
        .consumer(|report| {
            wrong += u64::from(report.seq <= last || report.square != report.seq * report.seq);
            last = report.seq;
        })
        .unwrap();
    let mut received = 0;
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Acquire) {
                received += consumer.poll(Duration::from_millis(1)).unwrap() as u64;
            }
            received += consumer.consume().unwrap() as u64;
        });
        for _ in 0..2000 {
            skel.progs.report_recent.test_run(&NOTHING).unwrap();
        }
        is_done.store(true, Ordering::Release);
    });
    let lost = consumer.overwritten() / RECORD;
    drop(consumer);
    let sent = skel.bss.seq.get();
    assert_eq!((wrong, last, sent), (0, 2000 * BURST, 2000 * BURST));
    // Discarded records are neither received nor, unless they were overwritten, lost.
    let discarded = 2000;
    assert!(received > 0 && lost > 0, "{received} received, {lost} lost");
    assert!(
        (sent - discarded..=sent).contains(&(received + lost)),
        "{received} received, {lost} lost of {sent}"
    );
    feature.works();
}
