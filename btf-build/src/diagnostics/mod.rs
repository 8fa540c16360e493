//! clang's diagnostics, edited for the user: without repetitions, without the expansions of this
//! crate's macros, and with help below errors.

mod advice;
mod macros;
mod parse;

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::Path;

use advice::Advisor;
use parse::{Level, Message, Output};

use crate::clang_exit::is_of_driver;
use crate::types::Kernel;

/// Help for a conflict with other headers.
const WITH_VMLINUX: &str = "vmlinux.h has the kernel's types: leave out what declares them again, as <linux/…> does, and write macros that are \
    needed of it into the source";

/// Edits clang's output.
pub(crate) struct Reader<'a> {
    /// The folder of this crate's headers.
    headers: &'a Path,
    advisor: Advisor<'a>,
    /// First lines of the errors that were printed for other sources.
    printed: RefCell<HashSet<String>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(headers: &'a Path, kernel: &'a Kernel<'a>) -> Reader<'a> {
        Reader {
            headers,
            advisor: Advisor::new(kernel),
            printed: RefCell::default(),
        }
    }

    /// Returns the output for a source that does not compile; `None` if all of it was printed for
    /// other sources, as are errors in a header that several sources include.
    pub(crate) fn read_refusal(&self, stderr: &str) -> Option<String> {
        let output = Output::of(stderr);
        let mut printed = self.printed.borrow_mut();
        let mut is_new = output.messages.is_empty();
        for message in &output.messages {
            is_new |= printed.insert(message.head.to_owned());
        }
        is_new.then(|| self.read(stderr))
    }

    /// Returns the output as it is printed.
    pub(crate) fn read(&self, stderr: &str) -> String {
        let stderr = without_backtrace(stderr);
        let output = Output::of(&stderr);
        let mut lines: Vec<String> = output.before.iter().map(|&line| line.to_owned()).collect();
        let (mut seen, mut advised) = (HashSet::new(), HashSet::new());
        // clang reports a macro argument once for each use in the macro.
        let messages = output.messages.iter();
        let messages: Vec<_> = messages.filter(|m| seen.insert(m.head)).collect();
        for message in &messages {
            lines.extend(message.lines.iter().map(|&line| line.to_owned()));
            if let Some(advice) = self.advice(message)
                && advised.insert(advice.clone())
            {
                let indents = ["  help: "]
                    .into_iter()
                    .chain(std::iter::repeat("        "));
                let advice = advice.lines().zip(indents);
                lines.extend(advice.map(|(line, indent)| format!("{indent}{line}")));
            }
            for note in self.outside(&message.notes) {
                lines.extend(note.lines.iter().map(|&line| line.to_owned()));
            }
        }
        match output.counts.as_slice() {
            [] => {}
            [count] if messages.len() == output.messages.len() => lines.push((*count).to_owned()),
            _ => lines.push(count(&messages)),
        }
        lines.join("\n")
    }

    fn advice(&self, message: &Message<'_>) -> Option<String> {
        if let Some(advice) = with_kfunc(message) {
            return Some(advice);
        }
        if self.is_clash_with_vmlinux(message) {
            return Some(WITH_VMLINUX.to_owned());
        }
        self.advisor.advise(message.text)
    }

    /// Returns `true` if a declaration of `vmlinux.h` conflicts with one of another header.
    fn is_clash_with_vmlinux(&self, message: &Message<'_>) -> bool {
        let clashes = [
            "redefinition of ",
            "typedef redefinition ",
            "conflicting types ",
        ];
        let notes = message.notes.iter().filter_map(|note| note.path);
        let paths: Vec<&Path> = message
            .path
            .into_iter()
            .chain(notes)
            .map(Path::new)
            .collect();
        let (inside, outside): (Vec<&Path>, Vec<&Path>) = paths
            .into_iter()
            .partition(|path| path.ends_with("vmlinux.h"));
        clashes.iter().any(|words| message.text.starts_with(words))
            && !inside.is_empty()
            && outside.iter().any(|path| !path.starts_with(self.headers))
    }

    /// Returns the notes about the user's own files, without the expansions of this crate's macros.
    fn outside<'n>(&self, notes: &'n [Message<'n>]) -> impl Iterator<Item = &'n Message<'n>> {
        let is_inside = |note: &Message<'_>| {
            note.text.starts_with("expanded from macro")
                && note
                    .path
                    .is_some_and(|path| Path::new(path).starts_with(self.headers))
        };
        let any_inside = notes.iter().any(is_inside);
        notes.iter().filter(move |note| {
            // Without a place, it says how many expansions were left out.
            !(is_inside(note) || any_inside && note.path.is_none())
        })
    }
}

/// Returns advice for a kfunc declaration that conflicts with `vmlinux.h`.
fn with_kfunc(message: &Message<'_>) -> Option<String> {
    const CLASHES: [&str; 3] = [
        "conflicting types for '",
        "static declaration of '",
        "redefinition of '",
    ];
    let rest = CLASHES
        .iter()
        .find_map(|words| message.text.strip_prefix(words))?;
    let (name, _) = rest.split_once('\'')?;
    let is_of_vmlinux = |m: &Message<'_>| {
        let is_there = m
            .path
            .is_some_and(|path| Path::new(path).ends_with("vmlinux.h"));
        is_there && m.lines.iter().any(|line| line.contains("__ksym"))
    };
    let mut notes = message.notes.iter();
    (is_of_vmlinux(message) || notes.any(is_of_vmlinux)).then(|| {
        format!(
            "`{name}` is a kfunc, which vmlinux.h declares as its kernel has it: write\n\
             #define BPF_NO_KFUNC_PROTOTYPES\n\
             in front of #include \"vmlinux.h\" to declare kfuncs in the source"
        )
    })
}

/// Removes the text that clang prints about itself when its back end fails: an invitation to report
/// a bug, and a backtrace.
fn without_backtrace(stderr: &str) -> String {
    let mut kept = Vec::new();
    let mut in_backtrace = false;
    for line in stderr.lines() {
        in_backtrace |= line.starts_with("PLEASE submit a bug report") || line == "Stack dump:";
        // What comes after it is said by the driver, or is about the next function.
        if !in_backtrace && !is_of_driver(line) {
            kept.push(line);
        }
    }
    kept.join("\n")
}

/// Returns the number of messages in clang's words.
fn count(messages: &[&Message<'_>]) -> String {
    let counted = |level: Level, word: &str| {
        let n = messages.iter().filter(|m| m.level == level).count();
        match n {
            0 => None,
            1 => Some(format!("1 {word}")),
            n => Some(format!("{n} {word}s")),
        }
    };
    let both = [
        counted(Level::Warning, "warning"),
        counted(Level::Error, "error"),
    ];
    let both: Vec<String> = both.into_iter().flatten().collect();
    format!("{} generated.", both.join(" and "))
}
