//! How the time grows with relocations and with kernels: `core_thousand` program by program on the newest kernel's types, and
//! all of it on one kernel's types after the other.

use btf_core::obj::Object;

use crate::bench::Bench;
use crate::report::{Report, Samples, Slope};
use crate::{child, compare};

/// What it is called, but for the number of kernels.
pub(crate) const WORK: &str = "1,000 relocations";

const SIDES: [&str; 2] = ["btf-core", "libbpf"];

/// Growth that still counts as linear: the exponent, with room for the noise of a busy machine.
const LINEAR: f64 = 1.1;

pub(crate) fn measure(bench: &Bench, report: &mut Report) -> Result<(), String> {
    let counts = relocations(bench)?;
    let kernels = bench.kernels.len();
    let work = format!("{WORK} on {kernels} kernels' BTF");
    let all: Vec<&str> = bench.kernels.iter().map(|k| &*k.path).collect();
    let newest = all.last().copied().unwrap_or_default();

    let mut by_relocations = vec![vec![Samples::default(); counts.len()]; SIDES.len()];
    let mut by_kernels = vec![vec![Samples::default(); kernels]; SIDES.len()];
    for round in 0..=bench.runs {
        for programs in 1..=counts.len() {
            for (side, who) in SIDES.iter().enumerate() {
                let (times, peak) = once(bench, who, programs, &[newest])?;
                if let Some(ms) = times.first().filter(|_| round > 0) {
                    by_relocations[side][programs - 1].add(*ms, peak);
                }
            }
        }
        for (side, who) in SIDES.iter().enumerate() {
            let (times, peak) = once(bench, who, counts.len(), &all)?;
            for (samples, ms) in by_kernels[side].iter_mut().zip(times) {
                if round > 0 {
                    samples.add(ms, peak);
                }
            }
        }
    }

    let total = by_kernels
        .iter()
        .filter_map(|points| points.last().cloned());
    report.row(&work, SIDES.into_iter().zip(total).collect(), &[]);
    let relocations = format!("{work}: growth with relocations");
    let xs: Vec<f64> = counts.iter().map(|count| *count as f64).collect();
    slopes(report, &relocations, "relocation", &xs, &by_relocations);
    let with_kernels = format!("{work}: growth with kernels");
    slopes(
        report,
        &with_kernels,
        "MB of BTF",
        &megabytes(&all)?,
        &by_kernels,
    );
    Ok(())
}

fn slopes(report: &mut Report, work: &str, unit: &'static str, xs: &[f64], sides: &[Vec<Samples>]) {
    let mut exponent = 0.0;
    for (who, samples) in SIDES.iter().zip(sides) {
        let medians = samples.iter().map(Samples::median);
        let points: Vec<(f64, f64)> = xs.iter().copied().zip(medians).collect();
        let slope = Slope::through(&points, unit);
        report.slope(work, who, &slope);
        if *who == "btf-core" {
            exponent = slope.exponent;
        }
    }
    report.growth(work, exponent, LINEAR);
}

/// One process: the milliseconds that had passed after each kernel, and its peak of memory.
fn once(
    bench: &Bench,
    who: &str,
    programs: usize,
    kernels: &[&str],
) -> Result<(Vec<f64>, u64), String> {
    let (thousand, programs) = (bench.thousand.display().to_string(), programs.to_string());
    let args = [&["core", &*thousand, &*programs], kernels].concat();
    let run = child::run(&mut bench.command(who, &args), None)?;
    let times = run
        .stdout
        .lines()
        .filter_map(|line| line.parse::<u64>().ok())
        .map(|nanos| nanos as f64 / 1e6)
        .collect();
    Ok((times, run.peak))
}

/// How much BTF the first kernel has, the first two have, and so on: newer kernels have more.
fn megabytes(kernels: &[&str]) -> Result<Vec<f64>, String> {
    let mut total = 0.0;
    let mut sums = Vec::new();
    for path in kernels {
        let meta = std::fs::metadata(path).map_err(|e| format!("cannot read {path}: {e}"))?;
        total += meta.len() as f64 / 1e6;
        sums.push(total);
    }
    Ok(sums)
}

/// How many relocations the first program has, the first two have, and so on.
fn relocations(bench: &Bench) -> Result<Vec<usize>, String> {
    let error = |e: btf_core::Error| format!("{e:#}");
    let bytes = compare::read(&bench.thousand)?;
    let object = Object::parse("core_thousand", &bytes).map_err(error)?;
    let mut counts = Vec::new();
    let mut total = 0;
    for program in object.programs() {
        for function in object.reachable(program).map_err(error)? {
            total += object.functions()[function].core.len();
        }
        counts.push(total);
    }
    match total {
        1000 => Ok(counts),
        _ => Err(format!("core_thousand has {total} relocations")),
    }
}
