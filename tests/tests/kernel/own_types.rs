//! The object's own BTF in the kernel: what compilers write and kernels reject, and errors of a
//! load without it.

use btf_core::ErrorKind;
use btf_core::load::OpenObject;
use btf_core::prog::TestRun;
use btf_skel_macros::include_skel;

use crate::support::needs;

include_skel!("own_types");

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/own_types.bpf.o"));

/// `2 + 10 + 100 + 'b'`.
const SUM: u32 = 112 + b'b' as u32;

#[test]
fn kernel_has_the_types_of_an_object_that_it_would_reject() {
    needs(5, 10);
    let skel = own_types::OwnTypes::open().unwrap().load().unwrap();
    assert!(skel.warnings().is_empty(), "{:?}", skel.warnings());
    let ran = skel
        .progs
        .locked
        .test_run(&TestRun::packet(&[0; 64]))
        .unwrap();
    assert_eq!(ran.result.0, SUM as i32 + 5);
    assert_eq!(skel.maps.items.get(0).unwrap().unwrap().sum, SUM);
    assert_eq!(skel.data.hits.get(), 2);
    let counters = skel.bss.counters.get();
    assert_eq!((counters.first, counters.second), (1, 3));
    assert_eq!(skel.bss.packed.get().tag, 1);
}

#[test]
fn rejected_btf_is_part_of_the_error_of_what_needs_it() {
    needs(5, 10);
    let mut object = OBJECT.to_vec();
    // The record of `int`: signed, 32 bits. No kernel knows all of these encodings at once.
    let int = [4u32, 0x0100_0020].map(u32::to_le_bytes).concat();
    let at = object.windows(8).position(|words| words == int).unwrap();
    object[at + 7] = 0x0f;
    let open = OpenObject::open("own_types", &object).unwrap();
    let error = open.load().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verifier, "{error}");
    let text = format!("{error:#}");
    let note = text.lines().find(|line| line.starts_with("  note: "));
    let note = note.unwrap_or_else(|| panic!("{text}"));
    assert!(
        note.starts_with("  note: the kernel rejected the object's BTF: [")
            && note.contains("INT int size=4")
            && note.contains("Unsupported encoding"),
        "{note}"
    );
    let log = error.verifier_log().unwrap();
    assert!(log.contains("bpf_spin_lock"), "{log}");
    let line = error.to_string();
    assert!(
        line.contains("; note: the kernel rejected the object's BTF"),
        "{line}"
    );
}
