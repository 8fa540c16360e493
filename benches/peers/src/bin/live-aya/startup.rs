//! aya's side of the group `startup`.

use std::time::Instant;

use aya::maps::RingBuf;
use aya::programs::BtfTracePoint;
use aya::{Btf, EbpfLoader};

use crate::side::{self, Figures, Work, ms, object, text};

pub(crate) const WORKS: &[Work] = &[
    ("first-event", first_event),
    ("fifty-programs", fifty_programs),
];

fn first_event() -> Result<Figures, String> {
    let started = Instant::now();
    let pid = std::process::id();
    let btf = Btf::from_sys_fs().map_err(text)?;
    let mut ebpf = EbpfLoader::new()
        .btf(Some(&btf))
        .override_global("only_pid", &pid, true)
        .load(object!("live_startup"))
        .map_err(text)?;
    let program = ebpf
        .program_mut("on_rename")
        .ok_or("no program `on_rename`")?;
    let program: &mut BtfTracePoint = program.try_into().map_err(text)?;
    program.load("task_rename", &btf).map_err(text)?;
    program.attach().map_err(text)?;
    let map = ebpf.take_map("events").ok_or("no map `events`")?;
    let mut events = RingBuf::try_from(map).map_err(text)?;
    side::rename()?;
    // The event is in the buffer when prctl(2) returns.
    let size = events.next().map_or(0, |event| event.len());
    let elapsed = ms(started);
    side::expect_event(size)?;
    Ok(vec![("first_event", elapsed)])
}

/// aya creates the maps when it opens an object, and loads each program when it is told its
/// tracepoint.
fn fifty_programs() -> Result<Figures, String> {
    let started = Instant::now();
    let btf = Btf::from_sys_fs().map_err(text)?;
    let mut ebpf = EbpfLoader::new()
        .btf(Some(&btf))
        .load(object!("live_fifty"))
        .map_err(text)?;
    let opened = ms(started);
    for (name, program) in ebpf.programs_mut() {
        let (_, tracepoint) = name.split_once('_').ok_or("a program without tracepoint")?;
        let program: &mut BtfTracePoint = program.try_into().map_err(text)?;
        program.load(tracepoint, &btf).map_err(text)?;
    }
    let loaded = ms(started);
    let mut links = 0;
    for (_, program) in ebpf.programs_mut() {
        let program: &mut BtfTracePoint = program.try_into().map_err(text)?;
        program.attach().map_err(text)?;
        links += 1;
    }
    let attached = ms(started);
    side::stages(links, [opened, loaded, attached])
}
