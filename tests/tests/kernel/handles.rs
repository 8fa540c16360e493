//! Maps that are opened a second time: what they are is checked, and ring buffers stay one.
#![allow(unsafe_code)] // A mapping as another process would have it.

use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::ptr::null_mut;

use btf_core::map::{
    Array, CgroupArray, DevMap, Hash, LocalStorage, LpmTrie, Map, MapType, PerCpuArray, PerCpuHash,
    PerfEventArray, ProgArray, Queue, RingBuf, SockMap, Stack, StackTraces, UserRingBuf,
    possible_cpus,
};
use btf_core::obj::MapSpec;
use btf_core::{Error, ErrorKind};

use crate::support::{needs, skips_before};

fn create(map_type: MapType, key_size: u32, value_size: u32) -> Map {
    let is_ring = [MapType::RINGBUF, MapType::USER_RINGBUF].contains(&map_type);
    Map::create(&MapSpec {
        name: "some".into(),
        map_type,
        key_size,
        value_size,
        max_entries: if is_ring { 4096 } else { 4 },
        ..MapSpec::default()
    })
    .unwrap()
}

fn id(map: &Map) -> u32 {
    map.info().unwrap().id
}

/// The same map, opened in each of the other ways.
fn others(map: &Map) -> [Map; 3] {
    let pin = PathBuf::from(format!("/sys/fs/bpf/handles-{}", id(map)));
    map.pin(&pin).unwrap();
    let pinned = Map::open_pinned(&pin).unwrap();
    map.unpin(&pin).unwrap();
    [
        Map::from_fd(map.as_fd().try_clone_to_owned().unwrap()).unwrap(),
        Map::from_id(id(map)).unwrap(),
        pinned,
    ]
}

fn refusal<T: TryFrom<Map, Error = Error>>(map: Map) -> String {
    match T::try_from(map) {
        Ok(_) => panic!("it was taken for a {}", std::any::type_name::<T>()),
        Err(e) => {
            assert_eq!(e.kind(), ErrorKind::InvalidInput, "{e}");
            e.to_string()
        }
    }
}

#[test]
fn a_ring_buffer_has_one_consumer_whatever_handle_makes_it() {
    needs(5, 10);
    let map = create(MapType::RINGBUF, 0, 0);
    let (id, others) = (id(&map), others(&map));
    let rings = others.map(|map| RingBuf::<[u8]>::try_from(map).unwrap());
    let ring: RingBuf<u64> = map.try_into().unwrap();
    let consumer = ring.consumer(|_| {}).unwrap();
    for other in &rings {
        let e = other.consumer(|_| {}).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidInput);
        assert_eq!(
            e.to_string(),
            format!(
                "ring buffer `some` (map ID {id}) already has a consumer in this process (use or \
                 drop that consumer, which another handle of the map may have made)"
            )
        );
        let e = other.typed::<u64>().unwrap().consumer(|_| {}).unwrap_err();
        assert!(e.to_string().contains("already has a consumer"), "{e}");
    }
    // Another map is not claimed.
    let another: RingBuf<u64> = create(MapType::RINGBUF, 0, 0).try_into().unwrap();
    assert!(another.consumer(|_| {}).is_ok());
    drop(consumer);
    let second = rings[1].consumer(|_| {}).unwrap();
    assert!(ring.consumer(|_| {}).is_err());
    drop(second);
    assert!(ring.consumer(|_| {}).is_ok());
}

#[test]
fn a_user_ring_buffer_has_one_producer_whatever_handle_makes_it() {
    if skips_before("user ring buffers", (6, 1)) {
        return;
    }
    let map = create(MapType::USER_RINGBUF, 0, 0);
    let (id, others) = (id(&map), others(&map));
    let rings = others.map(|map| UserRingBuf::<u64>::try_from(map).unwrap());
    let ring: UserRingBuf<u64> = map.try_into().unwrap();
    let mut producer = ring.producer().unwrap();
    assert!(producer.send(&1).unwrap());
    for other in &rings {
        let e = other.producer().unwrap_err().to_string();
        let start =
            format!("user ring buffer `some` (map ID {id}) already has a producer in this process");
        assert!(e.starts_with(&start), "{e}");
    }
    drop(producer);
    assert!(rings[2].producer().is_ok());
}

#[test]
fn a_position_that_another_process_has_damaged_is_an_error() {
    if skips_before("user ring buffers", (6, 1)) {
        return;
    }
    let map = create(MapType::USER_RINGBUF, 0, 0);
    // SAFETY: a new mapping at an address of the kernel's choice.
    let position = unsafe {
        libc::mmap(
            null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            map.as_fd().as_raw_fd(),
            4096,
        )
    };
    assert_ne!(position, libc::MAP_FAILED);
    let position = position.cast::<u64>();
    let ring: UserRingBuf<u64> = map.try_into().unwrap();
    let mut producer = ring.producer().unwrap();
    for damaged in [4u64, 1, 4096 + 8, u64::MAX - 7] {
        // SAFETY: the first word of the mapping, which nobody else uses now.
        unsafe { position.write_volatile(damaged) };
        let e = producer.send(&1).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Malformed);
        assert!(e.to_string().contains("is damaged"), "{e}");
    }
    // SAFETY: as above.
    unsafe { position.write_volatile(0) };
    assert!(producer.send(&1).unwrap());
}

#[test]
fn typed_maps_check_the_kind_and_sizes_of_what_they_open() {
    let hash = create(MapType::HASH, 8, 16);
    let opened = || Map::from_id(id(&hash)).unwrap();
    assert!(Hash::<u64, [u64; 2]>::try_from(opened()).is_ok());
    refusal::<Hash<u32, [u64; 2]>>(opened());
    refusal::<Hash<u64, u64>>(opened());
    refusal::<Hash<(), [u64; 2]>>(opened());
    refusal::<PerCpuHash<u64, [u64; 2]>>(opened());
    refusal::<LpmTrie<u64, [u64; 2]>>(opened());
    refusal::<Array<[u64; 2]>>(opened());
    refusal::<Queue<[u64; 2]>>(opened());
    refusal::<Stack<[u64; 2]>>(opened());
    refusal::<RingBuf<u64>>(opened());
    refusal::<UserRingBuf<u64>>(opened());
    refusal::<PerfEventArray<u64>>(opened());
    refusal::<ProgArray>(opened());
    refusal::<CgroupArray>(opened());
    refusal::<StackTraces>(opened());
    refusal::<DevMap>(opened());
    refusal::<SockMap>(opened());
    refusal::<LocalStorage<[u64; 2]>>(opened());

    let per_cpu = create(MapType::PERCPU_ARRAY, 4, 12);
    let opened = || Map::from_id(id(&per_cpu)).unwrap();
    assert!(PerCpuArray::<[u32; 3]>::try_from(opened()).is_ok());
    refusal::<PerCpuArray<u64>>(opened());
    refusal::<PerCpuHash<u32, [u32; 3]>>(opened());
    refusal::<Array<[u32; 3]>>(opened());
    refusal::<Hash<u32, [u32; 3]>>(opened());
}

#[test]
fn untyped_maps_have_room_for_the_values_of_all_cpus() {
    let cpus = possible_cpus().unwrap();
    let kinds = [
        (MapType::PERCPU_ARRAY, 0..4u32),
        (MapType::PERCPU_HASH, 1..2),
        (MapType::LRU_PERCPU_HASH, 1..2),
    ];
    for (kind, keys) in kinds {
        let created = create(kind, 4, 12);
        let map = Map::from_id(id(&created)).unwrap();
        let value: Vec<u8> = (0..16 * cpus).map(|n| n as u8).collect();
        for key in keys {
            let key = key.to_ne_bytes();
            map.set_bytes(&key, &value, btf_core::map::Flags::ANY)
                .unwrap();
            let got = map.get_bytes(&key).unwrap().unwrap();
            assert_eq!(got.len(), 16 * cpus, "{kind}");
            // Twelve bytes for each, padded to sixteen.
            for (got, set) in got.chunks_exact(16).zip(value.chunks_exact(16)) {
                assert_eq!(got[..12], set[..12], "{kind}");
            }
            let e = map.set_bytes(&key, &value[..12], btf_core::map::Flags::ANY);
            assert_eq!(e.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    }
}
