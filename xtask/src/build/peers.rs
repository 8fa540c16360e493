//! The programs that run btf-core beside libbpf, aya-obj and bpftool: `benches/peers`, a crate
//! outside the workspace because it links libbpf.

use crate::debian::{Kernel, Store};
use crate::{Result, program, tool};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The kernel whose types the BPF programs are compiled against: it has everything that they use.
const COMPILED_AGAINST: &str = "6.12";

const MANIFEST: &str = "benches/peers/Cargo.toml";

/// Sides of the bench's live rows.
const LIVE: &[&str] = &["btf-core", "libbpf-rs", "aya"];

/// Installs the tools that build libbpf, and builds the program.
pub(crate) fn build(store: &Store) -> Result<Command> {
    let mut command = Command::new(executable(store)?);
    command.current_dir(program::workspace());
    Ok(command)
}

/// Builds the program; returns its path.
pub(crate) fn executable(store: &Store) -> Result<PathBuf> {
    super::executable(cargo(store)?, &args("peers"))
}

/// Builds the side programs of the bench's live rows.
pub(crate) fn live(store: &Store) -> Result<Vec<PathBuf>> {
    let programs = LIVE.iter().map(|side| {
        let side = format!("live-{side}");
        let args = [&args(&side)[..], &["--features", "live"]].concat();
        super::executable(cargo(store)?, &args)
    });
    programs.collect()
}

/// Builds the program, and those that do the work of one side each.
pub(crate) fn build_all(store: &Store) -> Result<Command> {
    for side in ["btf-core", "libbpf", "aya-obj"] {
        super::executable(cargo(store)?, &args(&format!("once-{side}")))?;
    }
    build(store)
}

/// Builds the program that loads objects by libbpf and by btf-core.
pub(crate) fn loader(store: &Store) -> Result<PathBuf> {
    super::executable(cargo(store)?, &args("load"))
}

/// Returns `vmlinux.h` of a kernel's types.
pub(crate) fn dump(store: &Store, btf: &Path) -> Result<Vec<u8>> {
    let dumper = super::executable(cargo(store)?, &args("once-btf-core"))?;
    program::output(Command::new(dumper).arg("dump").arg(btf))
}

/// Returns the directory of libbpf's sources and headers, from the crate `libbpf-sys`.
///
/// # Errors
///
/// If cargo cannot fetch it, or it no longer has them where they were.
pub(crate) fn libbpf_sources(offline: bool) -> Result<PathBuf> {
    let mut cargo = program::cargo();
    cargo
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--manifest-path", MANIFEST])
        .args(offline.then_some("--offline"));
    let metadata = program::output(&mut cargo)?;
    let package = super::package_dir(&metadata, "libbpf-sys");
    let sources = package.map(|dir| dir.join("libbpf/src"));
    sources
        .filter(|dir| dir.join("bpf_helpers.h").is_file())
        .ok_or_else(|| format!("the libbpf-sys of {MANIFEST} has no libbpf/src/bpf_helpers.h"))
}

/// Runs the program. Returns `true` if its comparison found no difference (status 0, not 1).
///
/// # Errors
///
/// If it cannot be run, or ends with another status.
pub(crate) fn verdict(peers: &mut Command) -> Result<bool> {
    let status = peers
        .status()
        .map_err(|e| format!("cannot run the peers: {e}"))?;
    match status.code() {
        Some(code @ (0 | 1)) => Ok(code == 0),
        _ => Err(format!("the peers ended without a verdict ({status})")),
    }
}

fn cargo(store: &Store) -> Result<Command> {
    tool::install(tool::PEERS)?;
    let kernel = store.kernel(COMPILED_AGAINST.parse()?)?;
    let mut cargo = program::cargo();
    cargo.env("BTF_BUILD_VMLINUX", kernel.btf());
    // Not the workspace's, which has other dependencies and settings.
    let target = program::target_dir()?.join("peers");
    cargo.env("CARGO_TARGET_DIR", target);
    Ok(cargo)
}

fn args(program: &str) -> [&str; 7] {
    [
        "build",
        "--release",
        "--locked",
        "--manifest-path",
        MANIFEST,
        "--bin",
        program,
    ]
}

/// Adds the arguments of one kernel's types.
pub(crate) fn btf(command: &mut Command, label: &str, release: &str, file: &Path) {
    let mut argument = std::ffi::OsString::from(format!("{label}:{release}="));
    argument.push(file);
    command.arg("--btf").arg(argument);
}

/// Adds the arguments of a kernel of the cache.
pub(crate) fn kernel(command: &mut Command, kernel: &Kernel) {
    btf(
        command,
        &kernel.series.to_string(),
        &kernel.release,
        &kernel.btf(),
    );
}
