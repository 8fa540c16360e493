//! What a user is told when the kernel refuses something about a map or a link: whole texts, each with what to do.

use btf_core::attach::{Xdp, XdpMode};
use btf_core::load::OpenObject;
use btf_core::map::{Flags, Hash, LpmKey, LpmTrie, Map, MapType};
use btf_core::obj::MapSpec;
use btf_core::{Error, ErrorKind};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use crate::net;
use crate::support::{load_only, needs, running};

static REFUSED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/refused.bpf.o"));

fn open() -> OpenObject {
    needs(5, 10);
    OpenObject::open("refused", REFUSED).unwrap()
}

fn spec(map_type: MapType, key_size: u32, value_size: u32, max_entries: u32) -> MapSpec {
    needs(5, 10);
    MapSpec {
        name: "m".into(),
        map_type,
        key_size,
        value_size,
        max_entries,
        ..MapSpec::default()
    }
}

fn created(map_type: MapType, key_size: u32, value_size: u32) -> Map {
    Map::create(&spec(map_type, key_size, value_size, 2)).unwrap()
}

#[track_caller]
fn told<T>(answer: Result<T, Error>, kind: ErrorKind, text: &str) {
    let e = answer.map(|_| ()).unwrap_err();
    assert_eq!(e.to_string(), text);
    assert_eq!(e.kind(), kind, "{e}");
}

#[test]
fn keys_that_are_there_or_not() {
    use ErrorKind::{InvalidInput, NotFound, Os};
    let map: Hash<u32, u64> = created(MapType::HASH, 4, 8).try_into().unwrap();
    told(
        map.update(&1, &1, Flags::EXIST),
        NotFound,
        "map `m`: cannot write a value: No such file or directory (os error 2) (the key is not there, and the update asked for \
         one that is)",
    );
    map.insert(&1, &1).unwrap();
    told(
        map.update(&1, &1, Flags::NO_EXIST),
        Os,
        "map `m`: cannot write a value: File exists (os error 17) (the key is there already, and the update asked for a new one)",
    );
    told(
        map.update(&1, &1, Flags::LOCK),
        Os,
        "map `m`: cannot write a value: Invalid argument (os error 22) (maps of type hash may not have this operation, or not \
         with these flags: BPF_F_LOCK is for values with a bpf_spin_lock)",
    );
    map.insert(&2, &1).unwrap();
    told(
        map.insert(&3, &1),
        Os,
        "map `m`: cannot write a value: Argument list too long (os error 7) (it is full: its max_entries is 2; use an LRU map \
         or set_max_entries before the load)",
    );
    told(
        map.map().set_bytes(&[1, 0, 0, 0], &[1], Flags::ANY),
        InvalidInput,
        "map `m`: its values have 8 bytes, but 1 were given",
    );
}

#[test]
fn operations_that_a_map_does_not_have() {
    use ErrorKind::{Os, Unsupported};
    let array = created(MapType::ARRAY, 4, 8);
    told(
        array.set_bytes(&[2, 0, 0, 0], &[0; 8], Flags::ANY),
        Os,
        "map `m`: cannot write a value: Argument list too long (os error 7) (its indices end at 1; use set_max_entries before \
         the load)",
    );
    told(
        array.remove_bytes(&[0; 4]),
        Os,
        "map `m`: cannot remove a key: Invalid argument (os error 22) (maps of type array may not have this operation, or not \
         with these flags: BPF_F_LOCK is for values with a bpf_spin_lock)",
    );
    told(
        Map::create(&spec(MapType::RINGBUF, 0, 0, 4096))
            .unwrap()
            .get_bytes(&[]),
        Unsupported,
        "map `m`: cannot look up a key: maps of type ringbuf do not have that",
    );
}

/// What is told of many entries says how many of them were done.
#[test]
fn batches() {
    use ErrorKind::{InvalidInput, Os, Permission, Unsupported};
    let map: Hash<u32, u64> = created(MapType::HASH, 4, 8).try_into().unwrap();
    told(
        map.insert_many(&[1, 2, 3, 4], &[10, 20, 30, 40]),
        Os,
        "map `m`: cannot write more than the first 2 of 4 entries: Argument list too long (os error 7) (it is full: its \
         max_entries is 2; use an LRU map or set_max_entries before the load)",
    );
    let mut entries: Vec<(u32, u64)> = map.iter().collect();
    entries.sort_unstable();
    assert_eq!(entries, [(1, 10), (2, 20)]);
    told(
        map.insert_many(&[3, 4], &[30, 40]),
        Os,
        "map `m`: cannot write any of 2 entries: Argument list too long (os error 7) (it is full: its max_entries is 2; use an \
         LRU map or set_max_entries before the load)",
    );
    told(
        map.insert_many(&[3, 4], &[30]),
        InvalidInput,
        "map `m`: 2 keys and 1 values were given, and each key takes one value",
    );
    map.map().freeze().unwrap();
    let frozen = [
        map.insert_many(&[1], &[11]).unwrap_err(),
        map.remove_many(&[1, 2]).unwrap_err(),
        map.drain(8).next().unwrap().unwrap_err(),
    ];
    for (e, doing) in frozen.iter().zip([
        "write any of 1 entries",
        "remove any of 2 keys",
        "read a batch of entries",
    ]) {
        let start = format!(
            "map `m`: cannot {doing}: Operation not permitted (os error 1) (it is frozen: user space reads its values and \
             changes none)"
        );
        assert_eq!(e.to_string(), start);
        assert_eq!(e.kind(), Permission);
    }
    assert_eq!(map.batched(8).count(), 2, "it is read as before");

    let spec = MapSpec {
        map_flags: 1,
        ..spec(MapType::LPM_TRIE, 8, 4, 2)
    };
    let trie: LpmTrie<LpmKey<[u8; 4]>, u32> = Map::create(&spec).unwrap().try_into().unwrap();
    let prefix = |bits| LpmKey::new(bits, [10, 0, 0, 0]);
    told(
        trie.insert_many(&[prefix(8), prefix(33)], &[8, 33]),
        InvalidInput,
        "map `m`: a prefix of 33 bits is longer than the 32 bits of a key",
    );
    assert_eq!(trie.iter().count(), 0);
    if running() >= (5, 13) {
        told(
            trie.insert_many(&[prefix(8), prefix(16), prefix(24)], &[8, 16, 24]),
            Os,
            "map `m`: cannot write more than the first 2 of 3 entries: No space left on device (os error 28) (it is full: its \
             max_entries is 2; use set_max_entries before the load)",
        );
        assert_eq!(trie.iter().count(), 2);
        return;
    }
    told(
        trie.insert_many(&[prefix(8)], &[8]),
        Unsupported,
        "map `m`: this kernel cannot write many entries at once in a map of type lpm_trie (kernels from 5.13 on can; here write \
         them one by one)",
    );
    told(
        trie.remove_many(&[prefix(8)]),
        Unsupported,
        "map `m`: this kernel cannot remove many keys at once in a map of type lpm_trie (kernels from 5.13 on can; here remove \
         them one by one)",
    );
    told(
        trie.batched(8).next().unwrap(),
        Unsupported,
        "map `m`: this kernel cannot read many entries at once in a map of type lpm_trie (kernels from 5.13 on can; here \
         or_one_by_one walks the entries)",
    );
}

#[test]
fn maps_that_cannot_be_made() {
    let refused = |spec: MapSpec, text: &str| {
        let e = Map::create(&spec).unwrap_err().to_string();
        let start = "map `m`: the kernel refused to create it (type ";
        assert_eq!(e.strip_prefix(start), Some(text), "{e}");
    };
    refused(
        spec(MapType::RINGBUF, 0, 0, 0),
        "ringbuf, keys of 0 bytes, values of 0 bytes, max_entries 0, flags 0x0): Invalid argument (os error 22) (set \
         max_entries in its declaration, or with set_max_entries before the load)",
    );
    refused(
        spec(MapType::HASH, 0, 8, 1),
        "hash, keys of 0 bytes, values of 8 bytes, max_entries 1, flags 0x0): Invalid argument (os error 22) (its declaration \
         does not say what its keys are: `__type(key, …)`)",
    );
    refused(
        spec(MapType::ARRAY, 8, 8, 1),
        "array, keys of 8 bytes, values of 8 bytes, max_entries 1, flags 0x0): Invalid argument (os error 22) (the keys of such \
         a map are indices of 4 bytes)",
    );
    refused(
        spec(MapType(9999), 4, 8, 1),
        "9999, keys of 4 bytes, values of 8 bytes, max_entries 1, flags 0x0): Invalid argument (os error 22) (this kernel may \
         not know the map type or a flag, or the sizes do not suit the type; set_autocreate(false) leaves the map out)",
    );
    if running() < (6, 1) {
        refused(
            spec(MapType::USER_RINGBUF, 0, 0, 4096),
            "user_ringbuf, keys of 0 bytes, values of 0 bytes, max_entries 4096, flags 0x0): Invalid argument (os error 22) (maps of this type require Linux \
             6.1 or newer; set_autocreate(false) leaves the map out)",
        );
    }
    let on_node = MapSpec {
        numa_node: Some(99),
        ..spec(MapType::HASH, 4, 8, 1)
    };
    refused(
        on_node,
        "hash, keys of 4 bytes, values of 8 bytes, max_entries 1, flags 0x0): Invalid argument (os error 22) (this machine may \
         not have that NUMA node)",
    );
    refused(
        spec(MapType::HASH, 4, 1 << 30, 1),
        "hash, keys of 4 bytes, values of 1073741824 bytes, max_entries 1, flags 0x0): Argument list too long (os error 7) (a \
         key or value, or all of them together, are larger than the kernel allows)",
    );
    // More than the machine has.
    refused(
        spec(MapType::ARRAY, 4, 1 << 20, 1 << 11),
        "array, keys of 4 bytes, values of 1048576 bytes, max_entries 2048, flags 0x0): Cannot allocate memory (os error 12) \
         (there is not that much memory, for this process or its memory cgroup: set a smaller max_entries)",
    );
}

#[test]
fn links_that_cannot_be_made_or_changed() {
    let [one, two] = [(), ()].map(|()| load_only(open(), "looks").unwrap().1);
    let mut link = one.attach().unwrap();
    const KEPT: &str = "Invalid argument (os error 22) (links of this type (tracing, netfilter, perf events) keep their program: \
                        attach the other by a link of its own, then drop this one)";
    const OF_ANOTHER_TYPE: &str = "Invalid argument (os error 22) (it takes a program of the same type alone, which attaches the \
                                   same way; attach this one by a link of its own)";
    told(
        link.update(&two),
        ErrorKind::Os,
        &format!("link of program `looks`: cannot put program `looks` into it: {KEPT}"),
    );
    let (_, programs) = net::load(&net::Pair::new(), 1, ["on_xdp", "second_xdp"]);
    let [first, second] = programs.map(|program| Xdp::try_from(program).unwrap());
    let mut link = first.attach_to("lo", XdpMode::Skb.into()).unwrap();
    told(
        link.update(&two),
        ErrorKind::Os,
        &format!("link of program `on_xdp`: cannot put program `looks` into it: {OF_ANOTHER_TYPE}"),
    );
    let pin = format!("/sys/fs/bpf/told-{}", std::process::id());
    let mut pinned = two.attach().unwrap();
    pinned.pin(&pin).unwrap();
    told(
        pinned.detach().map_err(Error::from),
        ErrorKind::Unsupported,
        "program `looks`: it is pinned, and the kernel detaches links of this type with their last holder alone (unpin it, and \
         detach it then)",
    );
    std::fs::remove_file(&pin).unwrap();
    told(
        second.attach_to("lo", XdpMode::Skb.into()),
        ErrorKind::Os,
        "program `second_xdp`: cannot attach to network device `lo`: Device or resource busy (os error 16) (another program is \
         attached there; `ip link` shows it, and XdpOptions::replace takes its place unless a link holds it)",
    );
    told(
        second.attach_to(9999, XdpMode::Skb.into()),
        ErrorKind::Os,
        "program `second_xdp`: cannot attach to network device 9999: No such device (os error 19) (there is no such device in \
         this network namespace)",
    );
}

/// Does something on a thread with these capabilities alone: they are a thread's own.
fn with(capabilities: CapabilitySet, work: impl FnOnce() + Send) {
    let ended = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let sets = CapabilitySets {
                effective: capabilities,
                permitted: capabilities,
                inheritable: CapabilitySet::empty(),
            };
            set_capabilities(None, sets).unwrap();
            work();
        });
        thread.join()
    });
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn capabilities_that_are_missing() {
    let lacks = |names: &str| {
        format!(
            "Operation not permitted (os error 1) (this process is root but lacks {names}, which a container runtime or service \
             manager may have dropped"
        )
    };
    const SLOTS: &str = "object `refused`: map `slots`: the kernel refused to create it (type hash, keys of 4 bytes, values of 8 \
                         bytes, max_entries 1, flags 0x0)";
    let load = || load_only(open(), "looks");
    // The limit on locked memory is lifted once in a process.
    load().unwrap();
    with(CapabilitySet::empty(), || {
        let setting =
            std::fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled").unwrap();
        let expected = format!(
            "{SLOTS}: {}; kernel.unprivileged_bpf_disabled is {})",
            lacks("CAP_BPF"),
            setting.trim()
        );
        told(load(), ErrorKind::Permission, &expected);
    });
    with(CapabilitySet::BPF | CapabilitySet::PERFMON, || {
        load().unwrap();
        let net = OpenObject::open("net", net::OBJECT).unwrap();
        told(
            load_only(net, "on_xdp"),
            ErrorKind::Permission,
            &format!(
                "object `net`: program `on_xdp`: the kernel refused to load it as SEC(\"xdp\"): {})",
                lacks("CAP_NET_ADMIN")
            ),
        );
    });
    // May load, but not look at the kernel's memory.
    with(CapabilitySet::BPF, || {
        told(
            load(),
            ErrorKind::Permission,
            &format!(
                "object `refused`: program `looks`: the kernel refused to load it as SEC(\"raw_tp/sys_enter\"): {})",
                lacks("CAP_PERFMON")
            ),
        );
    });
}

#[test]
fn cookies_that_an_older_kernel_lacks_are_dated() {
    let (_, looks) = load_only(open(), "looks").unwrap();
    let attached = looks.attach_with_cookie(7);
    if running() >= (6, 10) {
        drop(attached.unwrap());
        return;
    }
    let text = attached.unwrap_err().to_string();
    let start = "program `looks`: cannot attach to raw tracepoint `sys_enter`: Invalid argument (os error 22) (a cookie here \
                 requires Linux 6.10 or newer, and this is ";
    assert!(text.starts_with(start), "{text}");
}
