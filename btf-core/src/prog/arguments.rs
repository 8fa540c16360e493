//! The arguments of what a program attaches to, as its context has them: a 64-bit word each.

/// As many words as a context has at most.
pub const MAX_WORDS: usize = 12;

/// A struct of a program's arguments, which skeletons generate from the prototype of its target; or its words themselves.
pub trait Arguments: Sized {
    /// The words of the context. Those of arguments narrower than a word are filled with zeros.
    fn to_words(&self) -> Vec<u64>;

    /// Reads arguments from a context's words; those that are missing are zero.
    fn from_words(words: &[u64]) -> Self;
}

/// Words without types. `N` is at most [`MAX_WORDS`].
impl<const N: usize> Arguments for [u64; N] {
    fn to_words(&self) -> Vec<u64> {
        self.to_vec()
    }

    fn from_words(words: &[u64]) -> Self {
        std::array::from_fn(|n| words.get(n).copied().unwrap_or(0))
    }
}
