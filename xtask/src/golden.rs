//! The task `golden`: golden instructions made anew by libbpf.

use crate::kernel::Selection;
use crate::{Result, peers, program, tool, unexpected};

pub(crate) const USAGE: &str = "cargo xtask golden [OPTIONS]

  --objects         compile the objects anew, too; otherwise those in tests/golden are taken
  --kernel SERIES   several times (5.10, 6.1, 6.12 and 7.3)
  --refresh         ask the mirror for newer kernels
  --offline         take kernels from the cache only";

/// The kernels that golden data are kept for.
const KERNELS: &[&str] = &["5.10", "6.1", "6.12", "7.3"];

pub(crate) fn run(args: &[String]) -> Result<u8> {
    let mut selection = Selection::default();
    let mut objects = false;
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--objects" => objects = true,
            _ if selection.option(arg, &mut rest)? => {}
            _ => return Err(unexpected(arg, USAGE)),
        }
    }
    if selection.names.is_empty() {
        selection.names = KERNELS.iter().map(|name| (*name).to_owned()).collect();
    }
    tool::install(tool::GOLDEN)?;
    let kernels = selection.kernels()?;
    let folder = program::workspace().join("tests/golden");
    if objects {
        program::run(peers::build(&selection)?.arg("adopt").arg(&folder))?;
    }
    let mut command = peers::build(&selection)?;
    command.arg("golden");
    for kernel in &kernels {
        peers::kernel(&mut command, kernel);
    }
    program::run(command.arg(folder))?;
    Ok(0)
}
