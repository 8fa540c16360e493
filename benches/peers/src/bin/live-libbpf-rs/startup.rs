//! libbpf-rs's side of the group `startup`.

use std::time::{Duration, Instant};

use libbpf_rs::{MapCore, ObjectBuilder, RingBufferBuilder};

use crate::side::{self, Figures, Work, ms, object, text};

pub(crate) const WORKS: &[Work] = &[("first-event", first_event)];

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
