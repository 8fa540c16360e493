//! Structs of operations: a congestion control that TCP calls.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use btf_core::ErrorKind;
use btf_core::load::OpenObject;
use btf_core::struct_ops::StructOp;
use btf_skel_macros::include_skel;
use rustix::net::sockopt::set_tcp_congestion;

use crate::feature::Feature;
use crate::support::{needs, running};

include_skel!("cc");
include_skel!("dummy_ops");

static DUMMY_OPS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/dummy_ops.bpf.o"));
static CC: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cc.bpf.o"));

/// Talks over a connection of which one end has this congestion control; whether there is such.
fn talk(congestion_control: &str) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut here, _) = listener.accept().unwrap();
    if set_tcp_congestion(&there, congestion_control).is_err() {
        return false;
    }
    for _ in 0..10 {
        there.write_all(b"hello").unwrap();
        here.read_exact(&mut [0; 5]).unwrap();
        here.write_all(b"there").unwrap();
        there.read_exact(&mut [0; 5]).unwrap();
    }
    true
}

#[test]
fn by_link() {
    let feature = Feature::since("struct_ops: .struct_ops.link", (5, 10)).unwrap();
    let section = Feature::since("SEC: struct_ops", (5, 10)).unwrap();
    let skel = cc::Cc::open().unwrap().load().unwrap();
    let warnings = skel.warnings().join("\n");
    assert!(
        warnings.contains("program `cc_idle` is not loaded: no struct in"),
        "{warnings}"
    );
    assert!(!talk("btf_by_link"), "it is not registered yet");
    let ops = skel.struct_ops.cc_by_link.as_ref().unwrap();
    assert!(
        skel.struct_ops.cc_by_value.is_none(),
        "it was not to be created"
    );
    // Older kernels have the other way.
    assert_eq!(ops.is_link(), running() >= (6, 4));
    let link = ops.attach().unwrap();
    assert!(talk("btf_by_link"));
    assert_eq!(skel.bss.inits.get(), 1);
    assert!(skel.bss.acks.get() > 0);
    section.works();
    drop(link);
    assert!(!talk("btf_by_link"), "it is not registered any more");
    match ops.attach() {
        Ok(link) => {
            assert!(ops.is_link() && talk("btf_by_link"));
            drop(link);
        }
        Err(e) => assert!(
            !ops.is_link() && e.to_string().contains("load the object again"),
            "{e}"
        ),
    }
    feature.works();
}

#[test]
fn links_take_other_operations() {
    let Some(feature) = Feature::since("link: update of struct_ops", (6, 4)) else {
        return;
    };
    let [old, new] = [(), ()].map(|()| cc::Cc::open().unwrap().load().unwrap());
    let [ops, newer] = [&old, &new].map(|skel| skel.struct_ops.cc_by_link.as_ref().unwrap());
    assert_eq!(ops.name(), newer.name());
    let mut link = ops.attach().unwrap();
    assert!(talk("btf_by_link"));
    assert_eq!((old.bss.inits.get(), new.bss.inits.get()), (1, 0));
    link.update_struct_ops(newer).unwrap();
    assert!(talk("btf_by_link"));
    assert_eq!((old.bss.inits.get(), new.bss.inits.get()), (1, 1));
    drop(link);
    assert!(!talk("btf_by_link"), "it is not registered any more");

    let mut open = cc::Cc::open().unwrap();
    open.struct_ops
        .cc_by_value
        .struct_ops_mut()
        .set_autocreate(true);
    let by_value = open.load().unwrap();
    let mut link = ops.attach().unwrap();
    let e = link
        .update_struct_ops(by_value.struct_ops.cc_by_value.as_ref().unwrap())
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
    assert!(
        e.to_string().contains("`cc_by_value` are for no link"),
        "{e}"
    );
    feature.works();
}

/// The whole skeleton's `attach`, with members set before the load.
#[test]
fn by_value() {
    let feature = Feature::since("struct_ops: .struct_ops", (5, 10)).unwrap();
    let map = Feature::since("map: struct_ops", (5, 6)).unwrap();
    let mut open = cc::Cc::open().unwrap();
    open.struct_ops
        .cc_by_link
        .struct_ops_mut()
        .set_autocreate(false);
    let ops = &mut open.struct_ops.cc_by_value;
    ops.struct_ops_mut().set_autocreate(true);
    assert_eq!(ops.struct_ops().program("init").unwrap(), Some("cc_init"));
    ops.set_init(Some("cc_second_init")).unwrap();
    ops.set_in_ack_event(None).unwrap();
    let mut name = [0u8; 16];
    name[..9].copy_from_slice(b"btf_named");
    ops.struct_ops_mut().set("name", &name).unwrap();
    assert_eq!(ops.flags().unwrap(), 0);
    ops.set_flags(2).unwrap();
    // What created operations have is loaded all the same.
    open.progs.cc_cong_avoid.set_autoload(false);
    let skel = open.load().unwrap();
    assert!(
        skel.progs.cc_cong_avoid.program().is_loaded() && !skel.progs.cc_idle.program().is_loaded()
    );
    let links = skel.attach().unwrap();
    assert!(links.cc_by_value.is_some() && links.cc_by_link.is_none());
    assert!(talk("btf_named"));
    assert_eq!((skel.bss.inits.get(), skel.bss.second_inits.get()), (0, 1));
    assert!(!talk("btf_by_value"));
    drop(links);
    assert!(!talk("btf_named"), "it is not registered any more");
    feature.works();
    map.works();
}

#[test]
fn what_cannot_be_set_or_loaded_is_told() {
    needs(5, 10);
    let mut open = OpenObject::open("cc", CC).unwrap();
    let ops = open.struct_ops_mut("cc_by_link").unwrap();
    assert_eq!(ops.type_name(), "tcp_congestion_ops");
    let e = ops.set_program("int", None).unwrap_err();
    assert_eq!(
        e.to_string(),
        "operations `cc_by_link`: struct tcp_congestion_ops has no member `int` (did you mean `init`?)"
    );
    let e = ops.set("flags", &1u64).unwrap_err();
    assert_eq!(
        e.to_string(),
        "operations `cc_by_link`: member `flags` is no plain value of 8 bytes"
    );
    ops.set_program("init", Some("cc_innit")).unwrap();
    let e = open.load().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    assert_eq!(
        e.to_string(),
        "object `cc`: operations `cc_by_link`: there is no program `cc_innit` (did you mean `cc_init`?)"
    );

    // What the kernel wants to be set.
    let mut open = cc::Cc::open().unwrap();
    open.struct_ops.cc_by_link.set_ssthresh(None).unwrap();
    let skel = open.load().unwrap();
    let e = skel.attach().unwrap_err().to_string();
    assert!(
        e.contains("operations `cc_by_link`: the kernel refused to register them")
            && e.contains("a member that must be set may be zero"),
        "{e}"
    );
}

use dummy_ops::{BpfDummyOpsState, DummyOps, Test1Args, Test2Args, TestSleepableArgs};

/// The kernel's struct of operations to test with: its programs see a state, and what they are given besides.
#[test]
fn operations_run_by_themselves() {
    let Some(feature) = Feature::since("test_run: struct_ops", (5, 16)) else {
        return;
    };
    let skel = DummyOps::open().unwrap().load().unwrap();
    let mut state = BpfDummyOpsState { val: 7 };
    let first = &skel.progs.test_1;
    let returned = first.test_run(Some(&mut state), &Test1Args::default());
    assert_eq!((returned.unwrap(), state.val), (7, 8));
    let none = None::<&mut BpfDummyOpsState>;
    assert_eq!(first.test_run(none, &Test1Args::default()).unwrap(), -2);

    let arguments = Test2Args {
        arg1: -100,
        arg2: 60_000,
        arg3: b'c' as _,
        arg4: u64::MAX - 1,
        ..Test2Args::default()
    };
    let returned = skel.progs.test_2.test_run(Some(&mut state), &arguments);
    assert_eq!((returned.unwrap(), state.val), (8, 8));
    let seen = skel.bss.seen.get();
    assert_eq!(
        seen,
        [
            (-100i32).cast_unsigned().into(),
            60_000,
            b'c'.into(),
            u64::MAX - 1
        ]
    );

    // A state that is longer than the kernel's keeps the rest; words alone stand for arguments, too.
    let mut long = [3u32, 4, 5];
    let returned = first.test_run(Some(&mut long), &Test1Args::default());
    assert_eq!((returned.unwrap(), long), (3, [4, 4, 5]));
    let loaded = OpenObject::open("dummy_ops", DUMMY_OPS)
        .unwrap()
        .load()
        .unwrap();
    let words = StructOp::<[u64; 2]>::try_from(loaded.program("test_1").unwrap()).unwrap();
    let e = words.test_run(Some(&mut long), &[0, 0]).unwrap_err();
    assert!(
        e.to_string()
            .contains("as many arguments as the operation has"),
        "{e}"
    );
    let tcp = cc::Cc::open().unwrap().load().unwrap();
    let e = tcp
        .progs
        .cc_init
        .test_run(Some(&mut long), &cc::CcInitArgs::default())
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
    let e = skel
        .struct_ops
        .dummy
        .as_ref()
        .unwrap()
        .attach()
        .unwrap_err();
    assert!(e.to_string().contains("operations `dummy`"), "{e}");
    feature.works();
}

#[test]
fn operations_that_sleep() {
    let Some(feature) = Feature::since("SEC: struct_ops.s", (6, 3)) else {
        return;
    };
    let mut open = DummyOps::open().unwrap();
    open.struct_ops.dummy.struct_ops_mut().set_autocreate(false);
    open.struct_ops
        .sleepable
        .struct_ops_mut()
        .set_autocreate(true);
    let skel = open.load().unwrap();
    let mut state = BpfDummyOpsState { val: 21 };
    let program = &skel.progs.test_sleepable;
    let returned = program.test_run(Some(&mut state), &TestSleepableArgs::default());
    assert_eq!((returned.unwrap(), state.val), (1, 42));
    feature.works();
}
