//! The kernel cases: one program, run in each kernel.

use super::features::Features;
use crate::debian::{Kernel, Store};
use crate::tally::{Lines, Tally};
use crate::vm::{Guest, Port, shared_library};
use crate::{Result, boot, build};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Time for all cases in one machine.
const TIMEOUT: Duration = Duration::from_secs(1200);

/// The case that leaves its kernel locked down. It runs in a machine of its own.
const LOCKDOWN: &str = "lockdown::explains_refusals";

/// Examples that cases run from `/bin`; `true` for those that are linked statically, as README
/// describes.
const TOOLS: &[(&str, bool)] = &[("tcptop", false), ("xdp-drop", true)];

/// This machine's target. Naming it keeps the flags away from build scripts.
const STATIC_TARGET: &str = "x86_64-unknown-linux-gnu";

/// The program with the kernel cases, and the examples that it runs.
pub(crate) struct Cases {
    program: PathBuf,
    tools: Vec<(String, PathBuf)>,
}

impl Cases {
    /// Builds the program. Plain `cargo test` leaves it out, because it must be root on a kernel of
    /// its own.
    pub(crate) fn build(store: &Store) -> Result<Cases> {
        let args = [
            "test",
            "--no-run",
            "--package",
            "btf-tests",
            "--test",
            "kernel",
        ];
        let program = build::executable(build::cargo_for_guests(store)?, &args)?;
        let tools = TOOLS.iter().map(|(name, is_static)| {
            let program = tool(store, name, *is_static)?;
            Ok(((*name).to_owned(), program))
        });
        let tools = tools.collect::<Result<_>>()?;
        Ok(Cases { program, tools })
    }

    /// Runs the cases in one kernel, which the table of features lists as `name`. Each line of
    /// output is prefixed with the kernel's series: several kernels run at once.
    ///
    /// # Errors
    ///
    /// If a machine cannot be set up.
    pub(crate) fn run(
        &self,
        kernel: &Kernel,
        name: &str,
        filters: &[String],
        features: &Mutex<Features>,
    ) -> Result<(Tally, String)> {
        let all = [&["--skip".to_owned(), LOCKDOWN.to_owned()], filters].concat();
        let (mut tally, mut note) = self.boot(kernel, name, &all, features)?;
        if tally.is_empty() && filters.is_empty() {
            tally.failed = 1;
            note = "no case ran".to_owned();
        }
        if filters.is_empty() || filters.iter().any(|filter| LOCKDOWN.contains(&**filter)) {
            let alone = ["--ignored", "--exact", LOCKDOWN].map(str::to_owned);
            let (locked, why) = self.boot(kernel, name, &alone, features)?;
            tally.add(&locked);
            if note.is_empty() {
                note = why;
            }
        }
        Ok((tally, note))
    }

    /// Runs the cases that the harness's arguments select, in one machine. Returns the reason of a
    /// bad end, or an empty text.
    fn boot(
        &self,
        kernel: &Kernel,
        name: &str,
        args: &[String],
        features: &Mutex<Features>,
    ) -> Result<(Tally, String)> {
        let series = kernel.series.to_string();
        let mut tally = Tally::default();
        let mut take = |port: Port, line: &str| {
            tally.line(line);
            features
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .line(name, line);
            boot::pass_through(port, format!("{series:>5} | {line}\n").as_bytes());
        };
        let (mut out, mut err) = (Lines::default(), Lines::default());
        let guest = self.guest(&series, args);
        let outcome = boot::run(kernel, &guest, &mut |port, bytes| match port {
            Port::Err => err.feed(bytes, |line| take(port, line)),
            _ => out.feed(bytes, |line| take(port, line)),
        })?;
        out.finish(|line| take(Port::Out, line));
        err.finish(|line| take(Port::Err, line));
        boot::explain(kernel, &outcome);
        tally.fail_unless_counted(outcome.status() == 0);
        let note = match outcome.status() {
            0 => String::new(),
            _ => outcome.summary(),
        };
        Ok((tally, note))
    }

    fn guest(&self, series: &str, args: &[String]) -> Guest {
        let tools = self.tools.iter();
        Guest {
            args: [&["--test-threads=1".to_owned()], args].concat(),
            env: vec![("BTF_TEST_KERNEL".to_owned(), series.to_owned())],
            files: tools
                .map(|(name, file)| (file.clone(), format!("/bin/{name}")))
                .collect(),
            modules: build::TEST_MODULES
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            timeout: TIMEOUT,
            ..Guest::new(&self.program)
        }
    }
}

/// Builds an example.
fn tool(store: &Store, name: &str, is_static: bool) -> Result<PathBuf> {
    if !is_static {
        // With the features of the tests, for which everything is built already.
        let args = ["build", "-p", "btf-tests", "-p", name, "--bin", name];
        return build::executable(build::cargo_for_guests(store)?, &args);
    }
    let mut cargo = build::cargo(store)?;
    cargo
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    let program = build::executable(
        cargo,
        &["build", "--package", name, "--target", STATIC_TARGET],
    )?;
    match shared_library::needed(&program)?.first() {
        Some(library) => Err(format!("{name} needs {}", library.display())),
        None => Ok(program),
    }
}
