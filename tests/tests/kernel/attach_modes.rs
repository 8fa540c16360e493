//! Probes by each of the ways there are, and by tracefs where the kernel lacks the newer ones.

use std::fs;
use std::path::Path;

use btf_core::ErrorKind;
use btf_core::attach::{AttachMode, Kprobe, KprobeOptions, UprobeOptions};
use btf_core::binary::Binary;
use btf_core::link::Link;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::feature::Feature;
use crate::probes::{self, unlink};
use crate::support::{load_only, open, running};
use crate::uprobes::{self, SELF, call};

static ATTACH: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/attach.bpf.o"));

/// What this process has listed in tracefs.
fn listed() -> Vec<String> {
    let own = format!("/btf_{}_", std::process::id());
    ["kprobe_events", "uprobe_events"]
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(Path::new("/sys/kernel/tracing").join(file)).unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .filter(|line| line.contains(&own))
        .collect()
}

/// The program runs while it is attached, and tracefs lists it meanwhile if it must.
fn fires(link: Link, is_listed: bool, hits: &dyn Fn() -> u64) {
    assert_eq!(hits(), 1);
    assert_eq!(listed().len(), usize::from(is_listed), "{:?}", listed());
    drop(link);
    assert_eq!(hits(), 0, "it is not attached any more");
    assert_eq!(listed(), [""; 0]);
}

#[test]
fn kprobes() {
    let feature = Feature::since("attach: kprobe by tracefs", (5, 10)).unwrap();
    let skel = probes::load(|open| open.progs.on_kprobe.set_autoload(true));
    let program = &skel.progs.on_kprobe;
    let at = |mode| KprobeOptions::new("vfs_unlink").mode(mode);
    let hits = || probes::hits(&skel, unlink);
    // Two at once have names of their own.
    let other = program.attach_with(&at(AttachMode::Legacy)).unwrap();
    let link = program.attach_with(&at(AttachMode::Legacy)).unwrap();
    assert_eq!(link.info().unwrap_err().kind(), ErrorKind::Unsupported);
    drop(other);
    fires(link, true, &hits);
    fires(
        program.attach_with(&at(AttachMode::Perf)).unwrap(),
        false,
        &hits,
    );
    match program.attach_with(&at(AttachMode::Link).cookie(5)) {
        Ok(link) => {
            assert!(link.info().is_ok());
            fires(link, false, &hits);
        }
        Err(e) => {
            assert!(running() < (5, 15), "{e}");
            assert!(e.to_string().contains("has no links of perf events"), "{e}");
        }
    }
    let e = program
        .attach_with(&at(AttachMode::Legacy).cookie(5))
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert!(e.to_string().contains("has no cookie"), "{e}");
    let e = program
        .attach_with(&KprobeOptions::new("vfs_unlnik").mode(AttachMode::Legacy))
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound, "{e}");
    assert!(e.to_string().contains("did you mean `vfs_unlink`"), "{e}");
    // Each would be something else in the line for tracefs: another place, event or kind.
    for name in [
        "vfs_unlink+4",
        "vfs_unlink%return",
        "vfs_unlink $arg1",
        "vfs_unlink\np:kprobes/injected vfs_rmdir",
        "0xffffffff81000000",
    ] {
        let e = program
            .attach_with(&KprobeOptions::new(name).mode(AttachMode::Legacy))
            .unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidInput, "{name:?}: {e}");
        assert_eq!(listed(), [""; 0]);
    }
    feature.works();
}

/// The kernel keeps a probe that is in use.
#[test]
fn a_failed_removal_from_tracefs_can_be_repeated() {
    let skel = probes::load(|open| open.progs.on_kprobe.set_autoload(true));
    let at = KprobeOptions::new("vfs_unlink").mode(AttachMode::Legacy);
    let link = skel.progs.on_kprobe.attach_with(&at).unwrap();
    let lines = listed();
    let name = lines[0].split([':', ' ']).nth(1).unwrap();
    let tracefs = Path::new("/sys/kernel/tracing");
    let enable = tracefs.join("events").join(name).join("enable");
    fs::write(&enable, "1").unwrap();
    let e = link.detach().unwrap_err();
    assert_eq!(
        e.to_string(),
        format!(
            "program `on_kprobe`: the program is detached, but the probe {name} stays in tracefs: Device or resource busy (os error \
             16) (something else uses it; it goes with the next boot, or when `-:{name}` is appended to kprobe_events there)"
        )
    );
    assert_eq!(probes::hits(&skel, unlink), 0);
    // The link is still there, to try again.
    let e = e.into_link().detach().unwrap_err();
    assert_eq!(e.link().info().unwrap_err().kind(), ErrorKind::Unsupported);
    fs::write(&enable, "0").unwrap();
    e.into_link().detach().unwrap();
    assert_eq!(listed(), [""; 0]);
    let link = skel.progs.on_kprobe.attach_with(&at).unwrap();
    link.detach().unwrap();
    assert_eq!(listed(), [""; 0]);
}

#[test]
fn kretprobe() {
    let feature = Feature::since("attach: kretprobe by tracefs", (5, 10)).unwrap();
    let (loaded, program) = load_only(open("attach", ATTACH), "on_kretprobe").unwrap();
    let bss: btf_core::map::Mapped<crate::attach::Bss> = loaded.data(".bss").unwrap();
    let program = Kprobe::try_from(program).unwrap();
    let at = KprobeOptions::new("vfs_unlink").mode(AttachMode::Legacy);
    fires(program.attach_with(&at).unwrap(), true, &|| {
        let before = bss.kretprobe_hits.get();
        unlink();
        bss.kretprobe_hits.get() - before
    });
    feature.works();
}

#[test]
fn uprobes() {
    let feature = Feature::since("attach: uprobe by tracefs", (5, 10)).unwrap();
    let skel = uprobes::load(|open| {
        open.progs.on_uprobe.set_autoload(true);
        open.progs.on_uretprobe.set_autoload(true);
    });
    let hits = || uprobes::hits(&skel, call);
    let offset = Binary::open(SELF).unwrap();
    let offset = offset.function("btf_uprobe_target").unwrap();
    // A name that the kernel would not read all of.
    let link = std::env::temp_dir().join("btf legacy #1");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(SELF, &link).unwrap();
    for binary in [SELF, link.to_str().unwrap()] {
        let at = UprobeOptions::at(binary, offset).mode(AttachMode::Legacy);
        fires(skel.progs.on_uprobe.attach_with(&at).unwrap(), true, &hits);
        fires(
            skel.progs.on_uretprobe.attach_with(&at).unwrap(),
            true,
            &hits,
        );
        assert_eq!(skel.bss.value.get(), 42);
        let of_another = at.pid(1);
        let attached = skel.progs.on_uprobe.attach_with(&of_another).unwrap();
        assert_eq!(hits(), 0, "of process 1 only");
        drop(attached);
    }
    fs::remove_file(&link).unwrap();
    feature.works();
}

/// Hides a directory of sysfs, until dropped.
struct Hidden(&'static str);

impl Hidden {
    fn new(dir: &'static str) -> Hidden {
        mount("none", dir, "tmpfs", MountFlags::empty(), None).unwrap();
        Hidden(dir)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        unmount(self.0, UnmountFlags::empty()).unwrap();
    }
}

#[test]
fn kernels_without_the_perf_event_sources() {
    let feature = Feature::since("older kernel: no sources of probes", (5, 10)).unwrap();
    let skel = probes::load(|open| {
        open.progs
            .on_kprobe_cookie
            .set_autoload(running() >= (5, 15));
        open.progs.on_ksyscall.set_autoload(true);
    });
    let _hidden = Hidden::new("/sys/bus/event_source/devices/kprobe");
    fires(skel.progs.on_ksyscall.attach().unwrap(), true, &|| {
        probes::hits(&skel, || crate::support::getppid(1))
    });
    // Such an event is as good as another to a link.
    if running() >= (5, 15) {
        let program = &skel.progs.on_kprobe_cookie;
        let link = program.attach_with_cookie(9).unwrap();
        unlink();
        drop(link);
        assert_eq!(skel.bss.cookies.get(), 9);
        let at = KprobeOptions::new("vfs_unlink").mode(AttachMode::Perf);
        let e = program.attach_with(&at).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unsupported);
        assert!(e.to_string().contains("this kernel has no kprobes"), "{e}");
    }

    let _hidden = Hidden::new("/sys/bus/event_source/devices/uprobe");
    let skel = uprobes::load(|open| open.progs.on_uprobe.set_autoload(true));
    let link = skel.progs.on_uprobe.attach_to(SELF, "btf_uprobe_target");
    fires(link.unwrap(), true, &|| uprobes::hits(&skel, call));
    feature.works();
}
