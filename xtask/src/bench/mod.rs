//! The task `bench`: btf-core beside libbpf, libbpf-rs, aya and bpftool, and a project beside one
//! with libbpf-cargo.
//!
//! The measurements are defined in `benches/peers` (live rows in `src/live`) and in `cost`.

mod cost;

use crate::args::MirrorArgs;
use crate::build::peers;
use crate::debian::{Arch, Store};
use crate::vm::Guest;
use crate::{Result, boot, disk, program, tool};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const NOTES: &str = "\
Each measurement is a fresh process, and the sides take turns. A row that this machine cannot
measure is skipped with the reason. Status 1: a target is missed.";

/// The kernels whose types are relocated against, on both architectures. The newest is parsed and
/// dumped, too.
const KERNELS: &[&str] = &["5.10", "6.1", "6.12", "6.18", "newest"];

/// Time for all rows of a booted kernel.
const TIMEOUT: Duration = Duration::from_secs(1800);

#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct Args {
    /// Print one JSON object per line to standard output, and the table to standard error
    #[arg(long)]
    json: bool,
    /// Run each measurement N times, and report the median
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(15..))]
    runs: Option<u32>,
    /// Run only rows whose name contains TEXT: startup, attach, datapath, project, …
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    #[command(flatten)]
    mirror: MirrorArgs,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    let is_cost_wanted = args.is_wanted(cost::WORK);
    let mut is_met = true;
    // A cost that is selected by name does not wait for the peers to build.
    if args.only.is_none() || !is_cost_wanted {
        is_met = by_peers(args)?;
    }
    // Last: the other rows do not wait for two projects to build.
    if is_cost_wanted {
        is_met &= cost::run(args.json)?;
    }
    Ok(u8::from(!is_met))
}

impl Args {
    fn is_wanted(&self, work: &str) -> bool {
        let only = self.only.as_deref();
        only.is_none_or(|only| work.contains(only))
    }

    fn only(&self) -> Vec<String> {
        let only = self.only.iter();
        only.flat_map(|text| ["--only".to_owned(), text.clone()])
            .collect()
    }

    /// Returns the options that the peers understand, too.
    fn shared(&self) -> Vec<String> {
        let mut shared = self.only();
        if let Some(runs) = &self.runs {
            shared.extend(["--runs".to_owned(), runs.to_string()]);
        }
        shared.extend(self.json.then(|| "--json".to_owned()));
        shared
    }
}

/// Measures the rows of the peers; returns `true` if no target is missed.
fn by_peers(args: &Args) -> Result<bool> {
    tool::install(tool::BENCH)?;
    let store = args.mirror.store()?;
    let peers = peers::executable(&store)?;
    let places = places(&peers, args)?;
    let mut is_met = true;
    if places.contains("none") {
        is_met &= without_kernel(&store, args)?;
    }
    let places: Vec<&String> = places.iter().filter(|place| *place != "none").collect();
    if places.is_empty() {
        return Ok(is_met);
    }
    let sides = peers::live(&store)?;
    for place in places {
        is_met &= match place.as_str() {
            "host" => {
                let mut bench = Command::new(&peers);
                bench.args(["live", "--place", place]);
                peers::verdict(bench.args(args.shared()))?
            }
            series => booted(&store, &peers, &sides, series, args)?,
        };
    }
    Ok(is_met)
}

/// Returns the kernels for the selected rows: `none` (no kernel), `host`, or the series of a kernel
/// to boot.
fn places(peers: &Path, args: &Args) -> Result<BTreeSet<String>> {
    let list = |only: &[String]| -> Result<String> {
        let out = program::output(Command::new(peers).arg("works").args(only))?;
        String::from_utf8(out).map_err(|e| format!("the list of rows: {e}"))
    };
    let rows = list(&args.only())?;
    let places: BTreeSet<String> = rows
        .lines()
        .filter_map(|row| row.split_once('\t'))
        .map(|(place, _)| place.to_owned())
        .collect();
    if places.is_empty() {
        let all = list(&[])?;
        let works: Vec<&str> = all
            .lines()
            .filter_map(|row| row.split_once('\t'))
            .map(|(_, work)| work)
            .chain([cost::WORK])
            .collect();
        let only = args.only.as_deref().unwrap_or_default();
        return Err(format!(
            "--only {only}: no such row; the rows are: {}",
            works.join("; ")
        ));
    }
    Ok(places)
}

/// Measures the rows that only read objects and BTF.
fn without_kernel(store: &Store, args: &Args) -> Result<bool> {
    let mut bench = peers::build_all(store)?;
    bench.arg("bench").args(args.shared());
    for series in store.series(KERNELS)? {
        let types = store.types(Arch::Arm64, series)?;
        let label = format!("{series}-{}", types.arch.name());
        peers::btf(&mut bench, &label, &types.release, &types.btf);
    }
    for kernel in store.kernels(KERNELS)? {
        peers::kernel(&mut bench, &kernel);
    }
    peers::verdict(&mut bench)
}

/// Measures rows in a booted kernel, by the same programs.
fn booted(
    store: &Store,
    peers: &Path,
    sides: &[PathBuf],
    series: &str,
    args: &Args,
) -> Result<bool> {
    let kernel = store.kernel(series.parse()?)?;
    let mut guest = Guest::new(peers);
    guest.args = vec!["live".to_owned(), "--place".to_owned(), series.to_owned()];
    guest.args.extend(args.shared());
    for side in sides {
        let inside = format!("/bin/{}", disk::name(side));
        guest.files.push((side.clone(), inside));
    }
    guest.timeout = TIMEOUT;
    let outcome = boot::run(&kernel, &guest, &mut boot::pass_through)?;
    boot::explain(&kernel, &outcome);
    match outcome.status() {
        code @ (0 | 1) => Ok(code == 0),
        _ => Err(format!(
            "the live rows on Linux {series} ended without a result: {}",
            outcome.summary()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_options_to_the_peers() {
        let args = Args {
            json: true,
            runs: Some(20),
            only: Some("startup".to_owned()),
            mirror: MirrorArgs::default(),
        };
        assert_eq!(
            args.shared(),
            ["--only", "startup", "--runs", "20", "--json"]
        );
        assert!(args.is_wanted("startup: one program") && !args.is_wanted(cost::WORK));
    }
}
