//! The suite `core-reloc`: the kernel's own CO-RE cases. The program `core-reloc` of the crate
//! `btf-tests` interprets them on this machine without a kernel, and runs them in booted kernels.

use crate::args::KernelArgs;
use crate::debian::{Kernel, LinuxSource, SERIES};
use crate::tally::{Lines, Tally};
use crate::vm::{Guest, Port};
use crate::{Result, boot, build, disk, program, tool};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The kernels that the cases run in.
const KERNELS: &[&str] = &["5.10", "6.1", "6.12", "newest"];

/// Directory of the objects in the guest.
const OBJECTS: &str = "/core-reloc";

const TIMEOUT: Duration = Duration::from_secs(300);

/// The cases in one place.
struct Row {
    place: String,
    tally: Tally,
    /// Lines about cases that failed.
    failures: Vec<String>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Kernels without --kernel: 5.10, 6.1, 6.12 and newest.")]
pub(crate) struct Args {
    #[command(flatten)]
    kernels: KernelArgs,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    tool::install(tool::CORE_RELOC)?;
    let store = args.kernels.mirror.store()?;
    let source = store.linux_source()?;
    let kernels = store.kernels(&args.kernels.names_or(KERNELS))?;
    let types = store.kernel(SERIES.parse()?)?;
    let build = ["build", "--package", "btf-tests", "--bin", "core-reloc"];
    let suite = build::executable(build::cargo(&store)?, &build)?;
    let objects = compile(&suite, &source, &types)?;

    println!("selftests of linux-source {}", source.version);
    let mut rows = vec![decide(&suite, &objects, &types)?];
    for kernel in &kernels {
        boot::announce(kernel);
        rows.push(boot(&suite, &objects, kernel)?);
    }
    Ok(print(&rows))
}

/// Compiles the sources of the suite; returns the directory of the objects.
fn compile(suite: &Path, source: &LinuxSource, types: &Kernel) -> Result<PathBuf> {
    let objects = program::target_dir()?.join("conformance/core-reloc");
    disk::empty_dir(&objects)?;
    let mut command = Command::new(suite);
    command
        .arg("compile")
        .arg(source.selftests())
        .arg(tool::CLANG_19.name)
        .arg(types.btf())
        // Set by cargo for build scripts.
        .env("OUT_DIR", &objects)
        .env("OPT_LEVEL", "2")
        .env("HOST", "x86_64-unknown-linux-gnu")
        .env("TARGET", "x86_64-unknown-linux-gnu");
    program::output(&mut command)?;
    Ok(objects)
}

/// Relocates and interprets the cases without a kernel.
fn decide(suite: &Path, objects: &Path, types: &Kernel) -> Result<Row> {
    let mut command = Command::new(suite);
    command.arg("decide").arg(objects).arg(types.btf());
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cannot run {}: {e}", suite.display()))?;
    let mut row = Row::new("without a kernel");
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        row.line(line);
    }
    row.tally.fail_unless_counted(output.status.success());
    Ok(row)
}

/// Loads, attaches and triggers the cases in a booted kernel.
fn boot(suite: &Path, objects: &Path, kernel: &Kernel) -> Result<Row> {
    let mut guest = Guest::new(suite);
    guest.args = vec!["run".to_owned(), OBJECTS.to_owned()];
    for object in disk::list(objects)? {
        let inside = format!("{OBJECTS}/{}", disk::name(&object));
        if inside.ends_with(".bpf.o") {
            guest.files.push((object, inside));
        }
    }
    guest.timeout = TIMEOUT;
    let mut row = Row::new(&format!("kernel {} ({})", kernel.series, kernel.release));
    let mut lines = Lines::default();
    let outcome = boot::run(kernel, &guest, &mut |port, bytes| match port {
        Port::Err => boot::pass_through(port, bytes),
        _ => lines.feed(bytes, |line| row.line(line)),
    })?;
    boot::explain(kernel, &outcome);
    row.tally.fail_unless_counted(outcome.status() == 0);
    Ok(row)
}

impl Row {
    fn new(place: &str) -> Row {
        Row {
            place: place.to_owned(),
            tally: Tally::default(),
            failures: Vec::new(),
        }
    }

    fn line(&mut self, line: &str) {
        self.tally.line(line);
        if line.contains(" ... FAILED") {
            self.failures.push(line.trim().to_owned());
        }
    }

    /// Returns the number of all cases.
    fn cases(&self) -> usize {
        self.tally.passed() + self.tally.failed + self.tally.skipped.len()
    }
}

/// Prints the table, what failed and what did not run; returns the exit status.
fn print(rows: &[Row]) -> u8 {
    let mut total = Tally::default();
    println!();
    for row in rows {
        let (place, cases) = (&row.place, row.cases());
        println!("{place:<40} {cases:>3} cases: {}", row.tally.summary());
        for failure in &row.failures {
            println!("  {failure}");
        }
        total.add(&row.tally);
    }
    for row in rows {
        for skipped in &row.tally.skipped {
            println!("not run ({}): {skipped}", row.place);
        }
    }
    let (passed, failed, skipped) = (total.passed(), total.failed, total.skipped.len());
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    // A place where nothing ran proves nothing.
    u8::from(failed > 0 || rows.iter().any(|row| row.tally.passed() == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_failures_and_places_without_cases() {
        let mut row = Row::new("here");
        row.line("test a ... ok");
        row.line("test b ... ignored, needs the kernel's test module");
        row.line("test result: ok. 1 passed; 0 failed; 1 ignored");
        assert_eq!((row.cases(), row.failures.len()), (2, 0));
        assert_eq!(print(&[row]), 0);
        assert_eq!(print(&[Row::new("nowhere")]), 1);
        let mut row = Row::new("here");
        row.line("test a ... FAILED: data.out differs");
        row.line("test result: FAILED. 3 passed; 1 failed; 0 ignored");
        assert_eq!(row.failures, ["test a ... FAILED: data.out differs"]);
        assert_eq!(print(&[row]), 1);
    }
}
