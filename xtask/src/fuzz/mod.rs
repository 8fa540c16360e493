//! The task `fuzz`: libFuzzer on every parser of untrusted input.
//!
//! The targets are the crate `fuzz`, built with coverage by flags of stable rustc. Inputs that once
//! failed are in `fuzz/regressions`, and every run begins with them.

mod seeds;

use crate::{Result, disk, program, tool};
use clap::builder::PossibleValuesParser;
use seeds::{Material, archive, pair, zip};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Flags of rustc that count the branches of an input; libFuzzer reads the counters.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg=fuzzing";

/// Naming the target keeps the flags away from build scripts, which lack the runtime.
const HOST: &str = "x86_64-unknown-linux-gnu";

/// A target and its seeds.
struct Target {
    name: &'static str,
    seeds: fn(&Material) -> Vec<Vec<u8>>,
}

const TARGETS: &[Target] = &[
    Target {
        name: "btf",
        seeds: |m| m.btfs(),
    },
    Target {
        name: "btf-ext",
        seeds: |m| m.objects.iter().map(|o| pair(&o.btf, &o.ext)).collect(),
    },
    Target {
        name: "object",
        seeds: |m| m.objects.iter().map(|o| o.elf.clone()).collect(),
    },
    Target {
        name: "digest",
        seeds: |m| m.objects.iter().map(|o| pair(&o.elf, &[0; 12])).collect(),
    },
    Target {
        name: "relocate",
        seeds: Material::objects_and_kernels,
    },
    Target {
        name: "dump",
        seeds: |m| m.btfs(),
    },
    Target {
        name: "value",
        seeds: |m| {
            let value = [0x5a; 64];
            m.btfs().iter().map(|btf| pair(btf, &value)).collect()
        },
    },
    Target {
        name: "minimise",
        seeds: Material::objects_and_kernels,
    },
    Target {
        name: "archive",
        seeds: |m| vec![archive(&m.kernels[0])],
    },
    Target {
        name: "link",
        seeds: Material::pairs_of_objects,
    },
    Target {
        name: "binary",
        seeds: |m| vec![m.library.clone()],
    },
    Target {
        name: "zip",
        seeds: |m| vec![zip(&m.library[..64.min(m.library.len())])],
    },
];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run each target for this long
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Targets to run, all if none is named
    #[arg(value_name = "TARGET", value_parser = names())]
    targets: Vec<String>,
}

/// Returns the parser of target names.
fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(TARGETS.iter().map(|target| target.name))
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    let is_wanted = |target: &&Target| {
        args.targets.is_empty() || args.targets.iter().any(|name| name == target.name)
    };
    tool::install(tool::FUZZ)?;
    let programs = build()?;
    let material = Material::read(&program::workspace().join("tests/golden"))?;
    let work = program::target_dir()?.join("fuzz");
    let mut failed = 0;
    for target in TARGETS.iter().filter(is_wanted) {
        let time = Duration::from_secs(args.seconds);
        let row = fuzz(target, &material, &work, &programs, time)?;
        println!("{:<8} {}", target.name, row.text);
        failed += usize::from(!row.is_clean);
    }
    Ok(u8::from(failed > 0))
}

/// Builds all targets; returns their directory.
fn build() -> Result<PathBuf> {
    let target = program::target_dir()?.join("fuzz/build");
    let mut cargo = program::cargo();
    cargo
        .args(["build", "--release", "--locked", "--target", HOST])
        .args(["--manifest-path", "fuzz/Cargo.toml"])
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTFLAGS", COVERAGE);
    program::run(&mut cargo)?;
    Ok(target.join(HOST).join("release"))
}

/// The end of a target's run.
struct Row {
    text: String,
    is_clean: bool,
}

fn fuzz(
    target: &Target,
    material: &Material,
    work: &Path,
    programs: &Path,
    time: Duration,
) -> Result<Row> {
    let name = target.name;
    let seeds = work.join("seeds").join(name);
    disk::create_dir(&seeds)?;
    for (number, seed) in (target.seeds)(material).iter().enumerate() {
        disk::write(&seeds.join(number.to_string()), seed)?;
    }
    let log = work.join(format!("{name}.log"));
    let file = std::fs::File::create(&log).map_err(|e| format!("{}: {e}", log.display()))?;
    let started = Instant::now();
    let status = libfuzzer(name, work, programs, time)?
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .status()
        .map_err(|e| format!("cannot run {name}: {e}"))?;
    let said = String::from_utf8_lossy(&disk::read(&log)?).into_owned();
    let elapsed = started.elapsed().as_secs();
    let text = if status.success() {
        format!("{elapsed} s, {}, no finding", statistics(&said))
    } else {
        let artifact = said
            .lines()
            .find_map(|l| l.split_once("Test unit written to "));
        let artifact = artifact.map_or("(none written)", |(_, path)| path);
        format!(
            "{elapsed} s, FINDING: input {artifact}, log {}",
            log.display()
        )
    };
    Ok(Row {
        text,
        is_clean: status.success(),
    })
}

/// Returns the command that runs a target from its corpus, seeds and regressions.
fn libfuzzer(name: &str, work: &Path, programs: &Path, time: Duration) -> Result<Command> {
    let (seeds, corpus) = (
        work.join("seeds").join(name),
        work.join("corpus").join(name),
    );
    disk::create_dir(&corpus)?;
    let mut command = Command::new(programs.join(name));
    command
        .arg(format!("-max_total_time={}", time.as_secs()))
        // An input takes milliseconds; the memory limits are many times what the largest may use.
        .args([
            "-timeout=10",
            "-rss_limit_mb=1024",
            "-malloc_limit_mb=256",
            "-max_len=65536",
        ])
        .args(["-print_final_stats=1", "-verbosity=1"])
        .arg(format!("-artifact_prefix={}/{name}-", work.display()))
        .args([&corpus, &seeds]);
    let regressions = program::workspace().join("fuzz/regressions").join(name);
    if regressions.exists() {
        command.arg(&regressions);
    }
    Ok(command)
}

/// Returns the numbers of runs and branches in libFuzzer's log.
fn statistics(log: &str) -> String {
    let runs = log
        .lines()
        .find_map(|l| l.strip_prefix("stat::number_of_executed_units:"));
    let covered = log.lines().rev().find_map(|l| {
        let (_, rest) = l.split_once(" cov: ")?;
        rest.split(' ').next()
    });
    format!(
        "{} runs, {} branches",
        runs.unwrap_or("?").trim(),
        covered.unwrap_or("?")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_runs_and_branches_of_the_log() {
        let log = "#2\tINITED cov: 100 ft: 3 corp: 1/2b\n#9\tDONE   cov: 812 ft: 3\nstat::number_of_executed_units: 4711\n";
        assert_eq!(statistics(log), "4711 runs, 812 branches");
        assert_eq!(statistics(""), "? runs, ? branches");
    }

    #[test]
    fn has_seeds_for_every_target() {
        let material =
            Material::read(&program::workspace().join("tests/golden")).expect("golden data");
        for target in TARGETS {
            let seeds = (target.seeds)(&material);
            assert!(
                !seeds.is_empty() && seeds.iter().all(|s| s.len() > 100),
                "{}",
                target.name
            );
        }
    }
}
