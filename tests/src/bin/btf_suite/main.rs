//! The kernel's BTF tests against btf-core: what `cargo xtask conformance btf` builds and runs.
//!
//! The tests are C sources of the kernel, compiled as they are into a program with the harness in
//! `c/`. Where they call libbpf's functions for deduplication, C dumps, values and section names,
//! the harness asks this program over a pipe. The tests' own assertions decide.
//!
//! * `btf-suite cilium DIR`: decides cilium/ebpf's CO-RE programs, whose objects are in that
//!   directory.
//! * `btf-suite link LINKED OBJECT...`: links objects.
//! * `btf-suite run PROGRAM DIR KERNEL_BTF CLANG TEST...`: runs these tests of that program, in a
//!   directory with the objects that it reads.

mod channel;
mod cilium;
mod compare;
#[allow(dead_code, reason = "`core-reloc` uses all of it")]
#[path = "../core_reloc/interpreter.rs"]
mod interpreter;
mod known;
mod layout;
mod objects;
mod report;
mod stand_in;

use std::path::Path;
use std::process::ExitCode;

use btf_core::obj::link_objects;

use channel::Channel;
use stand_in::StandIn;

/// Result of a step; the error is a message.
type Result<T, E = String> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["cilium", dir] => Ok(cilium::run(Path::new(dir))),
        ["link", linked, ref objects @ ..] => link(linked, objects),
        ["run", program, dir, btf, clang, ref tests @ ..] => {
            let channel = Channel::open(Path::new(program), Path::new(dir), btf, tests);
            channel.and_then(|channel| run(channel, clang))
        }
        _ => Err("usage: btf-suite cilium|link|run ...".to_owned()),
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

fn link(linked: &str, objects: &[&str]) -> Result<bool> {
    let read = |name: &&str| std::fs::read(name).map_err(|e| format!("{name}: {e}"));
    let contents: Vec<Vec<u8>> = objects.iter().map(read).collect::<Result<_>>()?;
    let named = objects
        .iter()
        .copied()
        .zip(contents.iter().map(Vec::as_slice));
    let named: Vec<(&str, &[u8])> = named.collect();
    let elf = link_objects(&named).map_err(|e| e.to_string())?;
    std::fs::write(linked, elf).map_err(|e| format!("{linked}: {e}"))?;
    Ok(true)
}

fn run(mut channel: Channel, clang: &str) -> Result<bool> {
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
