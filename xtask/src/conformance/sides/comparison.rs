//! Comparison of the sides over some objects, program by program.

use super::kept::{Kept, Outcomes, is_alone, is_endless, is_ok};

const OF_OTHERS: &str = "another program of the object needs a symbol that this kernel does not have; here nothing is looked up for \
     programs that are not loaded";

/// Accepted differences: part of the error of the side that does not load the program, and the
/// explanation.
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
pub(in crate::conformance) struct Row {
    pub(in crate::conformance) object: String,
    pub(in crate::conformance) program: String,
    /// Error of the side that does not load it.
    pub(in crate::conformance) why: String,
}

/// Results of a comparison.
#[derive(Debug, Default)]
pub(in crate::conformance) struct Comparison {
    pub(in crate::conformance) objects: usize,
    /// Objects that one side has not loaded completely.
    pub(in crate::conformance) open: Vec<String>,
    pub(in crate::conformance) both: usize,
    pub(in crate::conformance) neither: usize,
    /// Those, with btf-core's error.
    pub(in crate::conformance) refused: Vec<Row>,
    pub(in crate::conformance) only_libbpf: Vec<Row>,
    pub(in crate::conformance) only_ours: Vec<Row>,
    /// Programs of objects that load on both sides, but which load alone on one side.
    pub(in crate::conformance) by_itself: Vec<Row>,
    /// Loads that did not finish on a side.
    pub(in crate::conformance) endless: Vec<Row>,
    /// Loads whose result the kernel describes, and those with different descriptions.
    pub(in crate::conformance) described: usize,
    pub(in crate::conformance) otherwise: Vec<Row>,
}

impl Comparison {
    pub(in crate::conformance) fn new(kept: &Kept, objects: &[String]) -> Comparison {
        let mut comparison = Comparison {
            objects: objects.len(),
            ..Comparison::default()
        };
        for object in objects {
            let rows = kept.rows(object);
            if rows.is_empty() {
                comparison.open.push(object.clone());
            }
            let whole = rows.iter().find(|(program, _)| *program == "-");
            let is_loaded = whole.is_some_and(|(_, outcomes)| outcomes.iter().all(is_ok));
            for (program, outcomes) in &rows {
                comparison.row(object, program, outcomes, is_loaded);
            }
            for (program, [theirs, ours]) in kept.descriptions(object) {
                comparison.described += 1;
                if !theirs.is_empty() || !ours.is_empty() {
                    comparison.otherwise.push(Row {
                        object: object.clone(),
                        program: program.to_owned(),
                        why: format!("{}; here {}", theirs.join(", "), ours.join(", ")),
                    });
                }
            }
        }
        comparison
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
            (false, false) => {
                self.neither += 1;
                self.refused.push(row(ours));
            }
            (true, false) => self.only_libbpf.push(row(ours)),
            (false, true) => self.only_ours.push(row(theirs)),
        }
    }

    /// Returns `true` if libbpf loads something that btf-core does not.
    pub(in crate::conformance) fn is_behind(&self) -> bool {
        !self.only_libbpf.is_empty()
    }
}

impl Row {
    /// Returns the explanation if the difference is accepted, else the error of the side.
    pub(in crate::conformance) fn said(&self, side: &str) -> String {
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
    fn compares_outcomes_by_program() {
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
        let comparison = Comparison::new(&kept, &objects);
        assert_eq!((comparison.both, comparison.neither), (2, 1));
        let row = |object: &str, program: &str, why: &str| Row {
            object: object.to_owned(),
            program: program.to_owned(),
            why: why.to_owned(),
        };
        assert_eq!(comparison.only_libbpf, [row("atomics", "add", "refused")]);
        assert_eq!(comparison.only_ours, [row("loop", "spin", "load: -22")]);
        assert_eq!(comparison.by_itself, [row("atomics", "sub", "ok alone")]);
        assert_eq!(comparison.open, ["later"]);
    }
}
