//! Shows which process opens which file, with what result and latency.
//!
//! The BPF side is `src/bpf/opensnoop.bpf.c`; its types, maps and globals appear here as the module
//! [`opensnoop`].

mod options;
mod output;

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use btf_core::include_skel;
use clap::Parser;

use options::Options;

include_skel!("opensnoop");

fn main() -> anyhow::Result<()> {
    match run(&Options::parse()) {
        // The reader of the output has ended (`opensnoop | head`).
        Err(e) if is_broken_pipe(&e) => Ok(()),
        result => result,
    }
}

fn is_broken_pipe(e: &anyhow::Error) -> bool {
    let e = e.downcast_ref::<io::Error>();
    e.is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

fn run(options: &Options) -> anyhow::Result<()> {
    let mut open = opensnoop::Opensnoop::open()?;
    open.rodata.filter_pid = options.pid.unwrap_or(0);
    open.rodata.only_failed = options.failed.into();
    if let Some(name) = &options.name {
        open.rodata.filter_comm = name.as_str().into();
    }
    let skel = open.load()?;
    let _links = skel.attach()?;

    let stdout = io::stdout();
    let format = options.format(stdout.is_terminal());
    let mut out = stdout.lock();
    output::head(&mut out, format)?;
    out.flush()?;

    let deadline = options.duration.map(|d| Instant::now() + d);
    let left = Cell::new(options.count.unwrap_or(u64::MAX));
    let written = Cell::new(Ok(()));
    let mut events = skel.maps.events.consumer(|event: &opensnoop::Event| {
        if left.get() > 0 {
            left.set(left.get() - 1);
            if let Err(e) = output::event(&mut out, format, event) {
                left.set(0);
                written.set(Err(e));
            }
        }
    })?;
    while left.get() > 0 && deadline.is_none_or(|end| Instant::now() < end) {
        events.poll(Duration::from_millis(100))?;
    }
    drop(events);
    written.into_inner()?;
    if options.summary {
        summary(&mut out, &skel)?;
    }
    out.flush()?;
    let dropped = skel.bss.dropped.get();
    if dropped > 0 {
        eprintln!("opensnoop: {dropped} events were dropped because the ring buffer was full");
    }
    Ok(())
}

/// Writes how many files each process opened, largest number first.
fn summary(out: &mut impl Write, skel: &opensnoop::Opensnoop) -> io::Result<()> {
    let mut counts: Vec<_> = skel.maps.counts.iter().collect();
    counts.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.opened + tally.failed));
    writeln!(
        out,
        "\n{:>7} {:<16} {:>8} {:>8}",
        "PID", "COMM", "OPENED", "FAILED"
    )?;
    for (pid, tally) in counts {
        writeln!(
            out,
            "{pid:>7} {:<16} {:>8} {:>8}",
            tally.comm.to_str_lossy(),
            tally.opened,
            tally.failed
        )?;
    }
    Ok(())
}
