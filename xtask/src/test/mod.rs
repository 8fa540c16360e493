//! The task `test`: every test of the workspace, on this machine and then in booted kernels.

mod cases;
mod features;

use crate::args::KernelArgs;
use crate::debian::{Kernel, Store};
use crate::tally::{Lines, Tally};
use crate::vm::Port;
use crate::{Result, boot, build, conformance, parallel, tool};
use cases::Cases;
use features::Features;
use std::io::{IsTerminal, Read};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Kernels that a change must work on.
const KERNELS: &[&str] = &["5.10", "6.1", "6.12", "newest"];

/// A line of the table at the end.
struct Row {
    place: String,
    tally: Tally,
    note: String,
    elapsed: Duration,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Kernels without --kernel: 5.10, 6.1, 6.12 and newest.")]
pub(crate) struct Args {
    /// Write docs/features.md instead of comparing it (needs all cases on all default kernels)
    #[arg(long)]
    bless: bool,
    #[command(flatten)]
    kernels: KernelArgs,
    /// Run only cases whose name contains a FILTER
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    let (store, filters) = (args.kernels.mirror.store()?, &args.filters);
    let names = args.kernels.names_or(KERNELS);
    tool::install(tool::TEST)?;
    let mut rows = Vec::new();
    let kernels = kernels(&store, &names, &mut rows)?;
    rows.push(timed("host", || host(&store, filters)));
    if filters.is_empty() {
        rows.push(timed("headers", || headers(&store)));
    }
    let features = Mutex::new(Features::new(&names));
    match Cases::build(&store) {
        Ok(cases) => rows.extend(parallel::map(&kernels, |(name, kernel)| {
            let place = format!("{} ({})", kernel.series, kernel.release);
            timed(&place, || cases.run(kernel, name, filters, &features))
        })),
        Err(e) => rows.push(failure("kernel cases", &e)),
    }
    // The table needs all cases on all kernels.
    if filters.is_empty() && names == KERNELS && kernels.len() == KERNELS.len() {
        let features = features
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        rows.push(timed("docs/features.md", || {
            features.settle(args.bless)?;
            Ok((Tally::default(), String::new()))
        }));
    } else {
        println!("docs/features.md is not checked: that needs all cases on all kernels");
    }
    let total = print(&rows);
    println!("{} passed, {} failed", total.passed(), total.failed);
    Ok(u8::from(total.failed > 0))
}

/// Resolves the requested kernel names. A kernel that is not available fails, or is skipped if the
/// store is offline.
fn kernels(store: &Store, names: &[String], rows: &mut Vec<Row>) -> Result<Vec<(String, Kernel)>> {
    let mut kernels: Vec<(String, Kernel)> = Vec::new();
    for name in names {
        match store.kernels(&[name]) {
            Ok(found) => {
                let seen: Vec<_> = kernels.iter().map(|(_, kernel)| kernel.series).collect();
                let new = found.into_iter().filter(|k| !seen.contains(&k.series));
                kernels.extend(new.map(|kernel| (name.clone(), kernel)));
            }
            Err(e) if store.is_offline() => {
                let tally = Tally::skip(format!("kernel {name}: {e}"));
                rows.push(Row {
                    place: name.clone(),
                    tally,
                    ..failure(name, "")
                });
            }
            Err(e) => rows.push(failure(name, &e)),
        }
    }
    Ok(kernels)
}

/// Runs `cargo test` over the workspace and passes its output through.
fn host(store: &Store, filters: &[String]) -> Result<(Tally, String)> {
    // The same options as for booted kernels: nothing is built twice.
    let mut cargo = build::cargo_for_guests(store)?;
    cargo
        .args(["test", "--workspace", "--no-fail-fast", "--"])
        .args(filters)
        .env("BTF_TEST_KERNELS", store.kernels_dir()?);
    if std::io::stderr().is_terminal() {
        cargo.env("CARGO_TERM_COLOR", "always");
    }
    cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = cargo
        .spawn()
        .map_err(|e| format!("cannot run cargo: {e}"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut tally = std::thread::scope(|scope| {
        // Both pipes at once: a full one blocks cargo.
        let other = scope.spawn(|| listen(Port::Err, stderr));
        let mut tally = listen(Port::Out, stdout);
        if let Ok(other) = other.join() {
            tally.add(&other);
        }
        tally
    });
    let status = child
        .wait()
        .map_err(|e| format!("cannot wait for cargo: {e}"))?;
    tally.fail_unless_counted(status.success());
    Ok((tally, String::new()))
}

/// Compiles the workspace's BPF sources with libbpf's headers and with those of btf-build.
fn headers(store: &Store) -> Result<(Tally, String)> {
    let tally = match conformance::headers::compare(store, true, &[]) {
        Err(e) if store.is_offline() => Tally::skip(e),
        outcome => outcome?,
    };
    Ok((tally, String::new()))
}

/// Passes the output of a pipe through, and counts cases.
fn listen(port: Port, pipe: Option<impl Read>) -> Tally {
    let (mut tally, mut lines) = (Tally::default(), Lines::default());
    let Some(mut pipe) = pipe else { return tally };
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = pipe.read(&mut bytes) {
        boot::pass_through(port, &bytes[..length]);
        lines.feed(&bytes[..length], |line| tally.line(line));
    }
    tally
}

fn timed(place: &str, work: impl FnOnce() -> Result<(Tally, String)>) -> Row {
    let started = Instant::now();
    let row = match work() {
        Ok((tally, note)) => Row {
            place: place.to_owned(),
            tally,
            note,
            elapsed: Duration::ZERO,
        },
        Err(e) => failure(place, &e),
    };
    Row {
        elapsed: started.elapsed(),
        ..row
    }
}

/// Returns the row of an error; it counts as one failed case.
fn failure(place: &str, reason: &str) -> Row {
    let tally = Tally::failure();
    let (place, note) = (place.to_owned(), reason.to_owned());
    Row {
        place,
        tally,
        note,
        elapsed: Duration::ZERO,
    }
}

/// Prints the table and the skipped cases; returns the sum.
fn print(rows: &[Row]) -> Tally {
    let mut total = Tally::default();
    println!();
    for Row {
        place,
        tally,
        note,
        elapsed,
    } in rows
    {
        let seconds = elapsed.as_secs_f64();
        println!("{place:<34} {seconds:>6.1} s  {}  {note}", tally.summary());
        total.add(tally);
    }
    for Row { place, tally, .. } in rows {
        for skipped in &tally.skipped {
            println!("skipped on {place}: {skipped}");
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_errors_as_failures() {
        let row = timed("6.1", || Err("no kernel".to_owned()));
        assert_eq!((row.tally.failed, row.note.as_str()), (1, "no kernel"));
        assert_eq!(print(&[row]).failed, 1);
    }
}
