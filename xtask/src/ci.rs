//! The task `ci`: what a change must pass, each step with its time.

use crate::kernel::Selection;
use crate::{Result, build, disk, program, tool, unexpected};
use std::process::Command;
use std::time::{Duration, Instant, UNIX_EPOCH};

pub(crate) const USAGE: &str = "cargo xtask ci";

/// A step: its name and cargo's arguments.
struct Step {
    name: &'static str,
    args: &'static [&'static str],
}

const PACKAGES: &str = "packages";

const STEPS: &[Step] = &[
    Step {
        name: "format",
        args: &["fmt", "--all", "--check"],
    },
    // Outside the workspace, as are the next three.
    Step {
        name: "format of peers",
        args: &["fmt", "--manifest-path=benches/peers/Cargo.toml", "--check"],
    },
    Step {
        name: "format of programs",
        args: &[
            "fmt",
            "--manifest-path=benches/programs/Cargo.toml",
            "--check",
        ],
    },
    Step {
        name: "format of schedulers",
        args: &[
            "fmt",
            "--manifest-path=benches/schedulers/Cargo.toml",
            "--check",
        ],
    },
    Step {
        name: "format of fuzz targets",
        args: &["fmt", "--manifest-path=fuzz/Cargo.toml", "--check"],
    },
    Step {
        name: "lints",
        args: &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ],
    },
    // `--all-targets` leaves out what plain `cargo test` does.
    Step {
        name: "lints of kernel cases",
        args: &[
            "clippy",
            "--package=btf-tests",
            "--test=kernel",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ],
    },
    // Built to be linted, so that neither they nor their lock file fall behind; what runs them is another task's.
    Step {
        name: "lints of fuzz targets",
        args: &[
            "clippy",
            "--manifest-path=fuzz/Cargo.toml",
            "--target-dir=target/fuzz/lints",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
    },
    Step {
        name: "docs",
        args: &["doc", "--workspace", "--no-deps", "--all-features"],
    },
    // Verified by building what is packed, each crate against the others' packages: a header or
    // a file that is not packed shows here.
    Step {
        name: PACKAGES,
        args: &[
            "package",
            "--allow-dirty",
            "--package=btf-obj",
            "--package=btf-core",
            "--package=btf-build",
            "--package=btf-skel-macros",
        ],
    },
    // The command that README gives to everyone.
    Step {
        name: "tests",
        args: &["xtask", "test"],
    },
    // Builds the peers, libbpf among them, by their lock file.
    Step {
        name: "instructions as libbpf's",
        args: &["xtask", "conformance", "libbpf"],
    },
    Step {
        name: "the kernel's BTF tests",
        args: &["xtask", "conformance", "btf"],
    },
];

/// What else there is, and why it is not run here.
const LEFT_OUT: &[(&str, &str)] = &[
    (
        "cargo xtask conformance load",
        "takes half an hour; docs/conformance-load.md is the summary of the last run",
    ),
    (
        "cargo xtask conformance faults",
        "takes half an hour; docs/conformance-faults.md has the tables of the last run",
    ),
    (
        "cargo xtask conformance headers",
        "over all selftests; the tests do it for the workspace's own sources",
    ),
    (
        "cargo xtask conformance core-reloc",
        "boots every kernel once more; what it relocates is held to libbpf's instructions here",
    ),
    (
        "cargo xtask conformance skeletons",
        "has rustc check one for every selftest; the tests compile the workspace's own",
    ),
    (
        "cargo xtask conformance programs",
        "builds what the Debian mirror has of other projects",
    ),
    (
        "cargo xtask conformance schedulers",
        "builds what the package registry has of other projects",
    ),
    (
        "cargo xtask bench",
        "times depend on the machine, and no test asserts them",
    ),
    (
        "cargo xtask fuzz",
        "finds more the longer it runs, and nothing for certain in a minute",
    ),
];

pub(crate) fn run(args: &[String]) -> Result<u8> {
    if let Some(arg) = args.first() {
        return Err(unexpected(arg, USAGE));
    }
    tool::install(tool::CI)?;
    let mut rows = Vec::new();
    for step in STEPS {
        eprintln!("== {}: cargo {}", step.name, step.args.join(" "));
        let started = Instant::now();
        let mut cargo = build::cargo(&Selection::default())?;
        cargo.args(step.args).env("RUSTDOCFLAGS", "-D warnings");
        let result = if step.name == PACKAGES {
            in_own_folder(cargo)
        } else {
            program::run(&mut cargo)
        };
        if let Err(e) = &result {
            eprintln!("{e}");
        }
        rows.push((step.name, started.elapsed(), result.is_ok()));
    }
    println!();
    for (task, why) in LEFT_OUT {
        println!("not run: `{task}`: {why}");
    }
    print!("\n{}", table(&rows));
    Ok(u8::from(rows.iter().any(|(_, _, passed)| !passed)))
}

/// Runs cargo with a target folder that no run had before. Cargo unpacks the packages that the others are built against
/// once for each path and version, so an earlier run's would be taken for this one's.
fn in_own_folder(mut cargo: Command) -> Result<()> {
    let now = UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    let folder = program::target_dir()?.join(format!("packages-{now}"));
    cargo.env("CARGO_TARGET_DIR", &folder);
    let result = program::run(&mut cargo);
    disk::remove_dir(&folder)?;
    result
}

fn table(rows: &[(&str, Duration, bool)]) -> String {
    let mut text = String::new();
    for (name, elapsed, passed) in rows {
        let result = if *passed { "passed" } else { "FAILED" };
        text += &format!("{name:<24} {:>7.1} s  {result}\n", elapsed.as_secs_f64());
    }
    let passed = rows.iter().filter(|(_, _, passed)| *passed).count();
    text + &format!("{passed} steps passed, {} failed\n", rows.len() - passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_stands_out() {
        let second = Duration::from_secs(1);
        let text = table(&[("format", second, true), ("lints", second, false)]);
        assert!(
            text.contains("lints                        1.0 s  FAILED"),
            "{text}"
        );
        assert!(text.ends_with("1 steps passed, 1 failed\n"), "{text}");
    }
}
