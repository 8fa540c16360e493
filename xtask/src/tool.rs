//! Programs that tasks need besides Rust: a list for each task, Debian packages, and their
//! installation.
//!
//! Rust itself links with `cc` and libc's headers, so a machine on which this runs has both.

use crate::{Result, disk, program};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program or header and the Debian package that it comes in.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    package: &'static str,
    present: Present,
}

/// How a tool is found.
enum Present {
    /// By its name on PATH.
    OnPath,
    If(fn() -> bool),
}

/// Compiles the BPF programs of examples and tests.
const CLANG: Tool = Tool {
    name: "clang 14 or newer",
    package: "clang",
    present: Present::If(|| clang(14).is_some()),
};

/// Compiles sources that ask for BPF_TYPE_MATCHES (`bpf_core_type_matches`), which clang 14 does
/// not have: the peers compile `tests/golden/core_types.bpf.c`. Debian 12's package `clang` is
/// clang 14.
const CLANG_15: Tool = Tool {
    name: "clang 15 or newer",
    package: "clang-19",
    present: Present::If(|| clang(15).is_some()),
};

/// Compiles the kernel's selftests, which use newer builtins than the workspace's own programs.
pub(crate) const CLANG_19: Tool = Tool::program("clang-19", "clang-19");

/// Some tests run clang by this name.
const PLAIN_CLANG: Tool = Tool::program("clang", "clang");

const QEMU: Tool = Tool::program("qemu-system-x86_64", "qemu-system-x86");

const BZIP2: Tool = Tool::program("bzip2", "bzip2");

/// Compiles libFuzzer.
const CXX: Tool = Tool::program("c++", "g++");

const CC: Tool = Tool::program("cc", "gcc");

pub(crate) const BPFTOOL: Tool = Tool::program("bpftool", "bpftool");

/// Writes `bpf_helper_defs.h` of the kernel's tree. The bench attaches to its USDT probes.
const PYTHON: Tool = Tool::program("python3", "python3-minimal");

/// Decompresses kernels, modules and sources of Debian. The images of one release differ: 6.1 uses
/// lz4, newer ones xz or zstd.
const DECOMPRESS: &[Tool] = &[
    Tool::program("xz", "xz-utils"),
    Tool::program("lz4", "lz4"),
    Tool::program("zstd", "zstd"),
];

/// Builds libbpf. The peers need it, the crates never do.
const BUILD_LIBBPF: &[Tool] = &[
    CC,
    Tool::program("make", "make"),
    Tool::program("pkg-config", "pkg-config"),
    Tool {
        name: "libelf.h",
        package: "libelf-dev",
        present: Present::If(|| Path::new("/usr/include/libelf.h").exists()),
    },
    Tool {
        name: "zlib.h",
        package: "zlib1g-dev",
        present: Present::If(|| Path::new("/usr/include/zlib.h").exists()),
    },
];

/// Tools of a task.
pub(crate) type Needs = &'static [&'static [Tool]];

// Needs of each task. A task installs them before it does anything else.

/// A kernel of the cache or the mirror, or the kernel's sources.
pub(crate) const KERNEL: Needs = &[DECOMPRESS];

/// A booted kernel.
pub(crate) const VM: Needs = &[&[QEMU], DECOMPRESS];

/// The demo needs `VM`, too, if the running kernel does not allow it.
pub(crate) const DEMO: Needs = &[&[CLANG]];

pub(crate) const TEST: Needs = &[&[PLAIN_CLANG, CLANG, QEMU, BPFTOOL], DECOMPRESS];

/// The steps that are tasks themselves install their own.
pub(crate) const CI: Needs = &[&[PLAIN_CLANG, CLANG, CC, CXX]];

pub(crate) const SANITIZE: Needs = &[&[CC]];
pub(crate) const FUZZ: Needs = &[&[CC, CXX]];

/// `benches/peers`, which compiles every BPF program of the workspace.
pub(crate) const PEERS: Needs = &[&[CLANG_15], DECOMPRESS, BUILD_LIBBPF];

pub(crate) const BENCH: Needs = &[&[CLANG_15, QEMU, BPFTOOL, PYTHON], DECOMPRESS, BUILD_LIBBPF];

/// A project with libbpf-cargo beside one with btf-build.
pub(crate) const COST: Needs = &[&[CLANG], BUILD_LIBBPF];

pub(crate) const GOLDEN: Needs = &[&[CLANG_15, BPFTOOL], DECOMPRESS, BUILD_LIBBPF];

/// The kernel's BTF tests, of which some are built with bpftool and libbpf.
pub(crate) const BTF_TESTS: Needs = &[&[CLANG_19, QEMU, BPFTOOL], DECOMPRESS, BUILD_LIBBPF];

pub(crate) const CORE_RELOC: Needs = &[&[CLANG_19, QEMU], DECOMPRESS];

/// The workspace's own programs with libbpf's headers and with its own.
pub(crate) const OWN_HEADERS: Needs = &[&[CLANG], DECOMPRESS];

pub(crate) const FAULTS: Needs = &[&[CLANG, QEMU], DECOMPRESS];

pub(crate) const HEADERS: Needs = &[&[CLANG_19], DECOMPRESS];

pub(crate) const LIBBPF: Needs = &[&[CLANG_19], DECOMPRESS, BUILD_LIBBPF];

pub(crate) const LOAD: Needs = &[&[CLANG_19, QEMU, PYTHON], DECOMPRESS, BUILD_LIBBPF];

pub(crate) const PROGRAMS: Needs = &[&[CLANG_19, QEMU, BZIP2], DECOMPRESS, BUILD_LIBBPF];

pub(crate) const SCHEDULERS: Needs = &[&[CLANG_19, QEMU], DECOMPRESS];

pub(crate) const SKELETONS: Needs = &[&[CLANG_19, PYTHON], DECOMPRESS, BUILD_LIBBPF];

impl Tool {
    /// A program that is found by its name.
    const fn program(name: &'static str, package: &'static str) -> Tool {
        Tool {
            name,
            package,
            present: Present::OnPath,
        }
    }

    fn is_present(&self) -> bool {
        match self.present {
            Present::OnPath => program::find(self.name).is_some(),
            Present::If(present) => present(),
        }
    }
}

fn missing<'t>(needs: &[&'t [Tool]]) -> Vec<&'t Tool> {
    let tools = needs.iter().copied().flatten();
    tools.filter(|tool| !tool.is_present()).collect()
}

/// Fails with the packages to install if something is missing.
pub(crate) fn need(needs: &[&[Tool]]) -> Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|tool| tool.name).collect();
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    Err(format!(
        "missing: {}. Install with: apt-get install --no-install-recommends {}",
        names.join(", "),
        packages.join(" ")
    ))
}

/// Installs missing tools as root on a Debian machine; else fails with the packages to install.
pub(crate) fn install(needs: &[&[Tool]]) -> Result<()> {
    let missing = missing(needs);
    let root = rustix::process::geteuid().is_root();
    if missing.is_empty() || !root || program::find("apt-get").is_none() {
        return need(needs);
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    eprintln!("installing {}", packages.join(" "));
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-qq", "-y"])
            .args(args);
        program::output(&mut command)
    };
    let install: Vec<&str> = ["install", "--no-install-recommends"]
        .into_iter()
        .chain(packages)
        .collect();
    // Container images come without package lists, others with old ones. Without a list, apt reads
    // `g++` as a pattern of installed packages, and succeeds.
    if apt(&install).is_err() || need(needs).is_err() {
        apt(&["update"])?;
        apt(&install)?;
    }
    need(needs)
}

/// The newest clang on PATH, if it is `oldest` or newer. `btf-build` uses it, too.
pub(crate) fn clang(oldest: u32) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).flat_map(|dir| clangs_in(&dir));
    // Of equal versions the first on PATH.
    let newest = found.reduce(|best, other| if other.0 > best.0 { other } else { best });
    newest
        .filter(|(version, _)| *version >= oldest)
        .map(|(_, path)| path)
}

/// Each `clang` and `clang-NN` of a directory with its major version.
fn clangs_in(dir: &Path) -> Vec<(u32, PathBuf)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let versions = entries.filter_map(|entry| {
        let path = entry.path();
        let version = match disk::name(&path).strip_prefix("clang-") {
            Some(version) => version.parse().ok(),
            None if disk::name(&path) == "clang" => clang_version(dir),
            None => None,
        };
        version.map(|version| (version, path))
    });
    versions.collect()
}

/// The major version that `clang --version` states.
fn clang_version(dir: &Path) -> Option<u32> {
    let out = program::output(Command::new(dir.join("clang")).arg("--version")).ok()?;
    version_in(&String::from_utf8_lossy(&out))
}

fn version_in(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("clang version ")?;
    rest.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clang_versions() {
        assert_eq!(
            version_in("Debian clang version 14.0.6\nTarget: x"),
            Some(14)
        );
        assert_eq!(version_in("clang version 19.1.7 (3)"), Some(19));
        assert_eq!(version_in("gcc (Debian) 12"), None);
    }

    #[test]
    fn finds_clangs_of_a_directory() {
        let dir = std::env::temp_dir().join(format!("btf-xtask-clangs-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a scratch directory");
        for name in ["clang-14", "clang-19", "clang-format-19", "clang-cpp-14"] {
            std::fs::write(dir.join(name), "").expect("a file in it");
        }
        let mut versions: Vec<u32> = clangs_in(&dir).into_iter().map(|(v, _)| v).collect();
        versions.sort();
        std::fs::remove_dir_all(&dir).expect("its removal");
        assert_eq!(versions, [14, 19]);
    }

    #[test]
    fn names_missing_tools_with_their_package() {
        let absent = Tool {
            name: "flux",
            package: "flux-capacitor",
            present: Present::If(|| false),
        };
        let error = need(&[&[absent]]).expect_err("absent");
        assert!(error.contains("missing: flux. "), "{error}");
        assert!(
            error.ends_with("apt-get install --no-install-recommends flux-capacitor"),
            "{error}"
        );
        let present = Tool {
            name: "sh",
            package: "dash",
            present: Present::If(|| true),
        };
        assert_eq!(need(&[&[present]]), Ok(()));
    }
}
