//! The suite `schedulers`: sched_ext schedulers from the package registry, whose C sources were
//! written for libbpf and are among the largest. `benches/schedulers` compiles and links them
//! unchanged with btf-build, loads them with their skeletons in a booted kernel, and runs them.

use crate::args::KernelArgs;
use crate::build::peers;
use crate::debian::{Kernel, Store};
use crate::tally::{Lines, Tally};
use crate::vm::{Guest, Port};
use crate::{Result, boot, build, disk, program, tool};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const MANIFEST: &str = "benches/schedulers/Cargo.toml";

/// Its package.
const PACKAGE: &str = "schedulers";

/// The package with the headers that they share; the others are beside it in cargo's directory.
const HEADERS: &str = "scx_cargo";

/// Packages and their pinned versions: what is compared must not change by itself.
const PACKAGES: &[(&str, &str)] = &[
    (HEADERS, "1.1.4"),
    ("scx_bpfland", "1.1.4"),
    ("scx_cosmos", "1.1.7"),
    ("scx_flash", "1.1.4"),
    ("scx_lavd", "1.1.4"),
    ("scx_p2dq", "1.1.4"),
    ("scx_rusty", "1.1.4"),
    ("scx_tickless", "1.1.4"),
];

/// The first kernel with sched_ext is 6.12, but Debian's is built without it.
const KERNEL: &str = "newest";

const TIMEOUT: Duration = Duration::from_secs(400);

#[derive(Debug, clap::Args)]
#[command(after_help = "Kernel without --kernel: newest.")]
pub(crate) struct Args {
    #[command(flatten)]
    kernels: KernelArgs,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    tool::install(tool::SCHEDULERS)?;
    let (store, kernels) = args.kernels.kernels(&[KERNEL])?;
    let sources = fetch(&store)?;
    let mut total = Tally::default();
    for kernel in &kernels {
        let args = [
            "build",
            "--locked",
            "--manifest-path",
            MANIFEST,
            "--bin",
            "schedulers",
        ];
        let program = build::executable(cargo(&store, kernel, &sources), &args)?;
        let out_dir = build::out_dir(cargo(&store, kernel, &sources), &args, PACKAGE)?;
        total.add(&opened(&store, &out_dir)?);
        total.add(&boot(&program, kernel)?);
    }
    println!("{}", total.summary());
    Ok(u8::from(total.failed > 0 || total.passed() == 0))
}

/// Returns a cargo that builds the schedulers with the types of a kernel.
fn cargo(store: &Store, kernel: &Kernel, sources: &Path) -> Command {
    let mut cargo = program::cargo();
    cargo
        .env("BTF_SCHEDULERS", sources)
        .env("BTF_BUILD_VMLINUX", kernel.btf())
        .env("BTF_BUILD_CLANG", tool::CLANG_19.name)
        .env("CARGO_NET_OFFLINE", store.is_offline().to_string());
    cargo
}

/// Loads and runs the schedulers in one kernel.
fn boot(program: &Path, kernel: &Kernel) -> Result<Tally> {
    boot::announce(kernel);
    let mut guest = Guest::new(program);
    guest.timeout = TIMEOUT;
    let (mut tally, mut lines) = (Tally::default(), Lines::default());
    let mut take = |line: &str| {
        tally.line(line);
        println!("{line}");
    };
    let outcome = boot::run(kernel, &guest, &mut |port, bytes| match port {
        Port::Err => boot::pass_through(port, bytes),
        _ => lines.feed(bytes, &mut take),
    })?;
    lines.finish(&mut take);
    boot::explain(kernel, &outcome);
    tally.fail_unless_counted(outcome.status() == 0);
    Ok(tally)
}

/// Opens the objects with libbpf: it must accept objects that btf-build linked.
fn opened(store: &Store, out_dir: &Path) -> Result<Tally> {
    let mut peers = peers::build(store)?;
    peers.arg("open");
    let objects = disk::list(out_dir)?;
    peers.args(
        objects
            .iter()
            .filter(|path| disk::name(path).ends_with(".bpf.o")),
    );
    println!("opened by libbpf");
    let mut tally = Tally::default();
    tally.fail_unless_counted(peers::verdict(&mut peers)?);
    Ok(tally)
}

/// Fetches the packages with cargo; returns a directory with a link to each, by its name.
fn fetch(store: &Store) -> Result<PathBuf> {
    let dir = store.dir().join("schedulers");
    disk::create_dir(&dir.join("src"))?;
    let mut manifest =
        "[package]\nname = \"fetch\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n"
            .to_owned();
    for (name, version) in PACKAGES {
        manifest += &format!("{name} = \"={version}\"\n");
    }
    disk::write(&dir.join("Cargo.toml"), manifest.as_bytes())?;
    disk::write(&dir.join("src/lib.rs"), b"")?;
    let mut cargo = program::cargo();
    cargo
        .args(["metadata", "--format-version", "1"])
        .args(store.is_offline().then_some("--offline"))
        .current_dir(&dir);
    let metadata = program::output(&mut cargo)?;
    // Schedulers are programs, which cargo fetches but does not list; the headers are a library.
    let headers = build::package_dir(&metadata, HEADERS)
        .ok_or_else(|| format!("cargo lists no package {HEADERS}"))?;
    let fetched = headers
        .parent()
        .ok_or_else(|| format!("{} has no parent directory", headers.display()))?;
    let packages = dir.join("packages");
    disk::empty_dir(&packages)?;
    for (name, version) in PACKAGES {
        let package = fetched.join(format!("{name}-{version}"));
        if !package.is_dir() {
            return Err(format!("cargo fetched no {}", package.display()));
        }
        std::os::unix::fs::symlink(&package, packages.join(name))
            .map_err(|e| format!("cannot link to {}: {e}", package.display()))?;
    }
    Ok(packages)
}
