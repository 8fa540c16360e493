//! Kinds of maps that the newest kernels have alone, from both sides.

use std::collections::BTreeSet;

use btf_core::map::{Flags, Hash};
use btf_core::prog::{MAX_WORDS, TestRun};
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::net::packet;

include_skel!("jump_tables");
include_skel!("newer_maps");

use newer_maps::{NewerMaps, Tally};

#[test]
fn resizable_hash_maps() {
    let Some(feature) = Feature::since("map: rhash", (7, 2)) else {
        return;
    };
    let skel = NewerMaps::open().unwrap().load().unwrap();
    let growing: &Hash<u32, Tally> = &skel.maps.growing;
    let count = |key| {
        skel.bss.key.set(key);
        skel.progs.count.test_run(&[0; MAX_WORDS]).unwrap()
    };
    assert_eq!((count(7), count(7)), (1, 2));
    let tally = |calls, last| Tally { calls, last };
    assert_eq!(growing.get(&7).unwrap(), Some(tally(2, 7)));
    growing.insert(&7, &tally(40, 0)).unwrap();
    assert_eq!(count(7), 41);
    let taken = growing.update(&7, &tally(0, 0), Flags::NO_EXIST);
    assert_eq!(taken.unwrap_err().os_error(), Some(17));
    // It grows with what is in it.
    for key in 1000..5000 {
        growing.insert(&key, &tally(0, 0)).unwrap();
    }
    assert_eq!((count(1000), count(4999)), (1, 1));
    let keys: BTreeSet<u32> = growing.keys().map(Result::unwrap).collect();
    assert_eq!(keys.len(), 4001);
    let batched: BTreeSet<u32> = growing.batched(64).map(|e| e.unwrap().0).collect();
    assert_eq!(batched, keys);
    assert_eq!(growing.take(&7).unwrap(), Some(tally(41, 7)));
    assert!(growing.remove(&1000).unwrap());
    assert!(!growing.remove(&1000).unwrap());
    assert_eq!(count(7), 1, "it is a new one");
    feature.works();
}

/// Programs have no other use for arrays of instructions than to jump by them; the loader makes one for each table.
#[test]
fn jump_tables() {
    let feature = Feature::since("map: insn_array", (6, 19));
    let loaded = jump_tables::JumpTables::open().unwrap().load();
    let Some(feature) = feature else {
        let text = loaded.err().unwrap().to_string();
        let start = "object `jump_tables`: program `calls`: jump table `inner`: the kernel refused to \
                     create it (type insn_array, keys of 4 bytes, values of 16 bytes, max_entries 2, \
                     flags 0x0): Invalid argument (os error 22) (an array of instructions requires \
                     Linux 6.19 or newer, and this is ";
        let end = ": compile with -fno-jump-tables, or leave the program out)";
        assert!(text.starts_with(start) && text.ends_with(end), "{text}");
        return;
    };
    let skel = loaded.unwrap();
    let packet_of = |len: usize| {
        // Such a program sees it without the Ethernet header.
        vec![0; 14 + len]
    };
    let run = |len| {
        let packet = packet_of(len);
        let ran = skel.progs.chooses.test_run(&TestRun::packet(&packet));
        ran.unwrap().result
    };
    let run_subprogram = |len| {
        let packet = packet_of(len);
        let ran = skel.progs.calls.test_run(&TestRun::packet(&packet));
        ran.unwrap().result
    };
    // By the low bits of the packet's length.
    assert_eq!([64, 65, 66, 67].map(run), [100, 201, 300, 0]);
    assert_eq!([64, 65].map(run_subprogram), [10, 11]);
    let ran = skel.progs.first.test_run(&TestRun::packet(&packet(1)));
    assert_eq!(ran.unwrap().result, 7);
    feature.works();
}
