//! Results of test programs, read from the lines that they print: counts of cases, and skipped
//! cases with the reason.

/// Counts of cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    reported: usize,
    pub(crate) failed: usize,
    /// `case: reason`, for each case that did not run.
    pub(crate) skipped: Vec<String>,
    /// Those that printed `SKIP`, which the harness counts as passed.
    skipped_themselves: usize,
}

impl Tally {
    /// Returns one failed case, for an error before any case ran.
    pub(crate) fn failure() -> Tally {
        Tally {
            failed: 1,
            ..Tally::default()
        }
    }

    /// Returns one skipped case.
    pub(crate) fn skip(why: String) -> Tally {
        Tally {
            skipped: vec![why],
            ..Tally::default()
        }
    }

    /// Adds a line of output: of Rust's test harness, or `SKIP case: reason`, which a case prints
    /// that cannot run.
    pub(crate) fn line(&mut self, line: &str) {
        let line = line.trim();
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.reported += count(counts, "passed");
            self.failed += count(counts, "failed");
        } else if let Some(skipped) = line.strip_prefix("SKIP ") {
            self.skipped.push(skipped.to_owned());
            self.skipped_themselves += 1;
        } else if let Some((case, reason)) = ignored(line) {
            self.skipped.push(format!("{case}: {reason}"));
        }
    }

    /// Returns the number of cases that ran and passed.
    pub(crate) fn passed(&self) -> usize {
        self.reported.saturating_sub(self.skipped_themselves)
    }

    /// Returns `true` if no case ran or was skipped.
    pub(crate) fn is_empty(&self) -> bool {
        self.passed() + self.failed + self.skipped.len() == 0
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        self.reported += other.reported;
        self.skipped_themselves += other.skipped_themselves;
        self.failed += other.failed;
        self.skipped.extend(other.skipped.iter().cloned());
    }

    /// Counts a failed case if the program failed without one.
    pub(crate) fn fail_unless_counted(&mut self, succeeded: bool) {
        if !succeeded && self.failed == 0 {
            self.failed = 1;
        }
    }

    pub(crate) fn summary(&self) -> String {
        let skipped = match self.skipped.len() {
            0 => String::new(),
            count => format!(", {count} skipped"),
        };
        format!("{} passed, {} failed{skipped}", self.passed(), self.failed)
    }
}

/// Returns `12` of `ok. 12 passed; 0 failed; …`
fn count(counts: &str, what: &str) -> usize {
    let part = counts
        .split([';', '.'])
        .find_map(|part| part.trim().strip_suffix(what));
    part.and_then(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

/// Parses `test CASE ... ignored, REASON`.
fn ignored(line: &str) -> Option<(&str, &str)> {
    let (case, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let reason = result.strip_prefix("ignored")?;
    Some((
        case,
        reason
            .strip_prefix(", ")
            .unwrap_or("ignored, without a reason"),
    ))
}

/// Splits a stream of bytes into lines.
#[derive(Default)]
pub(crate) struct Lines(Vec<u8>);

impl Lines {
    /// Adds bytes and calls `line` for each complete line.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        self.0.extend(bytes);
        while let Some(end) = self.0.iter().position(|byte| *byte == b'\n') {
            line(&String::from_utf8_lossy(&self.0[..end]));
            self.0.drain(..=end);
        }
    }

    /// Calls `line` for the rest after the last line.
    pub(crate) fn finish(self, mut line: impl FnMut(&str)) {
        if !self.0.is_empty() {
            line(&String::from_utf8_lossy(&self.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_of_the_harness() {
        let mut tally = Tally::default();
        let mut lines = Lines::default();
        let text = b"running 3 tests\ntest a ... ok\ntest b ... ignored, needs 6.9\n\
            SKIP c: no module sch_ingress\ntest d ... ignored\ntest e ... FAILED\n\
            test result: FAILED. 2 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out\n\
            test result: ok. 40 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
        for chunk in text[..text.len() - 1].chunks(7) {
            lines.feed(chunk, |line| tally.line(line));
        }
        lines.finish(|line| tally.line(line));
        let skipped = [
            "b: needs 6.9",
            "c: no module sch_ingress",
            "d: ignored, without a reason",
        ];
        assert_eq!(tally.skipped, skipped);
        // The harness counts c among the passed.
        assert_eq!(tally.summary(), "41 passed, 1 failed, 3 skipped");
    }

    #[test]
    fn counts_an_abrupt_end_as_failure() {
        let mut tally = Tally::default();
        tally.fail_unless_counted(true);
        assert_eq!(tally.failed, 0);
        tally.fail_unless_counted(false);
        tally.fail_unless_counted(false);
        assert_eq!(tally.failed, 1);
    }
}
