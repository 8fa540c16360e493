//! The suite `btf`: the kernel's own tests of BTF, C dumps, values, section names, externs,
//! skeletons and linked objects. Their C sources are compiled as they are; where they call libbpf,
//! btf-core answers (`btf-suite` of the crate `btf-tests`). Tests that load programs run in a
//! booted kernel of the sources' series.

mod program;
mod report;

use crate::args::MirrorArgs;
use crate::debian::{Kernel, SERIES, Store};
use crate::tally::Lines;
use crate::vm::{Guest, Port};
use crate::{Result, boot, build, disk, tool};
use program::{KERNEL_TESTS, Program, TESTS};
use report::Report;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Path of the C program in the guest.
const PROGRAM: &str = "/bin/btf-suite-tests";

const TIMEOUT: Duration = Duration::from_secs(300);

/// The package with cilium/ebpf's compiled CO-RE programs. Its version is pinned, that of Debian
/// 12: what is compared must not change by itself.
const CILIUM: (&str, &str) = ("golang-github-cilium-ebpf-dev", "0.9.1-1");

/// Directory of the objects in the package.
const CILIUM_OBJECTS: &str = "usr/share/gocode/src/github.com/cilium/ebpf/btf/testdata";

#[derive(Debug, clap::Args)]
#[command(after_help = "The tests are those of Linux 6.12, and run there.")]
pub(crate) struct Args {
    #[command(flatten)]
    mirror: MirrorArgs,
    /// Write the summary to a file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    tool::install(tool::BTF_TESTS)?;
    let store = args.mirror.store()?;
    let source = store.linux_source()?;
    let kernel = store.kernel(SERIES.parse()?)?;
    let build = ["build", "--package", "btf-tests", "--bin", "btf-suite"];
    let suite = build::executable(build::cargo(&store)?, &build)?;
    let program = program::build(&store, &source, &suite)?;

    let mut report = Report::default();
    here(&suite, &program, &kernel, &mut report)?;
    cilium(&suite, &store, &mut report)?;
    boot::announce(&kernel);
    boot(&suite, &program, &kernel, &mut report)?;
    let text = report.text(&source.version, &kernel.release);
    print!("{text}");
    if let Some(path) = &args.write {
        disk::write(path, text.as_bytes())?;
    }
    println!("\n{}", report.summary());
    Ok(u8::from(!report.is_right()))
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
fn cilium(suite: &Path, store: &Store, report: &mut Report) -> Result<()> {
    let mut command = Command::new(suite);
    let package = store.package("cilium-ebpf", CILIUM, CILIUM_OBJECTS)?;
    command.arg("cilium").arg(package.join(CILIUM_OBJECTS));
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
    let outcome = boot::run(kernel, &guest, &mut |port, bytes| match port {
        Port::Err => boot::pass_through(port, bytes),
        _ => lines.feed(bytes, |line| report.line(line)),
    })?;
    lines.finish(|line| report.line(line));
    boot::explain(kernel, &outcome);
    report.end(outcome.status() == 0, "the tests in the booted kernel");
    Ok(())
}
