//! `cargo xtask`: tasks of the workspace. A task is in the file or directory of its name.

mod args;
mod bench;
mod boot;
mod build;
mod cache;
mod ci;
mod cli;
mod conformance;
mod debian;
mod disk;
mod error;
mod fuzz;
mod parallel;
mod program;
mod sanitize;
mod tally;
mod task;
mod test;
mod tool;
mod vm;

use error::Result;
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
