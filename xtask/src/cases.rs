//! The kernel cases of `cargo xtask test`: one program, run in each kernel, with what its cases want there.

use crate::features::Features;
use crate::guest::Guest;
use crate::kernel::{Kernel, Selection};
use crate::machine::{self, Port};
use crate::tally::{Lines, Tally};
use crate::{Result, build, library, vm};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Modules that cases attach programs through.
pub(crate) const MODULES: &[&str] = &[
    "sch_ingress",
    "cls_bpf",
    "cls_matchall",
    "act_bpf",
    "veth",
    "nf_conntrack",
];

/// Everything that runs in one machine is done within this, or it hangs.
const TIMEOUT: Duration = Duration::from_secs(1200);

/// The case that leaves its kernel locked down. It runs in a machine of its own.
const LOCKDOWN: &str = "lockdown::explains_refusals";

/// Examples that cases run as users do, from `/bin`, and whether they are built as README says of static binaries.
const TOOLS: &[(&str, bool)] = &[("tcptop", false), ("xdp-drop", true)];

/// That of this machine, named so that the flags are for the program alone.
const STATIC_TARGET: &str = "x86_64-unknown-linux-gnu";

/// What kernels are booted for.
pub(crate) struct Cases {
    program: PathBuf,
    tools: Vec<(String, PathBuf)>,
}

impl Cases {
    /// Builds the program; plain `cargo test` leaves it out, because it wants to be root on a kernel of its own.
    pub(crate) fn build(selection: &Selection) -> Result<Cases> {
        let args = [
            "test",
            "--no-run",
            "--package",
            "btf-tests",
            "--test",
            "kernel",
        ];
        let program = build::executable(build::cargo_for_guests(selection)?, &args)?;
        let tools = TOOLS.iter().map(|(name, is_static)| {
            let program = tool(selection, name, *is_static)?;
            Ok(((*name).to_owned(), program))
        });
        let tools = tools.collect::<Result<_>>()?;
        Ok(Cases { program, tools })
    }

    /// Runs them in one kernel, which the table of features has under `name`. Every line that they print is passed on after
    /// the kernel's series: several kernels run at once.
    ///
    /// # Errors
    /// If a machine cannot be put together.
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

    /// Runs the cases that the harness's arguments select, in one machine; returns why it ended
    /// badly, or an empty text.
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
            vm::pass_through(port, format!("{series:>5} | {line}\n").as_bytes());
        };
        let (mut out, mut err) = (Lines::default(), Lines::default());
        let guest = self.guest(&series, args);
        let outcome = machine::boot(kernel, &guest, &mut |port, bytes| match port {
            Port::Err => err.feed(bytes, |line| take(port, line)),
            _ => out.feed(bytes, |line| take(port, line)),
        })?;
        out.finish(|line| take(Port::Out, line));
        err.finish(|line| take(Port::Err, line));
        vm::explain(kernel, &outcome);
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
            modules: MODULES.iter().map(|name| (*name).to_owned()).collect(),
            timeout: TIMEOUT,
            ..Guest::new(&self.program)
        }
    }
}

/// Builds an example.
fn tool(selection: &Selection, name: &str, is_static: bool) -> Result<PathBuf> {
    if !is_static {
        // Beside the tests, with whose features all has been built already.
        let args = ["build", "-p", "btf-tests", "-p", name, "--bin", name];
        return build::executable(build::cargo_for_guests(selection)?, &args);
    }
    let mut cargo = build::cargo(selection)?;
    cargo
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    let program = build::executable(
        cargo,
        &["build", "--package", name, "--target", STATIC_TARGET],
    )?;
    match library::needed(&program)?.first() {
        Some(library) => Err(format!("{name} needs {}", library.display())),
        None => Ok(program),
    }
}
