//! btf-core's side of the live rows.

mod attach;
mod datapath;
#[path = "../../side.rs"]
mod side;
mod startup;

use std::process::ExitCode;

fn main() -> ExitCode {
    side::main(&[startup::WORKS, attach::WORKS, datapath::WORKS])
}
