//! What clang read, from the rule that `-MD` writes for make.

use std::path::PathBuf;

/// The prerequisites of the first rule.
///
/// make's quoting: a backslash before a newline continues, before a space or `#` it quotes, `$$` is
/// a dollar.
pub(crate) fn prerequisites(text: &str) -> Vec<PathBuf> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('\\', Some('\n')) => {
                chars.next();
                end(&mut word, &mut words);
            }
            ('\\', Some('\r')) => {
                chars.next();
                end(&mut word, &mut words);
            }
            ('\\', Some(quoted @ (' ' | '#' | '\\'))) => {
                chars.next();
                word.push(quoted);
            }
            ('$', Some('$')) => {
                chars.next();
                word.push('$');
            }
            ('\n', _) => break,
            (c, _) if c.is_whitespace() => end(&mut word, &mut words),
            (c, _) => word.push(c),
        }
    }
    end(&mut word, &mut words);
    // The target, `name.o:`, comes first.
    words.into_iter().skip(1).map(PathBuf::from).collect()
}

fn end(word: &mut String, words: &mut Vec<String>) {
    if !word.is_empty() {
        words.push(std::mem::take(word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_and_continuation() {
        let text =
            "out/x.o: src/x.bpf.c \\\n  with\\ space.h a$$b.h \\\n  hash\\#.h\n\nother: rule\n";
        let expected = ["src/x.bpf.c", "with space.h", "a$b.h", "hash#.h"].map(PathBuf::from);
        assert_eq!(prerequisites(text), expected);
    }

    #[test]
    fn nothing_in_nothing_out() {
        assert!(prerequisites("").is_empty());
        assert!(prerequisites("x.o:\n").is_empty());
    }
}
