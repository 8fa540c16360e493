//! Texts that say the same in different forms: values and C headers.

use std::collections::BTreeSet;

use btf_core::btf::Btf;

/// Mark that the harness puts in front of a value.
pub(crate) const VALUE_MARK: char = '\u{1}';

/// A header's definitions that were not in an earlier one.
pub(crate) fn without(text: &str, earlier: &str) -> String {
    let earlier = definitions(earlier);
    let new = definitions(text);
    let new = new
        .into_iter()
        .filter(|definition| !earlier.contains(definition));
    new.map(|definition| definition + "\n\n").collect()
}

/// Returns `true` if two headers have the same definitions, in any order and in [`normal`] form.
/// Declarations of defined types are ignored. [`crate::layout`] checks all sizes and offsets.
pub(crate) fn is_header(actual: &str, expected: &str) -> bool {
    let set = |text: &str| {
        let all = definitions(text);
        let is_defined = |name: &str| all.iter().any(|d| d.starts_with(&format!("{name}{{")));
        let kept = all
            .iter()
            .filter(|d| !d.strip_suffix(';').is_some_and(is_defined));
        kept.map(|definition| normal(definition))
            .collect::<BTreeSet<_>>()
    };
    set(actual) == set(expected)
}

/// A definition without what may differ in form: padding, the order of qualifiers, attributes of
/// enums, the width of `long double`, and anonymous structs as parameters, which are `int` here
/// because nobody could pass one.
fn normal(definition: &str) -> String {
    let is_padding = |part: &str| {
        let ty = part.split_once(':').map(|(ty, _)| ty);
        matches!(ty, Some("char" | "short" | "int" | "long"))
    };
    let parts = definition.split_inclusive([';', '{', '}']);
    let text: String = parts.filter(|part| !is_padding(part)).collect();
    let mut text = without_parameters(&text);
    for (from, to) in [
        ("volatile const", "const volatile"),
        ("restrict const", "const restrict"),
        ("restrict volatile", "volatile restrict"),
        ("volatile const", "const volatile"),
        ("long double", "double"),
    ] {
        text = text.replace(from, to);
    }
    match text.split_once("}__attribute__((") {
        Some((body, _)) if text.starts_with("enum") => format!("{body}}};"),
        _ => text,
    }
}

/// `int` for each anonymous struct or union that is a parameter.
fn without_parameters(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let anonymous = ["struct{", "union{"]
            .iter()
            .find(|word| rest.starts_with(**word));
        match anonymous {
            Some(_) if out.ends_with(['(', ',']) => {
                out += "int";
                rest = &rest[block(rest)..];
            }
            _ => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

/// How long the first block in braces is, with what is before it.
fn block(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// The definitions of a header, without comments, and with spaces only between words.
fn definitions(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let (mut current, mut depth) = (String::new(), 0_usize);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        for c in without_comments(line).chars().chain(['\n']) {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            current.push(if c.is_whitespace() { ' ' } else { c });
            if c == ';' && depth == 0 {
                all.push(compact(&current));
                current.clear();
            }
        }
    }
    all
}

fn without_comments(line: &str) -> String {
    let mut parts = line.split("/*");
    let code = parts.next().unwrap_or_default().to_owned();
    parts.fold(code, |code, part| {
        code + part.split_once("*/").map_or("", |(_, after)| after)
    })
}

fn compact(text: &str) -> String {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let mut out = String::new();
    for word in text.split_whitespace() {
        if is_word(out.chars().next_back()) && is_word(word.chars().next()) {
            out.push(' ');
        }
        out += word;
    }
    out
}

/// A name or a number in a value's text.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Member(String),
    Word(String),
    /// Negative ones are what their 64 bits are.
    Number(u128),
    Float(f64),
}

/// Returns `true` if a value's text has all of the kernel's numbers and words in order.
pub(crate) fn shows_all(btf: &Btf, shown: &str, expected: &str) -> bool {
    let values = |text: &str| {
        let tokens = tokens(text).into_iter();
        tokens
            .filter(|token| !matches!(token, Token::Member(_)))
            .collect::<Vec<_>>()
    };
    let (shown, expected) = (values(shown), values(expected));
    shown.len() == expected.len()
        && shown.iter().zip(&expected).all(|pair| match pair {
            // The kernel shows a bitfield of an enum as a number.
            (Token::Word(word), Token::Number(number)) => enumerator(btf, word, *number),
            (shown, expected) => shown == expected,
        })
}

/// Returns `true` if there is an enumerator with this name and value.
fn enumerator(btf: &Btf, name: &str, value: u128) -> bool {
    let mut all = btf
        .types()
        .flat_map(|ty| ty.enumerators().iter().collect::<Vec<_>>());
    all.any(|e| e.name() == name && u128::from(e.value() as u64) == value)
}

/// The value in libbpf's text of a variable, `static int name = (int)1` or `SEC("name") int name =
/// (int)1;`.
fn initial(text: &str) -> &str {
    match text.split_once(" = ") {
        Some((variable, value)) if !variable.starts_with(['(', '{']) => value,
        _ => text,
    }
}

/// Returns `true` if a value's text matches libbpf's, which may leave out zero members and member
/// names.
pub(crate) fn is_value(btf: &Btf, shown: &str, expected: &str, is_prefix: bool) -> bool {
    let (shown, expected) = (tokens(initial(shown)), tokens(initial(expected)));
    let names = expected
        .iter()
        .any(|token| matches!(token, Token::Member(_)));
    let mut shown = shown
        .iter()
        .filter(|token| names || !matches!(token, Token::Member(_)));
    for token in &expected {
        let between = shown.by_ref();
        match between.find(|other| is_same(other, token) || !may_be_left_out(btf, other)) {
            Some(other) if is_same(other, token) => {}
            _ => return false,
        }
    }
    is_prefix || shown.all(|token| may_be_left_out(btf, token))
}

/// Returns `true` for a zero, and for the name of a member, whose value follows.
fn may_be_left_out(btf: &Btf, token: &Token) -> bool {
    match token {
        Token::Member(_) => true,
        Token::Number(number) => *number == 0,
        Token::Word(word) if matches!(word.as_str(), "false" | "NULL") => true,
        Token::Word(word) => enumerator(btf, word, 0),
        Token::Float(_) => false,
    }
}

/// Floats have six digits with libbpf, and those of 16 bytes are shown here as bytes.
fn is_same(shown: &Token, expected: &Token) -> bool {
    match (shown, expected) {
        (Token::Float(shown), Token::Float(expected)) => (shown - expected).abs() < 1e-6,
        (Token::Number(bytes), Token::Float(expected)) => {
            (long_double(bytes.swap_bytes()) - expected).abs() < 1e-6
        }
        _ => shown == expected,
    }
}

/// x86's `long double`: sign and exponent above 64 bits of mantissa.
fn long_double(bits: u128) -> f64 {
    let (mantissa, high) = (bits as u64, (bits >> 64) as u16);
    let exponent = i32::from(high & 0x7fff) - 16383 - 63;
    let sign = if high >> 15 == 0 { 1.0 } else { -1.0 };
    sign * mantissa as f64 * f64::from(exponent).exp2()
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
                let text = &rest[1..=end];
                let digits: String = text.iter().collect();
                match u128::from_str_radix(&digits, 16) {
                    // A float of a size that btf-core shows as bytes.
                    Ok(bytes) if text.len() == 32 => tokens.push(Token::Number(bytes)),
                    _ => tokens.extend(text.iter().map(|c| Token::Number(u128::from(*c)))),
                }
                end + 2
            }
            '.' => {
                let name = word(&rest[1..]);
                let len = name.chars().count() + 1;
                tokens.push(Token::Member(name));
                len
            }
            '-' | '0'..='9' if float(rest).is_some() => {
                let (value, len) = float(rest).unwrap_or_default();
                tokens.push(Token::Float(value));
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

/// A number with a point, and its length.
fn float(text: &[char]) -> Option<(f64, usize)> {
    let is_part = |c: &&char| c.is_ascii_digit() || matches!(c, '-' | '.');
    let word: String = text.iter().take_while(is_part).collect();
    let value = word.parse().ok().filter(|_| word.contains('.'))?;
    Some((value, word.len()))
}

fn number(word: &str) -> Option<u128> {
    match word.strip_prefix("0x") {
        Some(digits) => u128::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use btf_core::btf::Builder;

    #[test]
    fn headers_differ_by_their_members_only() {
        let expected = "struct a {\n\tint x;\n\tint: 4;\n\tlong y;\n};\n\nenum e {\n\tA = 0,\n};\n";
        let same = "struct a;\n\nenum e { A = 0, } __attribute__((packed));\n\
                    struct a { int x; /* size: 16 */ long y; };\n";
        assert!(is_header(same, expected));
        assert!(!is_header(&same.replace("long y", "int y"), expected));
        assert!(!is_header(&same.replace("A = 0", "A = 1"), expected));
        assert!(!is_header("struct a { int x; long y; };", expected));
        // Types that are declared but never defined count.
        assert!(!is_header(same, &format!("struct b;\n{expected}")));
    }

    #[test]
    fn headers_may_have_int_for_anonymous_parameters() {
        let expected = "typedef void (*f)(struct {\n\tint a;\n}, volatile const char *);\n";
        assert!(is_header(
            "typedef void (*f)(int, const volatile char *);",
            expected
        ));
        assert!(!is_header(
            "typedef void (*f)(const volatile char *);",
            expected
        ));
    }

    #[test]
    fn dumps_go_on_with_what_is_new() {
        assert_eq!(
            without("struct a {}; struct b {};", "struct a {};"),
            "struct b{};\n\n"
        );
    }

    #[test]
    fn values_may_lack_zeros_and_names() {
        let mut b = Builder::new();
        b.enumeration("state", 4, false, [("RUNNING", 0), ("SLEEPING", 1)]);
        let btf = b.finish().expect("valid");
        let is = |shown: &str, expected: &str| is_value(&btf, shown, expected, false);
        let shown = "{ .pid = -1, .flags = 0, .name = \"ab\", .state = RUNNING, .next = 0x10 }";
        let named =
            "(struct s){.pid = (int)-1,.name = (char[4])['a','b',],.next = (struct s *)0x10,}";
        assert!(is(shown, named));
        assert!(is(shown, "{-1,['a','b',],0x10,}"));
        assert!(!is(shown, "{-1,['a','c',],0x10,}"));
        assert!(!is(shown, "{-1,['a','b',],}"));
        assert!(!is(&shown.replace("RUNNING", "SLEEPING"), named));
        assert!(!is(shown, &named.replace("pid", "tid")));
        assert!(is("-1.2345670", "(float)-1.234567"));
        assert!(is("2", "static int busy = (int)2"));
        assert!(is_value(&btf, shown, "(struct s){.pid = (int)-1,", true));
    }

    #[test]
    fn floats_of_sixteen_bytes_are_bytes() {
        // 1.5L on x86.
        let bytes = "\"00000000000000c0ff3f000000000000\"";
        assert!(is_same(&tokens(bytes)[0], &Token::Float(1.5)));
    }
}
