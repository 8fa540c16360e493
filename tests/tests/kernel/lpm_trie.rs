//! A trie of prefixes, from both sides. Kernel 5.10 has it (4.11 brought it).

use btf_core::ErrorKind;
use btf_core::load::OpenObject;
use btf_core::map::{Flags, LpmKey, LpmTrie};
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::support::needs;

include_skel!("lpm_trie");

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/lpm_trie.bpf.o"));

use lpm_trie::Prefix;

fn prefix(bits: u32, address: [u8; 4]) -> Prefix {
    Prefix { bits, address }
}

#[test]
fn prefixes_are_looked_up_and_written_from_both_sides() {
    let feature = Feature::since("map: lpm_trie", (4, 11)).unwrap();
    let skel = lpm_trie::LpmTrie::open().unwrap().load().unwrap();
    let routes: &LpmTrie<Prefix, u64> = &skel.maps.routes;
    routes.insert(&prefix(8, [10, 0, 0, 0]), &8).unwrap();
    routes.insert(&prefix(24, [10, 1, 2, 0]), &24).unwrap();

    let look_up = |address, written: Option<(Prefix, u64)>| {
        skel.bss.wanted.set(prefix(32, address));
        let (key, value) = written.unwrap_or((prefix(0, [0; 4]), 0));
        skel.bss.written.set(key);
        skel.bss.written_value.set(value);
        skel.progs
            .look_up
            .test_run(&lpm_trie::LookUpArgs::default())
            .unwrap();
        assert_eq!(skel.bss.answer.get(), 0);
        skel.bss.found.get()
    };
    assert_eq!(look_up([10, 1, 2, 3], None), 24);
    assert_eq!(look_up([10, 9, 9, 9], None), 8);
    assert_eq!(
        look_up([11, 0, 0, 1], Some((prefix(1, [0; 4]), 1))),
        0,
        "it was written after the lookup"
    );
    assert_eq!(look_up([11, 0, 0, 1], None), 1);

    assert_eq!(routes.get(&prefix(32, [10, 1, 2, 9])).unwrap(), Some(24));
    assert_eq!(routes.get(&prefix(16, [10, 1, 2, 9])).unwrap(), Some(8));
    assert_eq!(routes.get(&prefix(32, [200, 0, 0, 1])).unwrap(), None);
    let mut all: Vec<_> = routes.iter().map(|(k, v)| (k.bits, v)).collect();
    assert_eq!(all.len(), routes.keys().count());
    all.sort_unstable();
    assert_eq!(all, [(1, 1), (8, 8), (24, 24)]);

    // Removing and its conditions are of the prefix itself.
    assert!(!routes.remove(&prefix(16, [10, 1, 0, 0])).unwrap());
    assert!(routes.remove(&prefix(24, [10, 1, 2, 0])).unwrap());
    assert_eq!(routes.get(&prefix(32, [10, 1, 2, 9])).unwrap(), Some(8));
    let taken = routes.update(&prefix(8, [10, 0, 0, 0]), &9, Flags::NO_EXIST);
    assert_eq!(taken.unwrap_err().os_error(), Some(17));
    feature.works();
}

#[test]
fn a_declaration_without_a_struct_has_a_ready_key() {
    needs(5, 10);
    let loaded = OpenObject::open("lpm_trie", OBJECT)
        .unwrap()
        .load()
        .unwrap();
    let routes = loaded.map("routes").unwrap();
    // Names are there for those who do not know the object.
    assert!(loaded.map_names().any(|name| name == "routes"));
    let programs: Vec<String> = loaded.program_names().map(str::to_owned).collect();
    assert!(!programs.is_empty());
    for name in programs {
        loaded.program(&name).unwrap();
    }
    let routes: LpmTrie<LpmKey<[u8; 4]>, u64> = routes.typed().unwrap();
    routes
        .insert(&LpmKey::new(12, [172, 16, 0, 0]), &7)
        .unwrap();
    let address = LpmKey::new(32, [172, 17, 0, 1]);
    assert_eq!(routes.get(&address).unwrap(), Some(7));
    let (key, _) = routes.iter().next().unwrap();
    assert_eq!((key.prefix_len(), key.data()), (12, [172, 16, 0, 0]));
}

#[test]
fn what_a_trie_does_not_take_is_said() {
    needs(5, 10);
    let skel = lpm_trie::LpmTrie::open().unwrap().load().unwrap();
    let routes = &skel.maps.routes;
    let e = routes.get(&prefix(33, [0; 4])).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
    assert_eq!(
        e.to_string(),
        "map `routes`: a prefix of 33 bits is longer than the 32 bits of a key"
    );
    for bits in 0..4 {
        routes.insert(&prefix(bits, [0; 4]), &1).unwrap();
    }
    let e = routes.insert(&prefix(9, [0; 4]), &1).unwrap_err();
    assert!(
        e.to_string().contains("it is full: its max_entries is 4"),
        "{e}"
    );

    let mut open = lpm_trie::LpmTrie::open().unwrap();
    open.maps.routes.set_map_flags(0);
    assert_eq!(
        open.load().unwrap_err().to_string(),
        "object `lpm_trie`: map `routes`: a map of type lpm_trie needs the flag BPF_F_NO_PREALLOC (write \
         `__uint(map_flags, BPF_F_NO_PREALLOC);` in its declaration, or use set_map_flags before the load)"
    );
}
