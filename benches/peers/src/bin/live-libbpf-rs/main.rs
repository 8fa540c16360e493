//! libbpf-rs's side of the live rows.

mod attach;
mod datapath;
#[path = "../../probed.rs"]
mod probed;
#[path = "../../side.rs"]
mod side;
mod startup;
mod uprobes;

use std::process::ExitCode;

fn main() -> ExitCode {
    side::main(&[
        startup::WORKS,
        attach::WORKS,
        uprobes::WORKS,
        datapath::WORKS,
    ])
}
