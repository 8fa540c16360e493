//! What programs said in an earlier run of the build script: to run one takes longer than most of what a build script does.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::output::{make_dir, write_if_changed};

/// A folder of answers, a file for each question: a line that stands for what the answer rests on, then the answer's words, each with a NUL after it.
pub(crate) struct Kept {
    dir: PathBuf,
    /// Stands for who asks: what is asked, and how the answer is read, is up to this crate's sources, and those are in the build script.
    asker: String,
}

impl Kept {
    /// Those below the folder that everything is written to.
    pub(crate) fn new(out_dir: &Path) -> Kept {
        Kept {
            dir: out_dir.join("btf-build/kept"),
            asker: asker(),
        }
    }

    /// The words that `ask` gave when it was last asked, if that was with the same `basis`; else those that it gives now, which are
    /// kept.
    pub(crate) fn words<E>(
        &self,
        question: &str,
        basis: impl Hash,
        ask: impl FnOnce() -> Result<Vec<OsString>, E>,
    ) -> Result<Vec<OsString>, E> {
        let path = self.dir.join(question);
        let mut hasher = DefaultHasher::new();
        (&self.asker, basis).hash(&mut hasher);
        let basis = format!("{:016x}\n", hasher.finish());
        let text = fs::read(&path).unwrap_or_default();
        if let Some(words) = text.strip_prefix(basis.as_bytes()) {
            let words = words
                .split_inclusive(|b| *b == 0)
                .map(|word| &word[..word.len() - 1]);
            return Ok(words
                .map(|word| OsStr::from_bytes(word).to_owned())
                .collect());
        }
        let words = ask()?;
        let mut text = basis.into_bytes();
        for word in &words {
            text.extend_from_slice(word.as_bytes());
            text.push(0);
        }
        // What cannot be kept is asked again.
        let _ = make_dir(&self.dir).and_then(|()| write_if_changed(&path, &text));
        Ok(words)
    }
}

/// What tells one build script from another that is built of other sources, this crate's among them.
fn asker() -> String {
    let program = std::env::current_exe();
    program.map(|program| stamp(&program)).unwrap_or_default()
}

/// What tells whether a program is still the one that was asked. A script that runs another is taken for what it is.
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
        let dir = std::env::temp_dir().join(format!("btf-kept-{}", std::process::id()));
        let kept = Kept::new(&dir);
        let mut asked = 0;
        let mut words = |basis: &str, word: &str| {
            let ask = || {
                asked += 1;
                Ok::<_, ()>(vec![word.into(), OsString::new(), "two\nlines".into()])
            };
            kept.words("clang", basis, ask).unwrap()
        };
        let first = words("one\ntwo", "a");
        assert_eq!(first, ["a", "", "two\nlines"]);
        assert_eq!(words("one\ntwo", "b"), first);
        let second = words("one", "c");
        assert_ne!(second, first);
        assert_eq!(words("one", "d"), second);
        assert_eq!(asked, 2);
        // Another build script asks anew.
        let other = Kept {
            asker: "other".to_owned(),
            ..Kept::new(&dir)
        };
        let ask = || Ok::<_, ()>(vec!["e".into()]);
        assert_eq!(other.words("clang", "one", ask).unwrap(), ["e"]);
        // No error is kept.
        assert_eq!(kept.words("other", "", || Err(1)), Err(1));
        let none = || Ok::<_, ()>(Vec::new());
        assert_eq!(kept.words("other", "", none), none());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn another_file_has_another_stamp() {
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
