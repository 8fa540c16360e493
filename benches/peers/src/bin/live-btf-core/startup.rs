//! btf-core's side of the group `startup`.

use std::time::{Duration, Instant};

use btf_skel_macros::include_skel;

use crate::side::{self, Figures, Work, ms, text};

include_skel!("live_startup");

pub(crate) const WORKS: &[Work] = &[("first-event", first_event)];

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
