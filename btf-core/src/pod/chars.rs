//! C's `char name[N]`: text up to the first NUL byte, if it has one.

use std::borrow::Cow;
use std::fmt;

use super::Pod;

/// An array of C's `char`. Equality is that of all bytes, as in a map key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Chars<const N: usize>(pub [u8; N]);

// SAFETY: transparent bytes.
unsafe impl<const N: usize> Pod for Chars<N> {}

impl<const N: usize> Chars<N> {
    /// The bytes before the first NUL, or all.
    pub fn as_bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(N);
        &self.0[..end]
    }

    /// The text before the first NUL, what is not UTF-8 replaced.
    pub fn to_str_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }
}

impl<const N: usize> Default for Chars<N> {
    fn default() -> Self {
        Chars([0; N])
    }
}

/// As much of the text as fits, with a NUL after it, and zeros to the end.
impl<const N: usize> From<&str> for Chars<N> {
    fn from(text: &str) -> Self {
        let mut chars = Self::default();
        let fits = text.len().min(N.saturating_sub(1));
        chars.0[..fits].copy_from_slice(&text.as_bytes()[..fits]);
        chars
    }
}

impl<const N: usize> PartialEq<str> for Chars<N> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> PartialEq<&str> for Chars<N> {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl<const N: usize> fmt::Debug for Chars<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_str_lossy(), f)
    }
}

impl<const N: usize> fmt::Display for Chars<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_str_lossy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_at_the_first_nul_or_the_end() {
        assert_eq!(Chars(*b"ab\0cd").to_str_lossy(), "ab");
        assert_eq!(Chars(*b"abcd").to_str_lossy(), "abcd");
        assert_eq!(
            format!("{:>4}|{:?}", Chars(*b"ab\0"), Chars(*b"\xffb")),
            "  ab|\"\u{fffd}b\""
        );
    }

    #[test]
    fn text_is_cut_to_leave_room_for_the_nul() {
        assert_eq!(Chars::<4>::from("abcdef").0, *b"abc\0");
        assert_eq!(Chars::<4>::from("a"), "a");
        assert_eq!(Chars::<0>::from("a").as_bytes(), b"");
    }
}
