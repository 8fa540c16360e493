//! The task `bench`: btf-core beside libbpf, aya-obj and bpftool, and a project beside one with libbpf-cargo. What is measured, and
//! how, is the peers' business, and `cost`'s.

use crate::arch::Arch;
use crate::foreign::Types;
use crate::kernel::Selection;
use crate::{Result, cost, peers, tool, unexpected, value};

pub(crate) const USAGE: &str = "cargo xtask bench [OPTIONS]

  --json            one JSON object a line on standard output; the table goes to standard error
  --runs N          runs of which the median is taken: 15, or more
  --only TEXT       only the work whose name contains it; `project` is what it costs to have an eBPF program in one
  --refresh         ask the mirror for newer kernels
  --offline         take kernels from the cache only

  Every time is taken in a fresh process, the sides turn about. Status 1: a target is missed.";

/// The kernels whose types are relocated against, on both architectures; those of the last of all are parsed and dumped, too.
const KERNELS: &[&str] = &["5.10", "6.1", "6.12", "6.18", "newest"];

pub(crate) fn run(args: &[String]) -> Result<u8> {
    let mut selection = Selection::default();
    let (mut options, mut json, mut only) = (Vec::new(), false, None);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--json" => {
                json = true;
                options.push(arg.clone());
            }
            "--runs" => options.extend([arg.clone(), value(arg, &mut rest)?]),
            "--only" => {
                let text = value(arg, &mut rest)?;
                options.extend([arg.clone(), text.clone()]);
                only = Some(text);
            }
            "--refresh" => selection.refresh = true,
            "--offline" => selection.offline = true,
            _ => return Err(unexpected(arg, USAGE)),
        }
    }
    let is_wanted = |work: &str| {
        only.as_ref()
            .is_none_or(|only| work.contains(only.as_str()))
    };
    let cost_alone = only.is_some() && is_wanted(cost::WORK);
    let is_fine = cost_alone || by_peers(&mut selection, &options)?;
    // Last: what else is measured is not to wait for two projects to be built.
    let is_cheap = !is_wanted(cost::WORK) || cost::run(json)?;
    Ok(u8::from(!is_fine || !is_cheap))
}

/// What the peers measure; whether all targets are met.
fn by_peers(selection: &mut Selection, options: &[String]) -> Result<bool> {
    selection.names = KERNELS.iter().map(|name| (*name).to_owned()).collect();
    tool::install(&[tool::BPFTOOL])?;
    let mut bench = peers::build_all(selection)?;
    bench.arg("bench").args(options);
    for series in selection.series()? {
        let types = Types::fetch(Arch::Arm64, series, selection.refresh, selection.offline)?;
        let label = format!("{series}-{}", types.arch.name());
        peers::btf(&mut bench, &label, &types.release, &types.btf);
    }
    for kernel in selection.kernels()? {
        peers::kernel(&mut bench, &kernel);
    }
    peers::verdict(bench)
}
