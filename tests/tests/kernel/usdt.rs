//! Programs on static probes, which this program has as C programs have them with `<sys/sdt.h>`.

use std::sync::atomic::{AtomicU16, Ordering};

use btf_core::ErrorKind;
use btf_core::attach::UsdtOptions;
use btf_core::binary::Binary;
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::support::running;

include_skel!("usdt");

use usdt::{OpenUsdt, Usdt};

const SELF: &str = "/proc/self/exe";

/// Above zero while somebody listens to `btf_tests:counted`.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".probes")]
static BTF_TESTS_COUNTED_SEMAPHORE: AtomicU16 = AtomicU16::new(0);

/// A probe's instruction, and the note that describes it: its owner and type; where it is, where `.stapsdt.base` is, where its
/// semaphore is; its provider, name and arguments.
macro_rules! probe {
    ($name:literal, $semaphore:literal, $arguments:literal) => {
        // SAFETY: one instruction that does nothing; the rest goes to sections that are not loaded, or only read.
        unsafe {
            std::arch::asm!(
                "990: nop",
                ".pushsection .note.stapsdt,\"\",@note",
                ".balign 4",
                ".4byte 992f-991f, 994f-993f, 3",
                "991: .asciz \"stapsdt\"",
                "992: .balign 4",
                "993: .8byte 990b",
                ".8byte _.stapsdt.base",
                concat!(".8byte ", $semaphore),
                concat!(".asciz \"btf_tests\", \"", $name, "\", \"", $arguments, "\""),
                "994: .balign 4",
                ".popsection",
                ".ifndef _.stapsdt.base",
                ".pushsection .stapsdt.base,\"aG\",@progbits,.stapsdt.base,comdat",
                ".weak _.stapsdt.base",
                ".hidden _.stapsdt.base",
                "_.stapsdt.base: .space 1",
                ".size _.stapsdt.base, 1",
                ".popsection",
                ".endif",
                options(nostack, preserves_flags)
            );
        }
    };
}

/// A probe with an argument in a register, one in memory and one that is constant: `8@$77`, whose dollar sign `asm!` would take.
#[inline(never)]
fn typed(first: i32, second: i64) {
    let place = &raw const second;
    // SAFETY: as in the macro; the registers are only read.
    unsafe {
        std::arch::asm!(
            "990: nop",
            ".pushsection .note.stapsdt,\"\",@note",
            ".balign 4",
            ".4byte 992f-991f, 994f-993f, 3",
            "991: .asciz \"stapsdt\"",
            "992: .balign 4",
            "993: .8byte 990b",
            ".8byte _.stapsdt.base",
            ".8byte 0",
            ".asciz \"btf_tests\", \"typed\", \"-4@%edi -8@(%rsi) 8@\\04477\"",
            "994: .balign 4",
            ".popsection",
            in("edi") first,
            in("rsi") place,
            options(nostack, preserves_flags)
        );
    }
    std::hint::black_box(second);
}

#[inline(never)]
fn plain() {
    probe!("plain", "0", "");
}

#[inline(never)]
fn counted() {
    probe!("counted", "BTF_TESTS_COUNTED_SEMAPHORE", "");
}

fn load(choose: impl FnOnce(&mut OpenUsdt)) -> Usdt {
    let mut open = Usdt::open().unwrap();
    open.rodata.target_pid = std::process::id();
    choose(&mut open);
    open.load().unwrap()
}

fn hits(skel: &Usdt, set_off: impl FnOnce()) -> u64 {
    let before = skel.bss.hits.get();
    set_off();
    skel.bss.hits.get() - before
}

/// A probe of this program, in this process: before 5.15, one must be named.
fn own(name: &str) -> UsdtOptions {
    UsdtOptions::new(SELF, "btf_tests", name).pid(std::process::id())
}

#[test]
fn probes_are_listed() {
    let probes = Binary::open(SELF).unwrap().static_probes().unwrap();
    let own: Vec<&str> = probes
        .iter()
        .filter(|p| p.provider == "btf_tests")
        .map(|p| p.name.as_str())
        .collect();
    for name in ["typed", "plain", "counted"] {
        assert!(own.contains(&name), "{own:?}");
    }
}

#[test]
fn arguments() {
    let feature = Feature::since("SEC: usdt", (5, 10)).unwrap();
    let skel = load(|open| open.progs.on_usdt.set_autoload(true));
    let program = &skel.progs.on_usdt;
    let link = program.attach_with(&own("typed").cookie(0xc00c1e)).unwrap();
    assert_eq!(hits(&skel, || typed(-5, 1 << 40)), 1);
    let bss = &skel.bss;
    assert_eq!(
        (bss.first.get(), bss.second.get(), bss.third.get()),
        (-5, 1 << 40, 77)
    );
    assert_eq!((bss.count.get(), bss.size.get()), (3, 4));
    assert_eq!(bss.cookie.get(), 0xc00c1e);
    drop(link);
    assert_eq!(
        hits(&skel, || typed(1, 2)),
        0,
        "it is not attached any more"
    );
    feature.works();

    let e = program.attach_to(SELF, "btf_tests", "typedd").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    let text = e.to_string();
    assert!(
        text.contains("has no USDT probe `btf_tests:typedd` (did you mean `btf_tests:typed`?)"),
        "{text}"
    );
    let e = program.attach_to("libgcc_s.so.1", "p", "n").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound, "{e}");
}

#[test]
fn that_sleeps() {
    let Some(feature) = Feature::since("SEC: usdt.s", (6, 0)) else {
        return;
    };
    let skel = load(|open| open.progs.on_sleepable.set_autoload(true));
    let link = skel.progs.on_sleepable.attach_with(&own("typed")).unwrap();
    let number = 1234i64;
    let set_off = || typed(1, (&raw const number).addr() as i64);
    assert_eq!(hits(&skel, set_off), 1);
    assert_eq!(skel.bss.second.get(), number);
    drop(link);
    assert_eq!(hits(&skel, set_off), 0, "it is not attached any more");
    feature.works();
}

/// Numbers of places and arguments are used again: more links than there is room for at once.
#[test]
fn many_times() {
    let skel = load(|open| open.progs.on_usdt.set_autoload(true));
    for _ in 0..6 {
        drop(skel.progs.on_usdt.attach_with(&own("plain")).unwrap());
    }
    assert_eq!(hits(&skel, plain), 0);
}

#[test]
fn by_section() {
    let skel = load(|open| open.progs.on_plain.set_autoload(true));
    let link = match skel.progs.on_plain.attach() {
        Ok(link) => link,
        Err(e) => {
            assert!(running() < (5, 15), "{e}");
            assert!(
                e.to_string()
                    .contains("in all processes requires Linux 5.15"),
                "{e}"
            );
            return;
        }
    };
    assert_eq!(hits(&skel, plain), 1);
    drop(link);
    assert_eq!(hits(&skel, plain), 0);
}

#[test]
fn semaphores() {
    let feature = Feature::since("usdt: semaphore", (5, 10)).unwrap();
    let skel = load(|open| open.progs.on_usdt.set_autoload(true));
    let count = || BTF_TESTS_COUNTED_SEMAPHORE.load(Ordering::SeqCst);
    assert_eq!(count(), 0);
    let link = skel.progs.on_usdt.attach_with(&own("counted")).unwrap();
    assert_eq!(count(), 1, "somebody listens");
    assert_eq!(hits(&skel, counted), 1);
    drop(link);
    assert_eq!(count(), 0);
    feature.works();
}
