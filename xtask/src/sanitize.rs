//! The task `sanitize`: unit tests under ThreadSanitizer and AddressSanitizer.
//!
//! Rust's stable toolchain has the sanitizers' runtimes; `RUSTC_BOOTSTRAP` admits the flag. The standard
//! library is not instrumented, so that ThreadSanitizer does not see the synchronization within it;
//! the suppressions below name what it then reports.

use crate::{Result, disk, program, tool};
use clap::builder::PossibleValuesParser;
use std::path::Path;

/// Options of the task.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run this sanitizer alone
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(["thread", "address"]))]
    only: Option<String>,
}

/// Without a target named, flags would also go to build scripts, which lack the runtime.
const HOST: &str = "x86_64-unknown-linux-gnu";

/// Synchronization that only the standard library's own code sees.
const SUPPRESSIONS: &str = "\
# Reference counts are decremented by code of the standard library.
race:alloc::sync::Arc<*as core::ops::drop::Drop>::drop
# The test harness sends results through a channel.
race:std::sync::mpmc
# A contended mutex is taken by code of the standard library.
race:btf_core::map::claims
";

struct Sanitizer {
    name: &'static str,
    /// Arguments of `cargo test`.
    tests: &'static [&'static str],
    flags: &'static str,
    variable: &'static str,
    options: &'static str,
}

const SANITIZERS: &[Sanitizer] = &[
    Sanitizer {
        name: "thread",
        tests: &["-p", "btf-core", "--lib"],
        flags: "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer",
        variable: "TSAN_OPTIONS",
        options: "halt_on_error=0",
    },
    Sanitizer {
        name: "address",
        tests: &["-p", "btf-core", "-p", "btf-obj", "--lib"],
        flags: "-Zsanitizer=address",
        variable: "ASAN_OPTIONS",
        // Some tests leak on purpose, to have something static.
        options: "detect_leaks=0",
    },
];

pub(crate) fn run(args: &Args) -> Result<u8> {
    let is_chosen = |s: &&Sanitizer| args.only.as_ref().is_none_or(|only| only == s.name);
    tool::install(tool::SANITIZE)?;
    let dir = program::target_dir()?.join("sanitize");
    disk::create_dir(&dir)?;
    let suppressions = dir.join("thread.supp");
    disk::write(&suppressions, SUPPRESSIONS.as_bytes())?;
    for sanitizer in SANITIZERS.iter().filter(is_chosen) {
        println!("{} sanitizer", sanitizer.name);
        sanitizer.run(&dir, &suppressions)?;
    }
    Ok(0)
}

impl Sanitizer {
    fn run(&self, dir: &Path, suppressions: &Path) -> Result<()> {
        let options = format!("{}:suppressions={}", self.options, suppressions.display());
        let options = match self.name {
            "thread" => &options,
            _ => self.options,
        };
        program::run(
            program::cargo()
                .arg("test")
                .args(self.tests)
                .args(["--target", HOST])
                .env("RUSTC_BOOTSTRAP", "1")
                .env("RUSTFLAGS", self.flags)
                .env("CARGO_TARGET_DIR", dir.join(self.name))
                .env(self.variable, options),
        )
    }
}
