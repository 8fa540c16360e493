//! Finding clang and knowing its version.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::environment;
use crate::error::{Error, Result};
use crate::tool_cache::{ToolCache, stamp};

/// The oldest clang that is tested; older ones lack BTF tags and some CO-RE relocations.
const MINIMUM: u32 = 14;

const INSTALL: &str = "install it (Debian, Ubuntu: `apt install clang`; Fedora: `dnf install clang`), \
                       or name one with Builder::clang or the environment variable BTF_BUILD_CLANG";

/// A clang that can be used.
#[derive(Clone, Debug)]
pub(crate) struct Clang {
    pub(crate) path: PathBuf,
    pub(crate) major: u32,
}

/// The clang that the setting or the environment names, else the newest on `PATH`.
///
/// # Errors
///
/// If there is none, or the one that was named is too old or cannot be run.
pub(crate) fn find(setting: Option<&OsStr>, cache: &ToolCache) -> Result<Clang> {
    if let Some(name) = setting {
        return named(name, "Builder::clang", cache);
    }
    for variable in ["BTF_BUILD_CLANG", "CLANG"] {
        if let Some(name) = environment::user(variable) {
            return named(
                &name,
                &format!("the environment variable {variable}"),
                cache,
            );
        }
    }
    newest_on_path(cache)
}

fn named(name: &OsStr, by: &str, cache: &ToolCache) -> Result<Clang> {
    let shown = name.to_string_lossy();
    let path = which::which(name).map_err(|_| match Path::new(name).is_file() {
        true => Error::new(format!("`{shown}`, which {by} names, is not executable"))
            .help("set its mode with `chmod +x`, or name another clang"),
        false => {
            Error::new(format!("there is no clang at `{shown}`, which {by} names")).help(INSTALL)
        }
    })?;
    let clang = Clang {
        major: version(&path, cache)?,
        path,
    };
    match clang.major {
        MINIMUM.. => Ok(clang),
        old => Err(Error::new(format!(
            "`{shown}`, which {by} names, is clang {old}, but at least clang {MINIMUM} is needed"
        ))
        .help(INSTALL)),
    }
}

/// Of `clang` and all `clang-NN`, the one with the highest version; of equal ones, the plain name.
fn newest_on_path(cache: &ToolCache) -> Result<Clang> {
    let mut candidates: Vec<PathBuf> = which::which_all("clang").into_iter().flatten().collect();
    for dir in environment::path() {
        candidates.extend(numbered(&dir));
    }
    // Running one takes longer than anything else here.
    let mut known = BTreeSet::new();
    candidates.retain(|path| known.insert(identity(path)));
    let mut best: Option<Clang> = None;
    let mut newest_old: Option<Clang> = None;
    for path in candidates {
        // One that cannot be run (a dangling wrapper) is no reason not to use another.
        let Ok(major) = version(&path, cache) else {
            continue;
        };
        let seen = if major < MINIMUM {
            &mut newest_old
        } else {
            &mut best
        };
        if seen.as_ref().is_none_or(|other| major > other.major) {
            *seen = Some(Clang { path, major });
        }
    }
    best.ok_or_else(|| {
        let message = match newest_old {
            Some(Clang { path, major }) => format!(
                "{} is clang {major}, but at least clang {MINIMUM} is needed to compile BPF programs",
                path.display()
            ),
            None => "clang, which compiles BPF programs, is not installed".to_owned(),
        };
        Error::new(message).help(INSTALL)
    })
}

/// What two paths of one clang have in common: `/bin` often is `/usr/bin`, and `clang` a link to
/// another of them. A link to a program of another name (`ccache`) is told by its own.
fn identity(path: &Path) -> PathBuf {
    let is_clang = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("clang")
    };
    if let Some(program) = path.canonicalize().ok().filter(|path| is_clang(path)) {
        return program;
    }
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    match (folder, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// `clang-NN` files of a folder, checked to be programs by `which`.
fn numbered(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let is_numbered = |name: &OsString| {
        name.to_str()
            .and_then(|name| name.strip_prefix("clang-"))
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| is_numbered(&entry.file_name()))
        .filter_map(|entry| which::which(entry.path()).ok())
        .collect();
    found.sort();
    found
}

/// The major version that `--version` tells, now or when it was asked before.
fn version(path: &Path, cache: &ToolCache) -> Result<u32> {
    let question = format!("version{}", path.display()).replace('/', "-");
    let ask = || ask_version(path).map(|major| vec![major.to_string().into()]);
    let words = cache.words(&question, stamp(path), ask)?;
    match words.first().and_then(|word| word.to_str()?.parse().ok()) {
        Some(major) => Ok(major),
        None => ask_version(path),
    }
}

fn ask_version(path: &Path) -> Result<u32> {
    let output = Command::new(path)
        .arg("--version")
        .output()
        .map_err(|e| Error::io("cannot run", path, &e).help(INSTALL))?;
    let text = String::from_utf8_lossy(&output.stdout);
    major(&text).ok_or_else(|| {
        let line = text.lines().next().unwrap_or_default();
        Error::new(format!(
            "`{} --version` says `{line}`, which is no clang's version",
            path.display()
        ))
        .help(INSTALL)
    })
}

fn major(text: &str) -> Option<u32> {
    let (_, after) = text.split_once("clang version ")?;
    let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{identity, major};
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_to_a_clang_are_that_clang_and_links_to_others_are_not() {
        let dir = std::env::temp_dir().join(format!("btf-clang-{}", std::process::id()));
        let bin = dir.join("usr-bin");
        fs::create_dir_all(&bin).unwrap();
        for program in ["clang-19", "ccache"] {
            fs::write(bin.join(program), "").unwrap();
        }
        symlink("usr-bin", dir.join("bin")).unwrap();
        for (link, program) in [
            ("clang", "clang-19"),
            ("clang-14", "ccache"),
            ("clang-15", "ccache"),
        ] {
            symlink(program, bin.join(link)).unwrap();
        }
        let of = |path: &str| identity(&dir.join(path));
        assert_eq!(of("bin/clang"), of("usr-bin/clang-19"));
        assert_eq!(of("bin/clang-14"), of("usr-bin/clang-14"));
        assert_ne!(of("bin/clang-14"), of("bin/clang-15"));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn distributions_prefix_and_suffix_the_version() {
        assert_eq!(
            major("Debian clang version 14.0.6\nTarget: x86_64"),
            Some(14)
        );
        assert_eq!(
            major("clang version 19.1.7 (Fedora 19.1.7-1.fc41)"),
            Some(19)
        );
        assert_eq!(major("clang version 22.0.0git"), Some(22));
        assert_eq!(major("gcc (Debian 12.2.0-14) 12.2.0"), None);
    }
}
