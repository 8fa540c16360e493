//! The command line: one subcommand per task.

use crate::task::{demo, golden, kernel, vm};
use crate::{Result, bench, ci, conformance, fuzz, sanitize, test};
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// Run a task of the workspace
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build opensnoop and run it, in a booted kernel if the running one does not allow it
    Demo(demo::Args),
    /// Run all tests: on this machine, then the kernel cases in booted kernels
    Test(test::Args),
    /// Run a program of this machine in booted Debian kernels
    Vm(vm::Args),
    /// Fetch kernels and print series, release, vmlinuz and raw BTF of each
    Kernel(kernel::Args),
    /// Compare with the kernel's own tests and with libbpf
    Conformance(conformance::Args),
    /// Measure btf-core beside libbpf, libbpf-rs, aya and bpftool
    Bench(bench::Args),
    /// Regenerate the golden instructions in tests/golden with libbpf
    Golden(golden::Args),
    /// Fuzz every parser of untrusted input with libFuzzer
    Fuzz(fuzz::Args),
    /// Run the unit tests under ThreadSanitizer and AddressSanitizer
    Sanitize(sanitize::Args),
    /// Check formatting, lints, docs, packages and tests, as CI does
    Ci,
}

/// Parses the arguments and runs the task.
pub(crate) fn main() -> ExitCode {
    let Some(task) = Cli::parse().task else {
        print!("{}", Cli::command().render_help());
        return ExitCode::SUCCESS;
    };
    let (name, result) = run(task);
    match result {
        Ok(status) => ExitCode::from(status),
        Err(message) => {
            eprintln!("xtask {name}: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> (&'static str, Result<u8>) {
    match task {
        Task::Demo(args) => ("demo", demo::run(&args)),
        Task::Test(args) => ("test", test::run(&args)),
        Task::Vm(args) => ("vm", vm::run(args)),
        Task::Kernel(args) => ("kernel", kernel::run(&args)),
        Task::Conformance(args) => ("conformance", conformance::run(&args)),
        Task::Bench(args) => ("bench", bench::run(&args)),
        Task::Golden(args) => ("golden", golden::run(&args)),
        Task::Fuzz(args) => ("fuzz", fuzz::run(&args)),
        Task::Sanitize(args) => ("sanitize", sanitize::run(&args)),
        Task::Ci => ("ci", ci::run()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Command lines of README.md, CONTRIBUTING.md, .ci/run, the documentation and CI.
    const DOCUMENTED: &[&str] = &[
        "demo",
        "demo --vm --kernel 6.1 --refresh --offline",
        "test",
        "test --bless",
        "test --kernel 6.1 --kernel newest --refresh --offline map ring",
        "vm --kernel 6.1 -- uname -a",
        "vm --env A=b --file /etc/passwd:/p --module veth --timeout 9 --append x -- sh -c --kernel",
        "kernel --kernel all --refresh --offline",
        "conformance btf --write docs/conformance-btf.md --refresh --offline",
        "conformance core-reloc --kernel 5.10",
        "conformance faults --bless --log a --log b --kernel newest filter",
        "conformance libbpf --kernel 7.0",
        "conformance headers --own filter",
        "conformance load --write docs/conformance-load.md --differing filter",
        "conformance load --anew",
        "conformance load --ours",
        "conformance load --kept",
        "conformance programs --build-only --write FILE bcc",
        "conformance schedulers --kernel newest --offline",
        "conformance skeletons --refresh filter",
        "conformance sources --offline",
        "bench --json --runs 15 --only startup --refresh --offline",
        "golden --objects --kernel 5.10",
        "fuzz --seconds 600 btf zip",
        "sanitize --only thread",
        "ci",
    ];

    #[test]
    fn parses_documented_command_lines() {
        Cli::command().debug_assert();
        for line in DOCUMENTED {
            let words = ["xtask"].into_iter().chain(line.split(' '));
            if let Err(e) = Cli::try_parse_from(words) {
                panic!("cargo xtask {line}: {e}");
            }
        }
    }

    #[test]
    fn suggests_similar_tasks() {
        let error = Cli::try_parse_from(["xtask", "kernels"]).expect_err("unknown");
        assert!(error.to_string().contains("'kernel'"), "{error}");
    }

    #[test]
    fn rejects_invalid_values() {
        let error = |line: &str| {
            let words = ["xtask"].into_iter().chain(line.split(' '));
            Cli::try_parse_from(words).expect_err(line).to_string()
        };
        assert!(error("vm --kernels 6.1 -- sh").contains("'--kernels'"));
        assert!(error("vm --env A -- sh").contains("NAME=VALUE"));
        assert!(error("vm --timeout 0 -- sh").contains("--timeout"));
        assert!(error("vm --kernel 6.1").contains("PROGRAM"));
        assert!(error("vm --file /no/such -- sh").contains("/no/such does not exist"));
        assert!(error("bench --runs 3").contains("15.."));
        assert!(error("bench --onyl startup").contains("--onyl"));
        assert!(error("fuzz frobnicate").contains("frobnicate"));
        assert!(error("conformance frobnicate").contains("frobnicate"));
        assert!(error("conformance load --ours --anew").contains("cannot be used with"));
    }
}
