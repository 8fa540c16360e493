//! Programs on functions of this very program, and of the C library.

use std::hint::black_box;

use btf_core::ErrorKind;
use btf_core::attach::{UprobeMultiOptions, UprobeOptions};
use btf_core::binary::Binary;
use btf_core::link::{Link, LinkDetails};
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::support::{getppid, running, skips_since};

include_skel!("uprobes");

pub(crate) use uprobes::{OpenUprobes, Uprobes};

/// This program's file, under whatever name it was started.
pub(crate) const SELF: &str = "/proc/self/exe";

/// What programs that sleep read.
static THOUSAND: u64 = 1000;

/// What the programs are attached to. Its argument is in memory, so that they can read it there.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn btf_uprobe_target(number: &u64) -> u64 {
    black_box(*number) + 1
}

/// Another.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn btf_uprobe_other(number: &u64) -> u64 {
    black_box(*number) + 2
}

// Instructions of known places, under a name that the pattern `btf_uprobe_*` of other cases does not match.
std::arch::global_asm!(
    ".globl btf_steps_target",
    ".type btf_steps_target, %function",
    "btf_steps_target:",
    "nop",
    "nop",
    "ret",
    ".size btf_steps_target, . - btf_steps_target",
);

/// Bytes of the first of them.
const STEP: usize = if cfg!(target_arch = "x86_64") { 1 } else { 4 };

unsafe extern "C" {
    /// Does nothing, in steps.
    safe fn btf_steps_target();
}

/// Functions of which the pattern of other cases matches none, and a table of them.
macro_rules! many {
    ($($name:ident = $value:literal,)*) => {
        $(
            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "C" fn $name() -> u64 {
                black_box($value)
            }
        )*
        static MANY: &[(&str, extern "C" fn() -> u64)] = &[$((stringify!($name), $name),)*];
    };
}

many! {
    btf_many_00 = 0, btf_many_01 = 1, btf_many_02 = 2, btf_many_03 = 3,
    btf_many_04 = 4, btf_many_05 = 5, btf_many_06 = 6, btf_many_07 = 7,
    btf_many_08 = 8, btf_many_09 = 9, btf_many_10 = 10, btf_many_11 = 11,
    btf_many_12 = 12, btf_many_13 = 13, btf_many_14 = 14, btf_many_15 = 15,
    btf_many_16 = 16, btf_many_17 = 17, btf_many_18 = 18, btf_many_19 = 19,
}

fn call_many() {
    for (n, (_, function)) in MANY.iter().enumerate() {
        assert_eq!(function(), n as u64);
    }
}

pub(crate) fn call() {
    assert_eq!(btf_uprobe_target(black_box(&41)), 42);
}

fn call_both() {
    call();
    assert_eq!(btf_uprobe_other(black_box(&41)), 43);
}

pub(crate) fn load(choose: impl FnOnce(&mut OpenUprobes)) -> Uprobes {
    let mut open = Uprobes::open().unwrap();
    open.rodata.target_pid = std::process::id();
    open.rodata.address = (&raw const THOUSAND).addr() as u64;
    choose(&mut open);
    open.load().unwrap()
}

pub(crate) fn hits(skel: &Uprobes, set_off: impl FnOnce()) -> u64 {
    let before = skel.bss.hits.get();
    set_off();
    skel.bss.hits.get() - before
}

/// Loads, attaches, fires, detaches; none if the kernel is too old.
fn fires(
    name: &'static str,
    since: (u32, u32),
    choose: fn(&mut OpenUprobes),
    attach: fn(&Uprobes) -> btf_core::Result<Link>,
    set_off: fn(),
    expected: u64,
) -> Option<Uprobes> {
    let feature = Feature::since(name, since)?;
    let skel = load(choose);
    let link = attach(&skel).unwrap();
    assert_eq!(hits(&skel, set_off), expected);
    drop(link);
    assert_eq!(hits(&skel, set_off), 0, "it is not attached any more");
    feature.works();
    Some(skel)
}

#[test]
fn uprobe() {
    let skel = fires(
        "SEC: uprobe",
        (5, 10),
        |open| open.progs.on_uprobe.set_autoload(true),
        |skel| skel.progs.on_uprobe.attach_to(SELF, "btf_uprobe_target"),
        call,
        1,
    )
    .unwrap();
    let program = &skel.progs.on_uprobe;
    // By its offset, for one process or another.
    let offset = Binary::open(SELF)
        .unwrap()
        .function("btf_uprobe_target")
        .unwrap();
    let own = UprobeOptions::at(SELF, offset).pid(std::process::id());
    let link = program.attach_with(&own).unwrap();
    assert_eq!(hits(&skel, call), 1);
    drop(link);
    let link = program.attach_with(&own.pid(1)).unwrap();
    assert_eq!(hits(&skel, call), 0, "of process 1 only");
    drop(link);

    let e = program.attach_to(SELF, "btf_uprobe_targte").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    let text = e.to_string();
    assert!(
        text.contains("function `btf_uprobe_targte` not found (did you mean `btf_uprobe_target`"),
        "{text}"
    );
    let e = program.attach_to("libno-such.so.1", "f").unwrap_err();
    assert!(
        e.to_string()
            .contains("`libno-such.so.1` is in no directory of LD_LIBRARY_PATH"),
        "{e}"
    );
    let e = program.attach().unwrap_err();
    assert!(
        e.to_string().contains("does not say what to attach to"),
        "{e}"
    );
}

#[test]
fn uprobe_at_an_offset() {
    let target = |open: &mut OpenUprobes| {
        let program = &mut open.progs.on_uprobe;
        program.set_autoload(true);
        program.set_attach_target(&format!("{SELF}:btf_steps_target+{STEP:#x}"));
    };
    fires(
        "SEC: uprobe+offset",
        (5, 10),
        target,
        |skel| skel.progs.on_uprobe.attach(),
        || btf_steps_target(),
        1,
    );
}

#[test]
fn uprobe_in_the_c_library() {
    fires(
        "SEC: uprobe in a library",
        (5, 10),
        |open| open.progs.on_libc.set_autoload(true),
        |skel| skel.progs.on_libc.attach(),
        || getppid(2),
        2,
    );
}

/// Twenty links of one program, by names that are looked up one by one.
#[test]
fn uprobes_on_many_functions() {
    let skel = load(|open| open.progs.on_uprobe.set_autoload(true));
    let attach = |(name, _): &(&str, _)| skel.progs.on_uprobe.attach_to(SELF, name).unwrap();
    let links: Vec<Link> = MANY.iter().map(attach).collect();
    assert_eq!(hits(&skel, call_many), 20);
    drop(links);
    assert_eq!(hits(&skel, call_many), 0, "it is not attached any more");
}

/// glibc chooses the implementation of these when a program starts.
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
#[test]
fn refuses_ifuncs_of_the_c_library() {
    let skel = load(|open| open.progs.on_uprobe.set_autoload(true));
    for name in ["strlen", "memcpy"] {
        let e = skel
            .progs
            .on_uprobe
            .attach_to("libc.so.6", name)
            .unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
        assert!(
            e.to_string().contains(&format!("`{name}` is an IFUNC")),
            "{e}"
        );
    }
}

#[test]
fn uretprobe() {
    let skel = fires(
        "SEC: uretprobe",
        (5, 10),
        |open| open.progs.on_uretprobe.set_autoload(true),
        |skel| skel.progs.on_uretprobe.attach(),
        call,
        1,
    );
    assert_eq!(skel.unwrap().bss.value.get(), 42);
}

#[test]
fn uprobe_that_sleeps() {
    let skel = fires(
        "SEC: uprobe.s",
        (6, 0),
        |open| open.progs.on_sleepable.set_autoload(true),
        |skel| skel.progs.on_sleepable.attach(),
        call,
        1,
    );
    if let Some(skel) = skel {
        assert_eq!(skel.bss.value.get(), 41);
    }
}

#[test]
fn uretprobe_that_sleeps() {
    let skel = fires(
        "SEC: uretprobe.s",
        (6, 0),
        |open| open.progs.on_sleepable_return.set_autoload(true),
        |skel| skel.progs.on_sleepable_return.attach(),
        call,
        1,
    );
    if let Some(skel) = skel {
        assert_eq!(skel.bss.value.get(), 1042);
    }
}

#[test]
fn uprobe_cookie() {
    let skel = fires(
        "cookie: uprobe",
        (5, 15),
        |open| open.progs.on_uprobe_cookie.set_autoload(true),
        |skel| {
            let at = UprobeOptions::new(SELF, "btf_uprobe_target").cookie(77);
            skel.progs.on_uprobe_cookie.attach_with(&at)
        },
        call,
        1,
    );
    if let Some(skel) = skel {
        assert_eq!(skel.bss.cookies.get(), 77);
        let link = skel.progs.on_uprobe_cookie.attach_with_cookie(3).unwrap();
        call();
        drop(link);
        assert_eq!(skel.bss.cookies.get(), 80);
    }
}

#[test]
fn uprobe_multi() {
    let skel = fires(
        "SEC: uprobe.multi",
        (6, 6),
        |open| open.progs.on_multi.set_autoload(true),
        |skel| skel.progs.on_multi.attach(),
        call_both,
        2,
    );
    let Some(skel) = skel else {
        return;
    };
    let link = skel.progs.on_multi.attach().unwrap();
    if running() >= (6, 8) {
        let LinkDetails::UprobeMulti {
            count,
            is_return,
            pid,
        } = link.info().unwrap().details
        else {
            panic!("{:?}", link.info());
        };
        assert_eq!((count, is_return, pid), (2, false, 0));
    }
    drop(link);
    let e = skel
        .progs
        .on_multi
        .attach_to(SELF, "no_such_*_function")
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    assert!(
        e.to_string()
            .contains("no function matches `no_such_*_function`"),
        "{e}"
    );
}

#[test]
fn uprobe_multi_on_an_old_kernel() {
    if skips_since("uprobes::uprobe_multi_on_an_old_kernel", (6, 6)) {
        return;
    }
    let skel = load(|open| open.progs.on_multi.set_autoload(true));
    let e = skel.progs.on_multi.attach().unwrap_err();
    assert!(
        e.to_string()
            .contains("uprobe.multi requires Linux 6.6 or newer"),
        "{e}"
    );
}

#[test]
fn uprobe_multi_cookies() {
    let skel = fires(
        "cookie: uprobe.multi",
        (6, 6),
        |open| open.progs.on_multi_cookie.set_autoload(true),
        |skel| {
            let names = ["btf_uprobe_target", "btf_uprobe_other"];
            let at = UprobeMultiOptions::functions(SELF, names).cookies([100, 7]);
            skel.progs.on_multi_cookie.attach_with(&at)
        },
        call_both,
        2,
    );
    if let Some(skel) = skel {
        assert_eq!(skel.bss.cookies.get(), 107);
        // The cookie of each name belongs to its function, whatever the order in the file.
        let names = MANY.iter().rev().map(|(name, _)| name);
        let at = UprobeMultiOptions::functions(SELF, names).cookies((0..20).map(|n| 1 << n));
        let link = skel.progs.on_multi_cookie.attach_with(&at).unwrap();
        for (n, (_, function)) in MANY.iter().enumerate() {
            let before = skel.bss.cookies.get();
            function();
            assert_eq!(skel.bss.cookies.get() - before, 1 << (19 - n));
        }
        drop(link);
        let at = UprobeMultiOptions::offsets(SELF, [1, 2]).cookies([1]);
        let e = skel.progs.on_multi_cookie.attach_with(&at).unwrap_err();
        assert!(
            e.to_string()
                .contains("offsets (2), cookies (1) and reference counters (0) differ"),
            "{e}"
        );
    }
}

#[test]
fn uprobe_multi_that_sleeps() {
    let skel = fires(
        "SEC: uprobe.multi.s",
        (6, 6),
        |open| open.progs.on_multi_sleepable.set_autoload(true),
        |skel| skel.progs.on_multi_sleepable.attach(),
        call,
        1,
    );
    if let Some(skel) = skel {
        assert_eq!(skel.bss.value.get(), 41);
    }
}

#[test]
fn uretprobe_multi() {
    let skel = fires(
        "SEC: uretprobe.multi",
        (6, 6),
        |open| open.progs.on_multi_return.set_autoload(true),
        |skel| skel.progs.on_multi_return.attach(),
        call,
        1,
    );
    if let Some(skel) = skel {
        assert_eq!(skel.bss.value.get(), 42);
    }
}

#[test]
fn uretprobe_multi_that_sleeps() {
    let skel = fires(
        "SEC: uretprobe.multi.s",
        (6, 6),
        |open| open.progs.on_multi_sleepable_return.set_autoload(true),
        |skel| skel.progs.on_multi_sleepable_return.attach(),
        call,
        1,
    );
    if let Some(skel) = skel {
        assert_eq!(skel.bss.value.get(), 1042);
    }
}

#[test]
fn uprobe_session_that_sleeps() {
    let skel = fires(
        "SEC: uprobe.session.s",
        (6, 13),
        |open| open.progs.on_sleepable_session.set_autoload(true),
        |skel| skel.progs.on_sleepable_session.attach(),
        call,
        2,
    );
    if let Some(skel) = skel {
        assert_eq!(skel.bss.value.get(), 2000);
    }
}

#[test]
fn uprobe_session() {
    fires(
        "SEC: uprobe.session",
        (6, 13),
        |open| open.progs.on_session.set_autoload(true),
        |skel| skel.progs.on_session.attach(),
        call,
        2,
    );
}
