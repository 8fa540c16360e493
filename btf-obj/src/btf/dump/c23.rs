//! Names of BTF that are keywords from C23 on, such as `bool`, `true` and `false` of the kernel.
//!
//! A header that declares them must compile before C23, where sources need the declarations, and in
//! C23, where they are errors. There, macros give the names a flavor while the header is read.

use std::fmt::Write as _;

/// The keywords that C23 adds, but for those that start with an underscore.
const KEYWORDS: [&str; 11] = [
    "alignas",
    "alignof",
    "bool",
    "constexpr",
    "false",
    "nullptr",
    "static_assert",
    "thread_local",
    "true",
    "typeof",
    "typeof_unqual",
];

/// Condition for compilers with these keywords. clang 14 reports C23 mode but lacks them.
const IF_C23: &str =
    "#if __STDC_VERSION__ > 201710L && (!defined(__clang__) || __clang_major__ >= 15)\n";

/// A set of keywords, a bit for each.
#[derive(Clone, Copy, Default)]
pub(super) struct Reserved(u16);

impl Reserved {
    /// Adds a name if it is a keyword. Every name of a header passes here.
    pub(super) fn note(&mut self, name: &[u8]) {
        if !matches!(
            name.first(),
            Some(b'a' | b'b' | b'c' | b'f' | b'n' | b's' | b't')
        ) || !matches!(name.len(), 4 | 5 | 6 | 7 | 9 | 12 | 13)
        {
            return;
        }
        if let Some(n) = KEYWORDS.iter().position(|word| word.as_bytes() == name) {
            self.0 |= 1 << n;
        }
    }

    fn words(self) -> impl Iterator<Item = &'static str> {
        let words = KEYWORDS.iter().enumerate();
        words.filter_map(move |(n, word)| (self.0 & 1 << n != 0).then_some(*word))
    }

    /// Returns the directives before and after the types; `None` if no name is a keyword.
    pub(super) fn around(self) -> Option<(String, String)> {
        if self.0 == 0 {
            return None;
        }
        let (mut before, mut after) = (String::from(IF_C23), String::from(IF_C23));
        for word in self.words() {
            // Writing to a String cannot fail.
            let _ = writeln!(
                before,
                "#pragma push_macro(\"{word}\")\n#undef {word}\n#define {word} {word}___c23"
            );
            let _ = writeln!(after, "#pragma pop_macro(\"{word}\")");
        }
        before.push_str("#endif\n\n");
        after.push_str("#endif\n");
        Some((before, after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_is_noted_and_nothing_else() {
        for word in KEYWORDS {
            let mut reserved = Reserved::default();
            reserved.note(word.as_bytes());
            assert!(reserved.words().eq([word]));
        }
        let mut reserved = Reserved::default();
        for name in [
            "",
            "boolean",
            "fals",
            "true_",
            "int",
            "constexprs",
            "nullptx",
        ] {
            reserved.note(name.as_bytes());
        }
        assert!(reserved.around().is_none());
    }
}
