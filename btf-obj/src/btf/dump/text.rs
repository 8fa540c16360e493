//! The growing C text: identifiers, numbers, indentation, and the bound on its length.

use super::c23;
use crate::error::{Error, Result};

/// Bytes of C. Only this crate's words and checked identifiers go in, so they are ASCII.
pub(super) struct Text {
    out: Vec<u8>,
    limit: usize,
    /// The names among those written that C23 reserves.
    pub(super) reserved: c23::Reserved,
}

impl Text {
    /// Makes an empty text that may grow to `limit` bytes.
    pub(super) fn new(capacity: usize, limit: usize) -> Text {
        Text {
            out: Vec::with_capacity(capacity),
            limit,
            reserved: c23::Reserved::default(),
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// A name, with `_` for every byte that C does not allow in one, so that a file's strings stay names.
    pub(super) fn ident(&mut self, name: &[u8]) {
        self.reserved.note(name);
        if is_ident(name) {
            self.out.extend_from_slice(name);
        } else {
            self.out.extend(clean(name));
        }
    }

    /// A name that is known to be one that C allows.
    pub(super) fn push_ident(&mut self, name: &[u8]) {
        debug_assert!(is_ident(name));
        self.reserved.note(name);
        self.out.extend_from_slice(name);
    }

    /// The name at the start of `tail`, which a NUL ends, as [`Text::ident`] writes it.
    pub(super) fn ident_until_nul(&mut self, tail: &[u8]) {
        let end = tail.iter().position(|b| !ALLOWED[usize::from(*b)]);
        let end = end.unwrap_or(tail.len());
        if tail.get(end).is_none_or(|b| *b == 0)
            && tail.first().is_some_and(|b| !b.is_ascii_digit())
        {
            self.reserved.note(&tail[..end]);
            self.out.extend_from_slice(&tail[..end]);
        } else {
            let end = tail.iter().position(|b| *b == 0).unwrap_or(tail.len());
            self.ident(&tail[..end]);
        }
    }

    /// Puts text between what is written.
    pub(super) fn insert(&mut self, at: usize, text: &str) {
        self.out.splice(at..at, text.bytes());
    }

    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// Writes again what stands in this range.
    pub(super) fn repeat(&mut self, range: std::ops::Range<usize>) {
        self.out.extend_from_within(range);
    }

    pub(super) fn number(&mut self, mut n: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (n % 10) as u8;
            n /= 10;
            if n == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[at..]);
    }

    pub(super) fn indent(&mut self, level: usize) {
        self.out.resize(self.out.len() + level, b'\t');
    }

    /// Anonymous types are written out at each use, so a small file can ask for a text without end.
    ///
    /// # Errors
    ///
    /// Once the text is longer than its limit.
    pub(super) fn check(&self) -> Result<()> {
        if self.out.len() <= self.limit {
            return Ok(());
        }
        Err(Error::malformed(format!(
            "the C text is longer than {} bytes, which no sound BTF of this size needs",
            self.limit
        ))
        .hint("anonymous types nested within each other may repeat without bound"))
    }

    pub(super) fn finish(self) -> String {
        // The conversion never replaces anything, see the type's comment; it only proves it.
        String::from_utf8(self.out)
            .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
    }
}

/// Which bytes C allows in a name. A table, because every name of a kernel passes here.
const ALLOWED: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut b = 0;
    while b < 256 {
        allowed[b] = (b as u8).is_ascii_alphanumeric() || b as u8 == b'_';
        b += 1;
    }
    allowed
};

fn is_ident(name: &[u8]) -> bool {
    name.first().is_some_and(|b| !b.is_ascii_digit())
        && name.iter().all(|b| ALLOWED[usize::from(*b)])
}

/// The name if C allows it.
pub(super) fn as_ident(name: &[u8]) -> Option<&[u8]> {
    is_ident(name).then_some(name)
}

/// A name that C allows.
pub(super) fn clean(name: &[u8]) -> Vec<u8> {
    let digit = name.first().is_none_or(u8::is_ascii_digit);
    let start = digit.then_some(b'_').into_iter();
    let rest = name
        .iter()
        .map(|&b| if ALLOWED[usize::from(b)] { b } else { b'_' });
    start.chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names() {
        let mut text = Text::new(0, 100);
        for n in [0, 9, 10, u64::MAX] {
            text.number(n);
            text.push(" ");
        }
        text.ident(b"plain_1");
        text.ident(b" 1; }");
        text.ident("é".as_bytes());
        text.ident(b"2");
        assert!(text.check().is_ok());
        assert_eq!(
            text.finish(),
            "0 9 10 18446744073709551615 plain_1_1______2"
        );
    }

    #[test]
    fn too_long_is_an_error() {
        let mut text = Text::new(0, 3);
        text.push("four");
        assert!(text.check().is_err());
    }
}
