//! Kernels without BTF: types that are carried along stand in for it. The kernels here have BTF, which is hidden from the case.

use std::collections::BTreeMap;
use std::os::unix::process::parent_id;

use btf_core::ErrorKind;
use btf_core::btf::Archive;
use btf_core::load::kernel_btf;
use btf_core::obj::{Object, minimise};

use crate::support::{getppid, needs};

// btf-build has left types of one kernel beside it, which no machine runs.
btf_skel_macros::include_skel!("no_btf");

/// Runs `case` where there is nothing in `/sys/kernel/btf`.
fn without_btf(case: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let done = |answer: i32| assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
            let (root, dir, none) = (c"/", c"/sys/kernel/btf", c"none");
            let flags = libc::MS_REC | libc::MS_PRIVATE;
            // SAFETY: it has no memory but this thread's view of mounts to do with.
            done(unsafe { libc::unshare(libc::CLONE_NEWNS) });
            // SAFETY: all strings end in a zero, and live longer than the call.
            done(unsafe {
                libc::mount(
                    none.as_ptr(),
                    root.as_ptr(),
                    std::ptr::null(),
                    flags,
                    std::ptr::null(),
                )
            });
            let tmpfs = c"tmpfs".as_ptr();
            // SAFETY: as above.
            done(unsafe { libc::mount(tmpfs, dir.as_ptr(), tmpfs, 0, std::ptr::null()) });
            case();
        });
    });
}

/// The object's types of the running kernel, and an entry of another.
fn archive() -> Vec<u8> {
    let elf = include_bytes!(concat!(env!("OUT_DIR"), "/no_btf.bpf.o"));
    let object = Object::parse("no_btf", elf).unwrap();
    let minimal = minimise(&[&object], &kernel_btf().unwrap()).unwrap();
    assert!(minimal.unresolved.is_empty());
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let kernels = BTreeMap::from([
        (
            release.trim().to_owned(),
            minimal.btf.to_target_bytes().to_vec(),
        ),
        (format!("{}-other", release.trim()), b"not read".to_vec()),
    ]);
    Archive::write(&kernels).unwrap()
}

#[test]
fn types_that_are_carried_along() {
    needs(5, 10);
    let archive = archive();
    assert!(archive.len() < 1000, "{}", archive.len());
    without_btf(|| {
        assert_eq!(kernel_btf().unwrap_err().kind(), ErrorKind::NotFound);
        let mut open = no_btf::NoBtf::open().unwrap();
        open.rodata.target_pid = std::process::id();
        open.object_mut().set_kernel_btfs(archive);
        let skel = open.load().unwrap();
        let _links = skel.attach().unwrap();
        getppid(10);
        assert!(skel.bss.calls.get() >= 10);
        assert_eq!(skel.bss.parent.get(), parent_id());
    });
}

#[test]
fn a_kernel_whose_types_are_not_among_them() {
    needs(5, 10);
    without_btf(|| {
        let error = no_btf::NoBtf::open().unwrap().load().unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.contains(
                "has no BTF, and is not among those whose types are carried along: 0.0.0-nowhere"
            ),
            "{text}"
        );
        assert!(text.contains("Builder::kernel_btfs"), "{text}");
    });
}

#[test]
fn a_kernel_with_btf_does_not_look_at_them() {
    needs(5, 10);
    let mut open = no_btf::NoBtf::open().unwrap();
    open.object_mut().set_kernel_btfs(b"not read".to_vec());
    open.rodata.target_pid = std::process::id();
    let skel = open.load().unwrap();
    let _links = skel.attach().unwrap();
    getppid(1);
    assert_eq!(skel.bss.parent.get(), parent_id());
}
