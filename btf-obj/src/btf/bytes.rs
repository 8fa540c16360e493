//! What a BTF's bytes live in: a static, an allocation, or something mapped by the caller.
#![allow(unsafe_code)] // A slice is kept beside its owner, so that reading asks nobody; each block has its proof.

use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

/// Immutable bytes with an owner; cloning shares them.
#[derive(Clone)]
pub struct Bytes {
    start: NonNull<u8>,
    len: usize,
    /// Whom the bytes belong to; `None` for a static.
    _owner: Option<Arc<dyn AsRef<[u8]> + Send + Sync>>,
}

// SAFETY: the bytes are only read, and the owner may be sent and shared itself.
unsafe impl Send for Bytes {}
// SAFETY: as above.
unsafe impl Sync for Bytes {}

impl Bytes {
    /// Bytes that stay where they are for as long as `owner` lives, such as a read-only memory map.
    ///
    /// Nobody may change them meanwhile: readers validate them once. If somebody does, values that are read are wrong, but
    /// no memory error follows.
    pub fn from_owner(owner: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        let owner: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::new(owner);
        let bytes = (*owner).as_ref();
        Bytes {
            start: NonNull::from(bytes).cast(),
            len: bytes.len(),
            _owner: Some(owner),
        }
    }
}

impl From<&'static [u8]> for Bytes {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes {
            start: NonNull::from(bytes).cast(),
            len: bytes.len(),
            _owner: None,
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from_owner(bytes)
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `start` and `len` are those of a static slice, or of one that the owner lent out. The owner is behind an
        // `Arc` that is never unwrapped or borrowed exclusively, so what it lends to `&self` may be used for as long as it
        // lives, and `self` keeps it alive.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_clone_frees_the_owner() {
        let owner: Arc<[u8]> = vec![1, 2, 3].into();
        let bytes = Bytes::from_owner(owner.clone());
        let clone = bytes.clone();
        assert_eq!(Arc::strong_count(&owner), 2);
        drop(bytes);
        assert_eq!(*clone, [1, 2, 3]);
        drop(clone);
        assert_eq!(Arc::strong_count(&owner), 1);
    }

    #[test]
    fn nothing_is_a_slice_too() {
        assert!(Bytes::from(Vec::new()).is_empty());
        assert_eq!(*Bytes::from(b"x".as_slice()), *b"x");
    }
}
