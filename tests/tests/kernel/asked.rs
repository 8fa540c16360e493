//! What the running kernel answers to probes, held against the kernels that brought what they ask for.

use std::collections::HashSet;

use btf_core::btf::Kind;
use btf_core::helper::{self, helpers};
use btf_core::load::kernel_btf;
use btf_core::map::MapType;
use btf_core::obj::ProgType;
use btf_core::probe::{self, Features};

use crate::support::running;

/// Options that the running kernel is built with.
fn configuration() -> HashSet<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let text = std::fs::read_to_string(format!("/boot/config-{}", release.trim())).unwrap();
    let set = text.lines().filter_map(|line| {
        let (option, value) = line.split_once('=')?;
        ["y", "m"].contains(&value).then(|| option.to_owned())
    });
    set.collect()
}

/// What is wrong with an answer, by the kernel that brought it and the options that leave it out.
fn wrong(what: &str, has: bool, since: (u8, u8), options: &[&str]) -> Option<String> {
    let (major, minor) = running();
    let is_new_enough = (major, minor) >= (since.0.into(), since.1.into());
    let configuration = configuration();
    let missing: Vec<_> = options
        .iter()
        .filter(|option| !configuration.contains(**option))
        .collect();
    let (major, minor) = since;
    match (has, is_new_enough) {
        (false, true) if missing.is_empty() => Some(format!(
            "{what} is missing, since {major}.{minor}, with {options:?}"
        )),
        (true, false) => Some(format!("{what} is there, before {major}.{minor}")),
        (true, true) if !missing.is_empty() => Some(format!("{what} is there without {missing:?}")),
        _ => None,
    }
}

fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{:?}: {wrong:#?}", running());
}

#[test]
fn features() {
    let features = Features::running();
    let wrong = probe::all().iter().filter_map(|probe| {
        let since = probe.since();
        let has = features.has(probe).unwrap();
        assert_eq!(has, probe.is_supported().unwrap());
        wrong(
            probe.name(),
            has,
            (since.major, since.minor),
            probe.options(),
        )
    });
    none(wrong.collect());
}

#[test]
fn types_of_programs() {
    let features = Features::running();
    let wrong = (1..=32).map(ProgType).filter_map(|prog_type| {
        let has = features.has_prog_type(prog_type).unwrap();
        let options = probe::prog_type_options(prog_type);
        wrong(
            prog_type.name().unwrap(),
            has,
            prog_type.since().unwrap(),
            options,
        )
    });
    none(wrong.collect());
    assert!(!features.has_prog_type(ProgType(1000)).unwrap());
}

#[test]
fn types_of_maps() {
    let features = Features::running();
    let wrong = (1..=35).map(MapType).filter_map(|map_type| {
        let has = features.has_map_type(map_type).unwrap();
        let options = probe::map_type_options(map_type);
        wrong(
            &map_type.to_string(),
            has,
            map_type.since().unwrap(),
            options,
        )
    });
    none(wrong.collect());
    assert!(!features.has_map_type(MapType(1000)).unwrap());
    // A kernel newer than the table would have a type more.
    let kernel = kernel_btf().unwrap();
    let types = kernel.find("bpf_map_type", Kind::ENUM).unwrap();
    let named: Vec<_> = types
        .enumerators()
        .iter()
        .filter_map(|e| {
            Some((
                e.value(),
                e.name().strip_prefix("BPF_MAP_TYPE_")?.to_lowercase(),
            ))
        })
        // Other names of numbers that have one.
        .filter(|(_, name)| name != "unspec" && !name.ends_with("_deprecated"))
        .collect();
    assert!(named.len() > 25, "{named:?}");
    for (number, name) in named {
        let map_type = MapType(u32::try_from(number).unwrap());
        assert_eq!(map_type.to_string(), name, "number {number}");
    }
}

/// Each helper is offered to some type of program from its kernel on, and to none before.
#[test]
fn helper_functions() {
    const TYPES: [ProgType; 14] = [
        ProgType::KPROBE,
        ProgType::SCHED_CLS,
        ProgType::XDP,
        ProgType::PERF_EVENT,
        ProgType::SOCK_OPS,
        ProgType::SK_SKB,
        ProgType::SK_MSG,
        ProgType::CGROUP_SOCK_ADDR,
        ProgType::CGROUP_SYSCTL,
        ProgType::LWT_XMIT,
        ProgType::LWT_SEG6LOCAL,
        ProgType::SK_REUSEPORT,
        ProgType::SK_LOOKUP,
        ProgType::SYSCALL,
    ];
    let features = Features::running();
    let types: Vec<ProgType> = TYPES
        .into_iter()
        .filter(|t| features.has_prog_type(*t).unwrap())
        .collect();
    let (major, minor) = running();
    let mut wrong = Vec::new();
    let mut unseen = Vec::new();
    for helper in helpers() {
        let has = types
            .iter()
            .any(|t| features.has_helper(*t, helper).unwrap());
        let is_new_enough = (major, minor) >= (helper.since.0.into(), helper.since.1.into());
        match (has, is_new_enough) {
            (true, false) => wrong.push(helper.name),
            (false, true) => unseen.push(helper.name),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:?} are there before their time");
    // The rest is for programs that cannot be loaded without a target, or is left out by an option.
    assert!(unseen.len() < 40, "{unseen:?}");
    println!("not offered: {unseen:?}");
    let offered = |prog_type, name: &str| {
        features
            .has_helper(prog_type, helper::by_name(name).unwrap())
            .unwrap()
    };
    assert!(offered(ProgType::XDP, "bpf_xdp_adjust_head"));
    assert!(!offered(ProgType::XDP, "bpf_get_stackid"));
    assert!(offered(ProgType::KPROBE, "bpf_get_stackid"));
    assert!(offered(ProgType::SCHED_CLS, "bpf_skb_store_bytes"));
    assert!(!offered(ProgType::SCHED_CLS, "bpf_probe_write_user"));
}
