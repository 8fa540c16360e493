//! libbpf-rs's side of the group `startup`.

use std::time::{Duration, Instant};

use libbpf_rs::{MapCore, ObjectBuilder, RingBufferBuilder};

use crate::side::{self, Figures, Work, ms, object, text};

pub(crate) const WORKS: &[Work] = &[
    ("first-event", first_event),
    ("fifty-programs", fifty_programs),
    ("kprobe-multi", kprobe_multi),
];

fn first_event() -> Result<Figures, String> {
    let started = Instant::now();
    let mut open = ObjectBuilder::default()
        .open_memory(object!("live_startup"))
        .map_err(text)?;
    let mut constants = open
        .maps_mut()
        .find(|map| map.name().to_string_lossy().ends_with(".rodata"))
        .ok_or("no .rodata")?;
    let bytes = constants.initial_value_mut().ok_or("no initial value")?;
    bytes[..4].copy_from_slice(&std::process::id().to_ne_bytes());
    let object = open.load().map_err(text)?;
    let links: Result<Vec<_>, _> = object.progs_mut().map(|program| program.attach()).collect();
    let _links = links.map_err(text)?;
    let map = object
        .maps()
        .find(|map| map.name() == "events")
        .ok_or("no map `events`")?;
    let mut size = 0;
    let mut builder = RingBufferBuilder::new();
    let on_event = |event: &[u8]| {
        size = event.len();
        0
    };
    builder.add(&map, on_event).map_err(text)?;
    let events = builder.build().map_err(text)?;
    side::rename()?;
    events.poll(Duration::from_secs(1)).map_err(text)?;
    drop(events);
    let elapsed = ms(started);
    side::expect_event(size)?;
    Ok(vec![("first_event", elapsed)])
}

fn fifty_programs() -> Result<Figures, String> {
    let started = Instant::now();
    let open = ObjectBuilder::default()
        .open_memory(object!("live_fifty"))
        .map_err(text)?;
    let opened = ms(started);
    let object = open.load().map_err(text)?;
    let loaded = ms(started);
    let links: Result<Vec<_>, _> = object.progs_mut().map(|program| program.attach()).collect();
    let links = links.map_err(text)?;
    let attached = ms(started);
    side::stages(links.len(), [opened, loaded, attached])
}

fn kprobe_multi() -> Result<Figures, String> {
    let open = ObjectBuilder::default()
        .open_memory(object!("live_kprobe_multi"))
        .map_err(text)?;
    let object = open.load().map_err(text)?;
    let program = object.progs_mut().next().ok_or("no program")?;
    let started = Instant::now();
    let _link = program.attach().map_err(text)?;
    Ok(vec![("attach", ms(started))])
}
