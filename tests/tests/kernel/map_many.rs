//! Many entries at once, maps that outlive their object, and what is said of those that do not fit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use btf_core::ErrorKind;
use btf_core::map::{Flags, Hash, Map, MapType, OneByOne, Queue, possible_cpus};
use btf_core::obj::MapSpec;
use btf_core::prog::MAX_WORDS;
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::support::{needs, running};

include_skel!("map_many");

use map_many::{MapMany, OpenMapMany, Prefix};

/// An object whose pins lie in a folder of their own.
fn open(root: &Path) -> OpenMapMany {
    needs(5, 10);
    let mut open = MapMany::open().unwrap();
    open.object_mut().set_pin_root(root);
    open
}

/// A folder for pins that is removed in the end.
struct Pins(PathBuf);

impl Pins {
    fn new(name: &str) -> Pins {
        Pins(PathBuf::from(format!(
            "/sys/fs/bpf/{name}-{}",
            std::process::id()
        )))
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn add_one(skel: &MapMany, key: u32) {
    skel.bss.wanted.set(key);
    skel.progs.add_one.test_run(&[0; MAX_WORDS]).unwrap();
}

#[test]
fn hash_maps_and_arrays_from_both_sides() {
    let features = [
        Feature::since("map: hash", (3, 19)).unwrap(),
        Feature::since("map: array", (3, 19)).unwrap(),
        Feature::since("map: percpu_hash", (4, 6)).unwrap(),
        Feature::since("map: percpu_array", (4, 6)).unwrap(),
    ];
    let pins = Pins::new("sides");
    let skel = open(&pins.0).load().unwrap();
    let (maps, cpus) = (&skel.maps, possible_cpus().unwrap());
    maps.hash.insert(&7, &70).unwrap();
    maps.array.set(7, &71).unwrap();
    maps.per_cpu_hash.insert(&7, &vec![72; cpus]).unwrap();
    maps.per_cpu_array.set(7, &vec![73; cpus]).unwrap();
    add_one(&skel, 7);
    assert_eq!(maps.hash.get(&7).unwrap(), Some(71));
    assert_eq!(maps.array.get(7).unwrap(), Some(72));
    // On the CPU where the program ran.
    let values = maps.per_cpu_hash.get(&7).unwrap().unwrap();
    assert_eq!(values.iter().sum::<u32>() as usize, 72 * cpus + 1);
    let values = maps.per_cpu_array.get(7).unwrap().unwrap();
    assert_eq!(
        usize::from(values.iter().sum::<u16>()),
        73 * cpus + 1,
        "{values:?}"
    );
    assert!(maps.hash.remove(&7).unwrap() && maps.per_cpu_hash.remove(&7).unwrap());
    add_one(&skel, 7);
    assert_eq!(
        (maps.hash.iter().count(), maps.per_cpu_hash.iter().count()),
        (0, 0)
    );
    assert_eq!(maps.array.get(7).unwrap(), Some(73));
    features.into_iter().for_each(Feature::works);
}

#[test]
fn hash_maps_in_batches() {
    let feature = Feature::since("map: batches of hash", (5, 6)).unwrap();
    let pins = Pins::new("batches");
    let skel = open(&pins.0).load().unwrap();
    let hash = &skel.maps.hash;
    let keys: Vec<u32> = (0..1000).collect();
    let values: Vec<u64> = (5000..6000).collect();
    hash.insert_many(&keys, &values).unwrap();
    add_one(&skel, 7);
    // Batches smaller than a bucket grow, odd ones and ones larger than the map do as well.
    for size in [1, 7, 100, 5000] {
        let all: BTreeMap<u32, u64> = hash.batched(size).map(Result::unwrap).collect();
        assert_eq!(all.len(), 1000, "by {size}");
        assert!(
            all.iter()
                .all(|(k, v)| *v == u64::from(*k) + 5000 + u64::from(*k == 7))
        );
        assert_eq!(hash.batched(size).count(), 1000, "by {size}");
    }
    let entries = hash.batched(64).or_one_by_one().unwrap();
    assert!(matches!(entries, OneByOne::Batched(_)));
    assert_eq!(entries.count(), 1000);

    // Missing keys are no error, and do not stop the others.
    assert_eq!(
        hash.remove_many(&[2000, 0, 1, 2001, 2, 3, 2002]).unwrap(),
        4
    );
    assert_eq!(hash.remove_many(&[]).unwrap(), 0);
    let drained: BTreeMap<u32, u64> = hash.drain(100).map(Result::unwrap).collect();
    assert_eq!(drained.len(), 996);
    assert_eq!((hash.iter().count(), hash.batched(9).count()), (0, 0));

    // What does not fit is told by number.
    let keys: Vec<u32> = (0..1100).collect();
    let e = hash.insert_many(&keys, &vec![0; 1100]).unwrap_err();
    let text = e.to_string();
    assert!(
        text.starts_with("map `hash`: cannot write more than the first 1024 of 1100 entries: "),
        "{text}"
    );
    assert!(
        text.contains("it is full: its max_entries is 1024"),
        "{text}"
    );
    assert_eq!(hash.keys().count(), 1024);
    let e = hash.insert_many(&[1], &[]).unwrap_err();
    assert_eq!(
        e.to_string(),
        "map `hash`: 1 keys and 0 values were given, and each key takes one value"
    );
    feature.works();
}

#[test]
fn a_value_is_taken_with_its_key() {
    needs(5, 10);
    let pins = Pins::new("taken");
    let skel = open(&pins.0).load().unwrap();
    let hash = &skel.maps.hash;
    hash.insert(&5, &50).unwrap();
    let hash_feature = Feature::since("map: lookup and delete of hash", (5, 14));
    let per_cpu = Feature::since("map: lookup and delete of percpu_hash", (5, 14));
    let Some((feature, per_cpu)) = hash_feature.zip(per_cpu) else {
        let e = hash.take(&5).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unsupported);
        assert_eq!(
            e.to_string(),
            "map `hash`: this kernel cannot look up and remove a key at once in a map of type hash (kernels from 5.14 on can)"
        );
        return;
    };
    add_one(&skel, 5);
    assert_eq!(hash.take(&5).unwrap(), Some(51));
    assert_eq!(hash.take(&5).unwrap(), None);
    feature.works();
    let (map, cpus) = (&skel.maps.per_cpu_hash, possible_cpus().unwrap());
    map.insert(&5, &vec![50; cpus]).unwrap();
    add_one(&skel, 5);
    let values = map.take(&5).unwrap().unwrap();
    assert_eq!(values.len(), cpus);
    assert_eq!(values.iter().sum::<u32>() as usize, 50 * cpus + 1);
    assert_eq!(map.take(&5).unwrap(), None);
    per_cpu.works();
}

#[test]
fn other_maps_in_batches() {
    let pins = Pins::new("others");
    let skel = open(&pins.0).load().unwrap();
    let (maps, cpus) = (&skel.maps, possible_cpus().unwrap());

    let array = Feature::since("map: batches of array", (5, 6)).unwrap();
    let values: Vec<u32> = (1..=900).collect();
    maps.array.set_many(100, &values).unwrap();
    add_one(&skel, 100);
    let all: Vec<(u32, u32)> = maps.array.batched(64).map(Result::unwrap).collect();
    assert_eq!(
        (all.len(), all[99], all[100], all[999]),
        (1000, (99, 0), (100, 2), (999, 900))
    );
    let e = maps.array.set_many(101, &values).unwrap_err();
    assert_eq!(
        e.to_string(),
        "map `array`: indices 101 to 1000 are out of its 1000 entries"
    );
    array.works();

    let per_cpu = Feature::since("map: batches of percpu_hash", (5, 6)).unwrap();
    for key in 0..200 {
        maps.per_cpu_hash.insert(&key, &vec![key; cpus]).unwrap();
    }
    let all: BTreeMap<u32, Vec<u32>> = maps.per_cpu_hash.batched(50).map(Result::unwrap).collect();
    assert_eq!(all.len(), 200);
    assert!(all.iter().all(|(key, values)| *values == vec![*key; cpus]));
    let keys: Vec<u32> = (100..300).collect();
    let values = vec![7; cpus];
    maps.per_cpu_hash
        .insert_many(&keys, keys.iter().map(|_| &values[..]))
        .unwrap();
    assert_eq!(maps.per_cpu_hash.iter().count(), 300);
    assert_eq!(maps.per_cpu_hash.get(&150).unwrap(), Some(values));
    assert_eq!(maps.per_cpu_hash.remove_many(&keys[100..]).unwrap(), 100);
    assert_eq!(maps.per_cpu_hash.drain(50).map(Result::unwrap).count(), 200);
    assert_eq!(maps.per_cpu_hash.iter().count(), 0);
    per_cpu.works();

    maps.per_cpu_array.set(3, &vec![9; cpus]).unwrap();
    let batched = maps.per_cpu_array.batched(10);
    match Feature::since("map: batches of percpu_array", (5, 13)) {
        Some(feature) => {
            let all: Vec<_> = batched.map(Result::unwrap).collect();
            assert_eq!((all.len(), &all[3]), (100, &(3, vec![9; cpus])));
            feature.works();
        }
        None => {
            let e = maps.per_cpu_array.batched(10).next().unwrap().unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
            let entries = batched.or_one_by_one().unwrap();
            assert!(matches!(entries, OneByOne::Single(_)));
            assert_eq!(entries.map(Result::unwrap).count(), 100);
        }
    }

    let keys: Vec<Prefix> = (0..300)
        .map(|n: u32| Prefix {
            bits: 32,
            address: n,
        })
        .collect();
    let values: Vec<u32> = (0..300).collect();
    let Some(trie) = Feature::since("map: batches of lpm_trie", (5, 13)) else {
        for (key, value) in keys.iter().zip(&values) {
            maps.trie.insert(key, value).unwrap();
        }
        let all = maps.trie.batched(40).or_one_by_one().unwrap();
        assert!(matches!(all, OneByOne::Single(_)));
        let all = all.map(Result::unwrap);
        let all: BTreeMap<u32, u32> = all.map(|(k, v)| (k.address, v)).collect();
        assert!(all.len() == 300 && all.iter().all(|(k, v)| k == v));
        return;
    };
    maps.trie.insert_many(&keys, &values).unwrap();
    let all = maps.trie.batched(40).map(Result::unwrap);
    let all: BTreeMap<u32, u32> = all.map(|(k, v)| (k.address, v)).collect();
    assert!(all.len() == 300 && all.iter().all(|(k, v)| k == v));
    assert_eq!(maps.trie.remove_many(&keys[..100]).unwrap(), 100);
    assert_eq!(maps.trie.remove_many(&keys[50..]).unwrap(), 200);
    assert_eq!(maps.trie.iter().count(), 0);
    trie.works();
}

#[test]
fn bytes_of_a_map() {
    /// `BPF_F_NUMA_NODE`.
    const NUMA_NODE: u32 = 4;
    let told = Feature::since("map: info", (4, 13)).unwrap();
    let frozen = Feature::since("map: freeze", (5, 2)).unwrap();
    let numa = Feature::since("map: NUMA node", (4, 14)).unwrap();
    let pins = Pins::new("bytes");
    let skel = open(&pins.0).load().unwrap();
    let map = skel.maps.hash.map();
    map.set_bytes(&[1, 0, 0, 0], &7u64.to_ne_bytes(), Flags::NO_EXIST)
        .unwrap();
    assert_eq!(
        skel.maps
            .hash
            .get(&u32::from_ne_bytes([1, 0, 0, 0]))
            .unwrap(),
        Some(7)
    );
    assert_eq!(
        map.get_bytes(&[1, 0, 0, 0]).unwrap(),
        Some(7u64.to_ne_bytes().to_vec())
    );
    assert_eq!(
        map.key_bytes().map(Result::unwrap).collect::<Vec<_>>(),
        [[1, 0, 0, 0]]
    );
    let texts = [
        map.get_bytes(&[1]).unwrap_err(),
        map.set_bytes(&[0; 4], &[0; 9], Flags::ANY).unwrap_err(),
        map.remove_bytes(&[0; 8]).unwrap_err(),
    ]
    .map(|e| e.to_string());
    assert_eq!(
        texts,
        [
            "map `hash`: its keys have 4 bytes, but 1 were given",
            "map `hash`: its values have 8 bytes, but 9 were given",
            "map `hash`: its keys have 4 bytes, but 8 were given",
        ]
    );
    assert!(map.remove_bytes(&[1, 0, 0, 0]).unwrap());

    let info = map.info().unwrap();
    assert_eq!((info.name.as_str(), info.map_type), ("hash", MapType::HASH));
    assert_eq!(
        (info.key_size, info.value_size, info.max_entries),
        (4, 8, 1024)
    );
    assert!(info.id != 0 && info.btf_id != 0, "{info:?}");
    assert_eq!(Map::from_id(info.id).unwrap().info().unwrap(), info);
    told.works();
    assert_eq!(info.map_flags, NUMA_NODE, "its declaration names one");
    let mut elsewhere = open(&pins.0);
    elsewhere.maps.hash.set_numa_node(1000);
    let e = elsewhere.load().unwrap_err();
    assert_eq!(e.os_error(), Some(22), "there is no such node: {e}");
    numa.works();

    map.freeze().unwrap();
    let e = skel.maps.hash.insert(&1, &1).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Permission);
    assert!(
        e.to_string()
            .contains("it is frozen: user space reads its values"),
        "{e}"
    );
    frozen.works();
}

#[test]
fn a_map_without_an_object() {
    needs(5, 10);
    let spec = |map_type, value_size| MapSpec {
        name: "alone".into(),
        map_type,
        value_size,
        max_entries: 2,
        ..MapSpec::default()
    };
    let queue: Queue<u64> = Map::create(&spec(MapType::QUEUE, 8))
        .unwrap()
        .try_into()
        .unwrap();
    queue.push(&3).unwrap();
    assert_eq!(queue.pop().unwrap(), Some(3));
    let e = Map::create(&spec(MapType::HASH, 8)).unwrap_err();
    assert!(
        e.to_string().starts_with(
            "map `alone`: the kernel refused to create it (type hash, keys of 0 bytes"
        ),
        "{e}"
    );
    let e = Map::create(&spec(MapType(9999), 8)).unwrap_err();
    assert!(e.to_string().contains("(type 9999, "), "{e}");
}

#[test]
fn pinned_maps_are_found_again() {
    let feature = Feature::since("map: pinned by name", (4, 4)).unwrap();
    let pins = Pins::new("pins");
    let path = pins.0.join("kept");
    let first = open(&pins.0).load().unwrap();
    first.maps.kept.insert(&1, &10).unwrap();
    drop(first);

    // Another run, and another process.
    let second = open(&pins.0).load().unwrap();
    add_one(&second, 1);
    assert_eq!(second.maps.kept.get(&1).unwrap(), Some(11));
    assert_eq!(second.maps.kept.map().name(), "kept");
    let opened: Hash<u32, u64> = Map::open_pinned(&path).unwrap().try_into().unwrap();
    assert_eq!(opened.get(&1).unwrap(), Some(11));

    // A map that another object has.
    let mut third = open(&pins.0);
    third.maps.hash.reuse(&second.maps.kept).unwrap();
    third.maps.kept.set_pin_path(pins.0.join("another"));
    let third = third.load().unwrap();
    add_one(&third, 1);
    assert_eq!(opened.get(&1).unwrap(), Some(12));
    assert!(pins.0.join("another").exists());

    let e = third
        .maps
        .hash
        .map()
        .unpin(pins.0.join("another"))
        .unwrap_err();
    assert!(
        e.to_string()
            .starts_with("map `hash`: another map is pinned at "),
        "{e}"
    );
    third.maps.kept.map().unpin(pins.0.join("another")).unwrap();
    opened.map().unpin(&path).unwrap();
    let e = opened.map().unpin(&path).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound, "{e}");
    feature.works();
}

#[test]
fn pins_that_do_not_fit() {
    let pins = Pins::new("unfit");
    let first = open(&pins.0).load().unwrap();
    let mut other = open(&pins.0);
    other.maps.kept.set_max_entries(17);
    other.maps.kept.set_value_size(16);
    other.maps.kept.set_map_flags(1);
    let e = other.load().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
    assert_eq!(
        e.to_string(),
        format!(
            "object `map_many`: map `kept`: map pinned at {}/kept: it is not as declared: value_size 8 instead of 16, \
             max_entries 16 instead of 17, map_flags 0x0 instead of 0x1 (remove the pin if nobody uses it any more, or pin \
             this map elsewhere (set_pin_path, set_pin_root))",
            pins.0.display()
        )
    );
    let pin = pins.0.join("twice");
    first.maps.hash.map().pin(&pin).unwrap();
    let e = first.maps.hash.map().pin(&pin).unwrap_err();
    assert!(e.to_string().contains("something is pinned there"), "{e}");
    let e = first.maps.hash.map().pin("/tmp/nowhere").unwrap_err();
    assert!(e.to_string().contains("BPF file system"), "{e}");
    let e = first
        .maps
        .hash
        .map()
        .pin(pins.0.join("no/folder"))
        .unwrap_err();
    assert!(
        e.to_string().contains("its directory does not exist"),
        "{e}"
    );
    let e = Map::open_pinned("/tmp").unwrap_err();
    assert!(e.to_string().contains("BPF file system"), "{e}");
}

/// Kernels before 5.11 charge maps to the limit on locked memory, which a process starts with far too little of.
#[test]
fn locked_memory() {
    let pins = Pins::new("memory");
    let mut open = open(&pins.0);
    open.maps.array.set_max_entries(4 << 20);
    let skel = open.load().unwrap();
    assert_eq!(skel.maps.array.get((4 << 20) - 1).unwrap(), Some(0));
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let limit = limits
        .lines()
        .find(|line| line.starts_with("Max locked memory"))
        .unwrap();
    assert_eq!(limit.contains("unlimited"), running() < (5, 11), "{limit}");
}
