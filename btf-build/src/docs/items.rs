//! Declarations of a C source with the comments at them.
//!
//! A comment belongs to what begins in the line below its last, or to what ends in its own first
//! line. Bodies of functions have no declarations that anyone outside would name, and are skipped.

use super::lexer::{Token, TokenKind, tokens};

/// A declaration: of a function, variables, a type, members, or an enumerator.
#[derive(Debug, Default)]
pub(super) struct Item {
    /// Lines from its first token to its last.
    pub(super) first: usize,
    pub(super) last: usize,
    /// The names in it, without those in braces.
    words: Vec<String>,
    /// The declaration that it is a part of.
    parent: Option<usize>,
    comment: String,
}

/// The declarations of a source.
#[derive(Debug, Default)]
pub(super) struct Items(Vec<Item>);

impl Items {
    pub(super) fn of(source: &str) -> Items {
        let mut reader = Reader::default();
        for token in tokens(source) {
            reader.token(token);
        }
        Items(reader.items)
    }

    /// The comment at what is declared in a line by this name.
    pub(super) fn comment(&self, line: usize, name: &str) -> Option<&str> {
        self.at(line, name)
            .map(|at| self.0[at].comment.as_str())
            .filter(|text| !text.is_empty())
    }

    /// The innermost declaration in a line that has this name among its words; any name is in it if
    /// that is empty.
    fn at(&self, line: usize, name: &str) -> Option<usize> {
        let holds = |item: &Item| {
            let has_name = name.is_empty() || item.words.iter().any(|word| word == name);
            has_name && item.first <= line && line <= item.last
        };
        // They are in the order of their first lines. What nothing is around ends before the next
        // begins, so that before one which ends above this line there is nothing to look at.
        let begun = self.0.partition_point(|item| item.first <= line);
        let from = self.0[..begun]
            .iter()
            .rposition(|item| item.parent.is_none() && item.last < line)
            .unwrap_or(0);
        let at = self.0[from..begun].iter().rposition(holds)?;
        Some(from + at)
    }

    /// Names and comments of the enumerators of an enum that is declared in a line.
    pub(super) fn enumerators(&self, line: usize, name: &str) -> Vec<(&str, &str)> {
        let word = if name.is_empty() { "enum" } else { name };
        let Some(of) = self.at(line, word) else {
            return Vec::new();
        };
        let last = self.0[of].last;
        let within = self.0[of + 1..]
            .iter()
            .take_while(|item| item.first <= last);
        within
            .filter(|item| item.parent == Some(of) && !item.comment.is_empty())
            .filter_map(|item| Some((item.words.first()?.as_str(), item.comment.as_str())))
            .collect()
    }
}

/// What a pair of braces holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Members,
    /// Commas end each.
    Enumerators,
    /// A function's instructions.
    Body,
    /// An initial value, or what is within others.
    Other,
}

impl Inside {
    /// Whether no declarations are looked for.
    fn is_skipped(self) -> bool {
        matches!(self, Inside::Body | Inside::Other)
    }
}

/// A pair of braces that is open.
#[derive(Debug)]
struct Scope {
    /// The declaration that it is a part of.
    of: usize,
    inside: Inside,
    /// Parentheses that are open around it.
    parens: usize,
    /// The line that it opens in.
    line: usize,
}

#[derive(Debug, Default)]
struct Reader {
    items: Vec<Item>,
    scopes: Vec<Scope>,
    /// The declarations that have begun and not ended, the innermost last, each with the depth of
    /// scopes it is in.
    open: Vec<(usize, usize)>,
    /// Parentheses that are open.
    parens: usize,
    /// The last sign or word before this token, for what a brace means.
    before: Before,
    /// A comment that nothing came after yet, and its last line.
    pending: Option<(String, usize)>,
    /// The declaration that ended last, and its last line.
    ended: Option<(usize, usize)>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Before {
    #[default]
    Other,
    Paren,
    Assign,
}

impl Reader {
    fn token(&mut self, token: Token<'_>) {
        if let TokenKind::Comment(text) = token.kind {
            return self.comment(text, token);
        }
        let is_skipped = self.is_skipped();
        match token.kind {
            TokenKind::Sign('{') => self.open_brace(token),
            TokenKind::Sign('}') => self.close_brace(token),
            _ if is_skipped => {}
            TokenKind::Sign('(') => {
                self.begin(token);
                self.parens += 1;
            }
            TokenKind::Sign(')') => {
                self.begin(token);
                self.parens = self.parens.saturating_sub(1);
            }
            TokenKind::Sign(';') if self.parens == 0 => self.finish(token.line),
            TokenKind::Sign(',') if self.parens == 0 && self.in_enum() => self.finish(token.line),
            TokenKind::Word(word) => {
                let at = self.begin(token);
                self.items[at].words.push(word.to_owned());
            }
            _ => {
                self.begin(token);
            }
        }
        self.before = match token.kind {
            TokenKind::Sign(')') => Before::Paren,
            TokenKind::Sign('=') => Before::Assign,
            _ => Before::Other,
        };
    }

    fn in_enum(&self) -> bool {
        let scope = self.scopes.last();
        scope.is_some_and(|scope| scope.inside == Inside::Enumerators)
    }

    fn is_skipped(&self) -> bool {
        let scope = self.scopes.last();
        scope.is_some_and(|scope| scope.inside.is_skipped())
    }

    /// The declaration that a token is a part of: one that is open here, or a new one.
    fn begin(&mut self, token: Token<'_>) -> usize {
        let depth = self.scopes.len();
        if let Some((at, _)) = self.open.last().filter(|(_, at_depth)| *at_depth == depth) {
            self.items[*at].last = token.last;
            return *at;
        }
        let comment = self
            .pending
            .take()
            .filter(|(_, last)| last + 1 >= token.line);
        self.items.push(Item {
            first: token.line,
            last: token.last,
            words: Vec::new(),
            parent: self.scopes.last().map(|scope| scope.of),
            comment: comment.map(|(text, _)| text).unwrap_or_default(),
        });
        let at = self.items.len() - 1;
        self.open.push((at, depth));
        self.ended = None;
        at
    }

    /// Ends the declaration that is open here.
    fn finish(&mut self, line: usize) {
        let depth = self.scopes.len();
        if let Some((at, _)) = self.open.pop_if(|(_, at_depth)| *at_depth >= depth) {
            self.items[at].last = self.items[at].last.max(line);
            self.ended = Some((at, line));
        }
        self.pending = None;
    }

    fn open_brace(&mut self, token: Token<'_>) {
        let (of, inside) = match self.scopes.last() {
            Some(scope) if scope.inside.is_skipped() => (scope.of, Inside::Other),
            _ => {
                let of = self.begin(token);
                (of, self.inside(of))
            }
        };
        self.scopes.push(Scope {
            of,
            inside,
            parens: std::mem::take(&mut self.parens),
            line: token.line,
        });
        self.pending = None;
    }

    /// What braces hold that open in a declaration.
    fn inside(&self, of: usize) -> Inside {
        let words = &self.items[of].words;
        let is_keyword = |word: &String| matches!(word.as_str(), "struct" | "union" | "enum");
        let keyword = words.iter().rposition(is_keyword);
        // `struct __attribute__((packed)) {` has no name between.
        let is_attribute = keyword
            .and_then(|at| words.get(at + 1))
            .is_some_and(|word| word == "__attribute__");
        match (self.before, keyword) {
            (Before::Paren, _) if self.scopes.is_empty() && !is_attribute => Inside::Body,
            (Before::Assign, _) | (_, None) => Inside::Other,
            (_, Some(at)) if words[at] == "enum" => Inside::Enumerators,
            _ => Inside::Members,
        }
    }

    fn close_brace(&mut self, token: Token<'_>) {
        let Some(scope) = self.scopes.last() else {
            return;
        };
        if !scope.inside.is_skipped() {
            // The last one of an enum has no comma.
            self.finish(token.line);
        }
        let Some(scope) = self.scopes.pop() else {
            return;
        };
        self.parens = scope.parens;
        self.items[scope.of].last = token.last;
        self.ended = None;
        self.pending = None;
        if scope.inside == Inside::Body {
            self.finish(token.line);
        }
    }

    fn comment(&mut self, text: &str, token: Token<'_>) {
        if self.is_skipped() {
            return;
        }
        let words = plain(text);
        let depth = self.scopes.len();
        // After the end of a declaration in its line, or of one whose comma is left out.
        let open = self
            .open
            .last()
            .filter(|(_, at)| *at == depth)
            .map(|(at, _)| *at);
        let within = open.filter(|at| self.in_enum() && self.items[*at].last == token.line);
        let ended = self
            .ended
            .filter(|(_, line)| *line == token.line)
            .map(|(at, _)| at);
        if let Some(at) = within.or(ended) {
            return append(&mut self.items[at].comment, &words);
        }
        // After an opening brace, it is about what the braces belong to.
        let around = self.scopes.last().filter(|scope| scope.line == token.line);
        if let Some(of) = around.map(|scope| scope.of) {
            return append(&mut self.items[of].comment, &words);
        }
        match &mut self.pending {
            // Lines of one comment.
            Some((pending, last)) if text.starts_with("//") && *last + 1 == token.line => {
                pending.push('\n');
                pending.push_str(&words);
                *last = token.last;
            }
            _ => self.pending = Some((words, token.last)),
        }
    }
}

fn append(comment: &mut String, more: &str) {
    if !comment.is_empty() && !more.is_empty() {
        comment.push_str("\n\n");
    }
    comment.push_str(more);
}

/// What a comment says, without its signs and the stars down its side.
fn plain(text: &str) -> String {
    let text = match text.strip_prefix("//") {
        Some(line) => line.trim_start_matches(['/', '!']),
        None => {
            let inner = text.strip_prefix("/*").unwrap_or(text);
            inner
                .strip_suffix("*/")
                .unwrap_or(inner)
                .trim_start_matches(['*', '!'])
        }
    };
    // Of Doxygen: what follows is about what came before.
    let text = text.strip_prefix('<').unwrap_or(text);
    let lines = text.lines().map(|line| {
        let line = line.trim();
        line.strip_prefix('*').unwrap_or(line).trim()
    });
    let lines: Vec<&str> = lines.collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"/* SPDX-License-Identifier: GPL-2.0 */
#include <bpf/bpf_helpers.h>

/* ---- not of what follows ---- */

/** What happened,
 *  to whom. */
struct event {
	/* Who. */
	__u32 pid, tgid;
	__u64 bytes; /* How much. */
	char comm[16];		/**< The name. */
	struct {
		int inner; // deep
	} at;
	void (*call)(int, /* no */ int);
	int last;
} __attribute__((packed));

// Read while
// running.
__u64 dropped = 0;
const volatile __u32 only_pid = 0;      /* set before loading */

enum kind { /* of both */
	A, /* first */
	/* second */
	B = 1 << 2,
	C /* third */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(value, struct { /* no */ long a; /* a */ });
} not_documented SEC(".maps");

/// Totals by process.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
} sizes SEC(".maps");

static int table[] = { 1, /* two */ 2 };

/* Sees each exec. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	int local; /* local */
	if (1) { int other; }
	return 0;
}
int after; // the body
"#;

    #[test]
    fn comments_go_with_what_they_are_at() {
        let items = Items::of(SOURCE);
        let line = |text: &str| SOURCE.lines().position(|l| l.contains(text)).unwrap() + 1;
        let comment = |text: &str, name: &str| items.comment(line(text), name);
        assert_eq!(
            comment("struct event", "event"),
            Some("What happened,\nto whom.")
        );
        assert_eq!(comment("tgid", "pid"), Some("Who."));
        assert_eq!(comment("tgid", "tgid"), Some("Who."));
        assert_eq!(comment("bytes;", "bytes"), Some("How much."));
        assert_eq!(comment("comm[16]", "comm"), Some("The name."));
        assert_eq!(comment("inner", "inner"), Some("deep"));
        assert_eq!(comment("int last", "last"), None);
        assert_eq!(comment("dropped", "dropped"), Some("Read while\nrunning."));
        assert_eq!(comment("only_pid", "only_pid"), Some("set before loading"));
        assert_eq!(comment("not_documented", "not_documented"), None);
        assert_eq!(comment("} sizes", "sizes"), Some("Totals by process."));
        assert_eq!(comment("on_exec,", "on_exec"), Some("Sees each exec."));
        assert_eq!(comment("int after", "after"), Some("the body"));
        assert_eq!(comment("int local", "local"), None);
        assert_eq!(comment("enum kind", "kind"), Some("of both"));
        let enumerators = items.enumerators(line("enum kind"), "kind");
        assert_eq!(
            enumerators,
            [("A", "first"), ("B", "second"), ("C", "third")]
        );
    }

    /// Every part of it, and every byte of it lost.
    #[test]
    fn any_text_ends() {
        let bytes = SOURCE.as_bytes();
        for at in 0..bytes.len() {
            Items::of(&String::from_utf8_lossy(&bytes[at..]));
            let damaged = [&bytes[..at], &bytes[at + 1..]].concat();
            Items::of(&String::from_utf8_lossy(&damaged));
        }
    }
}
