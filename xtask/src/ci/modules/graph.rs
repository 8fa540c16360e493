//! The modules of a crate, and which of them use which.

use super::source::{self, Import, Module, Path};
use crate::{Result, disk};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as File;

/// Imports that lead from a name to its definition, at most: a cycle of them ends here.
const MAX_DEPTH: usize = 16;

/// The modules of a crate by their path; the crate's root is the empty path.
#[derive(Default)]
pub(super) struct Graph {
    modules: BTreeMap<Path, Module>,
    /// Modules that are files; the others are inline.
    files: BTreeSet<Path>,
}

/// One module uses another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use {
    pub(super) from: Path,
    pub(super) to: Path,
    /// The path as it is written.
    pub(super) path: String,
}

impl Graph {
    /// Reads the sources below a directory with a `lib.rs` or `main.rs`.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or is not Rust.
    pub(super) fn read(src: &File) -> Result<Graph> {
        let mut graph = Graph::default();
        for file in disk::walk(src)? {
            if disk::name(&file).ends_with(".rs") {
                let relative = file.strip_prefix(src).unwrap_or(&file);
                let text = disk::read_to_string(&file)?;
                graph
                    .add(relative, &text)
                    .map_err(|e| format!("{}: {e}", file.display()))?;
            }
        }
        graph.remove_tests();
        Ok(graph)
    }

    /// Adds a source file by its path relative to the crate's root.
    pub(super) fn add(&mut self, file: &File, text: &str) -> Result<()> {
        let file = file.with_extension("");
        let mut path: Path = file
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        if matches!(
            path.last().map(String::as_str),
            Some("mod" | "lib" | "main")
        ) {
            path.pop();
        }
        for module in source::parse(text)? {
            let path = [&path[..], &module.inline].concat();
            self.modules.insert(path, module);
        }
        self.files.insert(path);
        Ok(())
    }

    fn remove_tests(&mut self) {
        let mut tests = Vec::new();
        for (path, module) in &self.modules {
            let test = |name: &String| [&path[..], std::slice::from_ref(name)].concat();
            tests.extend(module.tests.iter().map(test));
        }
        let is_test = |path: &Path| tests.iter().any(|test| path.starts_with(test));
        self.modules.retain(|path, _| !is_test(path));
        self.files.retain(|path| !is_test(path));
    }

    /// Returns the modules that are files.
    pub(super) fn files(&self) -> &BTreeSet<Path> {
        &self.files
    }

    /// Returns the uses between files.
    pub(super) fn uses(&self) -> BTreeSet<Use> {
        let mut uses = BTreeSet::new();
        for (from, module) in &self.modules {
            let imports = module
                .imports
                .iter()
                .map(|import| (&import.path, Some(import)));
            let paths = module.paths.iter().map(|path| (path, None));
            for (path, import) in imports.chain(paths) {
                let Some(to) = self.resolve(from, path, MAX_DEPTH) else {
                    continue;
                };
                let (from, to) = (self.file(from), self.file(&to));
                // A module that exports the items of its own children does not use them.
                let is_export = import.is_some_and(|import| import.is_reexport);
                if from != to && !(is_export && to.starts_with(&from)) {
                    let path = path.join("::");
                    uses.insert(Use { from, to, path });
                }
            }
        }
        uses
    }

    /// Returns the file that a module is in.
    fn file(&self, module: &Path) -> Path {
        let mut file = module.clone();
        while !self.files.contains(&file) && file.pop().is_some() {}
        file
    }

    /// Returns the module that defines what a path names, as seen from a module; `None` if it is
    /// not of this crate.
    fn resolve(&self, from: &Path, path: &[String], depth: usize) -> Option<Path> {
        let (first, mut rest) = path.split_first()?;
        let mut module = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.clone(),
            "super" => from.split_last()?.1.to_owned(),
            _ => {
                rest = path;
                from.clone()
            }
        };
        while let Some(("super", after)) = rest.split_first().map(|(s, r)| (s.as_str(), r)) {
            module.pop()?;
            rest = after;
        }
        let is_relative = rest.len() == path.len();
        self.descend(&module, rest, is_relative, depth)
    }

    /// Follows the segments of a path from a module. A relative path must begin with a name that
    /// the module knows: others are of another crate or of the prelude.
    fn descend(
        &self,
        module: &Path,
        segments: &[String],
        is_relative: bool,
        depth: usize,
    ) -> Option<Path> {
        let Some((first, rest)) = segments.split_first() else {
            return Some(module.clone());
        };
        let depth = depth.checked_sub(1)?;
        let child = [&module[..], std::slice::from_ref(first)].concat();
        if self.modules.contains_key(&child) {
            return self.descend(&child, rest, false, depth);
        }
        let known = self.modules.get(module)?;
        if known.items.contains(first) {
            return Some(module.clone());
        }
        let named = |import: &&Import| import.name.as_ref() == Some(first);
        if let Some(import) = known.imports.iter().find(named) {
            // `use a;` in the 2018 edition names a crate, or a child, which is found above.
            let is_self = import.path.first() == Some(first) && import.path.len() == 1;
            let path = [&import.path[..], rest].concat();
            return match is_self {
                true => None,
                false => self.resolve(module, &path, depth),
            };
        }
        let globs = known.imports.iter().filter(|import| import.name.is_none());
        for glob in globs {
            let Some(target) = self.resolve(module, &glob.path, depth) else {
                continue;
            };
            // The name may be of another glob.
            if target != *module
                && let Some(found) = self.descend(&target, segments, true, depth)
            {
                return Some(found);
            }
        }
        (!is_relative).then(|| module.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(files: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::default();
        for (file, text) in files {
            graph.add(File::new(file), text).expect("Rust");
        }
        graph.remove_tests();
        graph
    }

    fn uses(files: &[(&str, &str)]) -> Vec<String> {
        let uses = graph(files).uses();
        let name = |path: &Path| format!("/{}", path.join("/"));
        uses.iter()
            .map(|one| format!("{} {}", name(&one.from), name(&one.to)))
            .collect()
    }

    #[test]
    fn follows_exports_to_the_definition() {
        let files = [
            (
                "lib.rs",
                "mod error; mod a; mod b; pub use error::Error; pub use b::*;",
            ),
            ("error.rs", "pub struct Error;"),
            ("a.rs", "use crate::{Error, inner::C, D}; use std::fmt;"),
            ("b/mod.rs", "pub mod inner; pub struct D;"),
            ("b/inner.rs", "pub struct C;"),
        ];
        assert_eq!(uses(&files), ["/a /b", "/a /b/inner", "/a /error"]);
    }

    #[test]
    fn resolves_relative_paths_through_imports() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use super::b; fn f() { b::c::g(); String::new(); }"),
            ("b/mod.rs", "pub mod c; fn h() { c::g(); }"),
            ("b/c.rs", "pub fn g() {}"),
        ];
        assert_eq!(uses(&files), ["/a /b", "/a /b/c", "/b /b/c"]);
    }

    #[test]
    fn leaves_out_tests_and_cyclic_imports() {
        let files = [
            ("lib.rs", "mod a; mod b; #[cfg(test)] mod cases;"),
            (
                "a.rs",
                "pub use crate::b::X; #[cfg(test)] mod tests { use crate::b::Y; }",
            ),
            ("b.rs", "pub use crate::a::X;"),
            ("cases.rs", "use crate::a::X;"),
        ];
        assert!(uses(&files).is_empty());
    }
}
