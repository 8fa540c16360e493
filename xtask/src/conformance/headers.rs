//! The suite `headers`: sources that include libbpf's headers, compiled with those and with the ones that btf-build brings, to
//! the same instructions. The objects are compared by the program `headers` of the crate `btf-tests`.

use crate::kernel::Selection;
use crate::linux_source::{LinuxSource, SERIES};
use crate::tally::Tally;
use crate::{Result, build, disk, peers, program, selftests, tool, unexpected};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Folders of objects.
const WITH_OURS: &str = "with-btf-build";
const WITH_LIBBPF: &str = "with-libbpf";

struct Options {
    selection: Selection,
    /// Whether the kernel's selftests are left out.
    own: bool,
    /// Only sources with one of these in their name.
    filters: Vec<String>,
}

pub(crate) fn run(args: &[String]) -> Result<u8> {
    let options = parse(args)?;
    let tally = compare(&options.selection, options.own, &options.filters)?;
    println!("{}", tally.summary());
    Ok(u8::from(tally.failed > 0 || tally.passed() == 0))
}

/// Compiles with both, and prints what differs. `own` leaves out the kernel's selftests, and with them the kernel's sources
/// and the clang that those need.
///
/// # Errors
/// If libbpf's headers or the kernel's sources are not to be had, or a folder cannot be read.
pub(crate) fn compare(selection: &Selection, own: bool, filters: &[String]) -> Result<Tally> {
    let (mut sources, mut includes) = (workspace()?, Vec::new());
    let mut clang = PathBuf::from(selftests::CLANG);
    if own {
        tool::install(tool::OWN_HEADERS)?;
        clang = tool::clang(14).unwrap_or(clang);
    } else {
        tool::install(tool::HEADERS)?;
        let source = LinuxSource::fetch(selection.refresh, selection.offline)?;
        sources.extend(selftests::sources(&source)?);
        includes.extend(selftests::includes(&source));
    }
    sources.retain(|path| {
        filters.is_empty()
            || filters
                .iter()
                .any(|filter| disk::name(path).contains(filter))
    });
    let dir = program::target_dir()?.join("conformance/headers");
    disk::empty_dir(&dir)?;
    let suite = suite(selection)?;
    let (ours, vmlinux) = ours(&suite, selection, &dir)?;
    let theirs = dir.join("libbpf");
    libbpf(&theirs, selection.offline)?;
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
    held(&suite, &dir)
}

/// Builds the program that writes and compares.
pub(super) fn suite(selection: &Selection) -> Result<PathBuf> {
    let args = ["build", "--package", "btf-tests", "--bin", "headers"];
    build::executable(build::cargo(selection)?, &args)
}

/// Has btf-build write its headers, and `vmlinux.h` of the series' kernel; their folders.
pub(super) fn ours(suite: &Path, selection: &Selection, dir: &Path) -> Result<(PathBuf, PathBuf)> {
    let kernel = selection.kernel(SERIES.parse()?)?;
    let mut write = Command::new(suite);
    write
        .arg("write")
        .arg(dir)
        .arg(kernel.btf())
        // What cargo sets for build scripts.
        .env("OUT_DIR", dir);
    let folders = program::output(&mut write)?;
    let folders = String::from_utf8_lossy(&folders);
    let mut folders = folders.lines().filter(|line| !line.starts_with("cargo::"));
    match (folders.next(), folders.next()) {
        (Some(headers), Some(vmlinux)) => Ok((headers.into(), vmlinux.into())),
        _ => Err("btf-build names no folders of headers".to_owned()),
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

/// Holds the objects against each other.
fn held(suite: &Path, dir: &Path) -> Result<Tally> {
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
        let folder = example.join("src/bpf");
        if folder.is_dir() {
            sources.extend(disk::list(&folder)?);
        }
    }
    sources.retain(|path| disk::name(path).ends_with(".bpf.c"));
    Ok(sources)
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options {
        selection: Selection::default(),
        own: false,
        filters: Vec::new(),
    };
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--own" => options.own = true,
            "--kernel" => return Err(format!("the types are those of {SERIES}")),
            _ if options.selection.option(arg, &mut rest)? => {}
            _ if arg.starts_with('-') => return Err(unexpected(arg, super::USAGE)),
            _ => options.filters.push(arg.clone()),
        }
    }
    Ok(options)
}
