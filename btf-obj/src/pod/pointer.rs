//! A pointer of the kernel side: an address, never followed here.

use std::fmt;

use super::Pod;

/// An address as a BPF program has it: 64 bits, of kernel memory or of another process.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Ptr(pub u64);

// SAFETY: a transparent number.
unsafe impl Pod for Ptr {}

impl Ptr {
    /// Whether it is C's `NULL`.
    pub fn is_null(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for Ptr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for Ptr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
