//! Measures what reading an input costs: time of the thread on a CPU, and the most memory that it
//! has at once. Neither depends on what else the machine does, nor on other tests.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

/// Most time for a megabyte of input, in a release build.
const TIME: Duration = Duration::from_millis(100);
/// Time that any input may take, however small: what `Effort` allows in any case.
const ANY_TIME: Duration = Duration::from_millis(60);
/// Most memory for a byte of input, and what any input may take.
const MEMORY: usize = 64;
const ANY_MEMORY: usize = 32 << 20;

/// How much longer code takes that is not optimized: 10 to 20 times, with a margin.
const UNOPTIMIZED: u32 = if cfg!(debug_assertions) { 30 } else { 1 };

/// How much faster than the input the costs may grow: allocators and caches work in steps.
const MARGIN: f64 = 2.0;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Counts the memory that each thread has.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn add(bytes: isize) {
    // A thread that ends may free memory without having counters.
    let _ = NOW.try_with(|now| {
        now.set(now.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now.get())));
    });
}

// SAFETY: all memory is the system allocator's, which gets the layouts unchanged. Counting uses
// cells without destructors or lazy initialization, so that it does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as isize);
        // SAFETY: the caller's guarantees are those that are needed.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as isize);
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        add(-(layout.size() as isize));
        // SAFETY: as for `alloc`; the memory is the system allocator's.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may exist for a moment.
        add(size as isize);
        // SAFETY: as for `dealloc`.
        let new = unsafe { System.realloc(memory, layout, size) };
        add(-(layout.size() as isize));
        new
    }
}

/// Costs of reading one input.
struct Cost {
    input: usize,
    time: Duration,
    memory: usize,
    outcome: String,
}

fn time_of_thread() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is writable and lives through the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "clock_gettime");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn cost(input: &[u8], copies: usize, read: &dyn Fn(&[u8]) -> String) -> Cost {
    let mut best: Option<Cost> = None;
    // The best of several, unless it takes long: another process may have had the caches.
    for _ in 0..3 {
        let before = NOW.get();
        PEAK.set(before);
        let start = time_of_thread();
        let outcome = read(input);
        let time = time_of_thread() - start;
        let memory = (PEAK.get() - before).max(0) as usize;
        if best.as_ref().is_none_or(|best| time < best.time) {
            best = Some(Cost {
                input: copies * input.len(),
                time,
                memory,
                outcome,
            });
        }
        if time > UNOPTIMIZED * ANY_TIME / 4 {
            break;
        }
    }
    best.unwrap_or_else(|| unreachable!("it was read"))
}

/// Checks that reading costs no more time and memory than the size of the input allows, and that
/// both grow no faster than it. `make` makes an input of about so many bytes with all of its
/// copies that `read` reads.
pub(crate) fn check(
    name: &str,
    copies: usize,
    make: impl Fn(usize) -> Vec<u8>,
    read: impl Fn(&[u8]) -> String,
) -> String {
    let [small, large] = [256 << 10, 1 << 20].map(|size| cost(&make(size), copies, &read));
    let mut excess = Vec::new();
    for cost in [&small, &large] {
        let megabytes = cost.input as f64 / f64::from(1 << 20);
        let outcome: String = cost.outcome.chars().take(100).collect();
        println!(
            "{name}: {megabytes:.2} MB: {:.1} ms, {:.1} MiB: {outcome}",
            1000.0 * cost.time.as_secs_f64(),
            cost.memory as f64 / f64::from(1 << 20),
        );
        if cost.time > UNOPTIMIZED * (ANY_TIME + TIME.mul_f64(megabytes)) {
            excess.push(format!("{megabytes:.2} MB take {:?}", cost.time));
        }
        if cost.memory > ANY_MEMORY + MEMORY * cost.input {
            excess.push(format!("{megabytes:.2} MB take {} bytes", cost.memory));
        }
    }
    let most = MARGIN * large.input as f64 / small.input as f64;
    // Below these, growth is the budget's base being used up.
    let time = small.time.max(UNOPTIMIZED * ANY_TIME / 4);
    if large.time.as_secs_f64() > most * time.as_secs_f64() {
        excess.push(format!(
            "time grows from {:?} to {:?}",
            small.time, large.time
        ));
    }
    let memory = small.memory.max(ANY_MEMORY / 4);
    if large.memory as f64 > most * memory as f64 {
        let (small, large) = (small.memory, large.memory);
        excess.push(format!("memory grows from {small} to {large} bytes"));
    }
    assert!(excess.is_empty(), "{name}: {}", excess.join("; "));
    large.outcome
}
