//! Values that belong to tasks, sockets, inodes and cgroups, and Bloom filters: later kernels have more of them.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;

use btf_core::attach::{CgroupSharing, RawTracepoint};
use btf_core::load::{LoadedObject, OpenObject};
use btf_core::map::{
    BloomFilter, Flags, Global, LocalStorage, Mapped, Section, pidfd, possible_cpus,
};
use btf_core::prog::{MAX_WORDS, Program};
use btf_core::{ErrorKind, Pod, pod};
use btf_skel_macros::include_skel;

use crate::cgroup::Inside;
use crate::feature::Feature;
use crate::support::{GETPPID, getppid, load_only, set};

include_skel!("cgroup_storage");

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/map_storage.bpf.o"));

const MAPS: [&str; 5] = ["of_tasks", "of_sockets", "of_inodes", "of_cgroups", "seen"];

#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(C)]
struct Visits {
    count: u64,
    step: u64,
}
// SAFETY: two numbers of the same size.
unsafe impl Pod for Visits {}

#[repr(C)]
struct Bss {
    added: Global<u64>,
    asked: Global<u64>,
}
// SAFETY: numbers in cells.
unsafe impl Section for Bss {
    const SHARED: bool = true;
}

/// The object with this map alone, and the program that uses it.
fn only(map: &str, program: &str) -> (LoadedObject, Program) {
    let mut open = OpenObject::open("map_storage", OBJECT).unwrap();
    set(&mut open, ".rodata", "target_pid", &std::process::id());
    set(&mut open, ".rodata", "target_nr", &GETPPID);
    for name in MAPS {
        let other = open.map_mut(name).unwrap();
        other.set_autocreate(name == map);
    }
    load_only(open, program).unwrap()
}

fn storage(loaded: &mut LoadedObject, map: &str) -> LocalStorage<Visits> {
    loaded.map(map).unwrap().typed().unwrap()
}

/// Reads and writes the value of `owner`, to which a program adds its step and one each time `fire` is called.
fn both_sides(storage: &LocalStorage<Visits>, owner: impl AsFd, fire: impl Fn()) {
    let visits = |count, step| Visits { count, step };
    assert_eq!(storage.get(&owner).unwrap(), None);
    storage.insert(&owner, &visits(10, 4)).unwrap();
    fire();
    assert_eq!(storage.get(&owner).unwrap(), Some(visits(15, 4)));
    let e = storage
        .update(&owner, &visits(0, 0), Flags::NO_EXIST)
        .unwrap_err();
    assert_eq!(e.os_error(), Some(17), "{e}");
    storage.update(&owner, &visits(1, 0), Flags::EXIST).unwrap();
    fire();
    assert_eq!(storage.get(&owner).unwrap(), Some(visits(2, 0)));
    assert!(storage.remove(&owner).unwrap());
    assert!(!storage.remove(&owner).unwrap());
}

#[test]
fn of_tasks() {
    // Programs other than lsm may use it from 5.12 on.
    let Some(feature) = Feature::since("map: task_storage", (5, 12)) else {
        return;
    };
    let (mut loaded, program) = only("of_tasks", "on_task");
    let program: RawTracepoint = program.try_into().unwrap();
    let me = pidfd(std::process::id()).unwrap();
    let storage = storage(&mut loaded, "of_tasks");
    both_sides(&storage, &me, || {
        program.test_run(&[0; MAX_WORDS]).unwrap();
    });
    // A map is no process.
    let e = storage.get(&storage).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Os, "{e}");
    let e = pidfd(0).unwrap_err().to_string();
    assert!(
        e.starts_with("cannot open a descriptor of process 0: "),
        "{e}"
    );
    feature.works();
}

#[test]
fn of_sockets() {
    // Tracing programs may use it from 5.11 on.
    let Some(feature) = Feature::since("map: sk_storage", (5, 11)) else {
        return;
    };
    let (mut loaded, program) = only("of_sockets", "on_listen");
    let storage = storage(&mut loaded, "of_sockets");
    let _link = program.attach().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let step = storage.get(&listener).unwrap().unwrap();
    assert_eq!(step, Visits { count: 1, step: 0 }, "std listens once");
    storage
        .insert(&listener, &Visits { count: 3, step: 0 })
        .unwrap();
    assert_eq!(storage.get(&listener).unwrap().unwrap().count, 3);
    assert!(storage.remove(&listener).unwrap());
    assert!(!storage.remove(&listener).unwrap());
    feature.works();
}

#[test]
fn of_inodes() {
    let feature = Feature::since("map: inode_storage", (5, 10)).unwrap();
    let (mut loaded, program) = only("of_inodes", "on_file_open");
    let storage = storage(&mut loaded, "of_inodes");
    let _link = program.attach().unwrap();
    let path = std::env::temp_dir().join(format!("inode-{}", std::process::id()));
    let file = File::create(&path).unwrap();
    both_sides(&storage, &file, || drop(File::open(&path).unwrap()));
    std::fs::remove_file(&path).unwrap();
    feature.works();
}

#[test]
fn of_cgroups() {
    let Some(feature) = Feature::since("map: cgrp_storage", (6, 2)) else {
        return;
    };
    let (mut loaded, program) = only("of_cgroups", "on_enter");
    let storage = storage(&mut loaded, "of_cgroups");
    let _link = program.attach().unwrap();
    let root = File::open("/sys/fs/cgroup").unwrap();
    both_sides(&storage, &root, || getppid(1));
    feature.works();
}

/// `BPF_CGROUP_INET_EGRESS`.
const EGRESS: u32 = 1;

/// What the kernel makes when a program is attached to a cgroup.
#[test]
fn of_cgroups_with_a_program() {
    use cgroup_storage::Visits;
    let one = Feature::since("map: cgroup_storage", (4, 19)).unwrap();
    let per_cpu = Feature::since("map: percpu_cgroup_storage", (4, 20)).unwrap();
    let open = cgroup_storage::CgroupStorage::open().unwrap();
    let skel = open.load().unwrap();
    let (by_type, by_cgroup) = (&skel.maps.by_attach_type, &skel.maps.by_cgroup);
    let cgroup = Inside::new("btf-kernel-storage");
    let id = std::fs::metadata(&cgroup.0).unwrap().ino();
    let key = |attach_type| cgroup_storage::BpfCgroupStorageKey {
        cgroup_inode_id: id,
        attach_type,
        ..pod::zeroed()
    };
    let visits = |count, step| Visits { count, step };
    let e = by_type.set(&key(EGRESS), &visits(0, 0)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound, "no program is there: {e}");
    let program = &skel.progs.on_egress;
    let link = program.attach_to(&cgroup.0, CgroupSharing::Link).unwrap();
    assert_eq!(by_type.get(&key(EGRESS)).unwrap(), Some(visits(0, 0)));
    assert_eq!(by_type.get(&key(EGRESS + 1)).unwrap(), None);
    by_type.set(&key(EGRESS), &visits(10, 4)).unwrap();
    let cpus = possible_cpus().unwrap();
    by_cgroup.set(&id, &vec![visits(0, 2); cpus]).unwrap();
    send_datagram();
    assert_eq!(by_type.get(&key(EGRESS)).unwrap(), Some(visits(15, 4)));
    let values = by_cgroup.get(&id).unwrap().unwrap();
    assert_eq!(values.len(), cpus);
    assert_eq!(values.iter().map(|visits| visits.count).sum::<u64>(), 3);
    let keys: Vec<u32> = by_type.keys().map(|key| key.unwrap().attach_type).collect();
    assert_eq!(keys, [EGRESS]);
    assert_eq!(
        by_cgroup.keys().map(Result::unwrap).collect::<Vec<u64>>(),
        [id]
    );
    link.detach().unwrap();
    send_datagram();
    assert_ne!(by_type.get(&key(EGRESS)).unwrap(), Some(visits(20, 4)));
    one.works();
    per_cpu.works();
}

/// One packet leaves a socket of this process.
fn send_datagram() {
    let to = UdpSocket::bind("127.0.0.1:0").unwrap();
    let from = UdpSocket::bind("127.0.0.1:0").unwrap();
    from.send_to(b"datagram", to.local_addr().unwrap()).unwrap();
    to.recv(&mut [0; 16]).unwrap();
}

#[test]
fn bloom_filters() {
    let filter = Feature::since("map: bloom_filter", (5, 16));
    let extra = Feature::since("map: extra argument", (5, 16));
    let Some((feature, extra)) = filter.zip(extra) else {
        return;
    };
    let (loaded, program) = only("seen", "ask_filter");
    let program: RawTracepoint = program.try_into().unwrap();
    let bss: Mapped<Bss> = loaded.data(".bss").unwrap();
    let seen: BloomFilter<u64> = loaded.map("seen").unwrap().typed().unwrap();
    assert_eq!(seen.map().info().unwrap().map_extra, 3);
    extra.works();
    let ask = |added, asked| {
        bss.added.set(added);
        bss.asked.set(asked);
        program.test_run(&[0; MAX_WORDS]).unwrap()
    };
    seen.add(&1).unwrap();
    assert_eq!(ask(2, 1), 1);
    assert!(seen.may_contain(&2).unwrap());
    // Of so few values in so large a filter hardly one is mistaken for another.
    let mistaken = (1000..1100).filter(|n| seen.may_contain(n).unwrap());
    assert!(mistaken.count() < 10);
    feature.works();
}
