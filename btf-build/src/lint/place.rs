//! Where a warning is, in the sources: from the line information of an instruction, or a
//! declaration's place in DWARF and the source itself.

use std::fmt;
use std::path::Path;

use btf_obj::obj::{Object, ProgramSpec};

use crate::dwarf::Place;

/// A line of a source, with its text if the object has it.
pub(crate) struct Spot {
    file: String,
    line: u64,
    /// From 1; 0 if it is not known.
    column: usize,
    text: String,
}

impl Spot {
    /// The line that an instruction of a function comes from.
    pub(super) fn of(object: &Object, function: usize, insn: usize) -> Option<Spot> {
        let (btf, function) = (object.btf()?, object.functions().get(function)?);
        let info = function.line_of(insn)?.info;
        let text = |offset| btf.string(offset).unwrap_or_default();
        Some(Spot {
            file: relative(text(info.file_name_off)),
            line: info.line().into(),
            column: info.column() as usize,
            text: text(info.line_off).to_owned(),
        })
    }

    /// Where a program is declared: at its section's name, or its own.
    pub(super) fn program(place: &Place, program: &ProgramSpec) -> Spot {
        let section = format!("\"{}\"", program.section);
        Spot::declared(place, &[&section, &program.name])
    }

    /// Where something is declared; better, where the first of these words stands within the few
    /// lines before.
    pub(crate) fn declared(place: &Place, words: &[&str]) -> Spot {
        const BEFORE: usize = 4;
        let mut spot = Spot {
            file: relative(&place.file),
            line: place.line,
            column: 0,
            text: String::new(),
        };
        let source = std::fs::read(&place.file).unwrap_or_default();
        let source = String::from_utf8_lossy(&source);
        let line = usize::try_from(place.line).unwrap_or(0);
        let lines = source.lines().take(line).collect::<Vec<_>>();
        let first = lines.len().saturating_sub(BEFORE);
        let near = lines.iter().enumerate().skip(first).rev();
        let found = words.iter().find_map(|word| {
            near.clone()
                .find_map(|(n, text)| Some((n, text, text.find(word)?)))
        });
        if let Some((number, text, column)) = found {
            spot.line = number as u64 + 1;
            spot.column = column + 1;
            spot.text = (*text).to_owned();
        }
        spot
    }

    /// Whether both are the same line.
    pub(super) fn is_line_of(&self, other: &Spot) -> bool {
        self.line == other.line && self.file == other.file
    }

    /// The source's line with a mark below, as clang shows it.
    pub(crate) fn source(&self) -> Option<String> {
        let text = self.text.trim_end();
        if text.is_empty() {
            return None;
        }
        let shown = columns(text);
        let before = self.column.checked_sub(1).and_then(|n| text.get(..n));
        Some(match before {
            Some(before) => format!(
                "{shown}\n{:width$}^",
                "",
                width = columns(before).chars().count()
            ),
            None => shown,
        })
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        if self.column != 0 {
            write!(f, ":{}", self.column)?;
        }
        Ok(())
    }
}

/// Whether a file is one of the system's headers, whose structs are the kernel's interface to
/// programs and keep their layout; those of `vmlinux.h` do not.
pub(super) fn is_system_header(place: &Place) -> bool {
    let file = relative(&place.file);
    let file = Path::new(&file);
    file.is_absolute() && file.file_name().is_none_or(|name| name != "vmlinux.h")
}

/// A path as clang was given it: in the object it begins with the folder that clang ran in.
fn relative(file: &str) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    match Path::new(file).strip_prefix(&here) {
        Ok(rest) if !here.as_os_str().is_empty() => rest.display().to_string(),
        _ => file.to_owned(),
    }
}

/// With tabs as the spaces that clang makes of them.
fn columns(text: &str) -> String {
    const TAB: usize = 8;
    let mut out = String::new();
    let mut width = 0;
    for c in text.chars() {
        let count = if c == '\t' { TAB - width % TAB } else { 1 };
        out.extend(std::iter::repeat_n(if c == '\t' { ' ' } else { c }, count));
        width += count;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_below_the_column() {
        let spot = |text: &str, column| Spot {
            file: "a.bpf.c".into(),
            line: 3,
            column,
            text: text.into(),
        };
        let shown = spot("\treturn f(x);", 9).source();
        assert_eq!(
            shown.as_deref(),
            Some("        return f(x);\n               ^")
        );
        assert_eq!(spot("\tx;", 0).source().as_deref(), Some("        x;"));
        // A column past the end, or within a character.
        assert_eq!(spot("x;", 77).source().as_deref(), Some("x;"));
        assert_eq!(spot("ä;", 2).source().as_deref(), Some("ä;"));
        assert_eq!(spot("", 1).source(), None);
        assert_eq!(spot("", 1).to_string(), "a.bpf.c:3:1");
    }
}
