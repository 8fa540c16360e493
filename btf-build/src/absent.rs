//! Headers that clang looked for and did not find: if one appears, the object changes.
//!
//! Cargo always treats a path that does not exist as changed. So it watches a directory of symbolic
//! links to such paths: cargo follows links, and skips those whose target does not exist. Once a
//! header appears, its link counts, and is newer than the build, however old the header is.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};
use crate::output::make_dir;
use crate::search_path::{Form, SearchPath};

/// The paths that do not exist and that clang would prefer to what it read.
///
/// Names come from the text of the files, because clang tells only what it found. A name that a
/// macro makes is known only if it was found below a directory of the search path.
pub(crate) fn candidates(
    read: &[PathBuf],
    search: &SearchPath,
    is_made: impl Fn(&Path) -> bool,
) -> BTreeSet<PathBuf> {
    let mut absent = BTreeSet::new();
    let mut known = BTreeSet::new();
    for file in read {
        let found = search.dirs(Form::Quoted);
        for name in found.filter_map(|dir| file.strip_prefix(dir).ok()) {
            until_found(search.dirs(Form::Quoted), name, &mut absent);
        }
        // The build's own headers include nothing of others.
        if is_made(file) {
            continue;
        }
        let text = fs::read(file).unwrap_or_default();
        let here = file.parent().unwrap_or(Path::new("")).to_owned();
        for mention in mentions(&String::from_utf8_lossy(&text)) {
            let name = Path::new(mention.name);
            if mention.form == Form::Quoted {
                let candidate = here.join(name);
                if candidate.exists() {
                    continue;
                }
                absent.insert(candidate);
            }
            if !known.insert((mention.form, mention.is_next, name.to_owned())) {
                continue;
            }
            let dirs = search.dirs(mention.form);
            match mention.is_next {
                true => absent.extend(dirs.map(|dir| dir.join(name)).filter(|path| !path.exists())),
                false => until_found(dirs, name, &mut absent),
            }
        }
    }
    absent
}

/// Adds the paths of a header in the directories before the first that has it.
fn until_found<'a>(
    dirs: impl Iterator<Item = &'a PathBuf>,
    name: &Path,
    absent: &mut BTreeSet<PathBuf>,
) {
    let paths = dirs.map(|dir| dir.join(name));
    absent.extend(paths.take_while(|path| !path.exists()));
}

/// A header's name in a source.
#[derive(Debug, PartialEq, Eq)]
struct Mention<'a> {
    name: &'a str,
    form: Form,
    /// Set if the search starts after the directory of the including file (`#include_next`).
    is_next: bool,
}

/// The names in `#include`, `#include_next`, `#embed` and `__has_include` of a text.
fn mentions(text: &str) -> impl Iterator<Item = Mention<'_>> {
    text.lines().flat_map(|line| {
        let directive = line.trim_start().strip_prefix('#').map(str::trim_start);
        let included = directive.and_then(|rest| {
            let words = ["include_next", "include", "embed"];
            let word = words.into_iter().find(|word| rest.starts_with(word))?;
            Some((&rest[word.len()..], word == "include_next"))
        });
        let asked = line.split("__has_").skip(1).filter_map(|rest| {
            let words = ["include_next", "include", "embed"];
            let word = words.into_iter().find(|word| rest.starts_with(word))?;
            let rest = rest[word.len()..].trim_start().strip_prefix('(')?;
            Some((rest, word == "include_next"))
        });
        let names = included.into_iter().chain(asked);
        names.filter_map(|(rest, is_next)| {
            let (form, name) = quoted(rest.trim_start())?;
            Some(Mention {
                name,
                form,
                is_next,
            })
        })
    })
}

/// The name that a text starts with, in quotes or angle brackets.
fn quoted(text: &str) -> Option<(Form, &str)> {
    let (form, rest, end) = match text.strip_prefix('"') {
        Some(rest) => (Form::Quoted, rest, '"'),
        None => (Form::Angled, text.strip_prefix('<')?, '>'),
    };
    let (name, _) = rest.split_once(end)?;
    (!name.is_empty()).then_some((form, name))
}

/// Tells cargo to run the build script again once one of the paths exists. Makes the links in
/// `dir`.
///
/// # Errors
///
/// If the links cannot be made.
pub(crate) fn watch(dir: &Path, absent: &BTreeSet<PathBuf>, package: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io("cannot remove the directory", dir, &e));
        }
        _ => {}
    }
    if absent.is_empty() {
        return Ok(());
    }
    make_dir(dir)?;
    for (n, path) in absent.iter().enumerate() {
        let link = dir.join(n.to_string());
        std::os::unix::fs::symlink(package.join(path), &link)
            .map_err(|e| Error::io("cannot make the symbolic link", &link, &e))?;
    }
    // It is newer than the start of the build, to which cargo compares.
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    File::open(dir)
        .and_then(|file| file.set_modified(old))
        .map_err(|e| Error::io("cannot set the modification time of", dir, &e))?;
    println!("cargo::rerun-if-changed={}", dir.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_names_in_directives_and_conditions() {
        let text = "#include <a/b.h>\n  # include \"c.h\" /* c */\n#include_next <d.h>\n\
                    #if __has_include(\"e.h\") || __has_include ( <f.h> )\n#include MACRO\n\
                    #includes <no.h>\n#embed \"g\"\n#include <>\nint x; // \"no.h\"\n";
        let found: Vec<_> = mentions(text)
            .map(|m| (m.name, m.form == Form::Quoted, m.is_next))
            .collect();
        assert_eq!(
            found,
            [
                ("a/b.h", false, false),
                ("c.h", true, false),
                ("d.h", false, true),
                ("e.h", true, false),
                ("f.h", false, false),
                ("g", true, false),
            ]
        );
    }

    #[test]
    fn candidates_end_at_the_directory_that_has_the_header() {
        let base = std::env::temp_dir().join(format!("btf-absent-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = base.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        let main = write(
            "src/x.c",
            "#include <two.h>\n#include \"one.h\"\n#if __has_include(<no.h>)\n#endif\n",
        );
        let one = write("src/one.h", "#include_next <two.h>\n");
        let two = write("b/two.h", "#include \"src/gone.h\"\n");
        let macro_made = write("c/made/by_macro.h", "");
        let made = write("b/vmlinux.h", "#include <never.h>\n");
        let dirs = ["a", "b", "c"].map(|dir| base.join(dir));
        let words: Vec<_> = [std::ffi::OsString::new()]
            .into_iter()
            .chain(dirs.map(PathBuf::into_os_string))
            .collect();
        let search = SearchPath::from_words(&words);
        let read = [main, one, two, macro_made, made.clone()];
        let absent = candidates(&read, &search, |path| path == made);
        let expected = [
            "a/made/by_macro.h",
            "a/no.h",
            "a/src/gone.h",
            "a/two.h",
            "a/vmlinux.h",
            "b/made/by_macro.h",
            "b/no.h",
            "b/src/gone.h",
            "c/no.h",
            "c/src/gone.h",
            "c/two.h",
        ];
        let expected: BTreeSet<PathBuf> = expected.iter().map(|path| base.join(path)).collect();
        assert_eq!(absent, expected);
        fs::remove_dir_all(base).unwrap();
    }
}
