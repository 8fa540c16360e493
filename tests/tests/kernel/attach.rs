//! Each way to attach: the program runs, and stops when its link is dropped.

use std::fs;
use std::io::Read as _;

use btf_core::attach::{Iter, Kprobe, RawTracepoint, Tracepoint, Tracing};
use btf_core::map::{Global, Mapped, Section};
use btf_core::pod::Ptr;
use btf_core::{Error, ErrorKind};
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::support::{GETPPID, getppid, load_only, needs, open, running};

include_skel!("attach");

static ATTACH: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/attach.bpf.o"));

#[repr(C)]
pub(crate) struct Bss {
    fentry_hits: Global<u64>,
    fexit_hits: Global<u64>,
    fexit_result: Global<i64>,
    fmod_ret_hits: Global<u64>,
    kprobe_hits: Global<u64>,
    pub(crate) kretprobe_hits: Global<u64>,
    kretprobe_result: Global<i64>,
    tracepoint_hits: Global<u64>,
    tp_btf_hits: Global<u64>,
    raw_tp_hits: Global<u64>,
    lsm_hits: Global<u64>,
    iter_hits: Global<u64>,
}
// SAFETY: numbers in cells, so any bytes are a value, and they may change.
unsafe impl Section for Bss {
    const SHARED: bool = true;
}

/// Attaches a program by its section, sets it off, and checks that it runs while attached and only then. The feature is as
/// old as the oldest kernel here.
fn runs_while_attached(
    feature: &'static str,
    program: &str,
    hits: fn(&Bss) -> &Global<u64>,
    set_off: fn(),
) -> Mapped<Bss> {
    let feature = Feature::since(feature, (5, 10)).unwrap();
    let (loaded, program) = load_only(open("attach", ATTACH), program).unwrap();
    let bss: Mapped<Bss> = loaded.data(".bss").unwrap();
    set_off();
    assert_eq!(hits(&bss).get(), 0, "it is not attached yet");
    let link = program.attach().unwrap();
    set_off();
    assert_eq!(hits(&bss).get(), 1);
    drop(link);
    set_off();
    assert_eq!(hits(&bss).get(), 1, "it is not attached any more");
    let link = match program.attach() {
        Ok(link) => link,
        // Before 5.13, a program goes to a function only once.
        Err(e) => {
            let text = e.to_string();
            assert!(
                running() < (5, 13) && text.contains("load the object again"),
                "{text}"
            );
            feature.works();
            return bss;
        }
    };
    set_off();
    assert_eq!(hits(&bss).get(), 2);
    link.detach().unwrap();
    set_off();
    assert_eq!(hits(&bss).get(), 2, "it is not attached any more");
    feature.works();
    bss
}

/// Tries to open a file that is not there: one call of `do_sys_openat2`, which fails with `ENOENT`.
fn open_nothing() {
    assert!(fs::File::open(std::env::temp_dir().join("btf-no-such-file")).is_err());
}

/// Removes a file that is there: one call of `vfs_unlink` (and some to make the file, which count as others).
fn unlink() {
    let file = std::env::temp_dir().join("btf-kernel-case");
    fs::write(&file, "x").unwrap();
    fs::remove_file(&file).unwrap();
}

/// Opens a file that is there: one call of the hook `security_file_open`.
fn open_something() {
    drop(fs::File::open("/proc/self/stat").unwrap());
}

#[test]
fn fentry() {
    runs_while_attached(
        "SEC: fentry",
        "on_fentry",
        |bss| &bss.fentry_hits,
        open_nothing,
    );
}

#[test]
fn fexit() {
    let bss = runs_while_attached(
        "SEC: fexit",
        "on_fexit",
        |bss| &bss.fexit_hits,
        open_nothing,
    );
    assert_eq!(bss.fexit_result.get(), -2, "ENOENT");
}

#[test]
fn fmod_ret() {
    runs_while_attached(
        "SEC: fmod_ret",
        "on_fmod_ret",
        |bss| &bss.fmod_ret_hits,
        open_something,
    );
}

#[test]
fn lsm() {
    runs_while_attached("SEC: lsm", "on_lsm", |bss| &bss.lsm_hits, open_something);
}

#[test]
fn iter() {
    let feature = Feature::since("SEC: iter", (5, 10)).unwrap();
    let (loaded, program) = load_only(open("attach", ATTACH), "on_iter").unwrap();
    let bss: Mapped<Bss> = loaded.data(".bss").unwrap();
    let iter = Iter::try_from(program).unwrap();
    drop(iter.attach().unwrap());
    for hits in 1..=2 {
        let mut read = Vec::new();
        iter.iterate().unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, std::process::id().to_ne_bytes());
        assert_eq!(bss.iter_hits.get(), hits);
    }
    feature.works();
}

#[test]
fn kprobe() {
    runs_while_attached("SEC: kprobe", "on_kprobe", |bss| &bss.kprobe_hits, unlink);
}

#[test]
fn kretprobe() {
    let bss = runs_while_attached(
        "SEC: kretprobe",
        "on_kretprobe",
        |bss| &bss.kretprobe_hits,
        unlink,
    );
    assert_eq!(bss.kretprobe_result.get(), 0);
}

#[test]
fn tracepoint() {
    runs_while_attached(
        "SEC: tp",
        "on_tracepoint",
        |bss| &bss.tracepoint_hits,
        || getppid(1),
    );
}

#[test]
fn tp_btf() {
    runs_while_attached(
        "SEC: tp_btf",
        "on_tp_btf",
        |bss| &bss.tp_btf_hits,
        || getppid(1),
    );
}

#[test]
fn raw_tp() {
    runs_while_attached(
        "SEC: raw_tp",
        "on_raw_tp",
        |bss| &bss.raw_tp_hits,
        || getppid(1),
    );
}

/// `BPF_PROG_TEST_RUN` with arguments typed as the tracepoint has them.
#[test]
fn a_raw_tracepoint_program_runs_by_itself() {
    needs(5, 10);
    let mut open = attach::Attach::open().unwrap();
    open.rodata.target_pid = std::process::id();
    open.rodata.target_nr = GETPPID;
    open.progs.on_raw_tp.set_autoload(true);
    let skel = open.load().unwrap();
    let mut arguments = attach::OnRawTpArgs {
        regs: Ptr(0),
        id: GETPPID,
    };
    for hits in 1..=2 {
        assert_eq!(skel.progs.on_raw_tp.test_run(&arguments).unwrap(), 0);
        assert_eq!(skel.bss.raw_tp_hits.get(), hits);
    }
    arguments.id = GETPPID + 1;
    skel.progs.on_raw_tp.test_run(&arguments).unwrap();
    assert_eq!(skel.bss.raw_tp_hits.get(), 2, "another call is not counted");
}

#[test]
fn targets_may_be_named_when_attaching() {
    needs(5, 10);
    let (_, program) = load_only(open("attach", ATTACH), "on_kprobe").unwrap();
    let kprobe = Kprobe::try_from(program).unwrap();
    assert!(!kprobe.is_return());
    drop(kprobe.attach_to("vfs_rename", 0).unwrap());

    let (_, program) = load_only(open("attach", ATTACH), "on_kretprobe").unwrap();
    let kprobe = Kprobe::try_from(program).unwrap();
    drop(kprobe.attach_to("vfs_rename", 0).unwrap());
    let e = kprobe.attach_to("vfs_rename", 4).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidInput, "{e}");
}

#[test]
fn tracepoints_may_be_named_when_attaching() {
    needs(5, 10);
    let (_, program) = load_only(open("attach", ATTACH), "on_tracepoint").unwrap();
    let tracepoint = Tracepoint::try_from(program).unwrap();
    drop(tracepoint.attach_to("sched", "sched_switch").unwrap());

    let (_, program) = load_only(open("attach", ATTACH), "on_raw_tp").unwrap();
    let raw: RawTracepoint = program.try_into().unwrap();
    drop(raw.attach_to("sched_switch").unwrap());
}

#[test]
fn a_program_of_another_kind_is_refused() {
    needs(5, 10);
    let (_, program) = load_only(open("attach", ATTACH), "on_raw_tp").unwrap();
    let e: Error = Tracing::try_from(program).unwrap_err();
    assert_eq!(
        e.to_string(),
        "program `on_raw_tp`: it is in SEC(\"raw_tp/sys_enter\") and cannot be used as a tracing program"
    );
}

#[test]
fn a_program_that_is_not_loaded_says_so() {
    needs(5, 10);
    let loaded = open("attach", ATTACH).load().unwrap();
    let program = loaded.program("on_fentry").unwrap();
    assert!(!program.is_loaded());
    assert_eq!(
        program.attach().unwrap_err().to_string(),
        "program `on_fentry`: it is not loaded (call set_autoload(true) on it before the object is loaded)"
    );
}
