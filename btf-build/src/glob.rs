//! Patterns of paths: `*` and `?` within a name, `**` for any number of directories.
//!
//! The crate `glob` matches names. Its directory walk is not used: it does not report the
//! directories that cargo has to watch, and it follows symbolic links, which may form a loop.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use glob::Pattern;

use crate::error::{Error, Result};

/// Files and directories of a pattern.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    /// Files, sorted.
    pub(crate) files: BTreeSet<PathBuf>,
    /// Directories in which a new file could match.
    pub(crate) directories: BTreeSet<PathBuf>,
}

/// Returns the files that match.
///
/// # Errors
///
/// If a directory cannot be read, or the pattern is not UTF-8.
pub(crate) fn files(pattern: &Path) -> Result<Matches> {
    let mut parts = Vec::new();
    for part in pattern.components() {
        let text = part
            .as_os_str()
            .to_str()
            .ok_or_else(|| Error::new(format!("pattern {} is not UTF-8", pattern.display())))?;
        parts.push((part, text));
    }
    let mut matches = Matches::default();
    walk(Path::new(""), &parts, &mut matches)?;
    Ok(matches)
}

fn walk(dir: &Path, parts: &[(Component<'_>, &str)], matches: &mut Matches) -> Result<()> {
    let Some(((part, text), rest)) = parts.split_first() else {
        if dir.is_file() {
            matches.files.insert(dir.to_owned());
        }
        return Ok(());
    };
    if !text.contains(['*', '?']) || !matches!(part, Component::Normal(_)) {
        return walk(&dir.join(part), rest, matches);
    }
    let here = if dir == Path::new("") {
        Path::new(".")
    } else {
        dir
    };
    if !here.is_dir() {
        return Ok(());
    }
    matches.directories.insert(here.to_owned());
    if *text == "**" {
        walk(dir, rest, matches)?;
    }
    let unreadable = |e| Error::io("cannot read the directory", here, &e);
    let pattern = component_pattern(text)?;
    for entry in std::fs::read_dir(here).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if *text == "**" {
            // Not through symbolic links, which may form a loop.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(&dir.join(name), parts, matches)?;
            }
        } else if name.to_str().is_some_and(|name| pattern.matches(name)) {
            // A name that is not UTF-8 is not a source's.
            walk(&dir.join(name), rest, matches)?;
        }
    }
    Ok(())
}

/// Returns the pattern of one component, in which only `*` and `?` are special.
fn component_pattern(text: &str) -> Result<Pattern> {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '[' | ']' => escaped.extend(['[', c, ']']),
            // The crate rejects more than one `*` beside other characters.
            '*' if escaped.ends_with('*') => {}
            c => escaped.push(c),
        }
    }
    Pattern::new(&escaped).map_err(|e| Error::new(format!("invalid pattern {text:?}: {}", e.msg)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_matches_names() {
        for (pattern, name, expected) in [
            ("*.bpf.c", "x.bpf.c", true),
            ("*.bpf.c", ".bpf.c", true),
            ("*.bpf.c", "x.bpf.c.orig", false),
            ("*.bpf.c", "x.c", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXcYb", false),
            ("?.c", "x.c", true),
            ("?.c", "xy.c", false),
            ("*", "", true),
            ("", "x", false),
            ("?.c", "\u{e9}.c", true),
            ("*.c", ".hidden.c", true),
            ("a**c", "abc", true),
            ("***.c", "x.c", true),
            ("*.C", "x.c", false),
            // Not classes of characters.
            ("[ab].*", "a.c", false),
            ("[ab].*", "[ab].c", true),
            ("[!a]?", "[!a]b", true),
            ("]*[", "]x[", true),
        ] {
            let matches = component_pattern(pattern).unwrap().matches(name);
            assert_eq!(matches, expected, "{pattern} {name}");
        }
    }

    #[test]
    fn pattern_finds_files_and_directories_to_watch() {
        let dir = std::env::temp_dir().join(format!("btf-glob-{}", std::process::id()));
        for file in [
            "b.bpf.c",
            "a.bpf.c",
            "x.h",
            "net/c.bpf.c",
            "net/deep/d.bpf.c",
            "fs/e.c",
        ] {
            let file = dir.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        std::fs::create_dir(dir.join("dir.bpf.c")).unwrap();
        let found = |pattern: &str| {
            let found = files(&dir.join(pattern)).unwrap();
            let shown = |paths: &BTreeSet<PathBuf>| {
                let all = paths.iter().map(|p| p.strip_prefix(&dir).unwrap());
                all.map(|p| p.display().to_string()).collect::<Vec<_>>()
            };
            (shown(&found.files), shown(&found.directories))
        };
        let (files_found, directories) = found("*.bpf.c");
        assert_eq!(files_found, ["a.bpf.c", "b.bpf.c"]);
        assert_eq!(directories, [""]);
        let (files_found, directories) = found("**/*.bpf.c");
        assert_eq!(
            files_found,
            ["a.bpf.c", "b.bpf.c", "net/c.bpf.c", "net/deep/d.bpf.c"]
        );
        assert_eq!(directories, ["", "dir.bpf.c", "fs", "net", "net/deep"]);
        assert_eq!(found("n*/?.bpf.c").0, ["net/c.bpf.c"]);
        assert_eq!(found("nowhere/*.c"), (vec![], vec![]));
        assert_eq!(found("x.h").0, ["x.h"]);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
