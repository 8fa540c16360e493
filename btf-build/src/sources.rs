//! Which sources there are, and what their objects are called.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::glob;

/// How many files of a folder are named where one is missing.
const MOST_SHOWN: usize = 10;

/// A source as a setting names it.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    File(PathBuf),
    Pattern(PathBuf),
}

/// Sources that become one object.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) sources: Vec<PathBuf>,
}

/// An object to be made.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) name: String,
    /// As many of all sources, in their order.
    pub(crate) parts: usize,
}

/// A source that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The name of its object: `hello` for `src/bpf/hello.bpf.c`.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// All objects and all sources, those of an object side by side.
///
/// # Errors
///
/// As [`find`], for objects that are linked, too.
pub(crate) fn units(given: &[Given], links: &[Link]) -> Result<(Vec<Unit>, Vec<Source>)> {
    let mut sources = match given.is_empty() && !links.is_empty() {
        true => Vec::new(),
        false => find(given)?,
    };
    let mut units: Vec<Unit> = sources
        .iter()
        .map(|source| Unit {
            name: source.name.clone(),
            parts: 1,
        })
        .collect();
    for Link {
        name,
        sources: paths,
    } in links
    {
        if units.iter().any(|unit| unit.name == *name) {
            return Err(Error::new(format!("two objects would become {name}.bpf.o"))
                .help("give Builder::link a name that no source has"));
        }
        let mut parts = Vec::new();
        for path in paths {
            match path.is_file() {
                true => add_part(&mut parts, path),
                false => return Err(missing(path)),
            }
        }
        if parts.is_empty() {
            return Err(
                Error::new(format!("there is nothing to link into {name}.bpf.o"))
                    .help("name its sources with Builder::link"),
            );
        }
        units.push(Unit {
            name: name.clone(),
            parts: parts.len(),
        });
        // Temporary files are named by parts, which may have the names of other objects.
        sources.extend(parts.into_iter().map(|part| Source {
            name: format!("{name}.{}", part.name),
            ..part
        }));
    }
    Ok((units, sources))
}

/// All sources in the order of the settings, and in that of their names where a pattern stands for
/// several.
///
/// Cargo is told about folders in which a new file could match a pattern.
///
/// # Errors
///
/// If there is none, one is missing, nothing matches a pattern, or two objects would have one name.
pub(crate) fn find(given: &[Given]) -> Result<Vec<Source>> {
    let mut sources: Vec<Source> = Vec::new();
    for given in given {
        match given {
            Given::File(path) if path.is_file() => add(&mut sources, path, false)?,
            Given::File(path) => return Err(missing(path)),
            Given::Pattern(pattern) => {
                let matches = glob::files(pattern)?;
                for directory in &matches.directories {
                    println!("cargo::rerun-if-changed={}", directory.display());
                }
                if matches.files.is_empty() {
                    return Err(unmatched(pattern));
                }
                for path in &matches.files {
                    add(&mut sources, path, true)?;
                }
            }
        }
    }
    if sources.is_empty() {
        return Err(
            Error::new("there is nothing to build").help("name a source with Builder::source")
        );
    }
    Ok(sources)
}

/// Adds a part of a linked object. Parts of one name, from different directories, are numbered.
fn add_part(parts: &mut Vec<Source>, path: &Path) {
    if parts.iter().any(|part| is_same(&part.path, path)) {
        return;
    }
    let name = object_name(path);
    let same = parts.iter().filter(|part| object_name(&part.path) == name);
    let name = match same.count() {
        0 => name,
        n => format!("{name}.{}", n + 1),
    };
    parts.push(Source {
        name,
        path: path.to_owned(),
    });
}

/// The name of a source's object: `hello` for `src/bpf/hello.bpf.c`.
fn object_name(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = file
        .strip_suffix(".bpf.c")
        .or_else(|| file.strip_suffix(".c"));
    stem.unwrap_or(&file).to_owned()
}

/// A name that tells a source from another one, with its directory's in front.
fn other_name(path: &Path, name: &str) -> String {
    let dir = path.parent().and_then(Path::file_name);
    match dir.and_then(|dir| dir.to_str()) {
        Some(dir) => format!("{dir}_{name}"),
        None => format!("{name}_2"),
    }
}

fn add(sources: &mut Vec<Source>, path: &Path, is_by_pattern: bool) -> Result<()> {
    let name = object_name(path);
    match sources.iter().find(|known| known.name == name) {
        // By its name and by a pattern.
        Some(known) if is_same(&known.path, path) => Ok(()),
        Some(other) => Err(Error::new(format!(
            "{} and {} would both become {name}.bpf.o",
            other.path.display(),
            path.display()
        ))
        .help(format!(
            "give one of them another name with Builder::link(\"{}\", [\"{}\"]) in place of {}",
            other_name(path, &name),
            path.display(),
            match is_by_pattern {
                true => "a pattern that matches it",
                false => "Builder::source",
            }
        ))),
        None => {
            sources.push(Source {
                name,
                path: path.to_owned(),
            });
            Ok(())
        }
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The error for a source that is not there, with what is there instead.
fn missing(source: &Path) -> Error {
    let error = Error::new(format!("there is no source {}", source.display()));
    if is_pattern(source) {
        return error.help("Builder::sources takes patterns: Builder::new().sources(…).build()");
    }
    let dir = source.parent().unwrap_or(Path::new("."));
    help_with_folder(error, dir)
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?'])
}

fn unmatched(pattern: &Path) -> Error {
    let error = Error::new(format!("no source matches {}", pattern.display()));
    let dir = pattern.ancestors().skip(1).find(|dir| !is_pattern(dir));
    help_with_folder(error, dir.unwrap_or(Path::new("")))
}

fn help_with_folder(error: Error, dir: &Path) -> Error {
    let here = if dir == Path::new("") {
        Path::new(".")
    } else {
        dir
    };
    let entries = std::fs::read_dir(here).into_iter().flatten().flatten();
    let mut there: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".c"))
        .collect();
    if there.is_empty() {
        return error.help("paths are relative to the folder of Cargo.toml");
    }
    // A folder may have sources of other programs beside those of BPF.
    if there.iter().any(|name| name.ends_with(".bpf.c")) {
        there.retain(|name| name.ends_with(".bpf.c"));
    }
    there.sort();
    let more = there.len().saturating_sub(MOST_SHOWN);
    there.truncate(MOST_SHOWN);
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    error.help(format!("{} has {}{more}", here.display(), there.join(", ")))
}
