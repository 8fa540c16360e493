//! A hash for names: tables of a kernel's hundred thousand names spend more time in the standard library's than in
//! anything else.
//!
//! It multiplies to 128 bits and folds, eight bytes at a time, from a seed that each process draws anew, so that a file
//! cannot be made whose names all collide.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Builds the hash with one seed; tables that are built together share it.
#[derive(Clone, Copy)]
pub(super) struct NameHash(u64);

impl Default for NameHash {
    fn default() -> Self {
        NameHash(RandomState::new().hash_one(0u8) | 1)
    }
}

impl BuildHasher for NameHash {
    type Hasher = NameHasher;

    fn build_hasher(&self) -> NameHasher {
        NameHasher {
            seed: self.0,
            state: self.0,
        }
    }
}

pub(super) struct NameHasher {
    seed: u64,
    state: u64,
}

impl NameHasher {
    fn fold(&mut self, word: u64) {
        /// Odd, and with as many ones as zeros, in no pattern.
        const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
        let wide = u128::from(self.state ^ word) * u128::from(self.seed ^ MIX);
        self.state = (wide as u64) ^ ((wide >> 64) as u64);
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.fold(u64::from_ne_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        // The length tells a NUL at the end from none.
        self.fold(u64::from_ne_bytes(last) ^ (bytes.len() as u64) << 56);
    }

    fn write_usize(&mut self, _length: usize) {
        // A slice's length, which `write` has added.
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_that_differ_little_differ_much() {
        let hash = NameHash::default();
        let names = (0..100_000).map(|n| format!("NAME_OF_A_CONSTANT_{n}"));
        // As std's tables use them: seven high bits as a tag, low ones as a place.
        let places: HashSet<u64> = names
            .map(|n| hash.hash_one(n.as_bytes()) & 0xff_ffff)
            .collect();
        assert!(places.len() > 99_000, "{} places of 100000", places.len());
    }

    #[test]
    fn lengths_and_seeds_count() {
        let hash = NameHash::default();
        let of = |name: &[u8]| hash.hash_one(name);
        assert_eq!(of(b"same"), of(b"same"));
        assert_ne!(of(b""), of(b"\0"));
        assert_ne!(of(b"a"), of(b"a\0"));
        assert_ne!(of(b"12345678"), of(b"123456789"));
        assert_ne!(
            of(b"name"),
            NameHash::default().hash_one(b"name".as_slice())
        );
    }
}
