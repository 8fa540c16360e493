use std::time::{Duration, Instant};

use btf_core::include_skel;

include_skel!("hello"); // a module `hello`, from src/bpf/hello.bpf.c

fn main() -> Result<(), btf_core::Error> {
    let mut open = hello::Hello::open()?; // reads the object; asks nothing of the kernel
    open.rodata.only_pid = 0; // constants, typed; after loading this would not compile
    let skel = open.load()?; // CO-RE relocation, maps, verifier
    let _links = skel.attach()?; // detached when dropped

    let mut events = skel.maps.events.consumer(|e: &hello::Event| {
        println!("{} (child of {}) runs {}", e.pid, e.ppid, e.comm);
    })?;
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        events.poll(Duration::from_millis(200))?;
    }
    println!("{} events dropped", skel.bss.dropped);
    Ok(())
}
