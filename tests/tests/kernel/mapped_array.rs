//! Arrays mapped into this process, while a program writes them.

use btf_core::ErrorKind;
use btf_core::map::{Array, Map};
use btf_core::obj::{MapSpec, MapType};
use btf_skel_macros::include_skel;

use crate::feature::Feature;

include_skel!("map_many");

use map_many::MapMany;

/// What a raw tracepoint program is run with here: it looks at none of it.
const NOTHING: [u64; btf_core::prog::MAX_WORDS] = [0; btf_core::prog::MAX_WORDS];

#[test]
fn both_sides_see_what_the_other_writes() {
    let feature = Feature::since("map: mapped array", (5, 5)).unwrap();
    let mut open = MapMany::open().unwrap();
    // Another case pins it.
    open.maps
        .kept
        .set_pin_path(format!("/sys/fs/bpf/mapped-{}", std::process::id()));
    let skel = open.load().unwrap();
    let array = &skel.maps.array;
    let (read, write) = (array.mapped().unwrap(), array.mapped_mut().unwrap());
    assert_eq!(
        (read.len(), write.len(), read.is_empty()),
        (1000, 1000, false)
    );
    // The kernel puts four bytes between two values of four.
    assert!(write.as_slice().is_none());
    for index in [0, 1, 999] {
        write.at(index).unwrap().set(40 + index as u32);
        skel.bss.wanted.set(index as u32);
        skel.progs.add_one.test_run(&NOTHING).unwrap();
        assert_eq!(read.get(index), Some(41 + index as u32));
        assert_eq!(array.get(index as u32).unwrap(), Some(41 + index as u32));
    }
    array.set(500, &7).unwrap();
    assert_eq!(read.iter().sum::<u32>(), 41 + 42 + 1040 + 7);
    assert_eq!((read.get(1000), write.at(1000).is_none()), (None, true));
    std::fs::remove_file(format!("/sys/fs/bpf/mapped-{}", std::process::id())).unwrap();

    // It outlives the map's handles.
    drop(skel);
    assert_eq!(write.at(500).unwrap().get(), 7);
    feature.works();
}

fn array(map_flags: u32) -> Array<[u64; 2]> {
    let spec = MapSpec {
        name: "pairs".into(),
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size: 16,
        max_entries: 300,
        map_flags,
        ..MapSpec::default()
    };
    Map::create(&spec).unwrap().try_into().unwrap()
}

#[test]
fn values_in_a_row() {
    let pairs = array(1 << 10);
    let view = pairs.mapped_mut().unwrap();
    let all = view.as_slice().unwrap();
    assert_eq!(all.len(), 300);
    all[299].set([1, 2]);
    assert_eq!(pairs.get(299).unwrap(), Some([1, 2]));
    drop(view);
    pairs.map().freeze().unwrap();
    assert_eq!(pairs.mapped().unwrap().get(299), Some([1, 2]));
    let e = pairs.mapped_mut().unwrap_err();
    assert!(
        e.to_string()
            .starts_with("map `pairs`: cannot map its memory: "),
        "{e}"
    );
}

#[test]
fn it_takes_a_flag() {
    let e = array(0).mapped().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
    assert_eq!(
        e.to_string(),
        "map `pairs`: it cannot be mapped into memory (write `__uint(map_flags, BPF_F_MMAPABLE);` in its declaration, or use \
         set_map_flags before the load)"
    );
}
