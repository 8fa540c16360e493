//! Doing without what older kernels lack: on a kernel that has it, with answers given that deny it.

use btf_core::ErrorKind;
use btf_core::probe::{self, Features, Probe};
use btf_core::prog::MAX_WORDS;
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::support::getppid;

include_skel!("old");

use old::{Old, OpenOld};

const NOTHING: [u64; MAX_WORDS] = [0; MAX_WORDS];

/// The object for a kernel that lacks these.
fn without(lacks: &[&'static Probe]) -> OpenOld {
    let mut features = Features::running();
    for probe in lacks {
        features.set(probe, false);
    }
    let mut open = Old::open().unwrap();
    open.object_mut().set_features(features);
    open
}

/// Runs the program with globals, and looks at what it did.
fn check(skel: &Old) {
    skel.progs.with_globals.test_run(&NOTHING).unwrap();
    skel.bss.fetch().unwrap();
    assert_eq!(skel.bss.total.get(), 10);
    assert_eq!(skel.bss.tgid.get(), std::process::id());
    let name = std::fs::read_to_string("/proc/self/task/self/comm")
        .or_else(|_| std::fs::read_to_string("/proc/thread-self/comm"))
        .unwrap();
    assert_eq!(skel.bss.comm.get().to_str_lossy(), name.trim_end());
}

#[test]
fn globals_are_copied_where_they_cannot_be_shared() {
    let feature = Feature::since("older kernel: globals by system calls", (5, 10)).unwrap();
    let skel = Old::open().unwrap().load().unwrap();
    assert!(skel.bss.is_shared() && skel.data.is_shared() && skel.rodata.is_shared());
    check(&skel);

    let mut open = without(&[&probe::ARRAY_MMAP]);
    open.data.target = 17;
    let skel = open.load().unwrap();
    assert!(!skel.bss.is_shared() && !skel.data.is_shared() && !skel.rodata.is_shared());
    assert_eq!(skel.rodata.step, 3);
    assert_eq!(skel.data.target.get(), 17);
    skel.data.target.set(7);
    // The program does not see it yet.
    skel.progs.with_globals.test_run(&NOTHING).unwrap();
    assert_eq!(skel.bss.total.get(), 0);
    skel.bss.fetch().unwrap();
    assert_eq!(skel.bss.total.get(), 20);
    skel.bss.total.set(0);
    skel.bss.store().unwrap();
    skel.data.store().unwrap();
    skel.rodata.store().unwrap();
    skel.rodata.fetch().unwrap();
    check(&skel);
    feature.works();
}

#[test]
fn newer_helpers_are_replaced() {
    let feature = Feature::since("older kernel: bpf_probe_read", (5, 10)).unwrap();
    let calls = |mut open: OpenOld| {
        open.progs.with_globals.set_log_level(2);
        let skel = open.load().unwrap();
        check(&skel);
        let log = skel.progs.with_globals.program().verifier_log().unwrap();
        [
            "bpf_probe_read_kernel#",
            "bpf_probe_read_kernel_str#",
            "bpf_probe_read#",
            "bpf_probe_read_str#",
        ]
        .map(|call| log.contains(call))
    };
    assert_eq!(calls(without(&[])), [true, true, false, false]);
    assert_eq!(
        calls(without(&[&probe::PROBE_READ_KERNEL])),
        [false, false, true, true]
    );
    feature.works();
}

#[test]
fn names_are_left_out() {
    let feature = Feature::since("older kernel: no names", (5, 10)).unwrap();
    let skel = without(&[&probe::NAMES]).load().unwrap();
    let map = skel.maps.values.map();
    assert_eq!(
        (map.name(), map.info().unwrap().name.as_str()),
        ("values", "")
    );
    check(&skel);
    let skel = without(&[]).load().unwrap();
    assert_eq!(skel.maps.values.map().info().unwrap().name, "values");
    feature.works();
}

#[test]
fn btf_is_reduced_to_what_the_kernel_takes() {
    let feature = Feature::since("older kernel: BTF", (5, 10)).unwrap();
    let steps: [&[&'static Probe]; 4] = [
        &[
            &probe::BTF_FLOAT,
            &probe::BTF_DECL_TAG,
            &probe::BTF_TYPE_TAG,
            &probe::BTF_ENUM64,
        ],
        &[&probe::BTF_GLOBAL_FUNC],
        &[&probe::BTF_DATASEC, &probe::BTF_QUESTION_MARK],
        &[&probe::BTF_FUNC, &probe::BTF_GLOBAL_FUNC],
    ];
    for lacks in steps {
        let skel = without(lacks).load().unwrap();
        assert!(
            skel.warnings().is_empty(),
            "{lacks:?}: {:?}",
            skel.warnings()
        );
        check(&skel);
        // The types of a map are still those of its declaration.
        assert_ne!(
            skel.maps.counter.map().info().unwrap().btf_id,
            0,
            "{lacks:?}"
        );
    }
    feature.works();
}

#[test]
fn perf_events_run_programs_without_links() {
    let feature = Feature::since("older kernel: perf events without links", (5, 10)).unwrap();
    let skel = without(&[&probe::PERF_LINK]).load().unwrap();
    let link = skel.progs.on_getppid.attach().unwrap();
    let e = link.info().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    getppid(1);
    let count = || skel.maps.counter.get(0).unwrap().unwrap();
    let seen = count();
    assert!(seen >= 100);
    drop(link);
    getppid(1);
    assert_eq!(count(), seen);
    feature.works();
}

#[test]
fn memory_is_charged_to_the_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let feature = Feature::since("older kernel: limit on locked memory", (5, 10)).unwrap();
    let some = Rlimit {
        current: Some(64 << 10),
        maximum: None,
    };
    setrlimit(Resource::Memlock, some).unwrap();
    let skel = without(&[&probe::MEMCG_ACCOUNTING]).load().unwrap();
    assert_eq!(getrlimit(Resource::Memlock).current, None);
    check(&skel);
    feature.works();
}

/// Values that programs ask for tell them what the kernel lacks.
#[test]
fn programs_are_told() {
    for has in [false, true] {
        let mut features = Features::running();
        features.set(&probe::BPF_COOKIE, has);
        let mut open = Old::open().unwrap();
        open.object_mut().set_features(features);
        let skel = open.load().unwrap();
        check(&skel);
        assert_eq!(skel.bss.has_cookie.get(), u32::from(has));
    }
}

/// All at once, but for global data.
#[test]
fn all_can_be_missing() {
    let feature = Feature::since("older kernel: all of it", (5, 10)).unwrap();
    let has = [&probe::GLOBAL_DATA, &probe::BTF];
    let lacks: Vec<&'static Probe> = probe::all()
        .iter()
        .copied()
        .filter(|p| has.iter().all(|has| has.name() != p.name()))
        .collect();
    let skel = without(&lacks).load().unwrap();
    check(&skel);
    let links = skel.attach().unwrap();
    assert!(links.on_getppid.is_some());
    getppid(1);
    assert!(skel.maps.counter.get(0).unwrap().unwrap() >= 100);
    feature.works();
}

#[test]
fn programs_without_variables_load_where_there_are_none() {
    let feature = Feature::since("older kernel: no global data", (5, 10)).unwrap();
    let e = without(&[&probe::GLOBAL_DATA]).load().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Verifier);
    let text = e.to_string();
    assert!(text.contains("program `with_globals`"), "{text}");
    assert!(
        text.contains("it uses a global variable, of section ."),
        "{text}"
    );
    assert!(
        text.contains("they came with Linux 5.2 (keep in a map"),
        "{text}"
    );

    let mut open = without(&[&probe::GLOBAL_DATA]);
    open.progs.with_globals.set_autoload(false);
    open.bss.total = 5;
    let skel = open.load().unwrap();
    skel.progs.with_map.test_run(&NOTHING).unwrap();
    assert_eq!(skel.maps.counter.get(0).unwrap(), Some(1));
    // The variables are there, and nobody else's.
    assert!(!skel.bss.is_shared());
    assert_eq!((skel.bss.total.get(), skel.rodata.step), (5, 3));
    let e = skel.bss.fetch().unwrap_err();
    assert!(e.to_string().contains("it was not created"), "{e}");
    assert!(skel.bss.store().is_err());
    feature.works();
}
