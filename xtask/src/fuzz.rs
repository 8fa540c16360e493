//! The task `fuzz`: hostile bytes for everything that reads a user's, found by libFuzzer.
//!
//! The targets are a crate of their own, `fuzz`, built with coverage by flags that stable rustc has. Seeds are the objects
//! and BTFs of `tests/golden`, put together as each target wants its input; inputs that once failed are kept in
//! `fuzz/regressions`, and every run begins with them.

use crate::{Result, disk, program, tool, unexpected, value};
use object::{Object, ObjectSection};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const USAGE: &str = "cargo xtask fuzz [--seconds N] [TARGET]...

  --seconds N   how long each target runs (60)
  TARGET        btf, btf-ext, archive, object, digest, link, relocate, dump, value, minimise, binary or zip (all of them)";

/// What makes rustc count which branches an input takes; libFuzzer reads the counters.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg=fuzzing";

/// Without a target named, flags would also go to build scripts, which lack the runtime.
const HOST: &str = "x86_64-unknown-linux-gnu";

/// A target and how it wants its seeds.
struct Target {
    name: &'static str,
    seeds: fn(&Material) -> Vec<Vec<u8>>,
}

const TARGETS: &[Target] = &[
    Target {
        name: "btf",
        seeds: |m| m.btfs(),
    },
    Target {
        name: "btf-ext",
        seeds: |m| m.objects.iter().map(|o| pair(&o.btf, &o.ext)).collect(),
    },
    Target {
        name: "object",
        seeds: |m| m.objects.iter().map(|o| o.elf.clone()).collect(),
    },
    Target {
        name: "digest",
        seeds: |m| m.objects.iter().map(|o| pair(&o.elf, &[0; 12])).collect(),
    },
    Target {
        name: "relocate",
        seeds: Material::objects_and_kernels,
    },
    Target {
        name: "dump",
        seeds: |m| m.btfs(),
    },
    Target {
        name: "value",
        seeds: |m| {
            let value = [0x5a; 64];
            m.btfs().iter().map(|btf| pair(btf, &value)).collect()
        },
    },
    Target {
        name: "minimise",
        seeds: Material::objects_and_kernels,
    },
    Target {
        name: "archive",
        seeds: |m| vec![archive(&m.kernels[0])],
    },
    Target {
        name: "link",
        seeds: Material::pairs_of_objects,
    },
    Target {
        name: "binary",
        seeds: |m| vec![m.library.clone()],
    },
    Target {
        name: "zip",
        seeds: |m| vec![zip(&m.library[..64.min(m.library.len())])],
    },
];

pub(crate) fn run(args: &[String]) -> Result<u8> {
    let mut seconds = Duration::from_secs(60);
    let mut targets = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--seconds" => seconds = crate::vm::seconds(arg, &value(arg, &mut rest)?)?,
            name => match TARGETS.iter().find(|target| target.name == name) {
                Some(target) => targets.push(target),
                None => return Err(unexpected(name, USAGE)),
            },
        }
    }
    if targets.is_empty() {
        targets = TARGETS.iter().collect();
    }
    tool::install(tool::FUZZ)?;
    let programs = build()?;
    let material = Material::read(&program::workspace().join("tests/golden"))?;
    let work = program::target_dir()?.join("fuzz");
    let mut failed = 0;
    for target in targets {
        let row = fuzz(target, &material, &work, &programs, seconds)?;
        println!("{:<8} {}", target.name, row.text);
        failed += usize::from(!row.is_clean);
    }
    Ok(u8::from(failed > 0))
}

/// Builds all targets; returns the folder that they lie in.
fn build() -> Result<PathBuf> {
    let target = program::target_dir()?.join("fuzz/build");
    let mut cargo = program::cargo();
    cargo
        .args(["build", "--release", "--locked", "--target", HOST])
        .args(["--manifest-path", "fuzz/Cargo.toml"])
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTFLAGS", COVERAGE);
    program::run(&mut cargo)?;
    Ok(target.join(HOST).join("release"))
}

/// How a target's run ended.
struct Row {
    text: String,
    is_clean: bool,
}

fn fuzz(
    target: &Target,
    material: &Material,
    work: &Path,
    programs: &Path,
    time: Duration,
) -> Result<Row> {
    let name = target.name;
    let (seeds, corpus) = (
        work.join("seeds").join(name),
        work.join("corpus").join(name),
    );
    for folder in [&seeds, &corpus] {
        disk::create_dir(folder)?;
    }
    for (number, seed) in (target.seeds)(material).iter().enumerate() {
        disk::write(&seeds.join(number.to_string()), seed)?;
    }
    let regressions = program::workspace().join("fuzz/regressions").join(name);
    let log = work.join(format!("{name}.log"));
    let file = std::fs::File::create(&log).map_err(|e| format!("{}: {e}", log.display()))?;
    let started = Instant::now();
    let mut command = Command::new(programs.join(name));
    command
        .arg(format!("-max_total_time={}", time.as_secs()))
        // An answer takes milliseconds; memory is what the largest input may ask for, many times over.
        .args([
            "-timeout=10",
            "-rss_limit_mb=1024",
            "-malloc_limit_mb=256",
            "-max_len=65536",
        ])
        .args(["-print_final_stats=1", "-verbosity=1"])
        .arg(format!("-artifact_prefix={}/{name}-", work.display()))
        .args([&corpus, &seeds])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file);
    if regressions.exists() {
        command.arg(&regressions);
    }
    let status = command
        .status()
        .map_err(|e| format!("cannot run {name}: {e}"))?;
    let said = String::from_utf8_lossy(&disk::read(&log)?).into_owned();
    let elapsed = started.elapsed().as_secs();
    let text = if status.success() {
        format!("{elapsed} s, {}, no finding", statistics(&said))
    } else {
        let artifact = said
            .lines()
            .find_map(|l| l.split_once("Test unit written to "));
        let artifact = artifact.map_or("(none written)", |(_, path)| path);
        format!(
            "{elapsed} s, FINDING: input {artifact}, log {}",
            log.display()
        )
    };
    Ok(Row {
        text,
        is_clean: status.success(),
    })
}

/// Runs, and branches seen, as libFuzzer prints them.
fn statistics(log: &str) -> String {
    let runs = log
        .lines()
        .find_map(|l| l.strip_prefix("stat::number_of_executed_units:"));
    let covered = log.lines().rev().find_map(|l| {
        let (_, rest) = l.split_once(" cov: ")?;
        rest.split(' ').next()
    });
    format!(
        "{} runs, {} branches",
        runs.unwrap_or("?").trim(),
        covered.unwrap_or("?")
    )
}

/// What seeds are made of.
struct Material {
    objects: Vec<Compiled>,
    kernels: Vec<Vec<u8>>,
    library: Vec<u8>,
}

/// An object, with the sections that are inputs of their own.
struct Compiled {
    elf: Vec<u8>,
    btf: Vec<u8>,
    ext: Vec<u8>,
}

impl Material {
    /// Objects that are small enough to be changed byte by byte, and the kernels' minimised BTFs.
    fn read(golden: &Path) -> Result<Material> {
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
                let section = file.section_by_name(name).ok_or("it has no such section")?;
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

    fn btfs(&self) -> Vec<Vec<u8>> {
        let of_objects = self.objects.iter().map(|object| object.btf.clone());
        of_objects.chain(self.kernels.iter().cloned()).collect()
    }

    fn pairs_of_objects(&self) -> Vec<Vec<u8>> {
        let pairs = self.objects.iter().flat_map(|first| {
            let others = self.objects.iter();
            others.map(|second| pair(&first.elf, &second.elf))
        });
        pairs.collect()
    }

    fn objects_and_kernels(&self) -> Vec<Vec<u8>> {
        let pairs = self.objects.iter().flat_map(|object| {
            let targets = self.kernels.iter().chain([&object.btf]);
            targets.map(|target| pair(&object.elf, target))
        });
        pairs.collect()
    }
}

/// A small library with a static probe.
fn library() -> Result<Vec<u8>> {
    const SOURCE: &str = include_str!("../../fuzz/seeds/probe.c");
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

/// A kernel's BTF in an archive, as btf-core's `Archive` writes it: magic, version, count, then where name and BTF are.
fn archive(btf: &[u8]) -> Vec<u8> {
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

/// A zip archive of this library, stored as it is, and of a text that says of itself to be compressed.
fn zip(library: &[u8]) -> Vec<u8> {
    let (mut files, mut directory) = (Vec::new(), Vec::new());
    for (name, method, data) in [
        ("lib/x86_64/libx.so", 0, library),
        ("assets/text", 8, b"text"),
    ] {
        // Both headers have these in the middle: version, flags, method, time, date, checksum, two lengths, that of the name.
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
    let places = [directory.len() as u32, files.len() as u32].map(u32::to_le_bytes);
    let end = [
        b"PK\x05\x06\0\0\0\0\x02\0\x02\0",
        &places.concat()[..],
        &[0; 2],
    ]
    .concat();
    [files, directory, end].concat()
}

/// Two inputs in one, the length of the first before them.
fn pair(first: &[u8], second: &[u8]) -> Vec<u8> {
    let length = first.len() as u32;
    [&length.to_le_bytes(), first, second].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_runs_and_branches() {
        let log = "#2\tINITED cov: 100 ft: 3 corp: 1/2b\n#9\tDONE   cov: 812 ft: 3\nstat::number_of_executed_units: 4711\n";
        assert_eq!(statistics(log), "4711 runs, 812 branches");
        assert_eq!(statistics(""), "? runs, ? branches");
    }

    #[test]
    fn there_are_seeds_for_every_target() {
        let material =
            Material::read(&program::workspace().join("tests/golden")).expect("golden data");
        for target in TARGETS {
            let seeds = (target.seeds)(&material);
            assert!(
                !seeds.is_empty() && seeds.iter().all(|s| s.len() > 100),
                "{}",
                target.name
            );
            assert!(USAGE.contains(target.name));
        }
        assert_eq!(pair(b"ab", b"c"), b"\x02\0\0\0abc");
    }
}
