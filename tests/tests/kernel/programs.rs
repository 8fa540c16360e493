//! Programs on other programs, on perf events, and on targets with several names.

use std::fs;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use btf_core::ErrorKind;
use btf_core::attach::PerfEventOptions;
use btf_core::link::{Link, LinkType};
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::support::running;

include_skel!("programs");

use programs::{OpenPrograms, Programs};

fn try_load(choose: impl FnOnce(&mut OpenPrograms)) -> btf_core::Result<Programs> {
    let mut open = Programs::open().unwrap();
    open.rodata.target_pid = std::process::id();
    choose(&mut open);
    open.load()
}

fn load(choose: impl FnOnce(&mut OpenPrograms)) -> Programs {
    try_load(choose).unwrap()
}

fn unlink() {
    let file = std::env::temp_dir().join("btf-programs-case");
    fs::write(&file, "x").unwrap();
    fs::remove_file(&file).unwrap();
}

/// `PERF_COUNT_SW_CONTEXT_SWITCHES`.
const SWITCHES: u64 = 3;

/// Gives the CPU away ten times.
fn nap() {
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The number of the thread that asks.
fn own_thread() -> u32 {
    let link = fs::read_link("/proc/thread-self").unwrap();
    link.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

#[test]
fn a_function_of_a_program_is_replaced() {
    let feature = Feature::since("SEC: freplace", (5, 10)).unwrap();
    let target = load(|open| open.progs.on_kprobe.set_autoload(true));
    let link = target.progs.on_kprobe.attach().unwrap();
    unlink();
    assert_eq!(target.bss.hits.get(), 1);

    let skel = load(|open| {
        let replacement = &mut open.progs.replacement;
        replacement.set_autoload(true);
        let fd = target.progs.on_kprobe.program().fd().unwrap();
        replacement.set_attach_program(fd, "replaceable").unwrap();
    });
    let replacing = skel.progs.replacement.attach().unwrap();
    unlink();
    assert_eq!(target.bss.hits.get(), 101);
    assert_eq!(skel.bss.replaced.get(), 1);
    drop(replacing);
    unlink();
    assert_eq!(target.bss.hits.get(), 102, "it is itself again");
    drop(link);

    // The same replacement, in another program.
    let other = load(|open| open.progs.on_other.set_autoload(true));
    let e = skel
        .progs
        .replacement
        .attach_to(other.progs.on_other.program(), "replacable")
        .unwrap_err();
    assert_eq!(
        e.to_string(),
        "program `replacement`: the other program has no function `replacable` (did you mean `replaceable`?)"
    );
    let replacing = skel
        .progs
        .replacement
        .attach_to(other.progs.on_other.program(), "replaceable")
        .unwrap();
    let link = other.progs.on_other.attach().unwrap();
    unlink();
    assert!(other.bss.hits.get() >= 100, "{}", other.bss.hits.get());
    drop((replacing, link));
    feature.works();

    let e = try_load(|open| open.progs.replacement.set_autoload(true)).unwrap_err();
    assert!(
        e.to_string().contains("does not say what it attaches to"),
        "{e}"
    );
    let e = try_load(|open| {
        open.progs.replacement.set_autoload(true);
        open.progs.replacement.set_attach_target("replaceable");
    })
    .unwrap_err();
    assert!(
        e.to_string()
            .contains("which must be named when it is loaded"),
        "{e}"
    );
}

#[test]
fn a_program_is_traced() {
    let feature = Feature::since("fentry of a BPF program", (5, 10)).unwrap();
    let target = load(|open| open.progs.on_kprobe.set_autoload(true));
    let _link = target.progs.on_kprobe.attach().unwrap();
    let skel = load(|open| {
        let tracer = &mut open.progs.on_program;
        tracer.set_autoload(true);
        let fd = target.progs.on_kprobe.program().fd().unwrap();
        tracer.set_attach_program(fd, "on_kprobe").unwrap();
    });
    let link = skel.progs.on_program.attach().unwrap();
    unlink();
    drop(link);
    assert!(skel.bss.traced.get() >= 1);
    feature.works();
}

#[test]
fn perf_events() {
    let feature = Feature::since("SEC: perf_event", (5, 10)).unwrap();
    let skel = load(|open| open.progs.on_perf_event.set_autoload(true));
    let program = &skel.progs.on_perf_event;
    let link = program
        .attach_with(&PerfEventOptions::cpu_clock().frequency(1000))
        .unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while skel.bss.hits.get() < 5 && Instant::now() < end {
        std::hint::spin_loop();
    }
    assert!(skel.bss.hits.get() >= 5, "{}", skel.bss.hits.get());
    link.detach().unwrap();
    let before = skel.bss.hits.get();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(skel.bss.hits.get(), before, "it is not attached any more");

    // Of this thread only, on an event of another kind.
    let switches = PerfEventOptions::new(1, SWITCHES)
        .period(1)
        .pid(own_thread());
    let link = program.attach_with(&switches).unwrap();
    if running() >= (5, 15) {
        assert_eq!(link.info().unwrap().link_type, LinkType::PERF_EVENT);
    }
    let before = skel.bss.hits.get();
    nap();
    assert!(
        skel.bss.hits.get() >= before + 8,
        "{}",
        skel.bss.hits.get() - before
    );
    drop(link);

    let e = program
        .attach_with(&PerfEventOptions::new(1, 999))
        .unwrap_err();
    assert!(
        e.to_string()
            .contains("cannot open a perf event of type 1 with config 0x3e7"),
        "{e}"
    );
    let e = program.program().attach().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert!(
        e.to_string().contains("attach_with() opens an event"),
        "{e}"
    );
    feature.works();
}

#[test]
fn perf_event_cookies() {
    let Some(feature) = Feature::since("cookie: perf_event", (5, 15)) else {
        return;
    };
    let skel = load(|open| open.progs.on_perf_event_cookie.set_autoload(true));
    let switches = PerfEventOptions::new(1, SWITCHES)
        .period(1)
        .pid(own_thread());
    let link = skel
        .progs
        .on_perf_event_cookie
        .attach_with(&switches.cookie(5))
        .unwrap();
    nap();
    drop(link);
    assert!(skel.bss.hits.get() > 0);
    assert_eq!(skel.bss.cookies.get(), 5 * skel.bss.hits.get());
    feature.works();
}

/// The first name that the kernel has is taken: when it is loaded, or when it is attached.
#[test]
fn any_of_several_targets() {
    let feature = Feature::since("attach_any: fentry", (5, 10)).unwrap();
    let skel = load(|open| {
        for program in [&mut open.progs.on_any, &mut open.progs.on_any_kprobe] {
            program.set_autoload(true);
            program.set_attach_targets(["vfs_unlink_of_old", "vfs_unlink"]);
        }
    });
    assert_eq!(
        skel.progs.on_any.program().attach_target(),
        Some("vfs_unlink")
    );
    let links = (
        skel.progs.on_any.attach().unwrap(),
        skel.progs.on_any_kprobe.attach().unwrap(),
    );
    unlink();
    drop(links);
    assert_eq!(skel.bss.hits.get(), 2);
    let e = try_load(|open| {
        open.progs.on_any.set_autoload(true);
        open.progs
            .on_any
            .set_attach_targets(["vfs_unlink_of_old", "vfs_unlnik"]);
    })
    .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    assert!(e.to_string().contains("did you mean `vfs_unlink`"), "{e}");
    feature.works();
}

#[test]
fn fsession() {
    let Some(feature) = Feature::since("SEC: fsession", (7, 0)) else {
        return;
    };
    let skel = load(|open| open.progs.on_fsession.set_autoload(true));
    let link = skel.progs.on_fsession.attach().unwrap();
    unlink();
    drop(link);
    assert_eq!(skel.bss.hits.get(), 2, "entry and return");
    feature.works();
}

/// Tracing programs keep theirs in the link.
#[test]
fn links_that_cannot_be_updated_say_so() {
    let skel = load(|open| {
        open.progs.on_any.set_autoload(true);
        open.progs.on_any.set_attach_target("vfs_unlink");
    });
    let mut link = skel.progs.on_any.attach().unwrap();
    assert!(link.as_fd().try_clone_to_owned().is_ok());
    let e = link.update(skel.progs.on_any.program()).unwrap_err();
    assert!(
        e.to_string()
            .contains("links of this type (tracing, netfilter, perf events) keep their program"),
        "{e}"
    );
}

#[test]
fn the_verifier_writes_what_it_is_asked_to() {
    use btf_core::load::ProgFlags;
    let skel = load(|open| {
        let program = &mut open.progs.on_kprobe;
        program.set_autoload(true);
        program.set_log_level(2);
        program.set_flags(ProgFlags::TEST_RND_HI32 | ProgFlags::STRICT_ALIGNMENT);
        open.progs.on_other.set_autoload(true);
    });
    let log = skel.progs.on_kprobe.program().verifier_log().unwrap();
    assert!(log.contains("processed") && log.contains("exit"), "{log}");
    assert_eq!(skel.progs.on_other.program().verifier_log(), None);
    let e = try_load(|open| {
        open.progs.on_kprobe.set_autoload(true);
        open.progs.on_kprobe.set_flags(ProgFlags(1 << 30));
    })
    .unwrap_err();
    assert!(e.to_string().contains("program `on_kprobe`"), "{e}");
}

/// A pinned link holds the program although nobody else does.
#[test]
fn links_can_be_pinned() {
    let feature = Feature::since("link: pin", (5, 15));
    let path =
        std::path::PathBuf::from(format!("/sys/fs/bpf/btf-link-case-{}", std::process::id()));
    let skel = load(|open| open.progs.on_kprobe.set_autoload(true));
    let mut link = skel.progs.on_kprobe.attach().unwrap();
    let Some(feature) = feature else {
        let e = link.pin(&path).unwrap_err();
        assert!(e.to_string().contains("a perf event and no link"), "{e}");
        return;
    };
    link.pin(&path).unwrap();
    drop(link);
    unlink();
    assert_eq!(skel.bss.hits.get(), 1, "the pin holds it");
    let mut link = Link::open_pinned(&path).unwrap();
    assert_eq!(link.info().unwrap().link_type, LinkType::PERF_EVENT);
    link.unpin(&path).unwrap();
    drop(link);
    // The file goes some time after its name.
    let end = Instant::now() + Duration::from_secs(10);
    let is_attached = || {
        let before = skel.bss.hits.get();
        unlink();
        skel.bss.hits.get() > before
    };
    while is_attached() {
        assert!(Instant::now() < end, "it is not attached any more");
        std::thread::sleep(Duration::from_millis(20));
    }
    let e = Link::open_pinned(&path).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound, "{e}");
    feature.works();
}
