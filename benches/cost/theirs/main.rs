//! The bench's project with libbpf-cargo and libbpf-rs; `ours/main.rs` does the same.

use std::error::Error;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use libbpf_rs::skel::{OpenSkel, Skel, SkelBuilder};
use libbpf_rs::{MapCore, RingBufferBuilder};

mod cost {
    include!(concat!(env!("OUT_DIR"), "/cost.skel.rs"));
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(pid) = std::env::args().nth(1) else {
        println!("usage: cost PID");
        return Ok(());
    };
    let mut object = MaybeUninit::uninit();
    let mut open = cost::CostSkelBuilder::default().open(&mut object)?;
    let rodata = open.maps.rodata_data.as_deref_mut().expect("it has constants");
    rodata.only_pid = pid.parse()?;
    let mut skel = open.load()?;
    skel.attach()?;

    let mut builder = RingBufferBuilder::new();
    builder.add(&skel.maps.events, |bytes| {
        let number = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let comm = String::from_utf8_lossy(&bytes[8..24]);
        println!("{} (child of {}) runs {}", number(0), number(4), comm.trim_end_matches('\0'));
        0
    })?;
    let events = builder.build()?;
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        events.poll(Duration::from_millis(200))?;
    }
    for key in skel.maps.counts.keys() {
        if let Some(value) = skel.maps.counts.lookup(&key, libbpf_rs::MapFlags::ANY)? {
            println!("{key:?}: {value:?}");
        }
    }
    let bss = skel.maps.bss_data.as_deref().expect("it has variables");
    println!("{} events dropped", bss.dropped);
    Ok(())
}
