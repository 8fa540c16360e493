//! Seeds of the targets, from objects and BTF of `tests/golden`.

use crate::{Result, disk, program};
use object::{Object, ObjectSection};
use std::path::Path;
use std::process::Command;

/// Data that seeds are made of.
pub(super) struct Material {
    pub(super) objects: Vec<Compiled>,
    pub(super) kernels: Vec<Vec<u8>>,
    pub(super) library: Vec<u8>,
}

/// An object, with the sections that are inputs of their own.
pub(super) struct Compiled {
    pub(super) elf: Vec<u8>,
    pub(super) btf: Vec<u8>,
    pub(super) ext: Vec<u8>,
}

impl Material {
    /// Reads objects that are small enough to be changed byte by byte, and minimized BTF of
    /// kernels.
    pub(super) fn read(golden: &Path) -> Result<Material> {
        let mut material = Material {
            objects: Vec::new(),
            kernels: Vec::new(),
            library: library()?,
        };
        for name in ["core_fields", "core_types"] {
            let path = golden.join(format!("{name}.bpf.o"));
            let elf = disk::read(&path)?;
            let section = |name: &str| {
                let file = object::File::parse(&*elf).map_err(|e| e.to_string())?;
                let section = file.section_by_name(name).ok_or("no such section")?;
                section
                    .data()
                    .map(<[u8]>::to_vec)
                    .map_err(|e| e.to_string())
            };
            let named =
                |name: &str| section(name).map_err(|e| format!("{}: {name}: {e}", path.display()));
            let (btf, ext) = (named(".BTF")?, named(".BTF.ext")?);
            material.objects.push(Compiled { elf, btf, ext });
        }
        for kernel in ["5.10", "7.3"] {
            material
                .kernels
                .push(disk::read(&golden.join(kernel).join("kernel.btf"))?);
        }
        Ok(material)
    }

    pub(super) fn btfs(&self) -> Vec<Vec<u8>> {
        let of_objects = self.objects.iter().map(|object| object.btf.clone());
        of_objects.chain(self.kernels.iter().cloned()).collect()
    }

    pub(super) fn pairs_of_objects(&self) -> Vec<Vec<u8>> {
        let pairs = self.objects.iter().flat_map(|first| {
            let others = self.objects.iter();
            others.map(|second| pair(&first.elf, &second.elf))
        });
        pairs.collect()
    }

    pub(super) fn objects_and_kernels(&self) -> Vec<Vec<u8>> {
        let pairs = self.objects.iter().flat_map(|object| {
            let targets = self.kernels.iter().chain([&object.btf]);
            targets.map(|target| pair(&object.elf, target))
        });
        pairs.collect()
    }
}

/// Compiles a small library with a USDT probe.
fn library() -> Result<Vec<u8>> {
    const SOURCE: &str = include_str!("../../../fuzz/seeds/probe.c");
    let dir = program::target_dir()?.join("fuzz");
    disk::create_dir(&dir)?;
    let (source, library) = (dir.join("probe.c"), dir.join("libprobe.so"));
    disk::write(&source, SOURCE.as_bytes())?;
    let mut compiler = Command::new("cc");
    compiler
        .args(["-shared", "-fPIC", "-nostdlib", "-o"])
        .args([&library, &source]);
    program::output(&mut compiler)?;
    disk::read(&library)
}

/// Returns an archive with a kernel's BTF, as btf-core's `Archive` writes it: magic, version,
/// count, then offset and length of name and BTF.
pub(super) fn archive(btf: &[u8]) -> Vec<u8> {
    let name = b"6.1.0-18-amd64\0\0";
    let numbers = [
        1,
        1,
        28,
        name.len() as u32 - 2,
        28 + name.len() as u32,
        btf.len() as u32,
    ];
    let numbers = numbers.map(u32::to_le_bytes).concat();
    [b"BTFS", &numbers[..], name, btf].concat()
}

/// Returns a zip archive of this library, which is stored, and of a text, whose header claims that
/// it is compressed.
pub(super) fn zip(library: &[u8]) -> Vec<u8> {
    let (mut files, mut directory) = (Vec::new(), Vec::new());
    for (name, method, data) in [
        ("lib/x86_64/libx.so", 0, library),
        ("assets/text", 8, b"text"),
    ] {
        // Fields of both headers: version, flags, method, time, date, checksum, two lengths, and
        // the length of the name.
        let (start, length) = (files.len() as u32, (data.len() as u32).to_le_bytes());
        let mut common = [20u16, 0, method, 0, 0].map(u16::to_le_bytes).concat();
        common.extend([[0; 4], length, length].concat());
        common.extend((name.len() as u16).to_le_bytes());
        files.extend([b"PK\x03\x04", &common[..], &[0; 2], name.as_bytes(), data].concat());
        directory.extend(
            [
                b"PK\x01\x02\x14\x00",
                &common[..],
                &[0; 12],
                &start.to_le_bytes(),
            ]
            .concat(),
        );
        directory.extend(name.as_bytes());
    }
    let sizes = [directory.len() as u32, files.len() as u32].map(u32::to_le_bytes);
    let end = [
        b"PK\x05\x06\0\0\0\0\x02\0\x02\0",
        &sizes.concat()[..],
        &[0; 2],
    ]
    .concat();
    [files, directory, end].concat()
}

/// Returns two inputs in one, after the length of the first.
pub(super) fn pair(first: &[u8], second: &[u8]) -> Vec<u8> {
    let length = first.len() as u32;
    [&length.to_le_bytes(), first, second].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_the_length_before_a_pair() {
        assert_eq!(pair(b"ab", b"c"), b"\x02\0\0\0abc");
    }
}
