//! The task `vm`: a program of this machine on one kernel or several.

use crate::args::KernelArgs;
use crate::debian::Kernel;
use crate::vm::{Guest, Outcome};
use crate::{Result, boot, disk, program, tool};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

const NOTES: &str = "\
Kernel without --kernel: newest. Libraries that PROGRAM needs are copied with it. The exit status is
the program's (of several kernels: the first that is not 0), 124 after the timeout, 125 if the
kernel crashes.";

#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct Args {
    #[command(flatten)]
    kernels: KernelArgs,
    /// Set an environment variable of the program; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Copy a file or directory to GUEST, else to the same path; repeatable
    #[arg(long = "file", value_name = "HOST[:GUEST]", value_parser = file)]
    files: Vec<(PathBuf, String)>,
    /// Load a kernel module and its dependencies; repeatable
    #[arg(long = "module", value_name = "NAME")]
    modules: Vec<String>,
    /// Limit the time from the start of the machine to the end of the program
    #[arg(long, value_name = "SECONDS", default_value_t = 120,
          value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Append arguments to the kernel's command line
    #[arg(
        long,
        value_name = "ARGS",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    append: String,
    /// Program of this machine, and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM [ARGS]")]
    command: Vec<String>,
}

pub(crate) fn run(args: Args) -> Result<u8> {
    let selected = args.kernels.clone();
    let guest = guest(args)?;
    tool::install(tool::VM)?;
    let (_, kernels) = selected.kernels(&[])?;
    let mut rows = Vec::new();
    for kernel in &kernels {
        if kernels.len() > 1 {
            boot::announce(kernel);
        }
        let outcome = boot::run(kernel, &guest, &mut boot::pass_through)?;
        boot::explain(kernel, &outcome);
        rows.push((kernel, outcome));
    }
    if let [(_, outcome)] = &rows[..] {
        return Ok(outcome.status());
    }
    for (kernel, outcome) in &rows {
        println!("{}", row(kernel, outcome));
    }
    let mut statuses = rows.iter().map(|(_, outcome)| outcome.status());
    Ok(statuses.find(|status| *status != 0).unwrap_or(0))
}

fn row(kernel: &Kernel, outcome: &Outcome) -> String {
    let (series, release) = (kernel.series.to_string(), &kernel.release);
    let seconds = outcome.elapsed.as_secs_f64();
    format!(
        "{series:<5} {release:<32} {seconds:>5.1} s  {}",
        outcome.summary()
    )
}

fn guest(args: Args) -> Result<Guest> {
    let mut command = args.command.into_iter();
    let program = command.next().ok_or("no program is named")?;
    Ok(Guest {
        args: command.collect(),
        env: args.env,
        files: args.files,
        modules: args.modules,
        terminal: std::io::stdout().is_terminal(),
        timeout: Duration::from_secs(args.timeout),
        append: args.append,
        ..Guest::new(find(&program)?)
    })
}

fn pair(text: &str) -> Result<(String, String)> {
    let pair = text
        .split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| "not NAME=VALUE".to_owned())
}

/// Parses `HOST:GUEST`, or a path that is the same in both.
fn file(text: &str) -> Result<(PathBuf, String)> {
    let (host, guest) = text.split_once(':').unwrap_or((text, ""));
    let host = Path::new(host);
    if !host.exists() {
        return Err(format!("{} does not exist", host.display()));
    }
    let absolute = std::path::absolute(host).map_err(|e| format!("{}: {e}", host.display()))?;
    let guest = if guest.is_empty() {
        absolute.display().to_string()
    } else {
        guest.to_owned()
    };
    Ok((host.to_owned(), guest))
}

/// Returns a path as it is, and searches for a name on PATH.
fn find(name: &str) -> Result<PathBuf> {
    let path = PathBuf::from(name);
    let found = if name.contains('/') {
        Some(path)
    } else {
        program::find(name)
    };
    let found = found.filter(|file| file.is_file());
    let found = found.ok_or_else(|| format!("no program `{name}` on this machine"))?;
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
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Result<(KernelArgs, Guest)> {
        let words = ["vm"].into_iter().chain(line.split(' '));
        let args = Line::try_parse_from(words).map_err(|e| e.to_string())?.args;
        Ok((args.kernels.clone(), guest(args)?))
    }

    #[test]
    fn parses_options_and_program() {
        let line = "--kernel 6.1 --env A=b=c --timeout 9 --module sch_ingress -- sh -c --kernel";
        let (kernels, guest) = parse(line).expect("well formed");
        assert_eq!(kernels.names, ["6.1"]);
        assert_eq!(guest.env, [("A".to_owned(), "b=c".to_owned())]);
        assert_eq!(guest.timeout, Duration::from_secs(9));
        assert_eq!(guest.modules, ["sch_ingress"]);
        assert_eq!(guest.args, ["-c", "--kernel"]);
        assert!(guest.program.ends_with("sh"));
    }

    #[test]
    fn names_the_missing_program() {
        let error = parse("-- no-such-program").map(drop).expect_err("absent");
        assert!(error.contains("no program `no-such-program`"), "{error}");
    }
}
