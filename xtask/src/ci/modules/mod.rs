//! The check of module dependencies: modules of one directory must not use each other in a circle,
//! at any level of a crate's directories, and a directory that is a library uses only what it
//! declares.

mod allowed;
mod cycle;
mod graph;
mod source;

use crate::Result;
use allowed::{Allowed, FILE, KNOWN, LIBRARIES, Library, RECURSIVE};
use cycle::Cycle;
use graph::Graph;
use std::path::Path;

/// The crates that are checked, by their directories.
const CRATES: &[&str] = &["btf-obj", "btf-core", "xtask"];

/// Checks the crates of the workspace.
///
/// # Errors
///
/// If modules form a cycle that is not allowed, or an allowed one no longer exists; if a library
/// uses other modules; if a source cannot be read.
pub(super) fn check(workspace: &Path) -> Result<()> {
    let mut problems = Vec::new();
    for krate in CRATES {
        let graph = Graph::read(&workspace.join(krate).join("src"))?;
        let allowed = RECURSIVE.iter().chain(KNOWN);
        let allowed: Vec<&Allowed> = allowed.filter(|one| one.krate == *krate).collect();
        problems.extend(compare(krate, &cycle::cycles(&graph), &allowed));
        let libraries = LIBRARIES.iter().filter(|library| library.krate == *krate);
        problems.extend(libraries.flat_map(|library| foreign(library, &graph)));
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems.join("\n")),
    }
}

/// Returns the cycles that are not allowed, and the allowed ones that do not exist.
fn compare(krate: &str, cycles: &[Cycle], allowed: &[&Allowed]) -> Vec<String> {
    let covers = |allowed: &Allowed, cycle: &Cycle| {
        let mut members = cycle.members.iter();
        allowed.directory == cycle.directory
            && members.all(|member| allowed.members.contains(&member.as_str()))
    };
    let mut problems = Vec::new();
    for cycle in cycles {
        if !allowed.iter().any(|allowed| covers(allowed, cycle)) {
            problems.push(format!("{krate}: module cycle in {cycle}"));
        }
    }
    for allowed in allowed {
        if !cycles.iter().any(|cycle| covers(allowed, cycle)) {
            let (directory, members) = (allowed.directory, allowed.members.join(", "));
            problems.push(format!(
                "{krate}: no module cycle in src/{directory} among {members}; remove it from the \
                 list in {FILE}"
            ));
        }
    }
    problems
}

/// Returns the modules outside of a library that it must not use.
fn foreign(library: &Library, graph: &Graph) -> Vec<String> {
    let Library {
        krate, directory, ..
    } = library;
    let is_inside = |path: &[String]| path.first().is_some_and(|first| first == directory);
    let is_allowed = |path: &[String]| {
        let first = path.first().map(String::as_str);
        first.is_some_and(|first| library.uses.contains(&first))
    };
    let uses = graph.uses().into_iter();
    let foreign =
        uses.filter(|one| is_inside(&one.from) && !is_inside(&one.to) && !is_allowed(&one.to));
    let text = foreign.map(|one| {
        let (from, path) = (one.from.join("/"), one.path);
        format!("{krate}: src/{directory} is a library, but {from} uses {path}")
    });
    text.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program;

    fn graph(files: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::default();
        for (file, text) in files {
            graph.add(Path::new(file), text).expect("Rust");
        }
        graph
    }

    #[test]
    fn no_module_cycles() {
        if let Err(problems) = check(&program::workspace()) {
            panic!("{problems}");
        }
    }

    #[test]
    fn finds_cycles_at_every_level() {
        let graph = graph(&[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a/mod.rs", "mod x; mod y; pub use x::X;"),
            ("a/x.rs", "use super::y::Y; use crate::c::C; pub struct X;"),
            ("a/y.rs", "use super::x; pub struct Y(x::X);"),
            ("b.rs", "use crate::a::X; pub struct B;"),
            ("c.rs", "use crate::b::B; pub struct C;"),
        ]);
        let cycles = cycle::cycles(&graph);
        let found: Vec<_> = cycles
            .iter()
            .map(|cycle| (cycle.directory.as_str(), cycle.members.join(" ")))
            .collect();
        assert_eq!(found, [("", "a b c".to_owned()), ("a", "x y".to_owned())]);
        let text = cycles[0].to_string();
        assert!(text.contains("\n    a/x uses crate::c::C"), "{text}");
    }

    #[test]
    fn allows_subsets_and_reports_stale_entries() {
        let graph = graph(&[
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "use crate::a::A; pub struct B;"),
        ]);
        let allowed = |directory, members| Allowed {
            krate: "k",
            directory,
            members,
        };
        let problems = |allowed: &Allowed| compare("k", &cycle::cycles(&graph), &[allowed]);
        assert!(problems(&allowed("", &["a", "b", "c"])).is_empty());
        let other = problems(&allowed("d", &["a", "b"]));
        assert!(
            other[0].starts_with("k: module cycle in src/: a, b"),
            "{other:?}"
        );
        assert!(
            other[1].starts_with("k: no module cycle in src/d among a, b"),
            "{other:?}"
        );
    }

    #[test]
    fn rejects_undeclared_uses_of_a_library() {
        let graph = graph(&[
            ("main.rs", "mod disk; mod task; mod vm;"),
            ("disk.rs", "pub fn read() {}"),
            ("task.rs", "pub fn run() {}"),
            (
                "vm.rs",
                "use crate::{disk, task}; fn f() { disk::read(); task::run(); }",
            ),
        ]);
        let library = Library {
            krate: "xtask",
            directory: "vm",
            uses: &["disk"],
        };
        let problems = foreign(&library, &graph);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].ends_with("vm uses crate::task"), "{problems:?}");
    }
}
