//! The task `vm`: a program of this machine on one kernel or several.

use crate::guest::Guest;
use crate::kernel::{Kernel, Selection};
use crate::machine::{self, Outcome, Port};
use crate::{Result, disk, program, tool, unexpected, value};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) const USAGE: &str = "cargo xtask vm [OPTIONS] -- PROGRAM [ARGS]

  --kernel SERIES     5.10, 6.1, ..., newest (without it) or all; may be given several times
  --env NAME=VALUE    for the program's environment
  --file HOST[:GUEST] a file or folder that the program finds at GUEST (or at the same path)
  --module NAME       a kernel module to load before, with those it depends on
  --timeout SECONDS   from the start of the machine to the end of the program (120)
  --append ARGS       more for the kernel's command line
  --refresh           ask the mirror for newer kernels
  --offline           take kernels from the cache only

PROGRAM is of this machine; its shared libraries go with it. The exit status is the program's (of
several kernels: the first that is not 0), 124 if the time is up, 125 if the kernel goes down.";

pub(crate) fn run(args: &[String]) -> Result<u8> {
    let (selection, guest) = parse(args)?;
    tool::install(tool::VM)?;
    let kernels = selection.kernels()?;
    let mut rows = Vec::new();
    for kernel in &kernels {
        if kernels.len() > 1 {
            eprintln!("== {} ({})", kernel.series, kernel.release);
        }
        let outcome = machine::boot(kernel, &guest, &mut pass_through)?;
        explain(kernel, &outcome);
        rows.push((kernel, outcome));
    }
    if let [(_, outcome)] = &rows[..] {
        return Ok(outcome.status());
    }
    for (kernel, outcome) in &rows {
        println!("{}", row(kernel, outcome));
    }
    Ok(rows
        .iter()
        .map(|(_, outcome)| outcome.status())
        .find(|status| *status != 0)
        .unwrap_or(0))
}

/// What the program writes goes where this program writes.
pub(crate) fn pass_through(port: Port, bytes: &[u8]) {
    // A reader that has gone away is no reason to stop the machine.
    let _ = match port {
        Port::Err => std::io::stderr().write_all(bytes),
        _ => std::io::stdout()
            .write_all(bytes)
            .and_then(|()| std::io::stdout().flush()),
    };
}

/// Says on standard error what the exit status alone does not tell.
pub(crate) fn explain(kernel: &Kernel, outcome: &Outcome) {
    if outcome.wants_console() {
        let tail = if outcome.tail.is_empty() {
            "(nothing)"
        } else {
            &outcome.tail
        };
        eprintln!(
            "kernel {}: {}\nits console:",
            kernel.release,
            outcome.summary()
        );
        eprintln!("{tail}");
    } else if let Some(complaint) = &outcome.complaint {
        eprintln!("note: kernel {} complained: {complaint}", kernel.release);
    }
}

fn row(kernel: &Kernel, outcome: &Outcome) -> String {
    let (series, release) = (kernel.series.to_string(), &kernel.release);
    let seconds = outcome.elapsed.as_secs_f64();
    format!(
        "{series:<5} {release:<32} {seconds:>5.1} s  {}",
        outcome.summary()
    )
}

fn parse(args: &[String]) -> Result<(Selection, Guest)> {
    let mut selection = Selection::default();
    let mut guest = Guest::new("");
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--" => break,
            "--env" => guest.env.push(pair(arg, &value(arg, &mut rest)?)?),
            "--file" => guest.files.push(file(&value(arg, &mut rest)?)?),
            "--module" => guest.modules.push(value(arg, &mut rest)?),
            "--timeout" => guest.timeout = seconds(arg, &value(arg, &mut rest)?)?,
            "--append" => guest.append = value(arg, &mut rest)?,
            _ if selection.option(arg, &mut rest)? => {}
            _ => return Err(unexpected(arg, USAGE)),
        }
    }
    let program = rest
        .next()
        .ok_or_else(|| format!("which program?\n\nusage: {USAGE}"))?;
    guest.program = find(program)?;
    guest.args = rest.cloned().collect();
    guest.terminal = std::io::stdout().is_terminal();
    Ok((selection, guest))
}

fn pair(option: &str, text: &str) -> Result<(String, String)> {
    let pair = text
        .split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| format!("{option} needs NAME=VALUE, not `{text}`"))
}

/// `HOST:GUEST`, or a path that is the same in both.
fn file(text: &str) -> Result<(PathBuf, String)> {
    let (host, guest) = text.split_once(':').unwrap_or((text, ""));
    let host = Path::new(host);
    if !host.exists() {
        return Err(format!("--file: {} does not exist", host.display()));
    }
    let absolute = std::path::absolute(host).map_err(|e| format!("{}: {e}", host.display()))?;
    let guest = if guest.is_empty() {
        absolute.display().to_string()
    } else {
        guest.to_owned()
    };
    Ok((host.to_owned(), guest))
}

/// Seconds of an option; at least one.
pub(crate) fn seconds(option: &str, text: &str) -> Result<Duration> {
    match text.parse() {
        Ok(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("{option} needs a number of seconds, not `{text}`")),
    }
}

/// A path, or a name that is looked for on PATH.
fn find(name: &str) -> Result<PathBuf> {
    let path = PathBuf::from(name);
    let found = if name.contains('/') {
        Some(path)
    } else {
        program::find(name)
    };
    let found = found.filter(|file| file.is_file());
    let found = found.ok_or_else(|| format!("there is no program `{name}` on this machine"))?;
    if disk::name(&found).is_empty() {
        return Err(format!(
            "{} has no name that a guest could use",
            found.display()
        ));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn options_and_program() {
        let line = "--kernel 6.1 --env A=b=c --timeout 9 --module sch_ingress -- sh -c --kernel";
        let (selection, guest) = parse(&words(line)).expect("well formed");
        assert_eq!(selection.names, ["6.1"]);
        assert_eq!(guest.env, [("A".to_owned(), "b=c".to_owned())]);
        assert_eq!(guest.timeout, Duration::from_secs(9));
        assert_eq!(guest.modules, ["sch_ingress"]);
        assert_eq!(guest.args, ["-c", "--kernel"]);
        assert!(guest.program.ends_with("sh"));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let error = |line| parse(&words(line)).map(|_| ()).expect_err("malformed");
        assert!(error("--kernels 6.1 -- sh").starts_with("`--kernels` is not understood"));
        assert!(error("--env A -- sh").starts_with("--env needs NAME=VALUE"));
        assert!(error("--timeout 0 -- sh").starts_with("--timeout needs a number of seconds"));
        assert!(error("--kernel 6.1").starts_with("which program?"));
        assert!(error("-- no-such-program").contains("no program `no-such-program`"));
        assert!(error("--file /no/such -- sh").contains("/no/such does not exist"));
    }
}
