//! What the comments of the C source say, as documentation that rustdoc shows as it was written.
//!
//! btf-build leaves it beside the object (`NAME.docs`): a line each, the thing's name, a tab, and the comment. What is not of that form is not read.

use std::collections::HashMap;

/// Comments by what they are about: `variable counts`, `member event.pid`.
#[derive(Debug, Default)]
pub(crate) struct Docs(HashMap<String, String>);

impl Docs {
    pub(crate) fn parse(text: &str) -> Docs {
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        Docs(
            lines
                .map(|(name, comment)| (name.to_owned(), markdown(&unescaped(comment))))
                .collect(),
        )
    }

    /// The comment, as paragraphs that come before others; empty if there is none.
    pub(crate) fn of(&self, kind: &str, name: &str) -> String {
        match self.0.get(&format!("{kind} {name}")) {
            Some(text) => format!("{text}\n\n"),
            None => String::new(),
        }
    }

    /// That of a member.
    pub(crate) fn member(&self, outer: &str, name: &str) -> String {
        match name {
            "" => String::new(),
            name => self.of("member", &format!("{outer}.{name}")),
        }
    }
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some(c) => out.push(c),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

/// Text that Markdown shows as it is: no sign of it means anything, no line is code (which would be run as a test), nothing
/// is a link that has to lead somewhere. Addresses of pages are links, and what is in backticks stays code.
fn markdown(text: &str) -> String {
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn line(text: &str) -> String {
    let text = text.trim();
    let mut out = String::new();
    for (n, word) in text.split(' ').enumerate() {
        if n > 0 {
            out.push(' ');
        }
        match address(word) {
            Some((address, rest)) => {
                out.push_str(&format!("<{address}>"));
                escape(rest, &mut out);
            }
            None => escape(word, &mut out),
        }
    }
    // A line of these alone would make a heading of the line before, or a rule; a number and a dot a list.
    let is_rule = !out.is_empty() && out.chars().all(|c| matches!(c, '-' | '=' | '+' | ' '));
    if is_rule { format!("\\{out}") } else { out }
}

/// The address of a page that a word is, and the signs behind it.
fn address(word: &str) -> Option<(&str, &str)> {
    let is_address = word.starts_with("https://") || word.starts_with("http://");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#@!$&'*+,;=%".contains(c);
    if !is_address {
        return None;
    }
    let end = word.find(|c| !is_plain(c)).unwrap_or(word.len());
    let address = word[..end].trim_end_matches(['.', ',', ';', ':', '!', '?']);
    Some(word.split_at(address.len()))
}

fn escape(word: &str, out: &mut String) {
    if let [before, code, after] = word.split('`').collect::<Vec<_>>()[..]
        && !code.is_empty()
    {
        escape(before, out);
        out.push_str(&format!("`{code}`"));
        return escape(after, out);
    }
    for c in word.chars() {
        if "\\`*_[]<>#|~&".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_shown_as_they_were_written() {
        let shown = |text: &str| markdown(text);
        assert_eq!(
            shown("Bytes of `event`, see __u32"),
            "Bytes of `event`, see \\_\\_u32"
        );
        assert_eq!(
            shown("    code();\n```\nx [link] <b>"),
            "code();\n\\`\\`\\`\nx \\[link\\] \\<b\\>"
        );
        assert_eq!(shown("Title\n====="), "Title\n\\=====");
        assert_eq!(
            shown("see https://example.org/a_b?c=1, and (x)"),
            "see <https://example.org/a_b?c=1>, and (x)"
        );
    }

    #[test]
    fn a_file_is_read_as_far_as_it_is_one() {
        let docs = Docs::parse("variable a\tone\\ntwo \\\\ three\nno tab\n\nmember s.x\tof x\n");
        assert_eq!(docs.of("variable", "a"), "one\ntwo \\\\ three\n\n");
        assert_eq!(docs.member("s", "x"), "of x\n\n");
        assert_eq!(docs.of("variable", "b"), "");
    }
}
