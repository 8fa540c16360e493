//! The suite `btf`: the kernel's own tests of BTF, C dumps, values, section names, externs,
//! skeletons and linked objects. Their C sources are compiled as they are; where they call libbpf,
//! btf-core answers (`btf-suite` of the crate `btf-tests`). Tests that load programs run in a
//! booted kernel of the sources' series.

mod cilium;
mod program;
mod report;

use crate::guest::Guest;
use crate::kernel::{Kernel, Selection};
use crate::linux_source::{LinuxSource, SERIES};
use crate::machine::{self, Port};
use crate::tally::Lines;
use crate::{Result, build, disk, tool, unexpected, value, vm};
use program::{KERNEL_TESTS, Program, TESTS};
use report::Report;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Path of the C program in the guest.
const PROGRAM: &str = "/bin/btf-suite-tests";

const TIMEOUT: Duration = Duration::from_secs(300);

#[derive(Default)]
struct Options {
    selection: Selection,
    /// Path to write the summary to.
    write: Option<PathBuf>,
}

pub(crate) fn run(args: &[String]) -> Result<u8> {
    let options = parse(args)?;
    let selection = &options.selection;
    tool::install(tool::BTF_TESTS)?;
    let source = LinuxSource::fetch(selection.refresh, selection.offline)?;
    let kernel = selection.kernel(SERIES.parse()?)?;
    let args = ["build", "--package", "btf-tests", "--bin", "btf-suite"];
    let suite = build::executable(build::cargo(selection)?, &args)?;
    let program = program::build(selection, &source, &suite)?;

    let mut report = Report::default();
    here(&suite, &program, &kernel, &mut report)?;
    cilium(&suite, selection, &mut report)?;
    eprintln!("== {} ({})", kernel.series, kernel.release);
    boot(&suite, &program, &kernel, &mut report)?;
    let text = report.text(&source.version, &kernel.release);
    print!("{text}");
    if let Some(path) = &options.write {
        disk::write(path, text.as_bytes())?;
    }
    println!("\n{}", report.summary());
    Ok(u8::from(!report.is_right()))
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--write" => options.write = Some(value(arg, &mut rest)?.into()),
            "--kernel" => return Err(format!("the tests are those of {SERIES}, and run there")),
            _ if options.selection.option(arg, &mut rest)? => {}
            _ => return Err(unexpected(arg, super::USAGE)),
        }
    }
    Ok(options)
}

/// Runs the tests that load nothing.
fn here(suite: &Path, program: &Program, kernel: &Kernel, report: &mut Report) -> Result<()> {
    let mut command = Command::new(suite);
    command
        .arg("run")
        .args([&program.executable, &program.objects, &kernel.btf()])
        .arg(tool::CLANG_19.name)
        .args(TESTS);
    take(command, "the tests on this machine", report)
}

/// Runs cilium/ebpf's CO-RE programs.
fn cilium(suite: &Path, selection: &Selection, report: &mut Report) -> Result<()> {
    let mut command = Command::new(suite);
    command.arg("cilium").arg(cilium::fetch(selection.offline)?);
    take(command, "cilium/ebpf's programs", report)
}

/// Runs a command that prints the outcomes of cases.
fn take(mut command: Command, what: &str, report: &mut Report) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cannot run {}: {e}", command.get_program().display()))?;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        report.line(line);
    }
    report.end(output.status.success(), what);
    Ok(())
}

/// Runs the tests that load programs, in a booted kernel.
fn boot(suite: &Path, program: &Program, kernel: &Kernel, report: &mut Report) -> Result<()> {
    let mut guest = Guest::new(suite);
    // None of these tests reads types or runs clang.
    let args = ["run", PROGRAM, "/tmp", "-", "-"];
    guest.args = args
        .iter()
        .chain(KERNEL_TESTS)
        .map(|arg| (*arg).to_owned())
        .collect();
    guest
        .files
        .push((program.executable.clone(), PROGRAM.to_owned()));
    guest.timeout = TIMEOUT;
    let mut lines = Lines::default();
    let outcome = machine::boot(kernel, &guest, &mut |port, bytes| match port {
        Port::Err => vm::pass_through(port, bytes),
        _ => lines.feed(bytes, |line| report.line(line)),
    })?;
    lines.finish(|line| report.line(line));
    vm::explain(kernel, &outcome);
    report.end(outcome.status() == 0, "the tests in the booted kernel");
    Ok(())
}
