//! Programs of the workspace, built by cargo.

mod messages;
pub(crate) mod peers;

use crate::debian::Store;
use crate::{Result, program, tool};
use messages::Messages;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// BTF of the running kernel.
const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// The environment variable that gives `btf-build` another kernel's BTF.
const VMLINUX_BTF: &str = "BTF_BUILD_VMLINUX";

/// Kernel modules that the crate `btf-tests` attaches programs through.
pub(crate) const TEST_MODULES: &[&str] = &[
    "sch_ingress",
    "cls_bpf",
    "cls_matchall",
    "act_bpf",
    "veth",
    "nf_conntrack",
];

/// Returns a cargo that can build BPF programs on this machine: if the running kernel has no BTF,
/// with that of a Debian kernel.
pub(crate) fn cargo(store: &Store) -> Result<Command> {
    let mut cargo = program::cargo();
    if !Path::new(KERNEL_BTF).exists() && std::env::var_os(VMLINUX_BTF).is_none() {
        tool::install(tool::KERNEL)?;
        let kernel = store.newest()?;
        let release = &kernel.release;
        eprintln!("note: this kernel has no BTF; building with that of {release}");
        cargo.env(VMLINUX_BTF, kernel.btf());
    }
    Ok(cargo)
}

/// Returns a cargo that builds programs for booted kernels. Under emulation, an unoptimized
/// btf-core needs seconds for a kernel's types. Other builds are not optimized, because they take
/// longer to compile.
pub(crate) fn cargo_for_guests(store: &Store) -> Result<Command> {
    let mut cargo = cargo(store)?;
    for package in ["btf-obj", "btf-core"] {
        let option = format!("profile.dev.package.{package}.opt-level=1");
        cargo.args(["--config", &option]);
    }
    Ok(cargo)
}

/// Runs a building cargo command and returns the executable that it names.
///
/// # Errors
///
/// If it does not build; cargo and the compilers print the reason to standard error.
pub(crate) fn executable(cargo: Command, args: &[&str]) -> Result<PathBuf> {
    // Beside a test, cargo builds the package's programs, and in no certain order.
    let wanted = args
        .windows(2)
        .find(|pair| matches!(pair[0], "--test" | "--bin"));
    let executable = messages(cargo, args)?.executable(wanted.map(|pair| pair[1]));
    executable.ok_or_else(|| format!("`cargo {}` built no executable", args.join(" ")))
}

/// Returns the `OUT_DIR` of a package's build script.
///
/// # Errors
///
/// If it does not build, or the package has no build script.
pub(crate) fn out_dir(cargo: Command, args: &[&str], package: &str) -> Result<PathBuf> {
    let out_dir = messages(cargo, args)?.out_dir(package);
    out_dir.ok_or_else(|| {
        let args = args.join(" ");
        format!("`cargo {args}` ran no build script of {package}")
    })
}

/// Returns the `OUT_DIR` of a package's build script in cargo's messages.
pub(crate) fn out_dir_in(messages: &[u8], package: &str) -> Option<PathBuf> {
    Messages::parse(messages).out_dir(package)
}

/// Returns the directory of a package in the output of `cargo metadata`.
pub(crate) fn package_dir(metadata: &[u8], package: &str) -> Option<PathBuf> {
    messages::package_dir(metadata, package)
}

/// Builds `vm-init`, the first process of booted kernels, as a static program: the initramfs then
/// needs no libc.
pub(crate) fn vm_init() -> Result<PathBuf> {
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    let dir = program::target_dir()?.join("vm-init");
    let mut cargo = program::cargo();
    cargo
        .args(["build", "--quiet", "--package", "vm-init"])
        // Naming the target keeps the flags away from build scripts, which may be dynamic.
        .args(["--target", TARGET, "--target-dir"])
        .arg(&dir)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env(
            "RUSTFLAGS",
            "-C target-feature=+crt-static -C strip=symbols",
        );
    program::run(&mut cargo)?;
    Ok(dir.join(TARGET).join("debug/vm-init"))
}

/// Runs a building cargo command and returns its messages.
fn messages(mut cargo: Command, args: &[&str]) -> Result<Messages> {
    let output = cargo
        .args(args)
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cannot run cargo: {e}"))?;
    match output.status.success() {
        true => Ok(Messages::parse(&output.stdout)),
        false => Err(format!("`cargo {}` failed", args.join(" "))),
    }
}
