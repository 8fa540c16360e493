//! aya's side of the rows about uprobes.

use std::time::Instant;

use aya::EbpfLoader;
use aya::programs::UProbe;
use aya::programs::uprobe::UProbeScope;

use crate::probed::{self, FUNCTIONS};
use crate::side::{Figures, Work, ms, object, text};

pub(crate) const WORKS: &[Work] = &[("uprobes", uprobes)];

fn uprobes() -> Result<Figures, String> {
    let path = probed::llvm()?;
    let mut ebpf = EbpfLoader::new()
        .load(object!("live_uprobe"))
        .map_err(text)?;
    let program = ebpf.program_mut("on_call").ok_or("no program `on_call`")?;
    let program: &mut UProbe = program.try_into().map_err(text)?;
    program.load().map_err(text)?;
    let started = Instant::now();
    for function in FUNCTIONS {
        program
            .attach(function, &path, UProbeScope::AllProcesses)
            .map_err(text)?;
    }
    Ok(vec![("attach", ms(started))])
}
