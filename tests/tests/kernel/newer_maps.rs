//! Kinds of maps that the newest kernels have alone, from both sides.

use std::collections::BTreeSet;

use btf_core::map::{Flags, Hash};
use btf_core::prog::MAX_WORDS;
use btf_skel_macros::include_skel;

use crate::feature::Feature;

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
