//! The suite `headers`: sources that include libbpf's headers, compiled with those and with the ones that btf-build brings, to
//! the same instructions. The objects are compared by the program `headers` of the crate `btf-tests`.

use crate::kernel::Selection;
use crate::linux_source::{LinuxSource, SERIES};
use crate::tally::Tally;
use crate::{Result, build, disk, program, selftests, tool, unexpected};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Sources that differ because the headers here follow a newer libbpf than the kernel's tree has.
const NEWER: &[(&[&str], &str)] = &[(
    &[
        "test_urandom_usdt",
        "test_usdt",
        "test_usdt_multispec",
        "uprobe_multi",
        "uprobe_multi_usdt",
        "uretprobe_stack",
    ],
    "usdt.bpf.h knows arguments at a sum of registers, as libbpf does from 1.7 on",
)];

/// The header that is made from the table of helpers; it is not compared, so that both sides have that of the newest kernel.
const HELPERS: &str = "bpf/bpf_helper_defs.h";

struct Options {
    selection: Selection,
    /// Whether the kernel's selftests are left out.
    own: bool,
    /// Only sources with one of these in their name.
    filters: Vec<String>,
}

pub(crate) fn run(args: &[String]) -> Result<u8> {
    let options = parse(args)?;
    tool::install(&[tool::CLANG_19, tool::XZ])?;
    let tally = compare(&options.selection, options.own, &options.filters)?;
    println!("{}", tally.summary());
    Ok(u8::from(tally.failed > 0 || tally.passed() == 0))
}

/// Compiles with both, and prints what differs. `own` leaves out the kernel's selftests.
///
/// # Errors
/// If the kernel's sources are not to be had, or a folder cannot be read.
pub(crate) fn compare(selection: &Selection, own: bool, filters: &[String]) -> Result<Tally> {
    let source = LinuxSource::fetch(selection.refresh, selection.offline)?;
    let kernel = selection.kernel(SERIES.parse()?)?;
    let args = ["build", "--package", "btf-tests", "--bin", "headers"];
    let suite = build::executable(build::cargo(selection)?, &args)?;
    let dir = program::target_dir()?.join("conformance/headers");
    disk::empty_dir(&dir)?;
    let mut write = std::process::Command::new(&suite);
    write
        .arg("write")
        .arg(&dir)
        .arg(kernel.btf())
        // What cargo sets for build scripts.
        .env("OUT_DIR", &dir);
    let folders = program::output(&mut write)?;
    let folders = String::from_utf8_lossy(&folders);
    let mut folders = folders.lines().filter(|line| !line.starts_with("cargo::"));
    let (Some(ours), Some(vmlinux)) = (folders.next(), folders.next()) else {
        return Err("btf-build names no folders of headers".to_owned());
    };
    let (ours, vmlinux) = (Path::new(ours), Path::new(vmlinux));
    let theirs = dir.join("libbpf");
    selftests::libbpf_headers(&source, &theirs)?;

    disk::write(&theirs.join(HELPERS), &disk::read(&ours.join(HELPERS))?)?;

    let mut sources = workspace()?;
    if !own {
        sources.extend(disk::list(&source.selftests().join("progs"))?);
    }
    sources.retain(|path| {
        let name = disk::name(path);
        name.ends_with(".c") && (filters.is_empty() || filters.iter().any(|f| name.contains(f)))
    });
    let compile = |headers: &Path, to: &str| {
        selftests::compile_these(&sources, &source, headers, vmlinux, &dir.join(to))
    };
    let with_theirs = compile(&theirs, "with-libbpf")?;
    let with_ours = compile(ours, "with-btf-build")?;
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

/// Holds the objects against each other.
fn held(suite: &Path, dir: &Path) -> Result<Tally> {
    let mut command = std::process::Command::new(suite);
    command
        .arg("compare")
        .args([dir.join("with-btf-build"), dir.join("with-libbpf")]);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cannot run {}: {e}", suite.display()))?;
    let mut tally = Tally::default();
    let mut known = 0;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Some((name, why)) = newer(line) {
            tally.line(&format!("test {name} ... ignored, {why}"));
            known += 1;
            continue;
        }
        tally.line(line);
        if line.contains(" ... FAILED") {
            println!("{line}");
        }
    }
    for skipped in &tally.skipped {
        println!("differs: {skipped}");
    }
    tally.fail_unless_counted(output.status.success());
    // The program counts them, too.
    tally.failed = tally.failed.saturating_sub(known);
    Ok(tally)
}

/// The source of a line that says that it differs, and why it is to.
fn newer(line: &str) -> Option<(&str, &'static str)> {
    let name = line.strip_prefix("test ")?.split_once(" ... FAILED")?.0;
    let (_, why) = NEWER.iter().find(|(names, _)| names.contains(&name))?;
    Some((name, why))
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
