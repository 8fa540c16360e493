//! Targets met and missed, in the format of the bench's table.

/// Results of one work, which are printed as they are added.
pub(crate) struct Verdicts {
    work: &'static str,
    json: bool,
    met: usize,
    missed: usize,
}

impl Verdicts {
    pub(crate) fn new(work: &'static str, json: bool) -> Verdicts {
        let verdicts = Verdicts {
            work,
            json,
            met: 0,
            missed: 0,
        };
        verdicts.line(&format!("\n{work}"));
        verdicts
    }

    /// Adds a figure without a target.
    pub(crate) fn note(&self, text: &str) {
        self.line(&format!("  {text}"));
    }

    /// Adds a ratio to libbpf-cargo's figure.
    pub(crate) fn ratio(&mut self, what: &str, ratio: f64, at_most: f64) {
        let text = format!("{} of libbpf-cargo", fraction(ratio));
        self.target(what, ratio, at_most, &text, &fraction(at_most));
    }

    /// Adds a figure with its bound, as numbers and as text.
    pub(crate) fn target(
        &mut self,
        what: &str,
        value: f64,
        at_most: f64,
        text: &str,
        wanted: &str,
    ) {
        let met = value <= at_most;
        *(if met { &mut self.met } else { &mut self.missed }) += 1;
        let mark = if met { "met   " } else { "MISSED" };
        self.line(&format!("  {mark}  {what}: {text}, target {wanted}"));
        if self.json {
            println!(
                r#"{{"work":"{}: {what}","versus":"libbpf-cargo","ratio":{value:.4},"target":{at_most:.4},"met":{met}}}"#,
                self.work
            );
        }
    }

    /// Returns `true` if every target is met.
    pub(crate) fn end(&self) -> bool {
        self.line(&format!(
            "\n{} targets met, {} missed",
            self.met, self.missed
        ));
        self.missed == 0 && self.met > 0
    }

    fn line(&self, text: &str) {
        if self.json {
            eprintln!("{text}");
        } else {
            println!("{text}");
        }
    }
}

/// Formats as `1/15.0`, or as a number around 1.
fn fraction(value: f64) -> String {
    if value < 0.5 {
        format!("1/{:.1}", 1.0 / value)
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_missed_targets() {
        let mut verdicts = Verdicts::new("work", false);
        verdicts.ratio("time", 0.25, 1.0 / 3.0);
        assert!(verdicts.end());
        verdicts.target("crates", 21.0, 20.0, "21", "20");
        assert_eq!((verdicts.met, verdicts.missed), (1, 1));
        assert!(!verdicts.end());
    }
}
