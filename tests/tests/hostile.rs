//! Truncated and damaged objects: every one gets an answer, none a panic, a hang or a huge allocation.
//!
//! Damage is spread evenly and seeded, so that a run can be repeated.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use btf_core::btf::{Btf, dump};
use btf_core::obj::{Object, minimise};
use btf_core::relo::{Relo, Targets, relocate};
use btf_obj::private;

/// The objects that this crate's build script compiled.
fn fixtures() -> Vec<(String, Vec<u8>)> {
    let dir = PathBuf::from(env!("OUT_DIR"));
    let mut out: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".bpf.o"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(&path).unwrap())
        })
        .collect();
    out.sort();
    assert!(!out.is_empty(), "no objects in {}", dir.display());
    out
}

/// Everything pure that bytes go through, with `target` in the place of a kernel's types.
fn exercise(bytes: &[u8], target: &Btf) {
    let Ok(object) = Object::parse("damaged", bytes) else {
        return;
    };
    // What is accepted of a file is accepted of its digest.
    if let Err(e) = private::object(&private::digest(&object)) {
        panic!("{e:#}");
    }
    exercise_object(&object, target);
}

fn exercise_object(object: &Object, target: &Btf) {
    for section in object.data() {
        let _ = (section.map_name(object.name()), section.contents());
    }
    for program in object.programs() {
        let _ = object.link(program, |f| &object.functions()[f].insns);
    }
    let Some(btf) = object.btf() else {
        return;
    };
    walk(btf);
    // Both ways round here, too.
    for kernel in [target, btf] {
        if let Ok(minimal) = minimise(&[object], kernel) {
            // Less than all, and no more.
            assert!(minimal.btf.as_bytes().len() <= kernel.as_bytes().len() + 64);
            for unresolved in &minimal.unresolved {
                let _ = unresolved.to_string();
            }
        }
    }
    let _ = dump::header(btf, &dump::Options::default());
    for finding in object
        .report(object.programs(), &Targets::new(target))
        .unwrap_or_default()
    {
        let _ = finding.to_string();
    }
    // Both ways round: damaged types asking, and damaged types answering.
    for (local, target) in [(btf, target), (btf, btf)] {
        for function in object.functions() {
            let relos: Vec<_> = function
                .core
                .iter()
                .map(|site| Relo {
                    kind: site.kind,
                    root: site.root,
                    access: &site.access,
                })
                .collect();
            let Ok(fixups) = relocate(local, &Targets::new(target), &relos) else {
                continue;
            };
            let mut insns = function.insns.clone();
            for (fixup, site) in fixups.iter().zip(&function.core) {
                let _ = fixup.apply(&mut insns, site.insn);
            }
        }
    }
}

/// The types of a fixture before it is damaged.
fn types_of(bytes: &[u8]) -> Btf {
    let object = Object::parse("whole", bytes).unwrap();
    object.require_btf().unwrap().clone()
}

fn walk(btf: &Btf) {
    for t in btf.types() {
        let _ = (t.byte_size(), t.strip().name(), format!("{t:?}"));
        for m in t.members().iter() {
            let _ = (m.name(), m.bit_offset(), m.ty().id());
        }
        for e in t.enumerators().iter() {
            let _ = e.value();
        }
    }
}

/// A fixed sequence of well-spread numbers (SplitMix64).
fn numbers(mut seed: u64) -> impl Iterator<Item = u64> {
    std::iter::repeat_with(move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

#[test]
fn whole_fixtures_are_read() {
    for (name, bytes) in fixtures() {
        let object = Object::parse(&name, &bytes).unwrap_or_else(|e| panic!("{e:#}"));
        assert!(!object.programs().is_empty(), "{name} has no programs");
    }
}

/// Does the work for every fixture, each core one after the other.
fn for_each_fixture(work: impl Fn(&str, &[u8]) + Sync) {
    let fixtures = fixtures();
    let next = AtomicUsize::new(0);
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some((name, bytes)) = fixtures.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(name, bytes);
                }
            });
        }
    });
}

#[test]
fn digests_say_what_their_objects_do() {
    for (name, bytes) in fixtures() {
        let object = Object::parse(&name, &bytes).unwrap();
        let digest = private::digest(&object);
        let read = private::object(&digest).unwrap_or_else(|e| panic!("{name}: {e:#}"));
        assert_eq!(format!("{read:#?}"), format!("{object:#?}"), "{name}");
        let types = |object: &Object| object.btf().map(|btf| btf.as_bytes().to_vec());
        assert!(types(&read) == types(&object), "{name}");
        assert!(digest.len() < bytes.len(), "{name}");
    }
}

#[test]
fn damaged_digests() {
    for (name, bytes) in fixtures() {
        let object = Object::parse(&name, &bytes).unwrap();
        let (whole, digest) = (types_of(&bytes), private::digest(&object));
        let records = digest.len() - whole.as_bytes().len();
        for n in (0..records).step_by((records / 100).max(1)) {
            assert!(private::object(&digest[..n]).is_err(), "{name} cut to {n}");
        }
        let mut damaged = digest.clone();
        for n in numbers(3).take(60) {
            let (byte, mask) = (n as usize % records, 1u8 << (n >> 61));
            damaged[byte] ^= mask;
            if let Ok(object) = private::object(&damaged) {
                exercise_object(&object, &whole);
            }
            damaged[byte] ^= mask;
        }
    }
}

#[test]
fn truncated_objects() {
    for_each_fixture(|name, bytes| {
        let whole = types_of(bytes);
        let step = (bytes.len() / 400).max(1);
        let spread = (0..bytes.len()).step_by(step);
        for n in spread.chain(0..200.min(bytes.len())) {
            exercise(&bytes[..n], &whole);
            // The section table stands at the end: without it, there is no object.
            let parsed = Object::parse(name, &bytes[..n]);
            assert!(parsed.is_err(), "{name} cut to {n} bytes was accepted");
        }
    });
}

/// Flips one bit after the other, each in an otherwise whole object.
fn flip(bytes: &[u8], bits: impl Iterator<Item = u64>) {
    let whole = types_of(bytes);
    let mut damaged = bytes.to_vec();
    for bit in bits {
        let (byte, mask) = ((bit / 8) as usize, 1u8 << (bit % 8));
        damaged[byte] ^= mask;
        exercise(&damaged, &whole);
        damaged[byte] ^= mask;
    }
}

#[test]
fn flipped_bits() {
    for_each_fixture(|_, bytes| {
        let spread = numbers(1).take(600).map(|n| n % (bytes.len() as u64 * 8));
        flip(bytes, spread);
    });
}

/// Every bit of the ELF header, which is alike in all objects.
#[test]
fn flipped_bits_of_the_header() {
    let (_, bytes) = fixtures().swap_remove(0);
    flip(&bytes, 0..64 * 8);
}

#[test]
fn overwritten_words() {
    for_each_fixture(|_, bytes| {
        let whole = types_of(bytes);
        let mut random = numbers(2);
        for _ in 0..400 {
            let mut damaged = bytes.to_vec();
            for n in random.by_ref().take(4) {
                let at = (n as usize % (damaged.len() / 4)) * 4;
                let word = if n & (1 << 40) == 0 {
                    u32::MAX
                } else {
                    (n >> 32) as u32
                };
                damaged[at..at + 4].copy_from_slice(&word.to_le_bytes());
            }
            exercise(&damaged, &whole);
        }
    });
}
