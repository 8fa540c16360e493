//! Programs that see packets past devices: netfilter's hooks, network namespaces, routes; and those that are only called.

use btf_core::attach::{Lwt, Netfilter, NetfilterFamily, NetfilterHook, NetfilterOptions, Netns};
use btf_core::load::OpenObject;
use btf_core::prog::{Syscall, TestRun};
use btf_core::{Error, ErrorKind};

use crate::feature::Feature;
use crate::net::{OBJECT, Pair, load, packet};
use crate::support::load_only;

/// `NF_DROP`.
const NF_DROP: i32 = 0;

#[test]
fn netfilter() {
    let Some(feature) = Feature::since("SEC: netfilter", (6, 4)) else {
        return;
    };
    let pair = Pair::new();
    let (bss, [program]) = load(&pair, NF_DROP, ["on_netfilter"]);
    let netfilter = Netfilter::try_from(program).unwrap();
    let options = NetfilterOptions {
        family: NetfilterFamily::IPV4,
        hook: NetfilterHook::LOCAL_IN,
        priority: 7,
        defragment: false,
    };
    let link = netfilter.attach_to(options).unwrap();
    assert!(!pair.send(), "it drops");
    assert_eq!(bss.hits.get(), 1);
    let e = netfilter.attach_to(options).unwrap_err().to_string();
    assert!(e.contains("something is there with this priority"), "{e}");
    drop(link);
    assert!(pair.send());
    assert_eq!(bss.hits.get(), 1);
    let ran = netfilter.test_run(&TestRun::packet(&packet(1))).unwrap();
    assert_eq!((ran.result, bss.hits.get()), (NF_DROP, 2));
    feature.works();
}

#[test]
fn sk_lookup() {
    let feature = Feature::since("SEC: sk_lookup", (5, 10)).unwrap();
    let pair = Pair::new();
    let (bss, [program]) = load(&pair, 0, ["on_sk_lookup"]);
    let lookup = Netns::try_from(program).unwrap();
    let link = lookup.attach_here().unwrap();
    assert!(pair.send());
    assert_eq!(bss.hits.get(), 1);
    drop(link);
    assert!(pair.send());
    assert_eq!(bss.hits.get(), 1);
    let netns = std::fs::File::open("/proc/self/ns/net").unwrap();
    let link = lookup.attach_to(&netns).unwrap();
    assert!(pair.send());
    assert_eq!(bss.hits.get(), 2);
    drop(link);
    let file = std::fs::File::open("/proc/self/stat").unwrap();
    let e = lookup.attach_to(&file).unwrap_err().to_string();
    assert!(e.contains("a file such as /proc/self/ns/net"), "{e}");
    feature.works();
}

#[test]
fn sk_lookup_runs_by_itself() {
    let Some(feature) = Feature::since("test_run: sk_lookup", (5, 13)) else {
        return;
    };
    let pair = Pair::new();
    let (bss, [program]) = load(&pair, 0, ["on_sk_lookup"]);
    let lookup = Netns::try_from(program).unwrap();
    // `struct bpf_sk_lookup`: a cookie, family, protocol, the far address and port, the near ones.
    let mut bytes = [0u8; 72];
    for (n, word) in [2u32, 17].iter().enumerate() {
        bytes[8 + 4 * n..12 + 4 * n].copy_from_slice(&word.to_ne_bytes());
    }
    // After 4 + 16 bytes of the far address, 4 of its port, 4 + 16 of the near one.
    bytes[60..64].copy_from_slice(&u32::from(pair.port()).to_ne_bytes());
    let ran = lookup
        .test_run(&TestRun::new().context_bytes(&bytes))
        .unwrap();
    assert_eq!((ran.result, bss.hits.get()), (1, 1));
    assert_eq!(ran.context.len(), bytes.len());
    feature.works();
}

#[test]
fn flow_dissector() {
    let feature = Feature::since("SEC: flow_dissector", (5, 10)).unwrap();
    let pair = Pair::new();
    let (bss, [program]) = load(&pair, 0, ["on_flow_dissector"]);
    let dissector = Netns::try_from(program).unwrap();
    let ran = dissector.test_run(&TestRun::packet(&packet(1))).unwrap();
    assert_eq!(bss.hits.get(), 1);
    // `struct bpf_flow_keys`: offsets of the network and transport headers first.
    let keys: [u16; 2] = ran.data_as().unwrap();
    assert_eq!(keys[1], keys[0] + 8);
    let link = dissector.attach_here().unwrap();
    let e: Error = dissector.attach_here().unwrap_err();
    assert!(e.to_string().contains("a flow dissector is there"), "{e}");
    drop(link);
    drop(dissector.attach_here().unwrap());
    feature.works();
}

#[test]
fn lwt() {
    let feature = Feature::since("test_run: lwt_*", (5, 10)).unwrap();
    let pair = Pair::new();
    for name in ["on_lwt_in", "on_lwt_out", "on_lwt_xmit"] {
        let (bss, [program]) = load(&pair, 2, [name]);
        let lwt = Lwt::try_from(program).unwrap();
        let ran = lwt
            .test_run(&TestRun::packet(&packet(1)).repeat(3))
            .unwrap();
        assert_eq!((ran.result, bss.hits.get()), (2, 3), "{name}");
    }
    let (_, [program]) = load(&pair, 2, ["on_lwt_seg6local"]);
    let lwt = Lwt::try_from(program).unwrap();
    // Newer kernels do not run it so.
    match lwt.test_run(&TestRun::packet(&packet(1))) {
        Ok(ran) => assert_eq!(ran.result, 2),
        Err(e) => assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}"),
    }
    feature.works();
}

/// Debian's kernels for clouds know no infrared receivers.
#[test]
fn lirc_mode2() {
    let feature = Feature::since("SEC: lirc_mode2", (5, 10)).unwrap();
    let open = OpenObject::open("net", OBJECT).unwrap();
    let e = load_only(open, "on_lirc").unwrap_err();
    assert_eq!(e.os_error(), Some(22), "{e}");
    feature.not_built_in("CONFIG_BPF_LIRC_MODE2");
}

#[test]
fn syscall() {
    let Some(feature) = Feature::since("SEC: syscall", (5, 14)) else {
        return;
    };
    let (_, [program]) = load(&Pair::new(), 0, ["on_syscall"]);
    let syscall = Syscall::try_from(program).unwrap();
    let ran = syscall.run(&TestRun::new().context(&[41u32, 0])).unwrap();
    assert_eq!(ran.result, 7);
    assert_eq!(ran.context_as(), Some([41u32, 42]));
    let e = syscall
        .run(&TestRun::packet(&[0; 64]))
        .unwrap_err()
        .to_string();
    assert!(
        e.contains("such a program has no packet, only a context"),
        "{e}"
    );
    feature.works();
}
