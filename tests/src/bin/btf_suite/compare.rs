//! Texts that say the same in different forms: values and C headers.

use std::collections::BTreeSet;

use btf_core::btf::Btf;

/// What the harness puts in front of a value.
pub(crate) const VALUE_MARK: char = '\u{1}';

/// A header's definitions that were not in an earlier one.
pub(crate) fn without(text: &str, earlier: &str) -> String {
    let earlier = definitions(earlier);
    let new = definitions(text);
    let new = new.into_iter().filter(|definition| !earlier.contains(definition));
    new.map(|definition| definition + "\n\n").collect()
}

/// Whether two headers have the same definitions; their order is free, except that C needs some.
pub(crate) fn is_header(actual: &str, expected: &str) -> bool {
    let (actual, expected) = (definitions(actual), definitions(expected));
    let set = |definitions: Vec<String>| definitions.into_iter().collect::<BTreeSet<_>>();
    set(actual) == set(expected)
}

/// The definitions of a header, without comments, and with single spaces.
fn definitions(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let (mut current, mut depth) = (String::new(), 0_usize);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let line = line.split("/*").next().unwrap_or_default();
        for c in line.chars().chain(['\n']) {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            current.push(if c.is_whitespace() { ' ' } else { c });
            if c == ';' && depth == 0 {
                let words: Vec<&str> = current.split_whitespace().collect();
                all.push(words.join(" "));
                current.clear();
            }
        }
    }
    all
}

/// A name or a number in a value's text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Member(String),
    Word(String),
    /// Negative ones are what their 64 bits are.
    Number(u128),
}

/// Whether a value's text has all the kernel's numbers and words, in their order.
pub(crate) fn shows_all(shown: &str, expected: &str) -> bool {
    let values = |text: &str| {
        let tokens = tokens(text).into_iter();
        tokens
            .filter(|token| !matches!(token, Token::Member(_)))
            .collect::<Vec<_>>()
    };
    values(shown) == values(expected)
}

/// Whether a value's text says what libbpf's does, which may leave out members that are zero and names of members.
pub(crate) fn is_value(btf: &Btf, shown: &str, expected: &str, is_prefix: bool) -> bool {
    let (shown, expected) = (tokens(shown), tokens(expected));
    let names = expected.iter().any(|token| matches!(token, Token::Member(_)));
    let mut shown = shown
        .iter()
        .filter(|token| names || !matches!(token, Token::Member(_)));
    for token in &expected {
        let between = shown.by_ref();
        match between.find(|other| *other == token || !may_be_left_out(btf, other)) {
            Some(other) if other == token => {}
            _ => return false,
        }
    }
    is_prefix || shown.all(|token| may_be_left_out(btf, token))
}

/// Whether it is a zero, or the name of a member, whose value then is.
fn may_be_left_out(btf: &Btf, token: &Token) -> bool {
    match token {
        Token::Member(_) => true,
        Token::Number(number) => *number == 0,
        Token::Word(word) if matches!(word.as_str(), "false" | "NULL") => true,
        Token::Word(word) => btf
            .types()
            .flat_map(|ty| ty.enumerators().iter().collect::<Vec<_>>())
            .any(|enumerator| enumerator.name() == word && enumerator.value() == 0),
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        let rest = &chars[at..];
        let word = |from: &[char]| -> String {
            let is_word = |c: &&char| c.is_alphanumeric() || **c == '_';
            from.iter().take_while(is_word).collect()
        };
        at += match c {
            // A type.
            '(' => rest.iter().position(|c| *c == ')').unwrap_or(0) + 1,
            '\'' => {
                let code = rest.get(1).map_or(0, |c| u128::from(*c));
                tokens.push(Token::Number(code));
                3
            }
            '"' => {
                let end = rest.iter().skip(1).position(|c| *c == '"').unwrap_or(0);
                let codes = rest[1..=end].iter().map(|c| u128::from(*c));
                tokens.extend(codes.map(Token::Number));
                end + 2
            }
            '.' => {
                let name = word(&rest[1..]);
                let len = name.chars().count() + 1;
                tokens.push(Token::Member(name));
                len
            }
            '-' => {
                let digits = word(&rest[1..]);
                let number = number(&digits).unwrap_or(0);
                tokens.push(Token::Number(u128::from((number as u64).wrapping_neg())));
                digits.chars().count() + 1
            }
            c if c.is_alphanumeric() || *c == '_' => {
                let word = word(rest);
                let len = word.chars().count();
                tokens.push(number(&word).map_or(Token::Word(word), Token::Number));
                len
            }
            _ => 1,
        };
    }
    tokens
}

fn number(word: &str) -> Option<u128> {
    match word.strip_prefix("0x") {
        Some(digits) => u128::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}
