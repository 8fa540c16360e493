//! Figures of one metric of a live row: minimum, median and maximum of each side, and the targets
//! they meet or miss.

use super::{Better, Metric, Target, Versus};
use crate::report::{Outcome, Report, quoted};

/// The values of one metric: for each side its name and one value a run.
pub(super) type Figures = Vec<(&'static str, Vec<f64>)>;

/// Minimum, median and maximum.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Spread {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        Spread {
            min: least,
            median: crate::report::middle(values),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// Prints a metric; its targets count in the report.
pub(super) fn print(report: &mut Report, work: &str, metric: &Metric, figures: &Figures) {
    let spreads: Vec<(&'static str, Spread)> = figures
        .iter()
        .map(|(side, values)| (*side, Spread::of(values)))
        .collect();
    let Some(((_, ours), peers)) = spreads.split_first() else {
        return;
    };
    report.line(&format!("  {}, {}", metric.what, metric.unit));
    for (index, (side, spread)) in spreads.iter().enumerate() {
        let ratio = match index {
            0 => String::new(),
            _ => format!("  x {:.2}", ahead(metric.better, *ours, *spread)),
        };
        let Spread { min, median, max } = spread;
        report.line(&format!(
            "    {side:<10} {median:>10.3}  min {min:>10.3}  max {max:>10.3}{ratio}"
        ));
        let runs = figures[index].1.len();
        report.json(&format!(
            r#"{{"work":{},"metric":{},"unit":"{}","who":"{side}","median":{median:.4},"min":{min:.4},"max":{max:.4},"runs":{runs}}}"#,
            quoted(work),
            quoted(metric.what),
            metric.unit,
        ));
    }
    for target in metric.targets {
        if let Some((side, peer)) = peer(metric.better, target, peers) {
            check(
                report,
                work,
                metric,
                target,
                side,
                ours.median / peer.median,
            );
        }
    }
}

/// How many times btf-core is ahead of a peer; less than 1 is behind.
fn ahead(better: Better, ours: Spread, theirs: Spread) -> f64 {
    match better {
        Better::Less => theirs.median / ours.median,
        Better::More => ours.median / theirs.median,
    }
}

/// The peer that a target refers to.
fn peer(
    better: Better,
    target: &Target,
    peers: &[(&'static str, Spread)],
) -> Option<(&'static str, Spread)> {
    match target.versus {
        Versus::Side(name) => peers.iter().find(|(side, _)| *side == name).copied(),
        Versus::Best => peers.iter().copied().min_by(|(_, a), (_, b)| {
            let order = a.median.total_cmp(&b.median);
            match better {
                Better::Less => order,
                Better::More => order.reverse(),
            }
        }),
    }
}

fn check(
    report: &mut Report,
    work: &str,
    metric: &Metric,
    target: &Target,
    side: &str,
    ratio: f64,
) {
    let (met, bound) = match metric.better {
        Better::Less => (ratio <= target.ratio, "at most"),
        Better::More => (ratio >= target.ratio, "at least"),
    };
    report.outcome(&Outcome {
        work: &format!("{work}: {}", metric.what),
        what: metric.what,
        versus: side,
        met,
        figures: (ratio, target.ratio),
        texts: (
            &format!("{ratio:.2} of {side}"),
            &format!("{bound} {:.2}", target.ratio),
        ),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::Source;

    fn metric(better: Better, targets: &'static [Target]) -> Metric {
        Metric {
            what: "figure",
            unit: "u",
            source: Source::Side("figure"),
            better,
            targets,
        }
    }

    fn outcome(better: Better, targets: &'static [Target], ours: f64) -> (usize, usize) {
        let mut report = Report::new(false);
        let figures = vec![
            ("btf-core", vec![ours]),
            ("libbpf-rs", vec![10.0]),
            ("aya", vec![20.0]),
        ];
        print(
            &mut report,
            "group: work",
            &metric(better, targets),
            &figures,
        );
        report.counts()
    }

    #[test]
    fn spread_is_minimum_median_and_maximum() {
        let spread = Spread::of(&[3.0, 1.0, 2.0]);
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.0, 3.0));
    }

    #[test]
    fn less_is_better_for_times() {
        const BEST: &[Target] = &[Target::best(1.0)];
        assert_eq!(outcome(Better::Less, BEST, 9.0), (1, 0));
        assert_eq!(outcome(Better::Less, BEST, 11.0), (0, 1));
        const AYA: &[Target] = &[Target::of("aya", 0.5)];
        assert_eq!(outcome(Better::Less, AYA, 11.0), (0, 1));
        assert_eq!(outcome(Better::Less, AYA, 9.0), (1, 0));
    }

    #[test]
    fn more_is_better_for_throughput() {
        const BEST: &[Target] = &[Target::best(1.1)];
        assert_eq!(outcome(Better::More, BEST, 23.0), (1, 0));
        assert_eq!(outcome(Better::More, BEST, 21.0), (0, 1));
    }
}
