//! The task `ci`: the steps that a change must pass, each with its time.

pub(crate) mod docs_page;
mod modules;

use crate::args::MirrorArgs;
use crate::{Result, build, disk, program, tool};
use std::process::Command;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// A step of the table.
struct Step {
    name: &'static str,
    /// Arguments of cargo.
    args: &'static [&'static str],
}

/// The step that no program but this one runs.
const MODULES: &str = "module cycles";

const PACKAGES: &str = "packages";

const STEPS: &[Step] = &[
    Step {
        name: "format",
        args: &["fmt", "--all", "--check"],
    },
    // Not in the workspace, like the next three.
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
    // `--all-targets` leaves out the same tests as plain `cargo test`.
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
    // Keeps them and their lock file up to date; the task `fuzz` runs them.
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
    // Builds each package against the others' packages: fails if a file is not packed.
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
    // The command of the README.
    Step {
        name: "tests",
        args: &["xtask", "test"],
    },
    // Builds the peers, with libbpf, by their lock file.
    Step {
        name: "instructions as libbpf's",
        args: &["xtask", "conformance", "libbpf"],
    },
    Step {
        name: "the kernel's BTF tests",
        args: &["xtask", "conformance", "btf"],
    },
];

/// Tasks that CI does not run, and why.
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
        "boots every kernel again; here, its relocations are compared with libbpf's",
    ),
    (
        "cargo xtask conformance skeletons",
        "has rustc check one for every selftest; the tests compile the workspace's own",
    ),
    (
        "cargo xtask conformance programs",
        "builds other projects of the Debian mirror",
    ),
    (
        "cargo xtask conformance schedulers",
        "builds other projects of the package registry",
    ),
    (
        "cargo xtask bench",
        "times depend on the machine, and no test asserts them",
    ),
    (
        "cargo xtask fuzz",
        "needs more than a minute to find anything",
    ),
];

pub(crate) fn run() -> Result<u8> {
    tool::install(tool::CI)?;
    let store = MirrorArgs::default().store()?;
    let mut rows = Vec::new();
    let mut record = |name, work: &mut dyn FnMut() -> Result<()>| {
        let started = Instant::now();
        let result = work();
        if let Err(e) = &result {
            eprintln!("{e}");
        }
        rows.push((name, started.elapsed(), result.is_ok()));
    };
    eprintln!("== {MODULES}");
    record(MODULES, &mut || modules::check(&program::workspace()));
    for step in STEPS {
        eprintln!("== {}: cargo {}", step.name, step.args.join(" "));
        record(step.name, &mut || {
            let mut cargo = build::cargo(&store)?;
            cargo.args(step.args).env("RUSTDOCFLAGS", "-D warnings");
            match step.name {
                PACKAGES => in_own_target(cargo),
                _ => program::run(&mut cargo),
            }
        });
    }
    println!();
    for (task, why) in LEFT_OUT {
        println!("not run: `{task}`: {why}");
    }
    print!("\n{}", table(&rows));
    Ok(u8::from(rows.iter().any(|(_, _, passed)| !passed)))
}

/// Runs cargo with a new target directory. Cargo unpacks a package that others are built against
/// once per path and version: in an existing directory, it would use the package of an earlier run.
fn in_own_target(mut cargo: Command) -> Result<()> {
    let now = UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    let target = program::target_dir()?.join(format!("packages-{now}"));
    cargo.env("CARGO_TARGET_DIR", &target);
    let result = program::run(&mut cargo);
    disk::remove_dir(&target)?;
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
    fn marks_failed_steps() {
        let second = Duration::from_secs(1);
        let text = table(&[("format", second, true), ("lints", second, false)]);
        assert!(
            text.contains("lints                        1.0 s  FAILED"),
            "{text}"
        );
        assert!(text.ends_with("1 steps passed, 1 failed\n"), "{text}");
    }
}
