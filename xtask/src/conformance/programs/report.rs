//! The page of the suite `programs`.

use crate::conformance::sides::{self, Comparison, Kept};

/// Results of a project.
pub(super) struct Row {
    pub(super) project: &'static str,
    /// Name and version of the package.
    pub(super) package: String,
    /// Names of the objects that are loaded; `None` if one does not compile, or a skeleton does
    /// not.
    pub(super) objects: Option<Vec<String>>,
    pub(super) warnings: usize,
}

const HEADING: &str = "# Programs of others

BPF programs of well-known projects, unchanged, from Debian's source packages: compiled by btf-build with the headers that it brings, their skeletons
checked by rustc with warnings denied, and the objects loaded in a booted kernel by libbpf 1.7 and by btf-core. Maps whose size a project's application sets are
given one on both sides. `cargo xtask conformance programs --write FILE` makes this page.

";

/// Returns the page, with a row for each project.
pub(super) fn text(rows: &[Row], kept: &Kept, release: &str, build_only: bool) -> String {
    let mut text = HEADING.to_owned();
    text += &format!("Kernel {release}. A row is a program, or an object as a whole.\n\n");
    text += "| project | package | objects | warnings of clang and btf-build | load with both | with neither | only here | only with libbpf |\n";
    text += "|---|---|---|---|---|---|---|---|\n";
    let (mut notes, mut refused) = (Vec::new(), Vec::new());
    for row in rows {
        let Some(objects) = &row.objects else {
            text += &format!("| {} | {} | FAILED |\n", row.project, row.package);
            continue;
        };
        let of = Comparison::new(kept, objects);
        let counts = [
            of.both,
            of.neither,
            of.only_ours.len(),
            of.only_libbpf.len(),
        ];
        let counts = counts.map(|n| match build_only {
            true => "-".to_owned(),
            false => n.to_string(),
        });
        text += &format!(
            "| {} | {} | {} | {} | {} |\n",
            row.project,
            row.package,
            objects.len(),
            row.warnings,
            counts.join(" | ")
        );
        refused.extend(refusals(&of));
        let alone = of.only_ours.iter().map(|row| (row, "libbpf"));
        let alone = alone.chain(of.only_libbpf.iter().map(|row| (row, "btf-core")));
        let alone = alone.chain(of.endless.iter().map(|row| (row, "a load")));
        for (row, side) in alone {
            notes.push(format!(
                "* `{}`, `{}`: {}\n",
                row.object,
                row.program,
                row.said(side)
            ));
        }
    }
    if !notes.is_empty() {
        text += "\nWhat one side alone loads:\n\n";
        text += &notes.concat();
    }
    if !refused.is_empty() {
        text += "\nWhat neither loads, with the first reason that btf-core gives. Functions that a kernel lacks may be for the application to choose:\n\n";
        text += &refused.concat();
    }
    text
}

/// Returns a line for each object with programs that neither side loads.
fn refusals(of: &Comparison) -> Vec<String> {
    let of_one = of.refused.chunk_by(|a, b| a.object == b.object);
    let line = |rows: &[sides::Row]| {
        let first = rows.first()?;
        // The advice and the verifier log follow the reason.
        let why = first.why.split(" help: ").next()?;
        let why = why.split(" verifier log").next()?;
        let about = format!("object `{}`: ", first.object);
        let why = why.strip_prefix(&about).unwrap_or(why);
        let many = if rows.len() == 1 { "" } else { "s" };
        let count = rows.len();
        Some(format!("* `{}`, {count} row{many}: {why}\n", first.object))
    };
    of_one.filter_map(line).collect()
}
