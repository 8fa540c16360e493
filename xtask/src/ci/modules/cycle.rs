//! Cycles among the files and directories of one directory.

use super::graph::Graph;
use super::source::Path;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Entries of one directory that use each other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cycle {
    /// The directory, relative to the crate's root.
    pub(super) directory: String,
    /// Names of modules in the directory.
    pub(super) members: Vec<String>,
    /// One use for each pair of members.
    uses: Vec<String>,
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}: {}", self.directory, self.members.join(", "))?;
        for one in &self.uses {
            write!(f, "\n    {one}")?;
        }
        Ok(())
    }
}

/// One use between two entries of a directory, for each pair that has one.
type Edges<'a> = BTreeMap<(&'a str, &'a str), String>;

/// Returns the cycles of every directory of a crate.
///
/// A directory's own `mod.rs` is not an entry: a module is part of its parent, whose private items
/// it sees.
pub(super) fn cycles(graph: &Graph) -> Vec<Cycle> {
    let uses = graph.uses();
    let files = graph.files();
    let parents = files.iter().filter_map(|file| file.split_last());
    let directories: BTreeSet<&[String]> = parents.map(|(_, parent)| parent).collect();
    let mut cycles = Vec::new();
    for directory in directories {
        let entry = |path: &'_ Path| match path.starts_with(directory) {
            true => path.get(directory.len()).cloned(),
            false => None,
        };
        let mut named = BTreeMap::new();
        for one in &uses {
            if let (Some(from), Some(to)) = (entry(&one.from), entry(&one.to))
                && from != to
            {
                let file = one.from.join("/");
                named
                    .entry((from, to))
                    .or_insert_with(|| format!("{file} uses {}", one.path));
            }
        }
        let edges = named
            .iter()
            .map(|((from, to), text)| ((from.as_str(), to.as_str()), text.clone()))
            .collect();
        for members in components(&edges) {
            cycles.push(Cycle {
                directory: directory.join("/"),
                uses: among(&edges, &members),
                members: members.into_iter().map(str::to_owned).collect(),
            });
        }
    }
    cycles
}

/// Returns the sets of entries that reach each other.
fn components<'a>(edges: &Edges<'a>) -> Vec<BTreeSet<&'a str>> {
    let names: BTreeSet<&str> = edges.keys().flat_map(|(from, to)| [*from, *to]).collect();
    let reached: BTreeMap<&str, BTreeSet<&str>> = names
        .iter()
        .map(|name| (*name, reachable(edges, name)))
        .collect();
    let mut components = BTreeSet::new();
    for (name, others) in &reached {
        let mutual = others.iter().filter(|other| reached[*other].contains(name));
        let component: BTreeSet<&str> = mutual.copied().collect();
        if component.len() > 1 {
            components.insert(component);
        }
    }
    components.into_iter().collect()
}

/// Returns the entries that an entry uses, directly or not.
fn reachable<'a>(edges: &Edges<'a>, name: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut pending = vec![name];
    while let Some(name) = pending.pop() {
        for (_, to) in edges.keys().filter(|(from, _)| *from == name) {
            if reached.insert(*to) {
                pending.push(to);
            }
        }
    }
    reached
}

fn among(edges: &Edges<'_>, members: &BTreeSet<&str>) -> Vec<String> {
    let inner = edges
        .iter()
        .filter(|((from, to), _)| members.contains(from) && members.contains(to));
    inner.map(|(_, text)| text.clone()).collect()
}
