//! Outcome of each case, in the format of Rust's test harness.

use crate::known;

/// How a case ended. The first thing that is not as it should be decides.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Skipped(String),
    Failed(String),
}

/// The current case, and counts.
#[derive(Default)]
pub(crate) struct Report {
    /// The kernel's source file, without `.c`.
    test: String,
    case: Option<(String, Outcome)>,
    /// The last error of btf-core in this case.
    note: String,
    passed: usize,
    skipped: usize,
    failed: usize,
}

impl Report {
    /// Starts a file of tests. Checks before its first case belong to a case of the file's name.
    pub(crate) fn test(&mut self, name: &str) {
        self.finish();
        name.clone_into(&mut self.test);
        self.case = Some((name.to_owned(), Outcome::Passed));
    }

    pub(crate) fn case(&mut self, name: &str) {
        let test = &self.test;
        self.case
            .take_if(|(case, outcome)| case == test && *outcome == Outcome::Passed);
        self.finish();
        let name = name
            .strip_prefix(&format!("{}: ", self.test))
            .unwrap_or(name);
        self.case = Some((name.to_owned(), Outcome::Passed));
    }

    /// The current case fails; what comes after it no longer counts.
    pub(crate) fn fail(&mut self, why: &str) {
        let test = &self.test;
        let (_, outcome) = self
            .case
            .get_or_insert_with(|| (test.clone(), Outcome::Passed));
        if *outcome == Outcome::Passed {
            let note = std::mem::take(&mut self.note);
            let why = format!("{why} {note}");
            *outcome = Outcome::Failed(why.trim_end().to_owned());
        }
    }

    /// Keeps an error, which may be one that the test expects.
    pub(crate) fn note(&mut self, why: &str) {
        why.clone_into(&mut self.note);
    }

    /// The current case is not run to its end.
    pub(crate) fn skip(&mut self, why: &str) {
        let test = &self.test;
        let (_, outcome) = self
            .case
            .get_or_insert_with(|| (test.clone(), Outcome::Passed));
        if *outcome == Outcome::Passed {
            *outcome = Outcome::Skipped(why.to_owned());
        }
    }

    /// Prints the counts; returns whether nothing failed.
    pub(crate) fn end(&mut self) -> bool {
        self.finish();
        let verdict = if self.failed == 0 { "ok" } else { "FAILED" };
        println!(
            "\ntest result: {verdict}. {} passed; {} failed; {} ignored",
            self.passed, self.failed, self.skipped
        );
        self.failed == 0
    }

    fn finish(&mut self) {
        self.note.clear();
        let Some((case, outcome)) = self.case.take() else {
            return;
        };
        let name = format!("{}/{case}", self.test);
        match (outcome, known::difference(&name)) {
            (Outcome::Passed, Some(_)) => {
                self.failed += 1;
                println!("test {name} ... FAILED: passes, but is listed as a known difference");
            }
            (Outcome::Passed, None) => {
                self.passed += 1;
                println!("test {name} ... ok");
            }
            (Outcome::Failed(_), Some(why)) => {
                self.skipped += 1;
                println!("test {name} ... ignored, differs: {why}");
            }
            (Outcome::Failed(why), None) => {
                self.failed += 1;
                println!("test {name} ... FAILED: {}", why.escape_debug());
            }
            (Outcome::Skipped(why), _) => {
                self.skipped += 1;
                println!("test {name} ... ignored, {why}");
            }
        }
    }
}
