//! The table of features by kernel, from the output of the kernel cases: features that were loaded,
//! attached and run. `docs/features.md` is compared with it.

use crate::ci::docs_page;
use crate::{Result, program};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// States of features by kernel.
#[derive(Debug, Default)]
pub(crate) struct Features {
    kernels: Vec<String>,
    rows: BTreeMap<String, BTreeMap<String, String>>,
}

impl Features {
    /// Creates a table of these kernels, in their order.
    pub(crate) fn new(kernels: &[String]) -> Features {
        Features {
            kernels: kernels.to_owned(),
            ..Features::default()
        }
    }

    /// Adds a line of output of a case; `FEATURE name<TAB>state` states a feature.
    pub(crate) fn line(&mut self, kernel: &str, line: &str) {
        let Some((name, state)) = line
            .trim_end()
            .strip_prefix("FEATURE ")
            .and_then(|rest| rest.split_once('\t'))
        else {
            return;
        };
        let row = self.rows.entry(name.to_owned()).or_default();
        row.insert(kernel.to_owned(), state.to_owned());
    }

    /// Compares the page with the table, or writes it.
    ///
    /// # Errors
    ///
    /// If they differ, naming the rows, or the file cannot be read or written.
    pub(crate) fn settle(&self, bless: bool) -> Result<()> {
        let command = "cargo xtask test --bless";
        docs_page::settle(&path(), &self.text(), bless, command)
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "# Features by kernel\n\n\
             Made by `cargo xtask test --bless`, and checked whenever the tests run on all these kernels. `works` means loaded,\n\
             attached where there is something to attach to, and seen to run in that kernel; a version is the first that has the feature.\n\n",
        );
        let _ = writeln!(text, "| feature | {} |", self.kernels.join(" | "));
        let _ = writeln!(text, "|---|{}", "---|".repeat(self.kernels.len()));
        for (name, states) in &self.rows {
            let states = self
                .kernels
                .iter()
                .map(|kernel| states.get(kernel).map_or("-", String::as_str));
            let states: Vec<&str> = states.collect();
            let _ = writeln!(text, "| {name} | {} |", states.join(" | "));
        }
        text
    }
}

fn path() -> PathBuf {
    program::workspace().join("docs/features.md")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_a_table_of_the_output_of_cases() {
        let mut features = Features::new(&["5.10".to_owned(), "newest".to_owned()]);
        features.line("newest", "FEATURE SEC: tcx\tworks");
        features.line("5.10", "FEATURE SEC: tcx\tsince 6.6\r");
        features.line("5.10", "FEATURE SEC: xdp\tworks");
        features.line("5.10", "test attach::xdp ... ok");
        let text = features.text();
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(
            rows,
            [
                "| feature | 5.10 | newest |",
                "|---|---|---|",
                "| SEC: tcx | since 6.6 | works |",
                "| SEC: xdp | works | - |",
            ]
        );
    }
}
