//! Results of each test file, for the document `docs/conformance-btf.md`.

use std::fmt::Write as _;

/// Introduction of the document, common to all test files.
const HEADING: &str = "# The kernel's tests of BTF

The kernel's own tests, compiled as they are and run against btf-core: where they call libbpf to deduplicate BTF, write C,
show values, look up section names, or open, load and attach objects, btf-core does it. Their own assertions decide, with
these liberties:

* What the kernel rejects at `BPF_BTF_LOAD` may parse if it does with libbpf, whose parser checks less, too.
* C dumps may have their definitions in another order, other forward declarations and other padding. clang checks the
  size of every type and the offset of every member.
* cilium/ebpf's compiled CO-RE programs are relocated and interpreted. They return the line of a check that fails.
* Values are compared number by number and name by name. libbpf leaves out members that are zero; btf-core shows all.

`cargo xtask conformance btf --write docs/conformance-btf.md` makes this page.

";

/// Tests of these files that are not run, and why.
const NOT_RUN: &[(&str, &str)] = &[
    (
        "btf.c, info",
        "22 programs with their function and line info, handed to bpf(2) without an object, which btf-core's loader needs",
    ),
    ("btf.c, get info", "4 cases of bpf(2) itself"),
    (
        "btf.c, maps",
        "whether a map can be created with types is asked of the kernel alone",
    ),
    (
        "btf_write.c, btf_field_iter.c, btf_distill.c, btf_endian.c",
        "tests of functions that only libbpf has",
    ),
    (
        "libbpf-cargo",
        "its cases expect the Rust that its own generator writes; `conformance skeletons` has rustc check skeletons here",
    ),
];

/// The cases of one file.
#[derive(Default)]
struct File {
    name: String,
    passed: usize,
    differing: usize,
    skipped: usize,
    failed: usize,
}

/// All files, in the order in which they ran.
#[derive(Default)]
pub(super) struct Report {
    files: Vec<File>,
    /// Lines about cases that did not pass.
    differing: Vec<String>,
    skipped: Vec<String>,
    failed: Vec<String>,
    /// Result lines of the current run; 0 if the program ended early.
    results: usize,
}

impl Report {
    /// Takes in a line of `btf-suite`.
    pub(super) fn line(&mut self, line: &str) {
        let line = line.trim();
        if line.starts_with("test result: ") {
            self.results += 1;
            return;
        }
        let Some((case, outcome)) = line
            .strip_prefix("test ")
            .and_then(|line| line.split_once(" ... "))
        else {
            return;
        };
        let name = case.split('/').next().unwrap_or(case);
        let file = match self.files.iter().position(|file| file.name == name) {
            Some(at) => &mut self.files[at],
            None => {
                let file = File {
                    name: name.to_owned(),
                    ..File::default()
                };
                self.files.push(file);
                let last = self.files.len() - 1;
                &mut self.files[last]
            }
        };
        if outcome == "ok" {
            file.passed += 1;
        } else if let Some(why) = outcome.strip_prefix("ignored, differs: ") {
            file.differing += 1;
            self.differing.push(format!("`{case}`: {why}"));
        } else if let Some(why) = outcome.strip_prefix("ignored, ") {
            file.skipped += 1;
            self.skipped.push(format!("`{case}`: {why}"));
        } else {
            file.failed += 1;
            let why = outcome.trim_start_matches("FAILED: ");
            self.failed.push(format!("`{case}`: {why}"));
        }
    }

    /// A run of tests has ended; one that ends early is a failure.
    pub(super) fn end(&mut self, is_right: bool, what: &str) {
        if self.results == 0 || (!is_right && self.failed.is_empty()) {
            self.failed.push(format!("{what} ended early"));
        }
        self.results = 0;
    }

    pub(super) fn is_right(&self) -> bool {
        self.failed.is_empty()
    }

    fn total(&self, of: impl Fn(&File) -> usize) -> usize {
        self.files.iter().map(of).sum()
    }

    pub(super) fn summary(&self) -> String {
        format!(
            "{} passed, {} failed, {} skipped, {} differ with a reason",
            self.total(|file| file.passed),
            self.failed.len(),
            self.skipped.len(),
            self.differing.len()
        )
    }

    /// The document.
    pub(super) fn text(&self, source: &str, release: &str) -> String {
        let mut text = HEADING.to_owned();
        let _ = writeln!(
            text,
            "Sources: linux-source {source}. Kernel of the tests that load programs: {release}.\n\n\
             | tests | passed | differ | skipped | failed |\n|---|---|---|---|---|"
        );
        for file in &self.files {
            let counts = [file.passed, file.differing, file.skipped, file.failed];
            let counts = counts.map(|count| count.to_string()).join(" | ");
            let _ = writeln!(text, "| {} | {counts} |", file.name);
        }
        for (title, lines) in [
            ("Differences", &self.differing),
            ("Skipped", &self.skipped),
            ("Failed", &self.failed),
        ] {
            if !lines.is_empty() {
                let _ = writeln!(text, "\n## {title}\n");
            }
            for line in lines {
                let _ = writeln!(text, "* {line}");
            }
        }
        let _ = writeln!(text, "\n## Not run\n");
        for (what, why) in NOT_RUN {
            let _ = writeln!(text, "* {what}: {why}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_outcomes_by_file() {
        let mut report = Report::default();
        for line in [
            "test btf/a ... ok",
            "test btf/b ... ignored, differs: C has no such type",
            "test btf_dump/c ... ignored, needs a newer kernel",
            "test result: ok. 1 passed; 0 failed; 2 ignored",
        ] {
            report.line(line);
        }
        report.end(true, "they");
        assert!(report.is_right());
        let text = report.text("6.12.1-1", "6.12.1");
        assert!(
            text.contains("| btf | 1 | 1 | 0 | 0 |\n| btf_dump | 0 | 0 | 1 | 0 |"),
            "{text}"
        );
        assert!(text.contains("* `btf/b`: C has no such type\n"), "{text}");
    }

    #[test]
    fn fails_without_a_result() {
        let mut report = Report::default();
        report.line("test btf/a ... ok");
        report.end(true, "the tests here");
        assert_eq!(
            report.summary(),
            "1 passed, 1 failed, 0 skipped, 0 differ with a reason"
        );
        let mut report = Report::default();
        report.line("test btf/a ... FAILED: two instead of one");
        report.line("test result: FAILED. 0 passed; 1 failed; 0 ignored");
        report.end(false, "the tests here");
        assert_eq!(report.failed, ["`btf/a`: two instead of one"]);
    }
}
