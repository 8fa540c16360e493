//! The suite `headers`: sources that include libbpf's headers, compiled with those and with
//! btf-build's to the same instructions. The program `headers` of the crate `btf-tests` compares
//! the objects.

use super::selftests;
use crate::args::{MirrorArgs, matches};
use crate::build::peers;
use crate::debian::{SERIES, Store};
use crate::tally::Tally;
use crate::{Result, build, disk, program, tool};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Directories of objects.
const WITH_OURS: &str = "with-btf-build";
const WITH_LIBBPF: &str = "with-libbpf";

#[derive(Debug, clap::Args)]
#[command(after_help = "The types are those of Linux 6.12.")]
pub(crate) struct Args {
    /// Compile the workspace's sources only
    #[arg(long)]
    own: bool,
    #[command(flatten)]
    mirror: MirrorArgs,
    /// Compile only sources whose name contains a FILTER
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    let tally = compare(&args.mirror.store()?, args.own, &args.filters)?;
    println!("{}", tally.summary());
    Ok(u8::from(tally.failed > 0 || tally.passed() == 0))
}

/// Compiles with both, and prints the differences. `own` leaves out the kernel's selftests, and
/// with them the kernel's sources and their clang.
///
/// # Errors
///
/// If libbpf's headers or the kernel's sources are not available, or a directory cannot be read.
pub(crate) fn compare(store: &Store, own: bool, filters: &[String]) -> Result<Tally> {
    let (mut sources, mut includes) = (workspace()?, Vec::new());
    let mut clang = PathBuf::from(selftests::CLANG);
    if own {
        tool::install(tool::OWN_HEADERS)?;
        clang = tool::clang(14).unwrap_or(clang);
    } else {
        tool::install(tool::HEADERS)?;
        let source = store.linux_source()?;
        sources.extend(selftests::sources(&source)?);
        includes.extend(selftests::includes(&source));
    }
    sources.retain(|path| matches(filters, disk::name(path)));
    let dir = program::target_dir()?.join("conformance/headers");
    disk::empty_dir(&dir)?;
    let suite = suite(store)?;
    let (ours, vmlinux) = ours(&suite, store, &dir)?;
    let theirs = dir.join("libbpf");
    libbpf(&theirs, store.is_offline())?;
    let compile = |headers: &Path, to: &str| {
        let mut all = vec![vmlinux.clone(), headers.to_owned()];
        all.extend(includes.iter().cloned());
        selftests::compile_these(&clang, &sources, &all, &dir.join(to))
    };
    let with_theirs = compile(&theirs, WITH_LIBBPF)?;
    let with_ours = compile(&ours, WITH_OURS)?;
    for (name, why) in &with_theirs.refused {
        println!("{name} does not compile with libbpf's headers: {why}");
    }
    for (name, why) in &with_ours.refused {
        if !with_theirs.refused.iter().any(|(other, _)| other == name) {
            println!("{name} does not compile with those of btf-build: {why}");
        }
    }
    differences(&suite, &dir)
}

/// Builds the program that writes and compares.
pub(super) fn suite(store: &Store) -> Result<PathBuf> {
    let args = ["build", "--package", "btf-tests", "--bin", "headers"];
    build::executable(build::cargo(store)?, &args)
}

/// Lets btf-build write its headers, and `vmlinux.h` of the series' kernel. Returns their
/// directories.
pub(super) fn ours(suite: &Path, store: &Store, dir: &Path) -> Result<(PathBuf, PathBuf)> {
    let kernel = store.kernel(SERIES.parse()?)?;
    let mut write = Command::new(suite);
    write
        .arg("write")
        .arg(dir)
        .arg(kernel.btf())
        // Set by cargo for build scripts.
        .env("OUT_DIR", dir);
    let directories = program::output(&mut write)?;
    let directories = String::from_utf8_lossy(&directories);
    let mut directories = directories
        .lines()
        .filter(|line| !line.starts_with("cargo::"));
    match (directories.next(), directories.next()) {
        (Some(headers), Some(vmlinux)) => Ok((headers.into(), vmlinux.into())),
        _ => Err("btf-build printed no directories of headers".to_owned()),
    }
}

/// Fills `dir/bpf` with libbpf's headers.
fn libbpf(dir: &Path, offline: bool) -> Result<()> {
    let to = dir.join("bpf");
    disk::empty_dir(&to)?;
    for header in disk::list(&peers::libbpf_sources(offline)?)? {
        let name = disk::name(&header);
        if name.ends_with(".h") {
            disk::write(&to.join(name), &disk::read(&header)?)?;
        }
    }
    Ok(())
}

/// Compares the objects.
fn differences(suite: &Path, dir: &Path) -> Result<Tally> {
    let output = Command::new(suite)
        .arg("compare")
        .args([dir.join(WITH_OURS), dir.join(WITH_LIBBPF)])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cannot run {}: {e}", suite.display()))?;
    let mut tally = Tally::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        tally.line(line);
        if line.contains(" ... FAILED") {
            println!("{line}");
        }
    }
    tally.fail_unless_counted(output.status.success());
    Ok(tally)
}

/// The BPF sources of the tests and examples.
fn workspace() -> Result<Vec<PathBuf>> {
    let root = program::workspace();
    let mut sources = disk::list(&root.join("tests/bpf"))?;
    for example in disk::list(&root.join("examples"))? {
        let dir = example.join("src/bpf");
        if dir.is_dir() {
            sources.extend(disk::list(&dir)?);
        }
    }
    sources.retain(|path| disk::name(path).ends_with(".bpf.c"));
    Ok(sources)
}
