//! Variables that an object keeps to itself.

use btf_core::ErrorKind;
use btf_core::prog::TestRun;
use btf_skel_macros::include_skel;

use crate::feature::Feature;

include_skel!("private");
include_skel!("public_lock");

use private::Private;
use public_lock::PublicLock;

#[test]
fn locks_in_hidden_sections() {
    let Some(feature) = Feature::since("data: locks in hidden sections", (6, 2)) else {
        return;
    };
    let skel = Private::open().unwrap().load().unwrap();
    for n in 1..=3 {
        skel.progs
            .locked
            .test_run(&TestRun::packet(&[0; 64]))
            .unwrap();
        assert_eq!(skel.bss.seen.get(), n + 39 + n);
    }
    feature.works();
}

#[test]
fn a_lock_that_applications_would_see_is_refused() {
    let Some(feature) = Feature::since("data: locks in hidden sections, refused elsewhere", (6, 2))
    else {
        return;
    };
    let e = PublicLock::open().unwrap().load().unwrap_err();
    assert_eq!(
        e.to_string(),
        "object `public_lock`: map `.data.lock`: the kernel maps section .data.lock for nobody, as it holds a lock, a timer or a \
         pointer to an object of the kernel's (declare such variables __hidden, in a section of their own, \
         SEC(\".data.locks\") for instance)"
    );
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    feature.works();
}
