//! `compile_commands.json`, by which clangd knows how a source is compiled.
//!
//! Every entry is a line, so that those of other sources stay as they are without a reader of JSON.

use std::ffi::OsString;
use std::path::Path;

use crate::error::{Error, Result};
use crate::output::write_if_changed;

const FILE: &str = "compile_commands.json";

/// Writes the entries of these sources, each with its command, to `dir`, where the commands are
/// run; entries of other sources that are still there stay. Returns a warning if the file is not
/// this crate's.
///
/// # Errors
///
/// If the file cannot be read or written.
pub(crate) fn write(dir: &Path, commands: &[(&Path, Vec<OsString>)]) -> Result<Option<String>> {
    let path = dir.join(FILE);
    let present = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(Error::io("cannot read", &path, &e)),
    };
    let Some(mut entries) = entries(&present) else {
        return Ok(Some(format!(
            "{FILE} is not written, because something else has written it: remove it, or do without Builder::compile_commands"
        )));
    };
    let (files, new): (Vec<String>, Vec<String>) = commands
        .iter()
        .map(|(source, command)| {
            let file = string(&source.to_string_lossy());
            let entry = entry(dir, &file, command);
            (file, entry)
        })
        .unzip();
    entries.retain(|entry| {
        let file = file(entry).unwrap_or_default();
        // What a name with a quote or a backslash is called does not matter, as long as it is
        // called the same.
        !files.iter().any(|new| new == file) && dir.join(file.trim_matches('"')).exists()
    });
    entries.extend(new);
    entries.sort();
    write_if_changed(&path, format!("[\n{}\n]\n", entries.join(",\n")).as_bytes())?;
    Ok(None)
}

fn entry(dir: &Path, file: &str, command: &[OsString]) -> String {
    let directory = string(&dir.to_string_lossy());
    let arguments = command
        .iter()
        .map(|argument| string(&argument.to_string_lossy()));
    let arguments = arguments.collect::<Vec<_>>().join(", ");
    format!("{START}{file}, \"directory\": {directory}, \"arguments\": [{arguments}]}}")
}

const START: &str = "  {\"file\": ";

/// The lines of a file of this crate's, or of one that is empty; `None` if it is another's.
fn entries(text: &str) -> Option<Vec<String>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    let lines = text
        .strip_prefix("[\n")?
        .strip_suffix("\n]\n")?
        .split(",\n");
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    lines
        .iter()
        .all(|line| file(line).is_some())
        .then_some(lines)
}

/// The name of an entry's source, in quotes.
fn file(entry: &str) -> Option<&str> {
    let rest = entry.strip_prefix(START)?;
    rest.split_once(", \"directory\": ").map(|(file, _)| file)
}

/// A string of JSON.
fn string(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out += &format!("\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings() {
        assert_eq!(string("-DX=\"a\\b\"\n"), r#""-DX=\"a\\b\"\u000a""#);
    }

    #[test]
    fn only_a_file_of_ours_is_read() {
        let entries_of = |text: &str| entries(text).map(|lines| lines.len());
        let line = entry(Path::new("/x"), "\"a.c\"", &["clang".into()]);
        assert_eq!(file(&line), Some("\"a.c\""));
        assert_eq!(entries_of(""), Some(0));
        assert_eq!(entries_of(&format!("[\n{line},\n{line}\n]\n")), Some(2));
        for other in ["[]", "[\n  {\"directory\": \"/x\"}\n]\n", "not JSON"] {
            assert_eq!(entries_of(other), None, "{other}");
        }
    }
}
