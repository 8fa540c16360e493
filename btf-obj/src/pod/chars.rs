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
        self.0.before_nul()
    }

    /// The text before the first NUL, what is not UTF-8 replaced.
    pub fn to_str_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }
}

/// Bytes with text up to the first NUL byte, if they have one: `u8 comm[16]` in C, whose `char
/// comm[16]` is [`Chars`].
///
/// ```
/// use btf_obj::pod::NulTerminated;
///
/// let comm: [u8; 16] = *b"systemd\0\0\0\0\0\0\0\0\0";
/// assert_eq!(comm.to_str_lossy(), "systemd");
/// ```
pub trait NulTerminated {
    /// Returns the bytes before the first NUL, or all.
    fn before_nul(&self) -> &[u8];

    /// Returns the text before the first NUL, with replacement characters for what is not UTF-8.
    fn to_str_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.before_nul())
    }
}

impl NulTerminated for [u8] {
    fn before_nul(&self) -> &[u8] {
        let end = self.iter().position(|b| *b == 0).unwrap_or(self.len());
        &self[..end]
    }
}

/// C's `signed char name[N]`.
impl NulTerminated for [i8] {
    fn before_nul(&self) -> &[u8] {
        super::bytes_of_all(self).before_nul()
    }
}

impl<const N: usize> From<[u8; N]> for Chars<N> {
    fn from(bytes: [u8; N]) -> Self {
        Chars(bytes)
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
    fn byte_arrays_have_text_up_to_the_first_nul() {
        assert_eq!(b"ab\0cd".to_str_lossy(), "ab");
        assert_eq!([b'a', b'b'].to_str_lossy(), "ab");
        assert_eq!([0x61i8, -1, 0].before_nul(), b"a\xff");
        assert_eq!([0u8; 0].before_nul(), b"");
        assert_eq!(Chars::from(*b"ab\0").to_string(), "ab");
    }

    #[test]
    fn text_is_cut_to_leave_room_for_the_nul() {
        assert_eq!(Chars::<4>::from("abcdef").0, *b"abc\0");
        assert_eq!(Chars::<4>::from("a"), "a");
        assert_eq!(Chars::<0>::from("a").as_bytes(), b"");
    }
}
