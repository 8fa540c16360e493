//! A piece of work done once by one side, in a fresh process that links nothing of the other sides: what they all print, which is
//! how long it took, in nanoseconds. Reading arguments, and giving memory back, are no part of the work.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// What a side can do.
pub(crate) struct Side {
    /// Opens an object, reads a kernel's types (those of the running kernel, if no file is given), and relocates so many of its
    /// programs.
    pub(crate) core: fn(&Path, usize, Option<&Path>) -> Result<Duration, String>,
    /// Reads a kernel's types from memory.
    pub(crate) parse: fn(Vec<u8>) -> Result<Duration, String>,
}

/// Does what the arguments ask for.
pub(crate) fn main(side: &Side) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(side, &args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn run(side: &Side, args: &[&str]) -> Result<(), String> {
    match args {
        ["core", object, programs, targets @ ..] => {
            let programs = programs.parse().map_err(|e| format!("{programs}: {e}"))?;
            let mut total = Duration::ZERO;
            for target in targets {
                let btf = (*target != "running").then(|| Path::new(target));
                total += (side.core)(Path::new(object), programs, btf)?;
                println!("{}", total.as_nanos());
            }
            Ok(())
        }
        ["parse", btf] => {
            println!("{}", (side.parse)(read(Path::new(btf))?)?.as_nanos());
            Ok(())
        }
        _ => Err("usage: core OBJECT PROGRAMS running|BTF... | parse BTF".to_owned()),
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}
