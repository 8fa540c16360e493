//! Cache of what clang and `cc` report: to run a program takes longer than most of what a build
//! script does.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::output::{make_dir, write_if_changed};

/// A directory with a file for each query: a line with the hash of its inputs, then the words of
/// its result, each followed by a NUL.
pub(crate) struct ToolCache {
    dir: PathBuf,
    /// Stamp of the build script. It contains this crate, which decides how a result is read.
    script: String,
}

impl ToolCache {
    /// Opens the cache below the output directory.
    pub(crate) fn new(out_dir: &Path) -> ToolCache {
        ToolCache {
            dir: out_dir.join("btf-build/tool-cache"),
            script: script(),
        }
    }

    /// Returns the words that `run` returned for the same `inputs` in an earlier build, or runs it
    /// and stores its words.
    ///
    /// # Errors
    ///
    /// Those of `run`, which are not stored.
    pub(crate) fn words<E>(
        &self,
        query: &str,
        inputs: impl Hash,
        run: impl FnOnce() -> Result<Vec<OsString>, E>,
    ) -> Result<Vec<OsString>, E> {
        let path = self.dir.join(query);
        let mut hasher = DefaultHasher::new();
        (&self.script, inputs).hash(&mut hasher);
        let hash = format!("{:016x}\n", hasher.finish());
        let text = fs::read(&path).unwrap_or_default();
        if let Some(words) = text.strip_prefix(hash.as_bytes()) {
            let words = words
                .split_inclusive(|b| *b == 0)
                .map(|word| &word[..word.len() - 1]);
            return Ok(words
                .map(|word| OsStr::from_bytes(word).to_owned())
                .collect());
        }
        let words = run()?;
        let mut text = hash.into_bytes();
        for word in &words {
            text.extend_from_slice(word.as_bytes());
            text.push(0);
        }
        // A result that cannot be stored is queried again.
        let _ = make_dir(&self.dir).and_then(|()| write_if_changed(&path, &text));
        Ok(words)
    }
}

/// Returns the stamp of this build script, which changes with its sources and with this crate's.
fn script() -> String {
    let program = std::env::current_exe();
    program.map(|program| stamp(&program)).unwrap_or_default()
}

/// Returns a text that changes when a program's file does. A wrapper script stands for the program
/// that it runs.
pub(crate) fn stamp(program: &Path) -> String {
    let known = fs::metadata(program).ok().map(|file| {
        let time = file.modified().ok();
        let time = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        (file.len(), time)
    });
    let target = program.canonicalize().ok();
    format!("{} {target:?} {known:?}", program.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_for_as_long_as_what_it_rests_on_is_the_same() {
        let dir = std::env::temp_dir().join(format!("btf-tool-cache-{}", std::process::id()));
        let cache = ToolCache::new(&dir);
        let mut runs = 0;
        let mut words = |basis: &str, word: &str| {
            let ask = || {
                runs += 1;
                Ok::<_, ()>(vec![word.into(), OsString::new(), "two\nlines".into()])
            };
            cache.words("clang", basis, ask).unwrap()
        };
        let first = words("one\ntwo", "a");
        assert_eq!(first, ["a", "", "two\nlines"]);
        assert_eq!(words("one\ntwo", "b"), first);
        let second = words("one", "c");
        assert_ne!(second, first);
        assert_eq!(words("one", "d"), second);
        assert_eq!(runs, 2);
        // Another build script does not share results.
        let other = ToolCache {
            script: "other".to_owned(),
            ..ToolCache::new(&dir)
        };
        let ask = || Ok::<_, ()>(vec!["e".into()]);
        assert_eq!(other.words("clang", "one", ask).unwrap(), ["e"]);
        // Errors are not stored.
        assert_eq!(cache.words("other", "", || Err(1)), Err(1));
        let none = || Ok::<_, ()>(Vec::new());
        assert_eq!(cache.words("other", "", none), none());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn stamp_changes_with_the_file() {
        let path = std::env::temp_dir().join(format!("btf-stamp-{}", std::process::id()));
        fs::write(&path, "one").unwrap();
        let first = stamp(&path);
        assert_eq!(stamp(&path), first);
        fs::write(&path, "other").unwrap();
        assert_ne!(stamp(&path), first);
        fs::remove_file(&path).unwrap();
        assert_ne!(stamp(&path), first);
    }
}
