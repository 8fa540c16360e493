//! What each side has made of each object, kept in a file so that a run can be stopped, continued
//! and done again in part. A line of the file is one of the program `load` of the peers; a later
//! one takes the place of an earlier one.

use super::SIDES;
use crate::{Result, disk};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

/// What a side made of an object: why a program (or `-`, the object as a whole) does not load, or
/// `ok`.
#[derive(Debug, Default)]
struct Object {
    programs: BTreeMap<String, String>,
    /// How the kernel described what was loaded with a program.
    told: BTreeMap<String, BTreeSet<String>>,
    is_complete: bool,
}

/// What both made of a program, where each has seen it.
pub(super) type Outcomes = [Option<String>; 2];

/// All outcomes.
#[derive(Debug, Default)]
pub(in crate::conformance) struct Kept {
    objects: BTreeMap<String, [Object; 2]>,
    /// The side and object of the load in progress.
    running: Option<(usize, String)>,
    file: Option<File>,
}

impl Kept {
    /// Reads the file if it exists, and appends to it from now on.
    ///
    /// # Errors
    ///
    /// If it cannot be read or written.
    pub(in crate::conformance) fn open(path: &Path) -> Result<Kept> {
        let mut kept = Kept::default();
        if path.exists() {
            disk::read_to_string(path)?
                .lines()
                .for_each(|line| kept.note(line));
        }
        kept.running = None;
        let file = OpenOptions::new().create(true).append(true).open(path);
        kept.file = Some(file.map_err(|e| format!("cannot write to {}: {e}", path.display()))?);
        Ok(kept)
    }

    /// Records one line of the program's output.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub(super) fn line(&mut self, line: &str) -> Result<()> {
        self.note(line);
        match &mut self.file {
            Some(file) => {
                writeln!(file, "{line}").map_err(|e| format!("cannot write the outcomes: {e}"))
            }
            None => Ok(()),
        }
    }

    /// Records that the machine ended: the load in progress does not finish. Returns its object.
    ///
    /// # Errors
    ///
    /// As [`Kept::line`].
    pub(super) fn gone(&mut self, why: &str) -> Result<Option<String>> {
        let Some((side, object)) = self.running.clone() else {
            return Ok(None);
        };
        let name = SIDES[side];
        self.line(&format!("{name}\t{object}\t(machine)\t{why}"))?;
        self.line(&format!("end\t{name}\t{object}"))?;
        Ok(Some(object))
    }

    fn note(&mut self, line: &str) {
        let mut parts = line.trim_end().splitn(4, '\t');
        let side = |name: &str| SIDES.iter().position(|side| *side == name);
        let (Some(first), Some(second), Some(third)) = (parts.next(), parts.next(), parts.next())
        else {
            return;
        };
        match (first, parts.next()) {
            ("begin", None) => {
                if let Some(side) = side(second) {
                    self.objects.entry(third.to_owned()).or_default()[side] = Object::default();
                    self.running = Some((side, third.to_owned()));
                }
            }
            ("end", None) => {
                if let Some(side) = side(second) {
                    self.objects.entry(third.to_owned()).or_default()[side].is_complete = true;
                    self.running = None;
                }
            }
            ("told", Some(rest)) => {
                if let (Some(side), Some((program, line))) = (side(second), rest.split_once('\t')) {
                    let object = &mut self.objects.entry(third.to_owned()).or_default()[side];
                    let told = object.told.entry(program.to_owned()).or_default();
                    told.insert(line.to_owned());
                }
            }
            (name, Some(why)) => {
                if let Some(side) = side(name) {
                    let object = &mut self.objects.entry(second.to_owned()).or_default()[side];
                    object.programs.insert(third.to_owned(), why.to_owned());
                }
            }
            _ => {}
        }
    }

    /// Whether a side has gone through an object.
    pub(in crate::conformance) fn has(&self, object: &str, side: usize) -> bool {
        self.objects
            .get(object)
            .is_some_and(|sides| sides[side].is_complete)
    }

    /// Whether the sides differ about an object.
    pub(in crate::conformance) fn differs(&self, object: &str) -> bool {
        let rows = self.rows(object);
        let outcomes = |(_, [theirs, ours]): &(&str, Outcomes)| {
            is_ok(theirs) != is_ok(ours) || is_alone(theirs) != is_alone(ours)
        };
        let descriptions = self.descriptions(object);
        rows.iter().any(outcomes)
            || descriptions
                .iter()
                .any(|(_, only)| only.iter().any(|l| !l.is_empty()))
    }

    /// How the kernel described what each side loaded, of the programs that both did: lines that
    /// one side alone has.
    pub(super) fn descriptions<'a>(&'a self, object: &str) -> Vec<(&'a str, [Vec<&'a str>; 2])> {
        let Some([theirs, ours]) = self.objects.get(object) else {
            return Vec::new();
        };
        let both = theirs.told.iter().filter_map(|(program, theirs)| {
            let ours = ours.told.get(program)?;
            Some((program.as_str(), [only(theirs, ours), only(ours, theirs)]))
        });
        both.collect()
    }

    /// The programs of an object that both sides have gone through.
    pub(super) fn rows(&self, object: &str) -> Vec<(&str, Outcomes)> {
        let Some(sides) = self.objects.get(object) else {
            return Vec::new();
        };
        if !sides.iter().all(|side| side.is_complete) {
            return Vec::new();
        }
        let mut names: Vec<&str> = sides
            .iter()
            .flat_map(|side| side.programs.keys().map(String::as_str))
            .collect();
        names.sort_unstable();
        names.dedup();
        let outcome = |side: usize, name: &str| sides[side].programs.get(name).cloned();
        let row = |name| (name, [outcome(0, name), outcome(1, name)]);
        names.into_iter().map(row).collect()
    }
}

/// What is in one alone.
fn only<'a>(these: &'a BTreeSet<String>, those: &'a BTreeSet<String>) -> Vec<&'a str> {
    these.difference(those).map(String::as_str).collect()
}

/// Whether a program was loaded.
pub(super) fn is_ok(outcome: &Option<String>) -> bool {
    outcome.as_deref() == Some("ok") || is_alone(outcome)
}

/// Whether a load was given up.
pub(super) fn is_endless(outcome: &Option<String>) -> bool {
    outcome.as_deref().is_some_and(|why| {
        why == "does not come to an end" || why.starts_with("a load took more than")
    })
}

/// Whether it was, but does not load with the object by itself.
pub(super) fn is_alone(outcome: &Option<String>) -> bool {
    outcome.as_deref() == Some("ok alone")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(lines: &[&str]) -> Kept {
        let mut kept = Kept::default();
        for line in lines {
            kept.line(line).expect("there is no file");
        }
        kept
    }

    #[test]
    fn a_side_that_begins_again_forgets() {
        let mut kept = kept(&[
            "begin\tlibbpf\tatomics",
            "libbpf\tatomics\t-\tok",
            "libbpf\tatomics\tadd\tok",
            "end\tlibbpf\tatomics",
            "begin\tbtf-core\tatomics",
            "btf-core\tatomics\told\tok",
            "btf-core\tatomics\t-\tdoes not come to an end",
            "something else",
        ]);
        assert!(kept.has("atomics", 0) && !kept.has("atomics", 1));
        assert!(kept.rows("atomics").is_empty());
        for line in [
            "begin\tbtf-core\tatomics",
            "btf-core\tatomics\t-\tdoes not come to an end",
            "btf-core\tatomics\t-\tok",
            "btf-core\tatomics\tadd\tload: refused\tby the verifier",
            "end\tbtf-core\tatomics",
        ] {
            kept.line(line).expect("there is no file");
        }
        let ok = || Some("ok".to_owned());
        let refused = Some("load: refused\tby the verifier".to_owned());
        let rows = [("-", [ok(), ok()]), ("add", [ok(), refused])];
        assert_eq!(kept.rows("atomics"), rows);
        assert!(kept.differs("atomics"));
        for line in [
            "told\tlibbpf\tatomics\t-\tmap counts",
            "told\tlibbpf\tatomics\t-\tmap a.rodata flags=0x80 key_type=0 value_type=3",
            "told\tbtf-core\tatomics\t-\tmap a.rodata flags=0x80 key_type=0 value_type=3",
            "told\tlibbpf\tatomics\t-\tprogram add insns=2",
            "told\tbtf-core\tatomics\t-\tmap counts",
            "told\tbtf-core\tatomics\t-\tprogram add insns=3",
            "told\tbtf-core\tatomics\tadd\tmap counts",
        ] {
            kept.line(line).expect("there is no file");
        }
        let only = [vec!["program add insns=2"], vec!["program add insns=3"]];
        assert_eq!(kept.descriptions("atomics"), [("-", only)]);
    }

    #[test]
    fn what_takes_the_machine_down_is_not_tried_again() {
        let mut kept = kept(&["begin\tbtf-core\tloop", "btf-core\tloop\t-\tok"]);
        let object = kept.gone("a panic").expect("there is no file");
        assert_eq!(object.as_deref(), Some("loop"));
        assert!(kept.has("loop", 1));
        assert_eq!(kept.gone("a panic"), Ok(None));
    }
}
