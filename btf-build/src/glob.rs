//! Patterns of paths: `*` and `?` within a name, `**` for any number of folders.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// What a pattern comes to.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    /// Files, sorted.
    pub(crate) files: BTreeSet<PathBuf>,
    /// Every folder in which a new file could match.
    pub(crate) folders: BTreeSet<PathBuf>,
}

/// The files that match.
///
/// # Errors
///
/// If a folder cannot be read, or the pattern is no text.
pub(crate) fn files(pattern: &Path) -> Result<Matches> {
    let mut parts = Vec::new();
    for part in pattern.components() {
        let text = part
            .as_os_str()
            .to_str()
            .ok_or_else(|| Error::new(format!("the pattern {} is not text", pattern.display())))?;
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
    matches.folders.insert(here.to_owned());
    if *text == "**" {
        walk(dir, rest, matches)?;
    }
    let unreadable = |e| Error::io("cannot read the folder", here, &e);
    for entry in std::fs::read_dir(here).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if *text == "**" {
            // Not through links, which may lead in circles.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(&dir.join(name), parts, matches)?;
            }
        } else if is_match(text, &name) {
            walk(&dir.join(name), rest, matches)?;
        }
    }
    Ok(())
}

fn is_match(pattern: &str, name: &OsStr) -> bool {
    // A name that is no text is no name of a source.
    name.to_str()
        .is_some_and(|name| matches(pattern.as_bytes(), name.as_bytes()))
}

/// By bytes; the last `*` takes a byte more whenever what follows it does not fit.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, n) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
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
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn folders() {
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
            (shown(&found.files), shown(&found.folders))
        };
        let (files_found, folders) = found("*.bpf.c");
        assert_eq!(files_found, ["a.bpf.c", "b.bpf.c"]);
        assert_eq!(folders, [""]);
        let (files_found, folders) = found("**/*.bpf.c");
        assert_eq!(
            files_found,
            ["a.bpf.c", "b.bpf.c", "net/c.bpf.c", "net/deep/d.bpf.c"]
        );
        assert_eq!(folders, ["", "dir.bpf.c", "fs", "net", "net/deep"]);
        assert_eq!(found("n*/?.bpf.c").0, ["net/c.bpf.c"]);
        assert_eq!(found("nowhere/*.c"), (vec![], vec![]));
        assert_eq!(found("x.h").0, ["x.h"]);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
