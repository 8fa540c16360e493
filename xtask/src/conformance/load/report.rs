//! How the sides compare, as the document `docs/conformance-load.md`.

use super::kept::{Kept, Outcomes, is_alone, is_endless, is_ok};
use crate::kernel::Kernel;
use crate::linux_source::LinuxSource;
use std::fmt::Write as _;

const OF_OTHERS: &str = "another program of the object needs a symbol that this kernel does not have; here nothing is looked up for \
     programs that are not loaded";

/// Differences that stay, by what the side says that does not load the program.
const KNOWN: &[(&str, &str)] = &[
    (
        "missing BPF prog type",
        "libbpf refuses an object for one section name that it does not know; here that program is left out, with a warning",
    ),
    (
        "program isn't referenced anywhere",
        "libbpf refuses an object for a program of operations that no struct has; here it is left out, with a warning",
    ),
    ("not found in kernel or module BTFs", OF_OTHERS),
    ("(strong): not resolved", OF_OTHERS),
    (
        "failed to find BTF for extern",
        "libbpf does not open an object that is to be linked with another; here programs load that need nothing of the other",
    ),
    (
        "it does not see this program",
        "the object is not opened: see its row `-`",
    ),
    (
        "map relo failed to find map",
        "libbpf does not open what its own linker makes of these sources",
    ),
];

/// A program that one side alone loads.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    object: String,
    program: String,
    /// What the side says that does not load it.
    why: String,
}

/// How the sides compare.
#[derive(Debug, Default)]
pub(super) struct Report {
    objects: usize,
    /// Objects that not both sides have gone through.
    open: Vec<String>,
    both: usize,
    neither: usize,
    only_libbpf: Vec<Row>,
    only_ours: Vec<Row>,
    /// Of objects that load on both sides: programs that load by themselves on one of them.
    by_itself: Vec<Row>,
    /// Loads that came to no end on a side.
    endless: Vec<Row>,
    /// Loads of which the kernel described what was loaded, and those that it described otherwise.
    described: usize,
    otherwise: Vec<Row>,
}

impl Report {
    pub(super) fn new(kept: &Kept, objects: &[String]) -> Report {
        let mut report = Report {
            objects: objects.len(),
            ..Report::default()
        };
        for object in objects {
            let rows = kept.rows(object);
            if rows.is_empty() {
                report.open.push(object.clone());
            }
            let whole = rows.iter().find(|(program, _)| *program == "-");
            let is_loaded = whole.is_some_and(|(_, outcomes)| outcomes.iter().all(is_ok));
            for (program, outcomes) in &rows {
                report.row(object, program, outcomes, is_loaded);
            }
            for (program, [theirs, ours]) in kept.descriptions(object) {
                report.described += 1;
                if !theirs.is_empty() || !ours.is_empty() {
                    report.otherwise.push(Row {
                        object: object.clone(),
                        program: program.to_owned(),
                        why: format!("{}; here {}", theirs.join(", "), ours.join(", ")),
                    });
                }
            }
        }
        report
    }

    fn row(
        &mut self,
        object: &str,
        program: &str,
        [theirs, ours]: &Outcomes,
        object_is_loaded: bool,
    ) {
        let row = |why: &Option<String>| Row {
            object: object.to_owned(),
            program: program.to_owned(),
            why: why
                .as_deref()
                .unwrap_or("it does not see this program")
                .to_owned(),
        };
        if let Some(side) = [theirs, ours].into_iter().find(|side| is_endless(side)) {
            return self.endless.push(row(side));
        }
        match (is_ok(theirs), is_ok(ours)) {
            (true, true) => {
                self.both += 1;
                if object_is_loaded && is_alone(theirs) != is_alone(ours) {
                    self.by_itself.push(row(match is_alone(ours) {
                        true => ours,
                        false => theirs,
                    }));
                }
            }
            (false, false) => self.neither += 1,
            (true, false) => self.only_libbpf.push(row(ours)),
            (false, true) => self.only_ours.push(row(theirs)),
        }
    }

    /// Whether libbpf loads something that btf-core does not.
    pub(super) fn is_behind(&self) -> bool {
        !self.only_libbpf.is_empty()
    }

    pub(super) fn text(
        &self,
        source: &LinuxSource,
        kernel: &Kernel,
        refused: &[(String, String)],
    ) -> String {
        let mut text = String::from("# Loading the kernel's selftests: libbpf and btf-core\n\n");
        let _ = writeln!(
            text,
            "Made by `cargo xtask conformance load --write docs/conformance-load.md`: the sources of linux-source {}, compiled with clang 19, \
             opened and loaded in kernel {} by libbpf 1.7 and by btf-core. A row is a program loaded alone, or (`-`) an object with all that it \
             loads by itself. Nothing is set before the load, as the selftests themselves often do, so many load on neither side.\n",
            source.version, kernel.release
        );
        let _ = writeln!(
            text,
            "| | |\n|---|---|\n| objects | {} |\n| rows that load on both sides | {} |\n| on neither | {} |\n| with libbpf alone | {} |\n\
             | with btf-core alone | {} |\n| not decided | {} |",
            self.objects,
            self.both,
            self.neither,
            self.only_libbpf.len(),
            self.only_ours.len(),
            self.endless.len()
        );
        for (title, rows, side) in [
            ("Only libbpf loads", &self.only_libbpf, "btf-core"),
            ("Only btf-core loads", &self.only_ours, "libbpf"),
            (
                "Loaded with the object on one side only",
                &self.by_itself,
                "the other",
            ),
        ] {
            let _ = writeln!(text, "\n## {title}\n");
            if rows.is_empty() {
                text += "Nothing.\n";
            }
            for row in rows {
                let _ = writeln!(
                    text,
                    "* `{}` `{}`: {}",
                    row.object,
                    row.program,
                    row.said(side)
                );
            }
        }
        let _ = writeln!(
            text,
            "\n## Loaded otherwise\n\n\
             Of {} loads the kernel's descriptions of programs and maps (type, instructions, tag, maps, functions, lines, sizes, flags) are \
             compared; {} differ.\n",
            self.described,
            self.otherwise.len()
        );
        for row in &self.otherwise {
            let _ = writeln!(text, "* `{}` `{}`: {}", row.object, row.program, row.why);
        }
        let _ = writeln!(
            text,
            "\n## Not decided\n\nA load that takes longer than 90 s is given up.\n"
        );
        for row in &self.endless {
            let _ = writeln!(text, "* `{}` `{}`", row.object, row.program);
        }
        if !self.open.is_empty() {
            let _ = writeln!(text, "\n## Not compared\n");
            for object in &self.open {
                let _ = writeln!(text, "* `{object}`");
            }
        }
        let _ = writeln!(text, "\n## Do not compile\n");
        for (name, why) in refused {
            let why = why
                .rsplit_once("error: ")
                .map_or(why.as_str(), |(_, why)| why);
            let _ = writeln!(text, "* `{name}`: {why}");
        }
        text
    }
}

impl Row {
    /// What the side says, and the reason if it is known.
    fn said(&self, side: &str) -> String {
        let known = KNOWN.iter().find(|(said, _)| self.why.contains(said));
        match known {
            Some((_, reason)) => (*reason).to_owned(),
            None => format!("{side} says: {}", self.why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_compared_by_program() {
        let mut kept = Kept::default();
        for line in [
            "libbpf\tatomics\t-\tok",
            "btf-core\tatomics\t-\tok",
            "libbpf\tatomics\tadd\tok",
            "btf-core\tatomics\tadd\trefused",
            "libbpf\tatomics\tsub\tok alone",
            "btf-core\tatomics\tsub\tok",
            "libbpf\tloop\tspin\tload: -22",
            "btf-core\tloop\tspin\tok",
            "libbpf\tloop\t-\tload: -22",
            "end\tlibbpf\tatomics",
            "end\tbtf-core\tatomics",
            "end\tlibbpf\tloop",
            "end\tbtf-core\tloop",
        ] {
            kept.line(line).expect("there is no file");
        }
        let objects = ["atomics", "loop", "later"].map(str::to_owned);
        let report = Report::new(&kept, &objects);
        assert_eq!((report.both, report.neither), (2, 1));
        let row = |object: &str, program: &str, why: &str| Row {
            object: object.to_owned(),
            program: program.to_owned(),
            why: why.to_owned(),
        };
        assert_eq!(report.only_libbpf, [row("atomics", "add", "refused")]);
        assert_eq!(report.only_ours, [row("loop", "spin", "load: -22")]);
        assert_eq!(report.by_itself, [row("atomics", "sub", "ok alone")]);
        assert_eq!(report.open, ["later"]);
    }
}
