//! `cargo xtask`: the table of the workspace's tasks. What a task does is in the file of its name.

mod apt;
mod arch;
mod bench;
mod blessed;
mod build;
mod cache;
mod cases;
mod ci;
mod compression;
mod conformance;
mod console;
mod cost;
mod cpio;
mod demo;
mod disk;
mod features;
mod foreign;
mod fuzz;
mod golden;
mod guest;
mod kernel;
mod library;
mod linux_source;
mod machine;
mod mirror;
mod module;
mod package;
mod peers;
mod program;
mod release;
mod sanitize;
mod selftests;
mod source_package;
mod tally;
mod test;
mod tool;
mod vm;
mod vmlinux;

use std::process::ExitCode;

/// What every task returns: an exit status, or a sentence that says what went wrong and what to try.
type Result<T, E = String> = std::result::Result<T, E>;

/// One line of the table.
struct Task {
    name: &'static str,
    usage: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<u8>,
}

const TASKS: &[Task] = &[
    Task {
        name: "demo",
        usage: demo::USAGE,
        about: "build opensnoop and watch it trace files being opened on a real kernel",
        run: demo::run,
    },
    Task {
        name: "test",
        usage: test::USAGE,
        about: "run every test: on this machine, then the kernel cases in booted kernels",
        run: test::run,
    },
    Task {
        name: "vm",
        usage: vm::USAGE,
        about: "run a program of this machine in booted Debian kernels",
        run: vm::run,
    },
    Task {
        name: "kernel",
        usage: kernel::USAGE,
        about: "fetch kernels; print series, release, vmlinuz and raw BTF of each",
        run: kernel::run,
    },
    Task {
        name: "conformance",
        usage: conformance::USAGE,
        about: "compare with the kernel's own tests and with libbpf",
        run: conformance::run,
    },
    Task {
        name: "bench",
        usage: bench::USAGE,
        about: "measure btf-core beside libbpf, aya-obj and bpftool",
        run: bench::run,
    },
    Task {
        name: "golden",
        usage: golden::USAGE,
        about: "make the golden instructions of tests/golden anew, with libbpf",
        run: golden::run,
    },
    Task {
        name: "fuzz",
        usage: fuzz::USAGE,
        about: "feed hostile bytes to everything that reads a user's",
        run: fuzz::run,
    },
    Task {
        name: "sanitize",
        usage: sanitize::USAGE,
        about: "run the unit tests under ThreadSanitizer and AddressSanitizer",
        run: sanitize::run,
    },
    Task {
        name: "ci",
        usage: ci::USAGE,
        about: "format, lints, docs, packages and tests: what a change must pass",
        run: ci::run,
    },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = args.split_first() else {
        print!("{}", table());
        return ExitCode::SUCCESS;
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print!("{}", table());
        return ExitCode::SUCCESS;
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        eprintln!("xtask: {}", unknown(name));
        return ExitCode::from(2);
    };
    let own = rest.split(|arg| arg == "--").next().unwrap_or_default();
    if own.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{}\n\nusage: {}", task.about, task.usage);
        return ExitCode::SUCCESS;
    }
    match (task.run)(rest) {
        Ok(status) => ExitCode::from(status),
        Err(message) => {
            eprintln!("xtask {name}: {message}");
            ExitCode::FAILURE
        }
    }
}

fn table() -> String {
    let mut text = String::from("usage: cargo xtask TASK [ARGS]    (cargo xtask TASK --help)\n\n");
    for task in TASKS {
        text += &format!("  {:<11} {}\n", task.name, task.about);
    }
    text
}

fn unknown(name: &str) -> String {
    let nearest = TASKS
        .iter()
        .map(|task| (distance(name, task.name), task.name))
        .min()
        .filter(|(edits, candidate)| *edits <= candidate.len().div_ceil(2));
    match nearest {
        Some((_, candidate)) => {
            format!(
                "there is no task `{name}`; did you mean `{candidate}`?\n\n{}",
                table()
            )
        }
        None => format!("there is no task `{name}`\n\n{}", table()),
    }
}

/// The number of insertions, deletions and substitutions between two names.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.chars().count()]
}

/// The value that follows an option, or a sentence that names the option.
fn value<'a>(option: &str, rest: &mut impl Iterator<Item = &'a String>) -> Result<String> {
    rest.next()
        .cloned()
        .ok_or_else(|| format!("{option} needs a value"))
}

/// What a task says to an argument that it does not know.
fn unexpected(argument: &str, usage: &str) -> String {
    format!("`{argument}` is not understood\n\nusage: {usage}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("vm", "vm"), 0);
        assert_eq!(distance("tset", "test"), 2);
        assert_eq!(distance("", "demo"), 4);
    }

    #[test]
    fn a_typo_suggests() {
        assert!(unknown("tets").contains("did you mean `test`?"));
        assert!(unknown("kernels").contains("did you mean `kernel`?"));
        assert!(!unknown("frobnicate").contains("did you mean"));
    }

    #[test]
    fn every_usage_names_its_task() {
        for task in TASKS {
            assert!(
                task.usage
                    .starts_with(&format!("cargo xtask {}", task.name))
            );
        }
    }
}
