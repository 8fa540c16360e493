//! Iterators over one map, the threads of one process, and cgroups from one on.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use btf_core::attach::{CgroupOrder, Iter, IterOver};
use btf_core::map::pidfd;
use btf_skel_macros::include_skel;

use crate::feature::Feature;

include_skel!("iters");

use iters::Iters;

fn loaded() -> Iters {
    Iters::open().unwrap().load().unwrap()
}

/// The numbers that a program writes.
fn numbers(mut file: File) -> Vec<u64> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    let (numbers, rest) = bytes.as_chunks::<8>();
    assert_eq!(rest, [0; 0]);
    numbers.iter().map(|n| u64::from_ne_bytes(*n)).collect()
}

fn over(program: &Iter, over: IterOver<'_>) -> Vec<u64> {
    numbers(program.iterate_over(over).unwrap())
}

#[test]
fn elements_of_a_map() {
    let feature = Feature::since("iter: bpf_map_elem", (5, 9)).unwrap();
    let skel = loaded();
    for key in 1..=3 {
        skel.maps
            .sizes
            .insert(&key, &(u64::from(key) * 100))
            .unwrap();
    }
    let program = &skel.progs.on_element;
    let mut seen = over(program, IterOver::map(&skel.maps.sizes));
    seen.sort_unstable();
    assert_eq!(seen, [101, 202, 303]);

    // A link that is pinned is read by its path.
    let mut link = program
        .attach_over(IterOver::map(&skel.maps.sizes))
        .unwrap();
    let pin = format!("/sys/fs/bpf/elements-{}", std::process::id());
    link.pin(&pin).unwrap();
    assert_eq!(numbers(File::open(&pin).unwrap()).len(), 3);
    link.unpin(&pin).unwrap();

    let e = program.iterate().unwrap_err().to_string();
    assert!(
        e.contains("which iterate_over and attach_over name (IterOver::map)"),
        "{e}"
    );
    let e = program.iterate_over(IterOver::map(&skel.maps.sockets));
    let e = e.unwrap_err().to_string();
    assert!(
        e.contains("cannot attach to iterator `bpf_map_elem`"),
        "{e}"
    );
    assert!(e.contains("have elements to go over"), "{e}");
    feature.works();
}

/// Whoever reads the pin next sees what the new program writes.
#[test]
fn a_link_takes_another_program() {
    let feature = Feature::since("link: update of iter", (5, 9)).unwrap();
    let skel = loaded();
    skel.maps.sizes.insert(&3, &300).unwrap();
    let program = &skel.progs.on_element;
    let mut link = program
        .attach_over(IterOver::map(&skel.maps.sizes))
        .unwrap();
    let pin = format!("/sys/fs/bpf/updated-{}", std::process::id());
    link.pin(&pin).unwrap();
    assert_eq!(numbers(File::open(&pin).unwrap()), [303]);
    link.update(skel.progs.on_value.program()).unwrap();
    assert_eq!(numbers(File::open(&pin).unwrap()), [300]);
    let e = link.update(skel.progs.on_task.program()).unwrap_err();
    assert_eq!(
        e.to_string(),
        "link of program `on_value`: cannot put program `on_task` into it: Invalid argument (os error 22) (it takes a program \
         that iterates over the same alone)"
    );
    assert_eq!(numbers(File::open(&pin).unwrap()), [300]);
    link.unpin(&pin).unwrap();
    feature.works();
}

#[test]
fn sockets_with_storage() {
    let feature = Feature::since("iter: bpf_sk_storage_map", (5, 9)).unwrap();
    let skel = loaded();
    let with = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let _without = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    skel.maps.sockets.insert(&with, &77).unwrap();
    let seen = over(&skel.progs.on_socket, IterOver::map(&skel.maps.sockets));
    assert_eq!(seen, [77]);
    feature.works();
}

#[test]
fn threads_of_a_process() {
    let Some(feature) = Feature::since("iter: task of a process", (6, 1)) else {
        return;
    };
    let skel = loaded();
    let program = &skel.progs.on_task;
    let gettid = || {
        rustix::thread::gettid()
            .as_raw_nonzero()
            .get()
            .cast_unsigned()
    };
    let (send, receive) = std::sync::mpsc::channel();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || {
        send.send(gettid()).unwrap();
        let _ = stopped.recv();
    });
    let other_id = receive.recv().unwrap();
    let (here, pid) = (gettid(), std::process::id());

    assert_eq!(
        over(program, IterOver::thread(other_id)),
        [u64::from(other_id)]
    );
    let process = pidfd(pid).unwrap();
    for of_process in [IterOver::process(pid), IterOver::pidfd(&process)] {
        let seen = over(program, of_process);
        assert!(
            seen.contains(&here.into()) && seen.contains(&other_id.into()),
            "{seen:?}"
        );
        assert!(!seen.contains(&1) || pid == 1, "{seen:?}");
    }
    let all = numbers(program.iterate().unwrap());
    assert!(
        all.contains(&1) && all.contains(&other_id.into()),
        "{all:?}"
    );
    drop(stop);
    other.join().unwrap();
    feature.works();
}

#[test]
fn cgroups_from_one_on() {
    let Some(feature) = Feature::since("iter: cgroup in an order", (6, 1)) else {
        return;
    };
    let mut open = Iters::open().unwrap();
    open.progs.on_cgroup.set_autoload(true);
    let skel = open.load().unwrap();
    let top = std::path::PathBuf::from(format!("/sys/fs/cgroup/iters-{}", std::process::id()));
    let below = top.join("below");
    std::fs::create_dir_all(&below).unwrap();
    // A cgroup's number is that of its folder.
    let id = |path: &std::path::Path| std::fs::metadata(path).unwrap().ino();
    let (top_id, below_id) = (id(&top), id(&below));
    let root_id = id("/sys/fs/cgroup".as_ref());
    let folder = File::open(&top).unwrap();
    let program = &skel.progs.on_cgroup;
    let seen = |order| over(program, IterOver::cgroup(&folder, order));
    assert_eq!(seen(CgroupOrder::SelfOnly), [top_id]);
    assert_eq!(seen(CgroupOrder::DescendantsPre), [top_id, below_id]);
    assert_eq!(seen(CgroupOrder::DescendantsPost), [below_id, top_id]);
    assert_eq!(seen(CgroupOrder::AncestorsUp), [top_id, root_id]);
    std::fs::remove_dir(&below).unwrap();
    std::fs::remove_dir(&top).unwrap();
    feature.works();
}
