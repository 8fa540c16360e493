//! Structs of operations: a congestion control that TCP calls.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use btf_core::ErrorKind;
use btf_core::load::OpenObject;
use btf_skel_macros::include_skel;
use rustix::net::sockopt::set_tcp_congestion;

use crate::feature::Feature;
use crate::support::{needs, running};

include_skel!("cc");

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
    open.struct_ops.cc_by_value.set_autocreate(true);
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
    let mut open = cc::Cc::open().unwrap();
    open.struct_ops.cc_by_link.set_autocreate(false);
    let ops = &mut open.struct_ops.cc_by_value;
    ops.set_autocreate(true);
    assert_eq!(ops.program("init").unwrap(), Some("cc_init"));
    ops.set_init(Some("cc_second_init")).unwrap();
    ops.set_in_ack_event(None).unwrap();
    let mut name = [0u8; 16];
    name[..9].copy_from_slice(b"btf_named");
    ops.set("name", &name).unwrap();
    assert_eq!(ops.flags().unwrap(), 0);
    ops.set_flags(2).unwrap();
    // What created operations have is loaded all the same.
    open.progs.cc_cong_avoid.set_autoload(false);
    let mut skel = open.load().unwrap();
    assert!(skel.progs.cc_cong_avoid.is_loaded() && !skel.progs.cc_idle.is_loaded());
    let links = skel.attach().unwrap();
    assert!(links.cc_by_value.is_some() && links.cc_by_link.is_none());
    assert!(talk("btf_named"));
    assert_eq!((skel.bss.inits.get(), skel.bss.second_inits.get()), (0, 1));
    assert!(!talk("btf_by_value"));
    drop(links);
    assert!(!talk("btf_named"), "it is not registered any more");
    feature.works();
}

#[test]
fn what_cannot_be_set_or_loaded_is_told() {
    needs(5, 10);
    let mut open = OpenObject::open("cc", CC).unwrap();
    let mut ops = open.take_struct_ops("cc_by_link").unwrap();
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
    open.put_struct_ops(ops);
    let e = open.load().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    assert_eq!(
        e.to_string(),
        "object `cc`: operations `cc_by_link`: there is no program `cc_innit` (did you mean `cc_init`?)"
    );

    // What the kernel wants to be set.
    let mut open = cc::Cc::open().unwrap();
    open.struct_ops.cc_by_link.set_ssthresh(None).unwrap();
    let mut skel = open.load().unwrap();
    let e = skel.attach().unwrap_err().to_string();
    assert!(
        e.contains("operations `cc_by_link`: the kernel refused to register them")
            && e.contains("a member that must be set may be zero"),
        "{e}"
    );
}
