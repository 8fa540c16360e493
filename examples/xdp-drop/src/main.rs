//! xdp-drop: counts packets by protocol as a network device receives them, and drops those that come from a block list.
//!
//! The BPF side is `src/bpf/xdp_drop.bpf.c`; its types and maps appear here as the module [`xdp_drop`].

mod options;
mod output;
mod prefix;
mod tables;

use std::io::{self, Write};
use std::process::ExitCode;

use btf_core::include_skel;

use options::Options;

include_skel!("xdp_drop");

fn main() -> ExitCode {
    let mut options = match options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("xdp-drop: {why}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    if options.help {
        print!("{}", options::USAGE);
        return ExitCode::SUCCESS;
    }
    match read_files(&mut options).and_then(|()| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output has seen enough (`xdp-drop eth0 | head`).
        Err(Failure::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Output(e)) => {
            eprintln!("xdp-drop: cannot write: {e}");
            ExitCode::FAILURE
        }
        Err(Failure::List(why)) => {
            eprintln!("xdp-drop: {why}");
            ExitCode::FAILURE
        }
        Err(Failure::Bpf(e)) => {
            eprintln!("xdp-drop: {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// What can go wrong once the arguments are understood.
enum Failure {
    Bpf(btf_core::Error),
    List(String),
    Output(io::Error),
}

impl From<btf_core::Error> for Failure {
    fn from(e: btf_core::Error) -> Self {
        Failure::Bpf(e)
    }
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Failure::Output(e)
    }
}

fn read_files(options: &mut Options) -> Result<(), Failure> {
    for file in &options.files {
        let told = |e: &dyn std::fmt::Display| Failure::List(format!("{file}: {e}"));
        let text = std::fs::read_to_string(file).map_err(|e| told(&e))?;
        let prefixes = prefix::list(&text).map_err(|e| told(&e))?;
        options.block.extend(prefixes);
    }
    Ok(())
}

fn run(options: &Options) -> Result<(), Failure> {
    let mut open = xdp_drop::XdpDrop::open()?;
    open.rodata.dry_run = options.dry_run.into();
    let skel = open.load()?;
    for prefix in &options.block {
        tables::block(&skel, *prefix)?;
    }
    let _link = skel
        .progs
        .on_packet
        .attach_to(options.device.as_str(), options.mode.into())?;

    let mut out = io::stdout().lock();
    for _ in 0..options.count.unwrap_or(u64::MAX) {
        std::thread::sleep(options.interval);
        let counts = tables::counts(&skel)?;
        match options.json {
            true => output::json(&mut out, &counts)?,
            false => output::table(&mut out, &counts)?,
        }
        out.flush()?;
    }
    Ok(())
}
