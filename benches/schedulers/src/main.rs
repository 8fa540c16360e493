//! Loads each scheduler by its skeleton, and has those run a while that need no settings. Wants to be root on a kernel of its own.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use btf_skel_macros::include_skel;

include_skel!("scx_bpfland");
include_skel!("scx_cosmos");
include_skel!("scx_flash");
include_skel!("scx_lavd");
include_skel!("scx_p2dq");
include_skel!("scx_rusty");
include_skel!("scx_tickless");

type Case = Result<(), Box<dyn Error>>;

/// How long the kernel may take to go over to a scheduler or back.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a scheduler has tasks to schedule.
const RUN: Duration = Duration::from_millis(800);

/// Opens and loads; every program must be in the kernel.
macro_rules! loaded {
    ($module:ident::$skeleton:ident) => {{
        let skeleton = $module::$skeleton::open()?.load()?;
        if let [first, ..] = skeleton.warnings() {
            return Err(format!("a warning: {first}").into());
        }
        skeleton
    }};
}

/// Loads, without running it: its own application sets much before.
macro_rules! loads {
    ($module:ident::$skeleton:ident) => {
        (concat!("loads ", stringify!($module)), || -> Case {
            let _ = loaded!($module::$skeleton);
            Ok(())
        })
    };
}

/// Loads, and schedules every task of the machine until its links are dropped. `$ops` is its name in the kernel.
macro_rules! runs {
    ($module:ident::$skeleton:ident, $ops:literal) => {
        (concat!("runs ", stringify!($module)), || -> Case {
            let mut skeleton = loaded!($module::$skeleton);
            let links = skeleton.attach()?;
            wait_for(&format!("enabled {}", $ops))?;
            keep_busy();
            wait_for(&format!("enabled {}", $ops))?;
            drop(links);
            wait_for("disabled")
        })
    };
}

const CASES: &[(&str, fn() -> Case)] = &[
    runs!(scx_bpfland::ScxBpfland, "bpfland"),
    runs!(scx_cosmos::ScxCosmos, "cosmos"),
    runs!(scx_flash::ScxFlash, "flash"),
    loads!(scx_lavd::ScxLavd),
    loads!(scx_p2dq::ScxP2dq),
    loads!(scx_rusty::ScxRusty),
    loads!(scx_tickless::ScxTickless),
];

fn main() -> ExitCode {
    let mut failed = 0;
    for (name, case) in CASES {
        match case() {
            Ok(()) => println!("test {name} ... ok"),
            Err(e) => {
                failed += 1;
                println!("test {name} ... FAILED: {e:#}");
            }
        }
    }
    let passed = CASES.len() - failed;
    println!("test result: {passed} passed; {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}

/// Waits until the kernel's schedulers are in this state: `enabled NAME`, or `disabled`.
fn wait_for(wanted: &str) -> Case {
    let told = Path::new("/sys/kernel/sched_ext");
    let started = Instant::now();
    loop {
        let state = fs::read_to_string(told.join("state"))?;
        // Only while one is enabled.
        let ops = fs::read_to_string(told.join("root").join("ops")).unwrap_or_default();
        let state = format!("{} {}", state.trim(), ops.trim());
        if state.trim() == wanted {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            return Err(format!("sched_ext is `{}`, not `{wanted}`", state.trim()).into());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// More tasks than CPUs, some of which give way.
fn keep_busy() {
    let work = |gives_way: bool| {
        let started = Instant::now();
        while started.elapsed() < RUN {
            if gives_way {
                thread::yield_now();
            }
        }
    };
    thread::scope(|scope| {
        for n in 0..4 {
            scope.spawn(move || work(n % 2 == 0));
        }
    });
}
