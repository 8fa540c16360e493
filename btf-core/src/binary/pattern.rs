//! Patterns of names, in which `*` stands for any characters and `?` for any one.

use super::source::Source;
use crate::error::Result;

/// Returns `true` if a name matches a pattern.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Position of the last `*`, and how much of the name it stands for.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, n) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// Offsets in a string table at which names begin that match a pattern: ranges from the first to
/// the last one, in rising order.
///
/// Symbols may refer to any end of a string (see [`super::names`]). A pattern is matched from its
/// end, once for all ends of a string, which gives the last offset for what follows its first `*`.
pub(super) struct Matching(Vec<(u32, u32)>);

impl Matching {
    pub(super) fn find(source: &Source, (offset, size): (u64, u64), pattern: &str) -> Result<Self> {
        let mut parts = pattern.as_bytes().split(|c| *c == b'*');
        let first = parts.next().unwrap_or_default();
        let rest: Vec<&[u8]> = parts.collect();
        let mut found = Matching(Vec::new());
        source.strings(offset, size, |start, text| {
            let Some(end) = last_start(text, &rest) else {
                return;
            };
            // Without a `*`, the first part is all that there may be.
            if rest.is_empty() {
                let at = end.checked_sub(first.len());
                if let Some(at) = at.filter(|at| is_same(first, &text[*at..])) {
                    found.add(start, at, at);
                }
            } else {
                found.add_each(start, &text[..end], first);
            }
        })?;
        Ok(found)
    }

    pub(super) fn has(&self, offset: u32) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= offset);
        after > 0 && offset <= self.0[after - 1].1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds each offset of a text at which the pattern's first part is.
    fn add_each(&mut self, start: u32, text: &[u8], first: &[u8]) {
        let Some(letter) = first.first() else {
            return self.add(start, 0, text.len());
        };
        let Some(last) = text.len().checked_sub(first.len()) else {
            return;
        };
        if *letter == b'?' {
            for at in (0..=last).filter(|at| is_same(first, &text[*at..])) {
                self.add(start, at, at);
            }
        } else {
            for at in memchr::memchr_iter(*letter, &text[..=last]) {
                if is_same(first, &text[at..]) {
                    self.add(start, at, at);
                }
            }
        }
    }

    fn add(&mut self, start: u32, first: usize, last: usize) {
        let (first, last) = (start + first as u32, start + last as u32);
        match self.0.last_mut() {
            Some((_, before)) if *before + 1 == first => *before = last,
            _ => self.0.push((first, last)),
        }
    }
}

/// Returns the last offset at which the parts of a pattern, each behind a `*`, match the text.
fn last_start(text: &[u8], parts: &[&[u8]]) -> Option<usize> {
    let Some((last, between)) = parts.split_last() else {
        return Some(text.len());
    };
    let mut end = text.len().checked_sub(last.len())?;
    if !is_same(last, &text[end..]) {
        return None;
    }
    for part in between.iter().rev() {
        let latest = end.checked_sub(part.len())?;
        end = (0..=latest).rev().find(|at| is_same(part, &text[*at..]))?;
    }
    Some(end)
}

/// Returns `true` if a text begins with a part of a pattern that has no `*`.
fn is_same(part: &[u8], text: &[u8]) -> bool {
    text.len() >= part.len() && part.iter().zip(text).all(|(p, c)| *p == b'?' || p == c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("vfs_*", "vfs_read", true),
            ("vfs_*", "vfs_", true),
            ("vfs_*", "__vfs_read", false),
            ("*read*", "__vfs_readv", true),
            ("v?s_re*d", "vfs_read", true),
            ("v?s_re*d", "vfs_readd", true),
            ("v?s_re*d", "vfs_reads", false),
            ("vfs_read", "vfs_readv", false),
            ("a*b*c", "a-b-b-c", true),
            ("*", "", true),
            ("?", "", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        // Only the time would show exponential backtracking.
        assert!(!matches(&"*a".repeat(60), &"b".repeat(4000)));
    }

    /// All texts of up to so many letters out of these.
    fn texts(letters: &[u8], most: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut from = 0;
        for _ in 0..most {
            let to = all.len();
            for n in from..to {
                for letter in letters {
                    all.push(format!("{}{}", all[n], char::from(*letter)));
                }
            }
            from = to;
        }
        all
    }

    #[test]
    fn ends_of_strings_match_like_names() {
        let table: String = texts(b"ab", 5)
            .iter()
            .map(|text| format!("{text}\0"))
            .collect();
        let source = Source::from_bytes(table.clone().into_bytes());
        for pattern in texts(b"a*?", 5).iter().chain(&texts(b"ab*", 4)) {
            let found = Matching::find(&source, (0, table.len() as u64), pattern).unwrap();
            for offset in 0..table.len() {
                let (name, _) = table[offset..].split_once('\0').unwrap();
                let expected = matches(pattern, name);
                assert_eq!(found.has(offset as u32), expected, "{pattern} {name}");
            }
        }
    }
}
