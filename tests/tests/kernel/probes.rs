//! Programs on kernel functions by name: offsets, system calls, many functions with one link, cookies.

use std::fs;
use std::os::unix::process::parent_id;

use btf_core::ErrorKind;
use btf_core::attach::{KprobeMultiOptions, KprobeOptions};
use btf_core::link::{Link, LinkDetails, LinkType};
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::support::{getppid, running, skips_before, skips_since};

include_skel!("probes");

pub(crate) use probes::{OpenProbes, Probes};

/// The object with what `choose` sets, loaded.
pub(crate) fn load(choose: impl FnOnce(&mut OpenProbes)) -> Probes {
    let mut open = Probes::open().unwrap();
    open.rodata.target_pid = std::process::id();
    choose(&mut open);
    open.load().unwrap()
}

/// One call of `vfs_unlink`, and none of `vfs_rename`.
pub(crate) fn unlink() {
    let file = std::env::temp_dir().join("btf-probes-case");
    fs::write(&file, "x").unwrap();
    fs::remove_file(&file).unwrap();
}

/// One call of `vfs_rename`, and two of `vfs_unlink`.
fn rename() {
    let file = std::env::temp_dir().join("btf-probes-case");
    let other = file.with_extension("renamed");
    fs::write(&file, "x").unwrap();
    fs::rename(&file, &other).unwrap();
    fs::remove_file(&other).unwrap();
}

/// Sets off a program, and says how often it ran.
pub(crate) fn hits(skel: &Probes, set_off: impl FnOnce()) -> u64 {
    let before = skel.bss.hits.get();
    set_off();
    skel.bss.hits.get() - before
}

#[test]
fn kprobe_at_an_offset() {
    let feature = Feature::since("SEC: kprobe+offset", (5, 10)).unwrap();
    let skel = load(|open| open.progs.on_kprobe.set_autoload(true));
    let kprobe = &skel.progs.on_kprobe;
    // Only where an instruction begins can a probe be, and where that is differs.
    let places: Vec<u64> = (1..24)
        .filter(|offset| kprobe.attach_to("vfs_unlink", *offset).is_ok())
        .collect();
    assert!(!places.is_empty() && places.len() < 23, "{places:?}");
    let within = (1..24).find(|offset| !places.contains(offset)).unwrap();
    let e = kprobe.attach_to("vfs_unlink", within).unwrap_err();
    let doing = format!("cannot attach to function `vfs_unlink`, {within} bytes in: ");
    let text = e.to_string();
    assert!(text.contains(&doing), "{text}");
    assert!(text.ends_with("(no instruction begins there)"), "{text}");
    let link = kprobe.attach_to("vfs_unlink", places[0]).unwrap();
    assert_eq!(hits(&skel, unlink), 1);
    drop(link);
    assert_eq!(hits(&skel, unlink), 0);
    feature.works();
}

#[test]
fn kprobe_on_any_of_several_names() {
    let feature = Feature::since("attach_any: kprobe", (5, 10)).unwrap();
    let skel = load(|open| open.progs.on_kprobe.set_autoload(true));
    let kprobe = &skel.progs.on_kprobe;
    let link = kprobe
        .attach_any(&["vfs_unlink_of_old", "vfs_unlink"])
        .unwrap();
    assert_eq!(hits(&skel, unlink), 1);
    drop(link);
    let e = kprobe
        .attach_any(&["vfs_unlink_of_old", "vfs_unlnik"])
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    assert!(
        e.to_string()
            .contains("none of `vfs_unlink_of_old`, `vfs_unlnik` is there"),
        "{e}"
    );
    assert!(
        e.to_string()
            .contains("did you mean `vfs_unlink`? If not, this kernel may have inlined"),
        "{e}"
    );
    feature.works();
}

#[test]
fn tracepoints_take_a_program_once() {
    // The program calls bpf_get_attach_cookie.
    if skips_before("probes::tracepoints_take_a_program_once", (5, 15)) {
        return;
    }
    let skel = load(|open| open.progs.on_tracepoint.set_autoload(true));
    let link = skel.progs.on_tracepoint.attach().unwrap();
    let e = skel.progs.on_tracepoint.attach().unwrap_err().to_string();
    assert_eq!(
        e,
        "program `on_tracepoint`: cannot attach to tracepoint `raw_syscalls/sys_enter`: File exists (os error 17) (this program is \
         attached there already: drop that link first)"
    );
    drop(link);
    drop(skel.progs.on_tracepoint.attach().unwrap());
}

#[test]
fn system_calls() {
    for (name, choose, attach) in [
        (
            "SEC: ksyscall",
            (|open: &mut OpenProbes| open.progs.on_ksyscall.set_autoload(true))
                as fn(&mut OpenProbes),
            (|skel: &Probes| skel.progs.on_ksyscall.attach())
                as fn(&Probes) -> btf_core::Result<Link>,
        ),
        (
            "SEC: kretsyscall",
            |open| open.progs.on_kretsyscall.set_autoload(true),
            |skel| skel.progs.on_kretsyscall.attach(),
        ),
    ] {
        let feature = Feature::since(name, (5, 10)).unwrap();
        let skel = load(choose);
        let link = attach(&skel).unwrap();
        assert_eq!(hits(&skel, || getppid(2)), 2);
        drop(link);
        assert_eq!(hits(&skel, || getppid(1)), 0);
        if name == "SEC: kretsyscall" {
            assert_eq!(skel.bss.result.get(), i64::from(parent_id()));
        }
        feature.works();
    }
    let skel = load(|open| open.progs.on_ksyscall.set_autoload(true));
    let e = skel.progs.on_ksyscall.attach_to("getppidd").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    assert!(e.to_string().contains("no system call `getppidd`"), "{e}");
}

/// A feature of links to many functions; none if the kernel is too old or built without them, of which the table then tells.
fn multi(name: &'static str, since: (u32, u32)) -> Option<Feature> {
    let feature = Feature::since(name, since)?;
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap();
    if symbols
        .lines()
        .any(|line| line.ends_with(" register_fprobe_ips"))
    {
        return Some(feature);
    }
    // The kernel proper has the last word.
    let skel = load(|open| open.progs.on_multi_cookie.set_autoload(true));
    let e = skel.progs.on_multi_cookie.attach().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
    assert!(e.to_string().contains("CONFIG_FPROBE"), "{e}");
    feature.not_built_in("CONFIG_FPROBE");
    None
}

#[test]
fn kprobe_multi() {
    let Some(feature) = multi("SEC: kprobe.multi", (5, 18)) else {
        return;
    };
    let skel = load(|open| open.progs.on_multi.set_autoload(true));
    let program = &skel.progs.on_multi;
    let link = program.attach().unwrap();
    assert_eq!(hits(&skel, unlink), 1);
    if running() >= (6, 6) {
        let info = link.info().unwrap();
        assert_eq!(info.link_type, LinkType::KPROBE_MULTI);
        let LinkDetails::KprobeMulti {
            count, is_return, ..
        } = info.details
        else {
            panic!("{info:?}");
        };
        assert_eq!((count, is_return), (1, false));
    }
    drop(link);
    assert_eq!(hits(&skel, unlink), 0);

    let link = program.attach_to("vfs_*n*").unwrap();
    assert!(hits(&skel, rename) >= 2, "of vfs_unlink and vfs_rename");
    drop(link);
    let link = program
        .attach_any(&["vfs_unlink_of_old", "vfs_unlink"])
        .unwrap();
    assert_eq!(hits(&skel, unlink), 1);
    drop(link);

    let e = program.attach_to("no_such_*_function").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    assert!(
        e.to_string()
            .contains("no kernel function that can be traced matches"),
        "{e}"
    );
    let e = program.attach_to("vfs_unlnik").unwrap_err();
    assert_eq!(
        e.to_string(),
        "program `on_multi`: this kernel has no function `vfs_unlnik` that can be traced (did you mean `vfs_unlink`?)"
    );
    feature.works();
}

#[test]
fn kprobe_multi_cookies() {
    let Some(feature) = multi("cookie: kprobe.multi", (5, 18)) else {
        return;
    };
    let skel = load(|open| open.progs.on_multi_cookie.set_autoload(true));
    let program = &skel.progs.on_multi_cookie;
    let both = KprobeMultiOptions::functions(["vfs_unlink", "vfs_rename"]);
    let link = program
        .attach_with(&both.clone().cookies([100, 7]))
        .unwrap();
    assert_eq!(hits(&skel, rename), 2);
    assert_eq!(skel.bss.cookies.get(), 107);
    drop(link);
    drop(program.attach_with_cookie(1).unwrap());
    let e = program.attach_with(&both.cookies([1])).unwrap_err();
    assert_eq!(
        e.to_string(),
        "program `on_multi_cookie`: there are 2 functions and 1 cookies"
    );
    feature.works();
}

#[test]
fn kretprobe_multi() {
    let Some(feature) = multi("SEC: kretprobe.multi", (5, 18)) else {
        return;
    };
    let skel = load(|open| open.progs.on_multi_return.set_autoload(true));
    skel.bss.result.set(-1);
    let link = skel.progs.on_multi_return.attach().unwrap();
    assert_eq!(hits(&skel, unlink), 1);
    assert_eq!(skel.bss.result.get(), 0);
    drop(link);
    assert_eq!(hits(&skel, unlink), 0);
    feature.works();
}

#[test]
fn kprobe_session() {
    let Some(feature) = multi("SEC: kprobe.session", (6, 10)) else {
        return;
    };
    let skel = load(|open| open.progs.on_session.set_autoload(true));
    let link = skel.progs.on_session.attach().unwrap();
    assert_eq!(hits(&skel, unlink), 2, "entry and return");
    drop(link);
    assert_eq!(hits(&skel, unlink), 0);
    feature.works();
}

/// Cookies of each way to attach that takes one.
#[test]
fn cookies() {
    type Choose = fn(&mut OpenProbes);
    type Attach = fn(&Probes, u64) -> btf_core::Result<Link>;
    type Case = (&'static str, (u32, u32), Choose, Attach, fn());
    let cases: [Case; 6] = [
        (
            "cookie: kprobe",
            (5, 15),
            |open| open.progs.on_kprobe_cookie.set_autoload(true),
            |skel, cookie| {
                let at = KprobeOptions::new("vfs_unlink").cookie(cookie);
                skel.progs.on_kprobe_cookie.attach_with(&at)
            },
            unlink,
        ),
        (
            "cookie: tracepoint",
            (5, 15),
            |open| open.progs.on_tracepoint.set_autoload(true),
            |skel, cookie| skel.progs.on_tracepoint.attach_with_cookie(cookie),
            || getppid(1),
        ),
        (
            "cookie: fentry",
            (5, 19),
            |open| open.progs.on_fentry.set_autoload(true),
            |skel, cookie| skel.progs.on_fentry.attach_with_cookie(cookie),
            unlink,
        ),
        (
            "cookie: raw_tp",
            (6, 10),
            |open| open.progs.on_raw_tp.set_autoload(true),
            |skel, cookie| skel.progs.on_raw_tp.attach_with_cookie(cookie),
            || getppid(1),
        ),
        (
            "cookie: tp_btf",
            (6, 10),
            |open| open.progs.on_tp_btf.set_autoload(true),
            |skel, cookie| skel.progs.on_tp_btf.attach_with_cookie(cookie),
            || getppid(1),
        ),
        (
            "cookie: kprobe by section",
            (5, 15),
            |open| open.progs.on_kprobe_cookie.set_autoload(true),
            |skel, cookie| skel.progs.on_kprobe_cookie.attach_with_cookie(cookie),
            unlink,
        ),
    ];
    for (name, since, choose, attach, set_off) in cases {
        let Some(feature) = Feature::since(name, since) else {
            continue;
        };
        let skel = load(choose);
        let link = attach(&skel, 0x1234_5678_9abc).unwrap();
        let hits = hits(&skel, set_off);
        assert!(hits > 0, "{name}");
        // It may run for what detaches it, too.
        drop(link);
        let expected = 0x1234_5678_9abcu64.wrapping_mul(skel.bss.hits.get());
        assert_eq!(skel.bss.cookies.get(), expected, "{name}");
        feature.works();
    }
}

#[test]
fn a_kernel_without_cookies_says_so() {
    if skips_since("probes::a_kernel_without_cookies_says_so", (5, 15)) {
        return;
    }
    let skel = load(|open| open.progs.on_kprobe.set_autoload(true));
    let at = KprobeOptions::new("vfs_unlink").cookie(1);
    let e = skel.progs.on_kprobe.attach_with(&at).unwrap_err();
    assert!(
        e.to_string()
            .contains("a cookie here requires Linux 5.15 or newer"),
        "{e}"
    );
}

#[test]
fn links_say_what_they_are() {
    let feature = Feature::since("link: info", (5, 15));
    let skel = load(|open| {
        open.progs.on_kprobe.set_autoload(true);
    });
    let link = skel.progs.on_kprobe.attach_to("vfs_unlink", 0).unwrap();
    let Some(feature) = feature else {
        let e = link.info().unwrap_err();
        assert!(e.to_string().contains("a perf event and no link"), "{e}");
        return;
    };
    let info = link.info().unwrap();
    assert_eq!(info.link_type, LinkType::PERF_EVENT);
    assert!(info.id > 0 && info.prog_id > 0);
    feature.works();
}

/// What is not to be attached with the whole object, or names no target, is passed over.
#[test]
fn the_whole_object_attaches_what_is_wanted() {
    let skel = load(|open| {
        open.progs.on_kprobe.set_autoload(true);
        open.progs.on_ksyscall.set_autoload(true);
        open.progs.on_kretsyscall.set_autoload(true);
        open.progs.on_kretsyscall.set_autoattach(false);
    });
    let links = skel.attach().unwrap();
    assert!(links.on_ksyscall.is_some());
    assert!(links.on_kprobe.is_none() && links.on_kretsyscall.is_none());
    assert_eq!(hits(&skel, || getppid(1)), 1);
}

/// A link that is let go of stays until the process ends.
#[test]
fn a_disconnected_link_stays() {
    let feature = Feature::since("link: disconnect", (5, 10)).unwrap();
    let skel = load(|open| open.progs.on_kprobe.set_autoload(true));
    skel.progs
        .on_kprobe
        .attach_to("vfs_unlink", 0)
        .unwrap()
        .disconnect();
    assert_eq!(hits(&skel, unlink), 1);
    feature.works();
}
