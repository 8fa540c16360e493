//! Events as async streams under tokio: none is lost by waiting, by not waiting any longer, or under load, and waiting is idle.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use btf_core::map::{PerfSample, PerfSamples, Samples};
use btf_core::prog::MAX_WORDS;
use btf_skel_macros::include_skel;
use futures_core::Stream;
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};

use crate::feature::Feature;

include_skel!("map_events");

use map_events::{Event, MapEvents};

const NOTHING: [u64; MAX_WORDS] = [0; MAX_WORDS];
const BURST: u64 = 64;
const BURSTS: u64 = 2000;
/// Far more than a wake-up takes, under emulation, too.
const LONG: Duration = Duration::from_secs(10);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The next item; `looks` counts how often the stream was polled for it.
async fn counted<S: Stream + Unpin>(stream: &mut S, looks: &AtomicU64) -> Option<S::Item> {
    poll_fn(|context| {
        looks.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut *stream).poll_next(context)
    })
    .await
}

/// Nothing is there, and nobody looks for it again and again.
async fn is_idle<S: Stream + Unpin>(stream: &mut S) {
    let looks = AtomicU64::new(0);
    let waited = timeout(Duration::from_millis(500), counted(stream, &looks)).await;
    assert!(waited.is_err(), "something came");
    let looks = looks.into_inner();
    // The first, what the reactor still knew of samples before, and the end of the time.
    assert!(looks <= 3, "{looks} looks at an idle stream");
}

/// Has another thread send so many events at a time, once those before were received, so that they have to wake the task.
fn in_turn<S: Stream + Unpin>(
    runtime: &Runtime,
    stream: &mut S,
    many: u64,
    send: impl Fn() + Send,
) {
    const TURNS: u64 = 300;
    let (next, received) = mpsc::channel();
    let looks = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for () in received {
                send();
            }
        });
        runtime.block_on(async {
            for n in 0..TURNS * many {
                if n % many == 0 {
                    next.send(()).unwrap();
                }
                let item = timeout(LONG, counted(stream, &looks)).await;
                assert!(
                    item.is_ok_and(|item| item.is_some()),
                    "event {n} woke nobody"
                );
            }
        });
        drop(next);
    });
    // Each event may wake the task, which finds it, and no other, and then clears what the reactor knew.
    let (looks, most) = (looks.into_inner(), TURNS * many * 4);
    assert!(looks <= most, "{looks} looks, of at most {most}");
}

/// Has another thread send bursts as fast as it can, and `receive` run meanwhile, beside a task that wants its turn, too.
fn outrun<T>(
    runtime: &Runtime,
    burst: impl Fn() + Sync,
    receive: impl AsyncFnOnce(&AtomicBool) -> T,
) -> T {
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (0..BURSTS).for_each(|_| burst());
            is_done.store(true, Ordering::Release);
        });
        runtime.block_on(async {
            let other = tokio::spawn(async {
                for turns in 1u64.. {
                    sleep(Duration::from_millis(1)).await;
                    OTHER_TURNS.store(turns, Ordering::Relaxed);
                }
            });
            let received = receive(&is_done).await;
            other.abort();
            received
        })
    })
}

static OTHER_TURNS: AtomicU64 = AtomicU64::new(0);

#[test]
fn ring_buffers_stream() {
    let feature = Feature::since("stream: ringbuf", (5, 8)).unwrap();
    let skel = MapEvents::open().unwrap().load().unwrap();
    let events = &skel.maps.events;
    let e = events.stream().unwrap_err().to_string();
    assert!(
        e.starts_with("map `events`: no tokio runtime is entered: "),
        "{e}"
    );

    let runtime = runtime();
    let _entered = runtime.enter();
    let mut stream: Samples<Event> = events.stream().unwrap();
    let e = events.consumer(|_| ()).unwrap_err();
    assert!(e.to_string().contains("already has a consumer"), "{e}");
    runtime.block_on(is_idle(&mut stream));
    in_turn(&runtime, &mut stream, 1, || {
        skel.progs.one_of_each.test_run(&NOTHING).unwrap();
    });
    runtime.block_on(is_idle(&mut stream));

    skel.bss.seq.set(0);
    let burst = || {
        skel.progs.burst.test_run(&NOTHING).unwrap();
    };
    let (mut received, mut last) = (0u64, 0u64);
    outrun(&runtime, burst, async |is_done| {
        let expected = || skel.bss.seq.get() - skel.bss.dropped.get();
        while !is_done.load(Ordering::Acquire) || received < expected() {
            // Often it is dropped before it has something, and then takes nothing along.
            let patience = if is_done.load(Ordering::Acquire) {
                LONG
            } else {
                Duration::from_micros(50)
            };
            match timeout(patience, stream.next()).await {
                Ok(event) => {
                    let event = event.unwrap().unwrap();
                    assert!(event.seq > last && event.square == event.seq * event.seq);
                    last = event.seq;
                    received += 1;
                }
                Err(_) => assert_ne!(patience, LONG, "samples are there, and nobody was woken"),
            }
        }
    });
    let (sent, dropped) = (skel.bss.seq.get(), skel.bss.dropped.get());
    assert_eq!((sent, received + dropped), (BURSTS * BURST, sent));
    assert!(
        received > 0 && dropped > 0,
        "{received} received, {dropped} dropped"
    );
    assert_ne!(OTHER_TURNS.swap(0, Ordering::Relaxed), 0);
    runtime.block_on(is_idle(&mut stream));
    drop(stream);
    assert!(events.consumer(|_| ()).is_ok());
    feature.works();
}

#[test]
fn perf_buffers_stream() {
    let feature = Feature::since("stream: perf_event_array", (4, 4)).unwrap();
    let skel = MapEvents::open().unwrap().load().unwrap();
    let runtime = runtime();
    let _entered = runtime.enter();
    let mut stream: PerfSamples<Event> = skel.maps.perf.stream(1).unwrap();
    runtime.block_on(is_idle(&mut stream));
    // The number of those lost comes with the next sample of the same CPU.
    let mut cpu = CpuSet::new();
    cpu.set(0);
    let burst = || {
        sched_setaffinity(None, &cpu).unwrap();
        skel.progs.perf_burst.test_run(&NOTHING).unwrap();
    };

    in_turn(&runtime, &mut stream, BURST, burst);
    assert_eq!(skel.bss.dropped.get(), 0);

    skel.bss.seq.set(0);
    let (mut seen, mut lost) = (0, 0);
    let mut count = |item: Option<btf_core::Result<PerfSample<Event>>>| match item.unwrap().unwrap()
    {
        PerfSample::Sample { sample, .. } => {
            assert_eq!(sample.square, sample.seq * sample.seq);
            seen += 1;
        }
        PerfSample::Lost { count, .. } => lost += count,
    };
    outrun(&runtime, burst, async |is_done| {
        while !is_done.load(Ordering::Acquire) {
            if let Ok(item) = timeout(Duration::from_micros(50), stream.next()).await {
                count(item);
            }
        }
        // What is left; then the number of those lost.
        while let Ok(item) = timeout(Duration::from_millis(200), stream.next()).await {
            count(item);
        }
        std::thread::scope(|scope| drop(scope.spawn(burst)));
        while let Ok(item) = timeout(Duration::from_millis(200), stream.next()).await {
            count(item);
        }
    });
    let (sent, dropped) = (skel.bss.seq.get(), skel.bss.dropped.get());
    assert_eq!(
        (sent, seen + lost, lost),
        ((BURSTS + 1) * BURST, sent, dropped)
    );
    assert!(seen > 0 && lost > 0, "{seen} seen, {lost} lost");
    assert_ne!(OTHER_TURNS.swap(0, Ordering::Relaxed), 0);
    runtime.block_on(is_idle(&mut stream));
    feature.works();
}

/// Streams go where tasks go, and samples of no type come as bytes.
#[allow(dead_code)]
fn streams_are_sent(
    bytes: Samples<[u8]>,
) -> impl Stream<Item = btf_core::Result<Vec<u8>>> + Send + Unpin {
    bytes
}
