//! The program that runs btf-core beside libbpf, aya-obj and bpftool: `benches/peers`, a crate outside the workspace, because
//! it links libbpf. What it is run for is `golden`'s, `conformance`'s and `bench`'s business.

use crate::kernel::{Kernel, Selection};
use crate::{Result, build, program, tool};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The kernel whose types the BPF programs are compiled against: all that they use is there.
const COMPILED_AGAINST: &str = "6.12";

const MANIFEST: &str = "benches/peers/Cargo.toml";

/// Sides of the bench's live rows.
const LIVE: &[&str] = &["btf-core", "libbpf-rs", "aya"];

/// Installs what libbpf is built with, and builds the program.
pub(crate) fn build(selection: &Selection) -> Result<Command> {
    let mut command = Command::new(executable(selection)?);
    command.current_dir(program::workspace());
    Ok(command)
}

/// Builds the program; returns its path.
pub(crate) fn executable(selection: &Selection) -> Result<PathBuf> {
    build::executable(cargo(selection)?, &args("peers"))
}

/// Builds the side programs of the bench's live rows.
pub(crate) fn live(selection: &Selection) -> Result<Vec<PathBuf>> {
    let programs = LIVE.iter().map(|side| {
        let side = format!("live-{side}");
        let args = [&args(&side)[..], &["--features", "live"]].concat();
        build::executable(cargo(selection)?, &args)
    });
    programs.collect()
}

/// Builds it, and beside it the programs that do the work of one side each.
pub(crate) fn build_all(selection: &Selection) -> Result<Command> {
    for side in ["btf-core", "libbpf", "aya-obj"] {
        build::executable(cargo(selection)?, &args(&format!("once-{side}")))?;
    }
    build(selection)
}

/// Builds the program that loads objects by libbpf and by btf-core.
pub(crate) fn loader(selection: &Selection) -> Result<PathBuf> {
    build::executable(cargo(selection)?, &args("load"))
}

/// `vmlinux.h` of a kernel's types.
pub(crate) fn dump(selection: &Selection, btf: &Path) -> Result<Vec<u8>> {
    let dumper = build::executable(cargo(selection)?, &args("once-btf-core"))?;
    program::output(Command::new(dumper).arg("dump").arg(btf))
}

/// The sources of libbpf, headers for BPF programs among them, as the crate `libbpf-sys` brings them from the registry.
///
/// # Errors
/// If cargo cannot fetch it, or it no longer has them where they were.
pub(crate) fn libbpf_sources(offline: bool) -> Result<PathBuf> {
    let mut cargo = program::cargo();
    cargo
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--manifest-path", MANIFEST])
        .args(offline.then_some("--offline"));
    let metadata = program::output(&mut cargo)?;
    let metadata = String::from_utf8_lossy(&metadata);
    let package = metadata.split_once("{\"name\":\"libbpf-sys\"");
    let manifest = package.and_then(|(_, package)| build::quoted(package, "manifest_path"));
    let sources = manifest.map(|path| Path::new(&path).with_file_name("libbpf").join("src"));
    sources
        .filter(|dir| dir.join("bpf_helpers.h").is_file())
        .ok_or_else(|| format!("the libbpf-sys of {MANIFEST} has no libbpf/src/bpf_helpers.h"))
}

/// Runs it; whether what it holds against each other agrees, as its status of 0 or 1 says.
///
/// # Errors
/// If it cannot be run, or ends before it comes to a verdict: by a signal, for one.
pub(crate) fn verdict(peers: &mut Command) -> Result<bool> {
    let status = peers
        .status()
        .map_err(|e| format!("cannot run the peers: {e}"))?;
    match status.code() {
        Some(code @ (0 | 1)) => Ok(code == 0),
        _ => Err(format!("the peers ended without a verdict ({status})")),
    }
}

fn cargo(selection: &Selection) -> Result<Command> {
    tool::install(tool::PEERS)?;
    let kernel = selection.kernel(COMPILED_AGAINST.parse()?)?;
    let mut cargo = program::cargo();
    cargo.env("BTF_BUILD_VMLINUX", kernel.btf());
    // Beside the workspace's own, which has other dependencies and settings.
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

/// Arguments that name kernels to it.
pub(crate) fn btf(command: &mut Command, label: &str, release: &str, file: &Path) {
    let mut argument = std::ffi::OsString::from(format!("{label}:{release}="));
    argument.push(file);
    command.arg("--btf").arg(argument);
}

/// The same, for a kernel of the cache.
pub(crate) fn kernel(command: &mut Command, kernel: &Kernel) {
    btf(
        command,
        &kernel.series.to_string(),
        &kernel.release,
        &kernel.btf(),
    );
}
