//! The bench's project with btf-core and btf-build; `theirs/main.rs` does the same.

use std::error::Error;
use std::time::{Duration, Instant};

btf_core::include_skel!("cost");

fn main() -> Result<(), Box<dyn Error>> {
    let Some(pid) = std::env::args().nth(1) else {
        println!("usage: cost PID");
        return Ok(());
    };
    let mut open = cost::Cost::open()?;
    open.rodata.only_pid = pid.parse()?;
    let mut skel = open.load()?;
    let _links = skel.attach()?;

    let mut events = skel.maps.events.consumer(|bytes: &[u8]| {
        if let Some(e) = btf_core::pod::read::<cost::Event>(bytes) {
            println!("{} (child of {}) runs {}", e.pid, e.ppid, e.comm);
        }
    })?;
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        events.poll(Duration::from_millis(200))?;
    }
    for (key, value) in skel.maps.counts.iter() {
        println!("{key:?}: {value:?}");
    }
    println!("{} events dropped", skel.bss.dropped);
    Ok(())
}
