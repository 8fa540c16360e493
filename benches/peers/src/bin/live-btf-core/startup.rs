//! btf-core's side of the group `startup`.

use std::time::{Duration, Instant};

use btf_core::load::OpenObject;
use btf_skel_macros::include_skel;

use crate::side::{self, Figures, Work, ms, object, text};

include_skel!("live_startup");

pub(crate) const WORKS: &[Work] = &[
    ("first-event", first_event),
    ("fifty-programs", fifty_programs),
    ("kprobe-multi", kprobe_multi),
];

fn first_event() -> Result<Figures, String> {
    let started = Instant::now();
    let mut open = live_startup::LiveStartup::open().map_err(text)?;
    open.rodata.only_pid = std::process::id();
    let mut skel = open.load().map_err(text)?;
    let _links = skel.attach().map_err(text)?;
    let mut size = 0;
    let mut events = skel
        .maps
        .events
        .consumer(|event: &[u8]| size = event.len())
        .map_err(text)?;
    side::rename()?;
    events.poll(Duration::from_secs(1)).map_err(text)?;
    drop(events);
    let elapsed = ms(started);
    side::expect_event(size)?;
    Ok(vec![("first_event", elapsed)])
}

fn fifty_programs() -> Result<Figures, String> {
    let started = Instant::now();
    let open = OpenObject::open("live_fifty", object!("live_fifty")).map_err(text)?;
    let opened = ms(started);
    let mut loaded = open.load().map_err(text)?;
    let loaded_at = ms(started);
    let names: Vec<String> = loaded.program_names().map(str::to_owned).collect();
    let mut links = Vec::with_capacity(names.len());
    for name in &names {
        let program = loaded.program(name).map_err(text)?;
        links.push(program.attach().map_err(text)?);
    }
    let attached = ms(started);
    side::stages(links.len(), [opened, loaded_at, attached])
}

fn kprobe_multi() -> Result<Figures, String> {
    let bytes = object!("live_kprobe_multi");
    let open = OpenObject::open("live_kprobe_multi", bytes).map_err(text)?;
    let mut loaded = open.load().map_err(text)?;
    let program = loaded.program("on_tcp").map_err(text)?;
    let started = Instant::now();
    let _link = program.attach().map_err(text)?;
    Ok(vec![("attach", ms(started))])
}
