//! Figures: medians of runs, targets met and missed, as a table or as one JSON object a line.

/// Times and peaks of several runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    ms: Vec<f64>,
    peaks: Vec<u64>,
}

impl Samples {
    pub(crate) fn add(&mut self, ms: f64, peak_kib: u64) {
        self.ms.push(ms);
        self.peaks.push(peak_kib);
    }

    pub(crate) fn median(&self) -> f64 {
        middle(&self.ms)
    }

    fn min(&self) -> f64 {
        self.ms
            .iter()
            .copied()
            .min_by(f64::total_cmp)
            .unwrap_or(0.0)
    }

    fn max(&self) -> f64 {
        self.ms
            .iter()
            .copied()
            .max_by(f64::total_cmp)
            .unwrap_or(0.0)
    }

    /// The middle one of the peaks, in MB: Linux counts pages by processor, and is a few of them out each time.
    fn peak(&self) -> f64 {
        let kib: Vec<f64> = self.peaks.iter().map(|kib| *kib as f64).collect();
        middle(&kib) * 1024.0 / 1e6
    }
}

/// The median; of two middle ones their mean.
pub(crate) fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.get(half) {
        Some(upper) if sorted.len() % 2 == 1 => *upper,
        Some(upper) => f64::midpoint(sorted[half - 1], *upper),
        None => 0.0,
    }
}

/// What btf-core's part of a peer's figure may be.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    versus: &'static str,
    of: Figure,
    at_most: f64,
}

#[derive(Clone, Copy, Debug)]
enum Figure {
    Time,
    Peak,
}

impl Target {
    /// Of the median time.
    pub(crate) fn time(versus: &'static str, at_most: f64) -> Target {
        Target {
            versus,
            of: Figure::Time,
            at_most,
        }
    }

    /// Of the peak of resident memory.
    pub(crate) fn peak(versus: &'static str, at_most: f64) -> Target {
        Target {
            versus,
            of: Figure::Peak,
            at_most,
        }
    }
}

/// A target, met or missed.
pub(crate) struct Outcome<'a> {
    /// The row, and after a colon the metric if it has several.
    pub(crate) work: &'a str,
    pub(crate) what: &'a str,
    pub(crate) versus: &'a str,
    pub(crate) met: bool,
    /// The measured ratio and the target, as numbers and as text.
    pub(crate) figures: (f64, f64),
    pub(crate) texts: (&'a str, &'a str),
}

/// What was measured so far; lines are printed as they come.
pub(crate) struct Report {
    json: bool,
    met: usize,
    missed: usize,
}

impl Report {
    pub(crate) fn new(json: bool) -> Report {
        Report {
            json,
            met: 0,
            missed: 0,
        }
    }

    /// A kind of work, done by btf-core first and by its peers.
    pub(crate) fn row(
        &mut self,
        work: &str,
        sides: Vec<(&'static str, Samples)>,
        targets: &[Target],
    ) {
        self.line(&format!("\n{work}"));
        for (who, samples) in &sides {
            let (median, peak) = (samples.median(), samples.peak());
            let (min, max) = (samples.min(), samples.max());
            let runs = samples.ms.len();
            // Noise only ever adds: the ratio of minima tells what a quiet machine would show.
            let times = match sides.first() {
                Some((first, ours)) if first != who => format!(
                    "  x {:.1}, minima x {:.1}",
                    median / ours.median(),
                    min / ours.min()
                ),
                _ => String::new(),
            };
            self.line(&format!(
                "  {who:<9} {median:>9.2} ms  min {min:>9.2}  max {max:>9.2}  peak {peak:>6.2} MB  {runs} runs{times}"
            ));
            self.json(&format!(
                r#"{{"work":{},"who":"{who}","median_ms":{median:.3},"min_ms":{min:.3},"max_ms":{max:.3},"peak_rss_mb":{peak:.2},"runs":{runs}}}"#,
                quoted(work)
            ));
        }
        let of = |who: &str, figure| {
            let (_, samples) = sides.iter().find(|(side, _)| *side == who)?;
            Some(match figure {
                Figure::Time => samples.median(),
                Figure::Peak => samples.peak(),
            })
        };
        for target in targets {
            let (Some(ours), Some(theirs)) =
                (of("btf-core", target.of), of(target.versus, target.of))
            else {
                continue;
            };
            let work = match target.of {
                Figure::Time => work.to_owned(),
                Figure::Peak => format!("{work}: peak RSS"),
            };
            self.target(&work, target.versus, ours / theirs, target.at_most);
        }
    }

    fn target(&mut self, work: &str, versus: &str, ratio: f64, target: f64) {
        let what = work.rsplit_once(": ").map_or("time", |(_, what)| what);
        self.outcome(&Outcome {
            work,
            what,
            versus,
            met: ratio <= target,
            figures: (ratio, target),
            texts: (
                &format!("{} of {versus}", fraction(ratio)),
                &fraction(target),
            ),
        });
    }

    /// Whether an exponent is that of linear growth.
    pub(crate) fn growth(&mut self, work: &str, exponent: f64, at_most: f64) {
        let what = work.rsplit_once(": ").map_or("time", |(_, what)| what);
        self.outcome(&Outcome {
            work,
            what,
            versus: "linear growth",
            met: exponent <= at_most,
            figures: (exponent, at_most),
            texts: (&format!("exponent {exponent:.2}"), &at_most.to_string()),
        });
    }

    /// Prints and counts a target.
    pub(crate) fn outcome(&mut self, outcome: &Outcome<'_>) {
        let Outcome {
            work,
            what,
            versus,
            met,
            figures: (ratio, target),
            texts: (figure, wanted),
        } = *outcome;
        *(if met { &mut self.met } else { &mut self.missed }) += 1;
        let mark = if met { "met   " } else { "MISSED" };
        self.line(&format!("  {mark}  {what}: {figure}, target {wanted}"));
        self.json(&format!(
            r#"{{"work":{},"versus":"{versus}","ratio":{ratio:.4},"target":{target:.4},"met":{met}}}"#,
            quoted(work)
        ));
    }

    /// The line above the figures of a row.
    pub(crate) fn heading(&self, text: &str) {
        self.line(&format!("\n{text}"));
    }

    /// Prints a row that cannot be measured here, with the reason.
    pub(crate) fn skip(&self, work: &str, reason: &str) {
        self.line(&format!("\n{work}\n  SKIPPED  {reason}"));
        self.json(&format!(
            r#"{{"work":{},"skipped":{}}}"#,
            quoted(work),
            quoted(reason)
        ));
    }

    /// How one side's time grows.
    pub(crate) fn slope(&mut self, work: &str, who: &str, slope: &Slope) {
        let (each, unit, exponent) = (slope.ms_each, slope.unit, slope.exponent);
        self.line(&format!(
            "  {who:<9} {each:>9.4} ms for each {unit}, growing with exponent {exponent:.2}"
        ));
        self.json(&format!(
            r#"{{"work":{},"who":"{who}","slope_ms":{each:.5},"per":"{unit}","exponent":{exponent:.3}}}"#,
            quoted(work)
        ));
    }

    /// Text of the table.
    pub(crate) fn line(&self, text: &str) {
        if self.json {
            eprintln!("{text}");
        } else {
            println!("{text}");
        }
    }

    pub(crate) fn json(&self, text: &str) {
        if self.json {
            println!("{text}");
        }
    }

    /// Whether every target is met.
    pub(crate) fn end(self) -> bool {
        let met = self.met > 0;
        self.end_without_misses() && met
    }

    /// Prints the count of targets; returns `true` if none is missed, even if every row was
    /// skipped.
    pub(crate) fn end_without_misses(self) -> bool {
        self.line(&format!(
            "\n{} targets met, {} missed",
            self.met, self.missed
        ));
        self.missed == 0
    }

    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.met, self.missed)
    }
}

/// A line through measured points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slope {
    pub(crate) ms_each: f64,
    pub(crate) unit: &'static str,
    /// `e` in `time ~ size^e`: 1 is linear growth, less is growth with a constant part.
    pub(crate) exponent: f64,
}

impl Slope {
    /// Least squares over sizes and times.
    pub(crate) fn through(points: &[(f64, f64)], unit: &'static str) -> Slope {
        let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
        Slope {
            ms_each: gradient(points),
            unit,
            exponent: gradient(&logs),
        }
    }
}

fn gradient(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let covariance: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let variance: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    covariance / variance
}

/// `1/15.0`, or a number around 1.
fn fraction(value: f64) -> String {
    if value < 0.5 {
        format!("1/{:.1}", 1.0 / value)
    } else {
        format!("{value:.2}")
    }
}

/// A JSON string.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted += &format!("\\u{:04x}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let mut samples = Samples::default();
        assert_eq!(samples.median(), 0.0);
        for ms in [3.0, 1.0, 2.0] {
            samples.add(ms, 1000);
        }
        assert_eq!((samples.median(), samples.min()), (2.0, 1.0));
        samples.add(9.0, 2000);
        assert_eq!((samples.median(), samples.peak()), (2.5, 1.024));
    }

    #[test]
    fn lines_and_powers() {
        let line: Vec<(f64, f64)> = (1..9).map(f64::from).map(|x| (x, 3.0 * x)).collect();
        let slope = Slope::through(&line, "thing");
        assert!((slope.ms_each - 3.0).abs() < 1e-9, "{slope:?}");
        assert!((slope.exponent - 1.0).abs() < 1e-9, "{slope:?}");
        let square: Vec<(f64, f64)> = line.iter().map(|(x, _)| (*x, x * x)).collect();
        assert!((Slope::through(&square, "thing").exponent - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_missed_target_counts() {
        let side = |ms| {
            let mut samples = Samples::default();
            samples.add(ms, 1);
            samples
        };
        let mut report = Report::new(false);
        let sides = vec![("btf-core", side(1.0)), ("libbpf", side(10.0))];
        report.row(
            "work",
            sides,
            &[Target::time("libbpf", 0.1), Target::time("libbpf", 0.05)],
        );
        assert_eq!((report.met, report.missed), (1, 1));
        assert!(!report.end());
    }

    #[test]
    fn strings_of_json() {
        assert_eq!(quoted("a \"b\" \\ \n"), r#""a \"b\" \\ \u000a""#);
    }
}
