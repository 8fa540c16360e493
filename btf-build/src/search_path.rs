//! Directories in which clang searches for headers.

use std::ffi::OsString;
use std::path::PathBuf;

/// The directories of each form of `#include`, in the order of the search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SearchPath {
    /// Searched for `"name"` only, after the directory of the including file.
    quoted: Vec<PathBuf>,
    /// Searched for both forms.
    angled: Vec<PathBuf>,
}

/// The name that an `#include` or `__has_include` gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    Quoted,
    Angled,
}

impl SearchPath {
    /// Parses what `clang -E -v` prints to standard error.
    ///
    /// clang drops directories that do not exist. They are put first, because the text does not
    /// tell their position: a header that appears in one may hide any other.
    pub(crate) fn parse(text: &str) -> SearchPath {
        let mut path = SearchPath::default();
        let mut missing = Vec::new();
        let mut list: Option<Form> = None;
        for line in text.lines() {
            if let Some(dir) = line.strip_prefix("ignoring nonexistent directory \"") {
                missing.push(PathBuf::from(dir.trim_end_matches('"')));
            } else if line.starts_with("#include \"...\"") {
                list = Some(Form::Quoted);
            } else if line.starts_with("#include <...>") {
                list = Some(Form::Angled);
            } else if line.starts_with("End of search list") {
                list = None;
            } else if let Some(dir) = line.strip_prefix(' ') {
                match list {
                    Some(Form::Quoted) => path.quoted.push(dir.into()),
                    Some(Form::Angled) => path.angled.push(dir.into()),
                    None => {}
                }
            }
        }
        missing.append(&mut path.angled);
        path.angled = missing;
        path
    }

    /// The directories for a name of this form, without that of the including file.
    pub(crate) fn dirs(&self, form: Form) -> impl Iterator<Item = &PathBuf> {
        let quoted = match form {
            Form::Quoted => self.quoted.as_slice(),
            Form::Angled => &[],
        };
        quoted.iter().chain(&self.angled)
    }

    /// The form in which `tool_cache` stores it: directories, those for `"name"` first, with an
    /// empty string between the two.
    pub(crate) fn into_words(self) -> Vec<OsString> {
        let quoted = self.quoted.into_iter().map(PathBuf::into_os_string);
        let angled = self.angled.into_iter().map(PathBuf::into_os_string);
        quoted.chain([OsString::new()]).chain(angled).collect()
    }

    pub(crate) fn from_words(words: &[OsString]) -> SearchPath {
        let mut parts = words.split(|word| word.is_empty());
        let mut part = || {
            let dirs = parts.next().unwrap_or_default();
            dirs.iter().map(PathBuf::from).collect()
        };
        SearchPath {
            quoted: part(),
            angled: part(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_lists_of_both_forms() {
        let text = "clang version 19\n \"/usr/bin/clang\" -cc1 -I none\n\
                    ignoring nonexistent directory \"none\"\n\
                    #include \"...\" search starts here:\n q\n\
                    #include <...> search starts here:\n .\n /usr/include\n\
                    End of search list.\n after\n";
        let path = SearchPath::parse(text);
        let dirs = |form| path.dirs(form).map(|dir| dir.to_str().unwrap());
        assert!(dirs(Form::Quoted).eq(["q", "none", ".", "/usr/include"]));
        assert!(dirs(Form::Angled).eq(["none", ".", "/usr/include"]));
        assert_eq!(SearchPath::from_words(&path.clone().into_words()), path);
        assert_eq!(SearchPath::from_words(&[]), SearchPath::default());
    }
}
