//! The task `bench`: btf-core beside libbpf, libbpf-rs, aya and bpftool, and a project beside one
//! with libbpf-cargo.
//!
//! The measurements are defined in `benches/peers` (live rows in `src/live`) and in `cost`.

use crate::arch::Arch;
use crate::foreign::Types;
use crate::guest::Guest;
use crate::kernel::Selection;
use crate::{Result, cost, disk, machine, peers, program, tool, unexpected, value, vm};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub(crate) const USAGE: &str = "cargo xtask bench [OPTIONS]

  --json            one JSON object a line on standard output; the table goes to standard error
  --runs N          runs of which the median is taken: 15, or more
  --only TEXT       only rows whose name contains TEXT: startup, attach, datapath, project, ...
  --refresh         ask the mirror for newer kernels
  --offline         take kernels from the cache only

  Each measurement is a fresh process, and the sides take turns. A row that this machine cannot
  measure is skipped with the reason. Status 1: a target is missed.";

/// The kernels whose types are relocated against, on both architectures. The newest is parsed and
/// dumped, too.
const KERNELS: &[&str] = &["5.10", "6.1", "6.12", "6.18", "newest"];

/// Time for all rows of a booted kernel.
const TIMEOUT: Duration = Duration::from_secs(1800);

pub(crate) fn run(args: &[String]) -> Result<u8> {
    let mut options = Options::parse(args)?;
    let is_cost_wanted = options.is_wanted(cost::WORK);
    let mut is_met = true;
    // A cost that is selected by name does not wait for the peers to build.
    if options.only.is_none() || !is_cost_wanted {
        is_met = by_peers(&mut options)?;
    }
    // Last: the other rows do not wait for two projects to build.
    if is_cost_wanted {
        is_met &= cost::run(options.json)?;
    }
    Ok(u8::from(!is_met))
}

#[derive(Default)]
struct Options {
    selection: Selection,
    json: bool,
    only: Option<String>,
    runs: Option<String>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Options> {
        let mut options = Options::default();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            match arg.as_str() {
                "--json" => options.json = true,
                "--runs" => options.runs = Some(value(arg, &mut rest)?),
                "--only" => options.only = Some(value(arg, &mut rest)?),
                "--refresh" => options.selection.refresh = true,
                "--offline" => options.selection.offline = true,
                _ => return Err(unexpected(arg, USAGE)),
            }
        }
        Ok(options)
    }

    fn is_wanted(&self, work: &str) -> bool {
        let only = self.only.as_deref();
        only.is_none_or(|only| work.contains(only))
    }

    fn only(&self) -> Vec<String> {
        let only = self.only.iter();
        only.flat_map(|text| ["--only".to_owned(), text.clone()])
            .collect()
    }

    /// Options that the peers understand, too.
    fn shared(&self) -> Vec<String> {
        let mut shared = self.only();
        if let Some(runs) = &self.runs {
            shared.extend(["--runs".to_owned(), runs.clone()]);
        }
        shared.extend(self.json.then(|| "--json".to_owned()));
        shared
    }
}

/// Measures the rows of the peers; returns `true` if no target is missed.
fn by_peers(options: &mut Options) -> Result<bool> {
    tool::install(tool::BENCH)?;
    let peers = peers::executable(&options.selection)?;
    let places = places(&peers, options)?;
    let mut is_met = true;
    if places.contains("none") {
        is_met &= without_kernel(options)?;
    }
    let places: Vec<&String> = places.iter().filter(|place| *place != "none").collect();
    if places.is_empty() {
        return Ok(is_met);
    }
    let sides = peers::live(&options.selection)?;
    for place in places {
        is_met &= match place.as_str() {
            "host" => {
                let mut bench = Command::new(&peers);
                bench.args(["live", "--place", place]);
                peers::verdict(bench.args(options.shared()))?
            }
            series => booted(&peers, &sides, series, options)?,
        };
    }
    Ok(is_met)
}

/// Returns the kernels for the selected rows: `none` (no kernel), `host`, or the series of a kernel
/// to boot.
fn places(peers: &PathBuf, options: &Options) -> Result<BTreeSet<String>> {
    let list = |only: &[String]| -> Result<String> {
        let out = program::output(Command::new(peers).arg("works").args(only))?;
        String::from_utf8(out).map_err(|e| format!("the list of rows: {e}"))
    };
    let rows = list(&options.only())?;
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
        let only = options.only.as_deref().unwrap_or_default();
        return Err(format!(
            "--only {only}: no such row; there are: {}",
            works.join("; ")
        ));
    }
    Ok(places)
}

/// Rows that only read objects and BTF.
fn without_kernel(options: &mut Options) -> Result<bool> {
    let shared = options.shared();
    let selection = &mut options.selection;
    selection.names = KERNELS.iter().map(|name| (*name).to_owned()).collect();
    let mut bench = peers::build_all(selection)?;
    bench.arg("bench").args(shared);
    for series in selection.series()? {
        let types = Types::fetch(Arch::Arm64, series, selection.refresh, selection.offline)?;
        let label = format!("{series}-{}", types.arch.name());
        peers::btf(&mut bench, &label, &types.release, &types.btf);
    }
    for kernel in selection.kernels()? {
        peers::kernel(&mut bench, &kernel);
    }
    peers::verdict(&mut bench)
}

/// Rows that are measured in a booted kernel, by the same programs.
fn booted(peers: &PathBuf, sides: &[PathBuf], series: &str, options: &Options) -> Result<bool> {
    let kernel = options.selection.kernel(series.parse()?)?;
    let mut guest = Guest::new(peers);
    guest.args = vec!["live".to_owned(), "--place".to_owned(), series.to_owned()];
    guest.args.extend(options.shared());
    for side in sides {
        let inside = format!("/bin/{}", disk::name(side));
        guest.files.push((side.clone(), inside));
    }
    guest.timeout = TIMEOUT;
    let outcome = machine::boot(&kernel, &guest, &mut vm::pass_through)?;
    vm::explain(&kernel, &outcome);
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

    fn options(line: &str) -> Result<Options> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn passes_on_what_the_peers_understand() {
        let options = options("--offline --json --only startup --runs 20").expect("well formed");
        assert!(options.selection.offline);
        let shared = ["--only", "startup", "--runs", "20", "--json"];
        assert_eq!(options.shared(), shared);
        assert!(options.is_wanted("startup: one program") && !options.is_wanted(cost::WORK));
    }

    #[test]
    fn rejects_unknown_options() {
        let error = options("--onyl startup").err().expect("unknown");
        assert!(error.starts_with("`--onyl`"), "{error}");
    }
}
