//! Runs of live rows: a fresh process a side and run, the sides taking turns.

use std::path::Path;
use std::process::Command;

use super::verdict::{self, Figures};
use super::{Place, Row, Source};
use crate::child::{self, Run};
use crate::report::Report;

/// Measures the rows for one kernel that `only` selects; returns `true` if no target is missed.
///
/// `place` is `host`, or the series of the booted kernel that this process runs in.
pub(crate) fn run(
    exe: &Path,
    place: &str,
    runs: usize,
    json: bool,
    only: Option<&str>,
) -> Result<bool, String> {
    let mut report = Report::new(json);
    for row in super::rows(only).filter(|row| row.place.name() == place) {
        let unmet = row.needs.iter().find_map(|need| need().err());
        if let Some(reason) = unmet {
            report.skip(row.work, &reason);
            continue;
        }
        eprintln!("measuring: {}", row.work);
        let values = measure(exe, row, runs)?;
        report.heading(&title(row, runs));
        for (metric, figures) in row.metrics.iter().zip(&values) {
            verdict::print(&mut report, row.work, metric, figures);
        }
    }
    Ok(report.end_without_misses())
}

fn title(row: &Row, runs: usize) -> String {
    match row.place {
        Place::Host => format!("{} ({runs} runs)", row.work),
        Place::Booted(series) => {
            format!("{} ({runs} runs, in an emulated Linux {series})", row.work)
        }
    }
}

/// The values of each metric of a row. The first round fills caches and does not count.
fn measure(exe: &Path, row: &Row, runs: usize) -> Result<Vec<Figures>, String> {
    let none: Figures = row.sides.iter().map(|side| (*side, Vec::new())).collect();
    let mut values = vec![none; row.metrics.len()];
    for round in 0..=runs {
        // Rotates the sides, so that none always runs first.
        for turn in 0..row.sides.len() {
            let index = (turn + round) % row.sides.len();
            let side = row.sides[index];
            let mut command = Command::new(exe.with_file_name(format!("live-{side}")));
            let run = child::run(command.arg(row.name), None)?;
            if round == 0 {
                continue;
            }
            for (metric, figures) in row.metrics.iter().zip(&mut values) {
                let value = value(&run, metric.source).map_err(|e| format!("{side}: {e}"))?;
                figures[index].1.push(value);
            }
        }
    }
    Ok(values)
}

/// The value of one run.
fn value(run: &Run, source: Source) -> Result<f64, String> {
    match source {
        Source::Wall => Ok(run.wall.as_secs_f64() * 1e3),
        Source::Cpu => Ok(run.cpu.as_secs_f64() * 1e3),
        Source::Peak => Ok(run.peak as f64 * 1024.0 / 1e6),
        Source::Side(name) => {
            let mut words = run.stdout.lines().filter_map(|line| line.split_once(' '));
            let value = words.find(|(key, _)| *key == name).map(|(_, value)| value);
            let value = value.ok_or_else(|| format!("no figure `{name}` in its output"))?;
            let parsed = value.parse::<f64>().ok().filter(|value| value.is_finite());
            parsed.ok_or_else(|| format!("figure `{name}` is not a number: `{value}`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn reads_figures_and_properties_of_a_process() {
        let run = Run {
            wall: Duration::from_millis(2),
            cpu: Duration::from_millis(1),
            stdout: "load 1.5\nfirst_event nan\n".to_owned(),
            peak: 1000,
        };
        assert_eq!(value(&run, Source::Side("load")), Ok(1.5));
        assert_eq!(value(&run, Source::Wall), Ok(2.0));
        assert_eq!(value(&run, Source::Cpu), Ok(1.0));
        assert_eq!(value(&run, Source::Peak), Ok(1.024));
        assert!(value(&run, Source::Side("first_event")).is_err());
        assert!(value(&run, Source::Side("open")).is_err());
    }
}
