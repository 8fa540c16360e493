//! C sources cut into tokens: enough to tell comments from code, and one declaration from the next.
//! It takes any bytes.

/// A piece of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'s> {
    pub(super) kind: TokenKind<'s>,
    /// The line it begins in, from 1.
    pub(super) line: usize,
    /// The line it ends in.
    pub(super) last: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind<'s> {
    /// A name or keyword.
    Word(&'s str),
    /// `/* … */` or `// …`, with these signs.
    Comment(&'s str),
    /// A sign of one character.
    Sign(char),
    /// A literal.
    Literal,
}

/// The tokens of a source, without its preprocessor's lines.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer {
        rest: source,
        line: 1,
        at_start: true,
        tokens: Vec::new(),
    };
    while lexer.step() {}
    lexer.tokens
}

struct Lexer<'s> {
    rest: &'s str,
    line: usize,
    /// Whether nothing but space and comments came before in this line.
    at_start: bool,
    tokens: Vec<Token<'s>>,
}

impl<'s> Lexer<'s> {
    /// Takes the next piece off; false at the end.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else {
            return false;
        };
        match first {
            '\n' => {
                self.take(1);
                self.at_start = true;
            }
            c if c.is_whitespace() => {
                self.take(c.len_utf8());
            }
            '#' if self.at_start => self.directive(),
            '/' if self.rest.starts_with("/*") => {
                let end = self.rest[2..]
                    .find("*/")
                    .map_or(self.rest.len(), |at| at + 4);
                self.push(end, TokenKind::Comment);
            }
            '/' if self.rest.starts_with("//") => {
                let end = end_of_line(self.rest);
                self.push(end, TokenKind::Comment);
            }
            '"' | '\'' => {
                let end = end_of_literal(self.rest, first);
                self.push(end, |_| TokenKind::Literal);
            }
            c if c.is_alphanumeric() || c == '_' => {
                let is_part = |c: char| c.is_alphanumeric() || c == '_';
                let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
                self.push(end, TokenKind::Word);
            }
            c => self.push(c.len_utf8(), |_| TokenKind::Sign(c)),
        }
        true
    }

    /// Takes so many bytes, and counts their lines.
    fn take(&mut self, bytes: usize) -> &'s str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.bytes().filter(|b| *b == b'\n').count();
        self.rest = rest;
        taken
    }

    fn push(&mut self, bytes: usize, kind: impl Fn(&'s str) -> TokenKind<'s>) {
        let line = self.line;
        let text = self.take(bytes);
        let kind = kind(text);
        self.at_start &= matches!(kind, TokenKind::Comment(_));
        self.tokens.push(Token {
            kind,
            line,
            last: self.line,
        });
    }

    /// Skips a preprocessor's line with those that continue it; a comment at its end is part of it.
    fn directive(&mut self) {
        let end = end_of_line(self.rest);
        let comment = self.rest[..end].find("/*");
        let open = comment.filter(|at| !self.rest[at + 2..end].contains("*/"));
        self.take(open.unwrap_or(end));
        if open.is_some() {
            let end = self.rest[2..]
                .find("*/")
                .map_or(self.rest.len(), |at| at + 4);
            self.take(end);
        }
    }
}

/// Where the first line ends that no backslash continues.
fn end_of_line(text: &str) -> usize {
    let mut from = 0;
    while let Some(at) = text[from..].find('\n') {
        let end = from + at;
        if !text[..end].trim_end_matches('\r').ends_with('\\') {
            return end;
        }
        from = end + 1;
    }
    text.len()
}

/// Where a string or character ends: at its sign, or at the end of the line if it lacks one.
fn end_of_literal(text: &str, quote: char) -> usize {
    let mut is_quoted = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' if !is_quoted => return at,
            _ if is_quoted => is_quoted = false,
            '\\' => is_quoted = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(source: &str) -> Vec<TokenKind<'_>> {
        tokens(source).into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn what_looks_like_a_comment_and_is_none() {
        use TokenKind::{Comment, Literal, Sign, Word};
        assert_eq!(
            kinds("char a = \"/* no */\"; // yes \\\n too\n'\\'' /* x"),
            [
                Word("char"),
                Word("a"),
                Sign('='),
                Literal,
                Sign(';'),
                Comment("// yes \\\n too"),
                Literal,
                Comment("/* x"),
            ]
        );
        assert_eq!(
            kinds("#define A \\\n ; /* b\n c */ int\n\"open\nint"),
            [Word("int"), Literal, Word("int")]
        );
    }

    #[test]
    fn lines_are_counted() {
        let lines: Vec<_> = tokens("a /* b\n\n*/ c\nd")
            .iter()
            .map(|t| (t.line, t.last))
            .collect();
        assert_eq!(lines, [(1, 1), (1, 3), (3, 3), (4, 4)]);
    }

    #[test]
    fn any_text_ends() {
        let source = "/*\"'\\\n#{}(\u{1f600})ä;//\\\r\n*/";
        for (start, _) in source.char_indices() {
            for (end, _) in source.char_indices().filter(|(end, _)| *end >= start) {
                tokens(&source[start..end]);
            }
        }
    }
}
