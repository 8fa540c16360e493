//! The kernel's BTF tests against btf-core: what `cargo xtask conformance btf` builds and runs.
//!
//! The tests are C sources of the kernel, compiled as they are into a program with the harness in `c/`. Where they call
//! libbpf's functions for deduplication, C dumps, values and section names, the harness asks this program over a pipe.
//! The tests' own assertions decide.
//!
//! * `btf-suite run PROGRAM DIR KERNEL_BTF CLANG`: runs that program in a directory with the objects that it reads.

mod channel;
mod compare;
mod known;
mod layout;
mod report;
mod stand_in;

use std::path::Path;
use std::process::ExitCode;

use channel::Channel;
use stand_in::StandIn;

/// What a step that cannot go on says.
type Result<T, E = String> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&Path> = args.iter().map(Path::new).collect();
    let done = match args[..] {
        [verb, program, dir, btf, clang] if verb == Path::new("run") => {
            run(program, dir, btf, &clang.to_string_lossy())
        }
        _ => Err("usage: btf-suite run PROGRAM DIR KERNEL_BTF CLANG".to_owned()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("btf-suite: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(program: &Path, dir: &Path, btf: &Path, clang: &str) -> Result<bool> {
    let mut channel = Channel::open(program, dir, btf)?;
    let mut stand_in = StandIn::new(clang);
    while let Some(question) = channel.question()? {
        channel.answer(&stand_in.answer(&question))?;
    }
    let closed = channel.close();
    if let Err(why) = &closed {
        stand_in.report.fail(why);
    }
    Ok(stand_in.report.end() && closed.is_ok())
}
