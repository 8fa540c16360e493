//! The task `test`: every test of the workspace, on this machine and then in booted kernels.

use crate::cases::Cases;
use crate::features::Features;
use crate::kernel::{Kernel, Selection};
use crate::machine::Port;
use crate::tally::{Lines, Tally};
use crate::{Result, build, cache, conformance, tool, unexpected, vm};
use std::io::{IsTerminal, Read};
use std::num::NonZero;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(crate) const USAGE: &str = "cargo xtask test [OPTIONS] [FILTER]...

  --kernel SERIES   where the kernel cases run; several times (5.10, 6.1, 6.12 and newest)
  --refresh         ask the mirror for newer kernels
  --offline         take kernels from the cache only; one that is not there is skipped
  --bless           write docs/features.md, which is checked otherwise, if all cases ran on all those kernels

FILTER is what Rust's test harness takes: only cases with one of these in their name run.";

/// The kernels that a change must work on.
const KERNELS: &[&str] = &["5.10", "6.1", "6.12", "newest"];

/// A line of the table at the end.
struct Row {
    place: String,
    tally: Tally,
    note: String,
    elapsed: Duration,
}

pub(crate) fn run(args: &[String]) -> Result<u8> {
    let (selection, filters, bless) = parse(args)?;
    tool::install(tool::TEST)?;
    let mut rows = Vec::new();
    let kernels = kernels(&selection, &mut rows)?;
    rows.push(timed("host", || host(&selection, &filters)));
    if filters.is_empty() {
        rows.push(timed("headers", || headers(&selection)));
    }
    let features = Mutex::new(Features::new(&selection.names));
    match Cases::build(&selection) {
        Ok(cases) => {
            rows.extend(each_at_once(&kernels, |(name, kernel)| {
                let place = format!("{} ({})", kernel.series, kernel.release);
                timed(&place, || cases.run(kernel, name, &filters, &features))
            }));
        }
        Err(e) => rows.push(failure("kernel cases", &e)),
    }
    // Part of the cases make part of the table.
    if filters.is_empty() && selection.names == KERNELS && kernels.len() == KERNELS.len() {
        let features = features
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        rows.push(timed("docs/features.md", || {
            features.settle(bless)?;
            Ok((Tally::default(), String::new()))
        }));
    } else {
        println!("docs/features.md is not checked: it is of all cases on all kernels");
    }
    let total = print(&rows);
    println!("{} passed, {} failed", total.passed(), total.failed);
    Ok(u8::from(total.failed > 0))
}

fn parse(args: &[String]) -> Result<(Selection, Vec<String>, bool)> {
    let mut selection = Selection::default();
    let (mut filters, mut bless) = (Vec::new(), false);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--" => {}
            "--bless" => bless = true,
            _ if selection.option(arg, &mut rest)? => {}
            _ if arg.starts_with('-') => return Err(unexpected(arg, USAGE)),
            _ => filters.push(arg.clone()),
        }
    }
    if selection.names.is_empty() {
        selection.names = KERNELS.iter().map(|name| (*name).to_owned()).collect();
    }
    Ok((selection, filters, bless))
}

/// The kernels to be had, by the names that they were asked for by. One that is not to be had fails, unless the mirror is not
/// to be asked.
fn kernels(selection: &Selection, rows: &mut Vec<Row>) -> Result<Vec<(String, Kernel)>> {
    let mut kernels: Vec<(String, Kernel)> = Vec::new();
    for name in &selection.names {
        let one = Selection {
            names: vec![name.clone()],
            ..selection.clone()
        };
        match one.kernels() {
            Ok(found) => {
                let seen: Vec<_> = kernels.iter().map(|(_, kernel)| kernel.series).collect();
                let new = found.into_iter().filter(|k| !seen.contains(&k.series));
                kernels.extend(new.map(|kernel| (name.clone(), kernel)));
            }
            Err(e) if selection.offline => {
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

/// `cargo test` over the workspace, its output passed through.
fn host(selection: &Selection, filters: &[String]) -> Result<(Tally, String)> {
    // Built alike for this machine, or it would be built twice.
    let mut cargo = build::cargo_for_guests(selection)?;
    cargo
        .args(["test", "--workspace", "--no-fail-fast", "--"])
        .args(filters)
        .env("BTF_TEST_KERNELS", cache::kernels()?);
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
        // Both at once: the pipes fill up.
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

/// The workspace's BPF sources with libbpf's headers and with those of btf-build.
fn headers(selection: &Selection) -> Result<(Tally, String)> {
    let tally = match conformance::headers::compare(selection, true, &[]) {
        Err(e) if selection.offline => Tally::skip(e),
        outcome => outcome?,
    };
    Ok((tally, String::new()))
}

/// Passes on what a pipe says, and counts.
fn listen(port: Port, pipe: Option<impl Read>) -> Tally {
    let (mut tally, mut lines) = (Tally::default(), Lines::default());
    let Some(mut pipe) = pipe else { return tally };
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = pipe.read(&mut bytes) {
        vm::pass_through(port, &bytes[..length]);
        lines.feed(&bytes[..length], |line| tally.line(line));
    }
    tally
}

/// Does the work for each, as many at once as there are cores; the results are in the order of the items.
fn each_at_once<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..cores.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let result = work(item);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
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

/// A row for what could not be done at all; it counts as one failed case.
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

/// Prints the table and what was skipped; returns the sum.
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
    fn arguments() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (selection, filters, bless) =
            parse(&words("--offline --kernel 6.1 map ring")).expect("good");
        assert!(!bless);
        assert!(selection.offline);
        assert_eq!(selection.names, ["6.1"]);
        assert_eq!(filters, ["map", "ring"]);
        assert_eq!(parse(&[]).expect("nothing is fine").0.names, KERNELS);
        assert!(parse(&words("--fast")).is_err());
    }

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..40).collect();
        let doubled = each_at_once(&items, |n| {
            std::thread::sleep(Duration::from_micros(40 - n));
            2 * n
        });
        assert_eq!(doubled, items.iter().map(|n| 2 * n).collect::<Vec<_>>());
        assert!(each_at_once(&[], |n: &u64| *n).is_empty());
    }

    #[test]
    fn what_could_not_be_done_fails() {
        let row = timed("6.1", || Err("no kernel".to_owned()));
        assert_eq!((row.tally.failed, row.note.as_str()), (1, "no kernel"));
        assert_eq!(print(&[row]).failed, 1);
    }
}
