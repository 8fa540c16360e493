//! Programs on functions of a library that is executed out of an archive, as Android does with applications'.

use std::ffi::c_void;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::Path;

use btf_core::ErrorKind;
use btf_core::binary::Binary;

use crate::feature::Feature;
use crate::uprobes;

const PAGE: usize = 4096;

/// An archive with one file, which is stored and begins on a page.
fn archive(name: &str, contents: &[u8]) -> Vec<u8> {
    let length = (contents.len() as u32).to_le_bytes();
    let padding = PAGE - 30 - name.len();
    // Flags, way of compression, time, date, checksum (which nothing here looks at), lengths.
    let mut common = vec![0; 12];
    common.extend(length);
    common.extend(length);
    common.extend((name.len() as u16).to_le_bytes());
    let mut bytes = b"PK\x03\x04\x0a\x00".to_vec();
    bytes.extend(&common);
    bytes.extend((padding as u16).to_le_bytes());
    bytes.extend(name.as_bytes());
    bytes.resize(PAGE, 0);
    bytes.extend(contents);
    let start = bytes.len() as u32;
    bytes.extend(b"PK\x01\x02\x0a\x00\x0a\x00");
    bytes.extend(&common);
    // Additions, comment, disk, attributes, and where the file begins.
    bytes.extend([0; 16]);
    bytes.extend(name.as_bytes());
    let size = bytes.len() as u32 - start;
    bytes.extend(b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00");
    bytes.extend(size.to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

/// The instructions of a file at this place, to be called.
fn mapped(path: &Path, offset: u64) -> *const c_void {
    let file = File::open(path).unwrap();
    let (page, within) = (offset as usize & !(PAGE - 1), offset as usize % PAGE);
    // SAFETY: a new mapping, of a file that nobody changes, at an address that the kernel chooses.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            2 * PAGE,
            libc::PROT_READ | libc::PROT_EXEC,
            libc::MAP_PRIVATE,
            file.as_raw_fd(),
            page as libc::off_t,
        )
    };
    assert_ne!(start, libc::MAP_FAILED);
    start.cast::<u8>().wrapping_add(within).cast()
}

#[test]
fn uprobe() {
    let feature = Feature::since("SEC: uprobe in an APK", (5, 10)).unwrap();
    let library = Binary::open("libgcc_s.so.1").unwrap();
    let contents = fs::read(library.path()).unwrap();
    let path = std::env::temp_dir().join("btf-tests.apk");
    fs::write(&path, archive("lib/libgcc_s.so.1", &contents)).unwrap();
    let apk = path.to_str().unwrap();
    let name = format!("{apk}!/lib/libgcc_s.so.1");
    let binary = Binary::open(&name).unwrap();
    assert_eq!(binary.path(), path);
    let offset = binary.function("__clzdi2").unwrap();
    assert_eq!(offset, PAGE as u64 + library.function("__clzdi2").unwrap());

    let code = mapped(&path, offset);
    // SAFETY: the C library's compiler has this function there: it counts the zeros in front of a number's bits, and reads no memory.
    let zeros: extern "C" fn(u64) -> i32 = unsafe { std::mem::transmute(code) };
    let call = || assert_eq!(zeros(1), 63);
    let skel = uprobes::load(|open| open.progs.on_uprobe.set_autoload(true));
    let program = &skel.progs.on_uprobe;
    let link = program.attach_to(&name, "__clzdi2").unwrap();
    assert_eq!(uprobes::hits(&skel, call), 1);
    drop(link);
    assert_eq!(uprobes::hits(&skel, call), 0, "it is not attached any more");

    let e = program
        .attach_to(&format!("{apk}!/lib/libgcc_s.so"), "__clzdi2")
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    assert!(
        e.to_string()
            .contains("has no file `lib/libgcc_s.so` (did you mean `lib/libgcc_s.so.1`"),
        "{e}"
    );
    fs::remove_file(&path).unwrap();
    feature.works();
}
