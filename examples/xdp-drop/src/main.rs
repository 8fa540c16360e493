//! xdp-drop: counts packets by protocol as a network device receives them, and drops those that
//! come from a block list.
//!
//! The BPF side is `src/bpf/xdp_drop.bpf.c`; its types and maps appear here as the module
//! [`xdp_drop`].

mod options;
mod output;
mod prefix;
mod tables;

use std::io::{self, Write};

use anyhow::Context as _;
use btf_core::attach::XdpMode;
use btf_core::include_skel;
use clap::Parser;

use options::Options;
use prefix::Prefix;

include_skel!("xdp_drop");

fn main() -> anyhow::Result<()> {
    match run(&Options::parse()) {
        // The reader of the output has ended (`xdp-drop eth0 | head`).
        Err(e) if is_broken_pipe(&e) => Ok(()),
        result => result,
    }
}

fn is_broken_pipe(e: &anyhow::Error) -> bool {
    let e = e.downcast_ref::<io::Error>();
    e.is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// Returns the prefixes of the command line and of its files.
fn block_list(options: &Options) -> anyhow::Result<Vec<Prefix>> {
    let mut block = options.block.clone();
    for file in &options.files {
        let context = || file.display().to_string();
        let text = std::fs::read_to_string(file).with_context(context)?;
        let prefixes = prefix::list(&text).map_err(anyhow::Error::msg);
        block.extend(prefixes.with_context(context)?);
    }
    Ok(block)
}

fn run(options: &Options) -> anyhow::Result<()> {
    let block = block_list(options)?;
    let mut open = xdp_drop::XdpDrop::open()?;
    open.rodata.dry_run = options.dry_run.into();
    let skel = open.load()?;
    for prefix in block {
        tables::block(&skel, prefix)?;
    }
    let _link = skel
        .progs
        .on_packet
        .attach_to(options.device.as_str(), XdpMode::from(options.mode).into())?;

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
