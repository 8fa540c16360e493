//! The suite `faults`: every system call of opening, loading, attaching and detaching fails in
//! turn, in a booted kernel, and the results are the tables of
//! `docs/conformance-faults.md`. The program is the test `faults` of the crate `btf-tests`.

use crate::args::KernelArgs;
use crate::ci::docs_page;
use crate::debian::Kernel;
use crate::tally::Lines;
use crate::vm::{Guest, Port};
use crate::{Result, boot, build, disk, program, tool};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The kernel that the tables are of.
const KERNEL: &str = "newest";

/// Thousands of processes under emulation.
const TIMEOUT: Duration = Duration::from_secs(2 * 3600);

/// Output of the program.
#[derive(Debug, Default)]
struct Found {
    calls: BTreeMap<String, Outcomes>,
    /// State that a killed process leaves, by attach type.
    killed: BTreeMap<String, String>,
    /// The line that the program ends with.
    summary: Option<String>,
}

/// Outcomes of a call by errno, and how often it left kernel state.
#[derive(Debug, Default)]
struct Outcomes {
    by_errno: BTreeMap<String, String>,
    left: u32,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Kernel without --kernel: newest.")]
pub(crate) struct Args {
    /// Write docs/conformance-faults.md instead of comparing it
    #[arg(long)]
    bless: bool,
    /// Run nothing: use the output of earlier runs with filters; repeatable
    #[arg(long = "log", value_name = "FILE")]
    logs: Vec<PathBuf>,
    #[command(flatten)]
    kernels: KernelArgs,
    /// Run only scenarios whose name contains a FILTER
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    if !args.logs.is_empty() {
        return of_logs(&args.logs, args.bless);
    }
    tool::install(tool::FAULTS)?;
    let store = args.kernels.mirror.store()?;
    let build = [
        "test",
        "--no-run",
        "--package",
        "btf-tests",
        "--test",
        "faults",
    ];
    let suite = build::executable(build::cargo_for_guests(&store)?, &build)?;
    let names = args.kernels.names_or(&[KERNEL]);
    let mut status = 0;
    for kernel in store.kernels(&names)? {
        let (found, is_ok) = boot(&suite, &kernel, &args.filters)?;
        status |= u8::from(!is_ok);
        // The tables need all scenarios; a run that found something has them, too.
        if found.summary.is_some() && args.filters.is_empty() && names == [KERNEL] {
            found.settle(args.bless)?;
        }
    }
    Ok(status)
}

/// Runs the scenarios in one kernel. Returns what was found, and `true` if the program succeeded.
fn boot(suite: &Path, kernel: &Kernel, filters: &[String]) -> Result<(Found, bool)> {
    boot::announce(kernel);
    let mut guest = Guest::new(suite);
    guest.args = filters.to_owned();
    guest.modules = build::TEST_MODULES
        .iter()
        .map(|name| (*name).into())
        .collect();
    guest.timeout = TIMEOUT;
    let (mut found, mut lines) = (Found::default(), Lines::default());
    let outcome = boot::run(kernel, &guest, &mut |port, bytes| match port {
        Port::Err => boot::pass_through(port, bytes),
        _ => lines.feed(bytes, |line| found.line(line)),
    })?;
    lines.finish(|line| found.line(line));
    boot::explain(kernel, &outcome);
    Ok((found, outcome.status() == 0))
}

/// Makes the tables of the output of runs with filters, which together have all scenarios.
fn of_logs(logs: &[PathBuf], bless: bool) -> Result<u8> {
    let mut found = Found::default();
    for log in logs {
        let text = disk::read_to_string(log)?;
        for line in text.lines() {
            found.line(line);
        }
    }
    found.settle(bless)?;
    Ok(0)
}

impl Found {
    fn line(&mut self, line: &str) {
        let line = line.trim_end();
        println!("{line}");
        if let Some(row) = line.strip_prefix("ROW ") {
            self.row(row);
            return;
        }
        if let Some(row) = line.strip_prefix("KILLED ") {
            let (name, left) = row.split_once('\t').unwrap_or((row, ""));
            self.killed.insert(name.to_owned(), left.to_owned());
        } else if line.ends_with(" broken") {
            self.summary = Some(line.to_owned());
        }
    }

    /// Adds a row: call, errno, outcome, and how often it left kernel state.
    fn row(&mut self, row: &str) {
        let mut columns = row.split('\t');
        let mut next = || columns.next().unwrap_or_default();
        let (call, errno, outcome, left) = (next(), next(), next(), next());
        let outcomes = self.calls.entry(call.to_owned()).or_default();
        outcomes.left += left.parse().unwrap_or(1);
        outcomes
            .by_errno
            .entry(errno.to_owned())
            .and_modify(|other| {
                if other != outcome {
                    "either".clone_into(other);
                }
            })
            .or_insert_with(|| outcome.to_owned());
    }

    /// Compares the page with the tables, or writes it.
    fn settle(&self, bless: bool) -> Result<()> {
        let command = "cargo xtask conformance faults --bless";
        docs_page::settle(&path(), &self.text(), bless, command)
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "# System calls that fail, and processes that are killed\n\n\
             Made by `cargo xtask conformance faults --bless` in the newest of Debian's kernels, and checked by the task without `--bless`.\n\n\
             Each scenario of the second table opens and loads an object, attaches and uses it, and detaches it once by\n\
             `Link::detach` and once by the link's drop. A tracer makes one system call after the other fail with each error number\n\
             that its manual page lists. The process also reaches its limit of file descriptors at each call that makes one:\n\
             from there on, all of them fail with `EMFILE`.\n\n\
             After each run, the kernel has no program, map, link, BTF object, pin, cgroup program, filter, queueing discipline,\n\
             XDP program, route, tracefs event or mount that was not there before, and the process has no other file descriptor or\n\
             mapped file. Nothing panics. The error is that of the call, and advises privileges after `EPERM` and `EACCES` only.\n\n\
             Four kinds of calls do not fail here: memory of the allocator, where a failure ends a Rust program; `munmap`, whose\n\
             failure leaves the mapping by definition; `close`, which closes the file descriptor whatever it returns; and\n\
             what only the standard library and the C library call.\n\n\
             ## System calls\n\n\
             `error`: the operation fails with it. `goes on`: the library does without the call or repeats it. `either`: one or the\n\
             other, depending on what the call is for.\n\n\
             | system call | error | either | goes on | left behind |\n|---|---|---|---|---|\n",
        );
        for (call, outcomes) in &self.calls {
            let cell = |wanted: &str| {
                let those = outcomes.by_errno.iter().filter(|(_, o)| *o == wanted);
                let errnos: Vec<&str> = those.map(|(errno, _)| errno.as_str()).collect();
                match errnos.is_empty() {
                    true => "-".to_owned(),
                    false => errnos.join(" "),
                }
            };
            let (error, either, bridged) = (cell("error"), cell("either"), cell("goes on"));
            let left = outcomes.left;
            let _ = writeln!(
                text,
                "| `{call}` | {error} | {either} | {bridged} | {left} |"
            );
        }
        text += "\n## Killed processes\n\n\
            What is left when the process is killed (`SIGKILL`) between any two of these calls, by attach type. The kernel ends all\n\
            that a file descriptor holds; what has none stays until it is removed, or until its device, cgroup or file system goes.\n\n\
            | scenario | left behind at most |\n|---|---|\n";
        for (name, left) in &self.killed {
            let left = if left.is_empty() { "nothing" } else { left };
            let _ = writeln!(text, "| {name} | {left} |");
        }
        text
    }
}

fn path() -> PathBuf {
    program::workspace().join("docs/conformance-faults.md")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_made_of_what_the_program_prints() {
        let mut found = Found::default();
        for line in [
            "ROW socket\tEMFILE\terror\t0",
            "ROW socket\tENOMEM\terror\t1",
            "ROW recvfrom\tEINTR\tgoes on\t0",
            "KILLED tcx\t",
            "ROW recvfrom\tENOMEM\tgoes on\t0",
            "ROW recvfrom\tENOMEM\terror\t0",
            "KILLED tc filter\tfilter, qdisc\r",
            "7 runs, 1 broken",
        ] {
            found.line(line);
        }
        let text = found.text();
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(
            rows,
            [
                "| system call | error | either | goes on | left behind |",
                "|---|---|---|---|---|",
                "| `recvfrom` | - | ENOMEM | EINTR | 0 |",
                "| `socket` | EMFILE ENOMEM | - | - | 1 |",
                "| scenario | left behind at most |",
                "|---|---|",
                "| tc filter | filter, qdisc |",
                "| tcx | nothing |",
            ]
        );
        assert_eq!(found.summary.as_deref(), Some("7 runs, 1 broken"));
    }
}
