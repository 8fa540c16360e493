//! The example's object, end to end: it loads, attaches, fires, and delivers the events of files that are opened here.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use btf_skel_macros::include_skel;

use crate::support::needs;

include_skel!("opensnoop");

use opensnoop::{Event, Opensnoop};

/// A file of this process alone.
fn own_file(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    std::fs::write(&path, "hello").unwrap();
    path
}

/// Opens the files while the programs are attached, and returns all events until that of the last file.
fn events_of(skel: &mut Opensnoop, files: &[&Path]) -> Vec<Event> {
    let seen = RefCell::new(Vec::new());
    let links = skel.attach().unwrap();
    let mut consumer = skel
        .maps
        .events
        .consumer(|event: &Event| seen.borrow_mut().push(*event))
        .unwrap();
    for file in files {
        let _ = std::fs::File::open(file);
    }
    let last = files.last().unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end && !seen.borrow().iter().any(|event| is_about(event, last)) {
        consumer.poll(Duration::from_millis(100)).unwrap();
    }
    drop(links);
    drop(consumer);
    seen.into_inner()
}

fn is_about(event: &Event, file: &Path) -> bool {
    event.path.as_bytes() == file.as_os_str().as_encoded_bytes()
}

#[test]
fn an_opened_file_is_reported() {
    needs(5, 10);
    let path = own_file("opened");
    let mut open = Opensnoop::open().unwrap();
    open.rodata.filter_pid = std::process::id();
    let mut skel = open.load().unwrap();
    assert_eq!(skel.rodata.filter_pid, std::process::id());

    let events = events_of(&mut skel, &[&path]);
    let about: Vec<_> = events.iter().filter(|e| is_about(e, &path)).collect();
    let [event] = about.as_slice() else {
        panic!("not one event of {}: {events:?}", path.display())
    };
    assert_eq!(event.pid, std::process::id());
    assert_eq!(event.ppid, std::os::unix::process::parent_id());
    assert_eq!(event.uid, 0);
    assert!(event.result >= 0, "{event:?}");
    assert!(event.latency_ns > 0, "{event:?}");
    // O_RDONLY | O_CLOEXEC, as the standard library opens files.
    assert_eq!(event.flags & 0o2_000_003, 0o2_000_000, "{event:?}");

    let tally = skel.maps.counts.get(&std::process::id()).unwrap().unwrap();
    assert!(tally.opened >= 1);
    assert_eq!(tally.comm, event.comm);
    assert_eq!(skel.bss.dropped.get(), 0);
}

#[test]
fn only_failures_are_reported_when_asked_for() {
    needs(5, 10);
    let there = own_file("there");
    let missing = Path::new("/nowhere/to-be-found");
    let mut open = Opensnoop::open().unwrap();
    open.rodata.filter_pid = std::process::id();
    open.rodata.only_failed = true.into();
    let mut skel = open.load().unwrap();

    let events = events_of(&mut skel, &[&there, missing]);
    let [event] = events.as_slice() else {
        panic!("not one event: {events:?}")
    };
    assert!(is_about(event, missing), "{event:?}");
    assert_eq!(event.result, -2, "{event:?}");
    let tally = skel.maps.counts.get(&std::process::id()).unwrap().unwrap();
    assert_eq!((tally.opened, tally.failed), (0, 1));
}

#[test]
fn another_name_is_not_reported() {
    needs(5, 10);
    let path = own_file("unwanted");
    let mut open = Opensnoop::open().unwrap();
    open.rodata.filter_pid = std::process::id();
    open.rodata.filter_comm = "somebody-else".into();
    let skel = open.load().unwrap();
    let links = skel.attach().unwrap();
    let mut seen = 0;
    let mut consumer = skel.maps.events.consumer(|_: &Event| seen += 1).unwrap();
    std::fs::File::open(&path).unwrap();
    consumer.poll(Duration::from_millis(300)).unwrap();
    drop(consumer);
    drop(links);
    assert_eq!(seen, 0);
    assert_eq!(skel.maps.counts.iter().count(), 0);
}
