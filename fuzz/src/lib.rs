//! What the fuzz targets do with their bytes: everything pure that a user's input of that kind goes through.
//!
//! An error is a fine answer. A panic, an overflow, a stack or memory without bound, or no answer in seconds is a finding.
//! Targets that need two files find the length of the first in the input's first four bytes.

use std::fmt::Write as _;

use btf_core::binary::Binary;
use btf_core::btf::ext::BtfExt;
use btf_core::btf::{Archive, Btf, dump, value};
use btf_core::obj::{self, Object};
use btf_core::relo::{Relo, Targets, describe, essential_name};
use btf_obj::private;

/// Reads BTF and asks every type everything.
pub fn btf(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(bytes.to_vec()) else {
        return;
    };
    walk(&btf);
    // The same bytes once more, as a module's on top of themselves.
    if let Ok(split) = Btf::parse_split(bytes.to_vec(), &btf) {
        walk(&split);
    }
}

fn walk(btf: &Btf) {
    let mut text = String::new();
    for ty in btf.types() {
        let _ = write!(text, "{ty:?}");
        let _ = (ty.byte_size(), ty.align(), ty.own_size(), ty.int());
        let _ = (ty.strip(), ty.strip_modifiers(), ty.target(), ty.linkage());
        let _ = (ty.component(), ty.func_proto(), ty.array(), ty.flag());
        let _ = essential_name(ty.name_bytes());
        for member in ty.members().iter() {
            let _ = (
                member.name(),
                member.ty(),
                member.bit_offset(),
                member.bitfield_size(),
            );
        }
        for enumerator in ty.enumerators().iter() {
            let _ = (enumerator.name(), enumerator.value());
        }
        for param in ty.params().iter() {
            let _ = (param.name(), param.ty(), param.is_variadic());
        }
        for variable in ty.variables().iter() {
            let _ = (
                variable.name(),
                variable.ty(),
                variable.offset(),
                variable.size(),
            );
        }
        text.clear();
    }
    if let Some(last) = btf.types().next_back() {
        assert!(
            btf.find(last.name(), last.kind()).is_some()
                || last.name_bytes().len() != last.name().len()
        );
    }
}

/// Reads `.BTF.ext` beside a BTF.
pub fn btf_ext(bytes: &[u8]) {
    let Some((first, second)) = two(bytes) else {
        return;
    };
    let Ok(btf) = Btf::parse(first.to_vec()) else {
        return;
    };
    let _ = BtfExt::parse(second, &btf);
}

/// Reads an object and links its programs.
pub fn object(bytes: &[u8]) {
    if let Ok(object) = Object::parse("fuzzed", bytes) {
        use_object(&object);
    }
}

/// Reads an object's digest, damaged: each three bytes that follow the object are a place in it and what stands there.
pub fn digest(bytes: &[u8]) {
    let Some((first, second)) = two(bytes) else {
        return;
    };
    let Ok(object) = Object::parse("fuzzed", first) else {
        return;
    };
    let mut digest = private::digest(&object);
    assert!(private::object(&digest).is_ok());
    for &[low, high, byte] in second.as_chunks::<3>().0 {
        if let Some(place) = digest.get_mut(usize::from(u16::from_le_bytes([low, high]))) {
            *place = byte;
        }
    }
    if let Ok(object) = private::object(&digest) {
        use_object(&object);
    }
}

fn use_object(object: &Object) {
    for program in object.programs() {
        let _ = object.reachable(program);
        let _ = object.link(program, |f| &object.functions()[f].insns);
    }
    for section in object.data() {
        let _ = section.map_name(object.name());
    }
    let _ = format!("{:?}{:?}", object.maps(), object.externs());
}

/// Relocates an object against another BTF, and against its own.
pub fn relocate(bytes: &[u8]) {
    let Some((first, second)) = two(bytes) else {
        return;
    };
    let Ok(object) = Object::parse("fuzzed", first) else {
        return;
    };
    let Some(local) = object.btf() else {
        return;
    };
    for function in object.functions() {
        for site in &function.core {
            let relo = Relo {
                kind: site.kind,
                root: site.root,
                access: &site.access,
            };
            let _ = describe(local, &relo);
        }
    }
    let target = Btf::parse(second.to_vec());
    for target in target.iter().chain([local]) {
        let Ok(relocated) = object.relocate(object.programs(), &Targets::new(target)) else {
            continue;
        };
        for program in object.programs() {
            let _ = relocated.link(program);
        }
        let _ = relocated
            .answers()
            .filter(|answer| answer.poisons())
            .count();
    }
}

/// Writes a BTF as C.
pub fn dump(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(bytes.to_vec()) else {
        return;
    };
    let options = dump::Options::default();
    if let Ok(header) = dump::header(&btf, &options) {
        assert!(header.is_ascii());
    }
    for ty in btf.types().take(64) {
        let _ = (dump::declaration(ty, "x"), dump::prototype(ty));
        let _ = dump::types(&btf, &[ty.id()], &options);
    }
}

/// Shows bytes by each of the first types of a BTF.
pub fn value(bytes: &[u8]) {
    let Some((first, second)) = two(bytes) else {
        return;
    };
    let Ok(btf) = Btf::parse(first.to_vec()) else {
        return;
    };
    let options = value::Options::default();
    for ty in btf.types().take(64) {
        let _ = value::json(ty, second, &options);
        let _ = value::c(ty, second, &options);
    }
}

/// Minimises a BTF to what an object asks for.
pub fn minimise(bytes: &[u8]) {
    let Some((first, second)) = two(bytes) else {
        return;
    };
    let (Ok(object), Ok(kernel)) = (Object::parse("fuzzed", first), Btf::parse(second.to_vec()))
    else {
        return;
    };
    let _ = obj::minimise(&[&object], &kernel);
}

/// Reads an archive of kernels' BTF and takes all out of it.
pub fn archive(bytes: &[u8]) {
    let Ok(archive) = Archive::parse(bytes) else {
        return;
    };
    for release in archive.releases() {
        assert!(archive.get(release).is_some(), "{release}");
    }
}

/// Looks for functions and static probes in a program.
pub fn binary(bytes: &[u8]) {
    let binary = Binary::from_bytes("fuzzed".as_ref(), bytes.to_vec());
    let _ = binary.function("main");
    let _ = binary.function("memcpy@GLIBC_2.14");
    let _ = binary.functions("*a?");
    let _ = binary.static_probes();
}

/// Looks for a file in a zip archive: one that is there, one that is compressed, one that comes close.
pub fn zip(bytes: &[u8]) {
    for name in ["lib/x86_64/libx.so", "assets/text", "lib/x86_64/liby.so"] {
        if let Ok((start, length)) = btf_core::private::find_in_archive(bytes, name) {
            assert!(bytes.get(start..).is_some_and(|rest| length <= rest.len()));
        }
    }
}

/// Links an object with another, and with itself, and reads what comes out.
pub fn link(bytes: &[u8]) {
    let Some((first, second)) = two(bytes) else {
        return;
    };
    for pair in [[first, second], [first, first]] {
        let objects = [("first", pair[0]), ("second", pair[1])];
        let Ok(linked) = obj::link_objects(&objects) else {
            continue;
        };
        // What is wrong within a section or symbol is found by who reads the result.
        let _ = Object::parse("linked", &linked);
    }
}

fn two(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*len) as usize)
}
