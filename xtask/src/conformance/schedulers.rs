//! The suite `schedulers`: sched_ext schedulers from the package registry, whose C sources were written for libbpf and are among the
//! largest that there are. They are compiled and linked by btf-build as they are, loaded by their skeletons in a booted kernel, and
//! run there. The program is `benches/schedulers`.

use crate::guest::Guest;
use crate::kernel::Selection;
use crate::machine::{self, Port};
use crate::tally::{Lines, Tally};
use crate::{Result, build, cache, disk, peers, program, tool, vm};
use std::path::{Path, PathBuf};
use std::time::Duration;

const MANIFEST: &str = "benches/schedulers/Cargo.toml";

/// Its package.
const PACKAGE: &str = "schedulers";

/// The package with the headers that they share; the others lie beside it in cargo's folder.
const HEADERS: &str = "scx_cargo";

/// Packages and their versions, to the letter: what is compared must not change by itself.
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

pub(crate) fn run(args: &[String]) -> Result<u8> {
    let selection = super::selection(args, &[KERNEL])?;
    tool::install(tool::SCHEDULERS)?;
    let sources = fetch(selection.offline)?;
    let mut total = Tally::default();
    for kernel in selection.kernels()? {
        let cargo = || {
            let mut cargo = program::cargo();
            cargo
                .env("BTF_SCHEDULERS", &sources)
                .env("BTF_BUILD_VMLINUX", kernel.btf())
                .env("BTF_BUILD_CLANG", tool::CLANG_19.name)
                .env("CARGO_NET_OFFLINE", selection.offline.to_string());
            cargo
        };
        let args = [
            "build",
            "--locked",
            "--manifest-path",
            MANIFEST,
            "--bin",
            "schedulers",
        ];
        let mut guest = Guest::new(build::executable(cargo(), &args)?);
        total.add(&opened(
            &selection,
            &build::out_dir(cargo(), &args, PACKAGE)?,
        )?);
        guest.timeout = TIMEOUT;
        eprintln!("== {} ({})", kernel.series, kernel.release);
        let (mut tally, mut lines) = (Tally::default(), Lines::default());
        let mut take = |line: &str| {
            tally.line(line);
            println!("{line}");
        };
        let outcome = machine::boot(&kernel, &guest, &mut |port, bytes| match port {
            Port::Err => vm::pass_through(port, bytes),
            _ => lines.feed(bytes, &mut take),
        })?;
        lines.finish(&mut take);
        vm::explain(&kernel, &outcome);
        tally.fail_unless_counted(outcome.status() == 0);
        total.add(&tally);
    }
    println!("{}", total.summary());
    Ok(u8::from(total.failed > 0 || total.passed() == 0))
}

/// Has libbpf open the objects: what is linked here must be fit for it, too.
fn opened(selection: &Selection, out_dir: &Path) -> Result<Tally> {
    let mut peers = peers::build(selection)?;
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

/// Has cargo fetch the packages; returns a folder with one of each, by its name alone.
fn fetch(offline: bool) -> Result<PathBuf> {
    let dir = cache::dir()?.join("schedulers");
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
        .args(offline.then_some("--offline"))
        .current_dir(&dir);
    let metadata = program::output(&mut cargo)?;
    let metadata = String::from_utf8_lossy(&metadata);
    // Schedulers are programs, which cargo fetches and then leaves out of what it lists; the headers are a library.
    let headers = metadata.split_once(&format!("{{\"name\":\"{HEADERS}\",\"version\""));
    let headers = headers.and_then(|(_, package)| build::quoted(package, "manifest_path"));
    let headers = headers.ok_or_else(|| format!("cargo lists no package {HEADERS}"))?;
    let fetched = Path::new(&headers).ancestors().nth(2);
    let fetched = fetched.ok_or_else(|| format!("cargo has {HEADERS} at {headers}"))?;
    let folder = dir.join("packages");
    disk::empty_dir(&folder)?;
    for (name, version) in PACKAGES {
        let package = fetched.join(format!("{name}-{version}"));
        if !package.is_dir() {
            return Err(format!("cargo fetched no {}", package.display()));
        }
        std::os::unix::fs::symlink(&package, folder.join(name))
            .map_err(|e| format!("cannot link to {}: {e}", package.display()))?;
    }
    Ok(folder)
}
