//! Types that ring and perf buffer samples are read as.
#![allow(unsafe_code)] // Samples are borrowed where they lie; the block has its proof.

use crate::pod::{self, Pod};

/// What a ring buffer's samples may be seen as: a [`Pod`] type, or `[u8]` for bytes as they come.
pub trait Sample {
    /// Shows the bytes of a sample as this type; `None` if they are too few.
    #[doc(hidden)]
    fn view<R>(bytes: &[u8], show: impl FnOnce(&Self) -> R) -> Option<R>;

    #[doc(hidden)]
    fn describe() -> String;
}

impl<T: Pod> Sample for T {
    #[inline]
    fn view<R>(bytes: &[u8], show: impl FnOnce(&T) -> R) -> Option<R> {
        let start = bytes.as_ptr().cast::<T>();
        if !start.is_aligned() {
            // Samples are aligned to eight bytes, `__int128` to sixteen.
            return pod::read(bytes).map(|copy| show(&copy));
        }
        if bytes.len() < size_of::<T>() {
            return None;
        }
        // SAFETY: there are enough bytes and they are aligned (checked above); any bytes are a `T`; they are borrowed for
        // as long as the result.
        Some(show(unsafe { &*start }))
    }

    fn describe() -> String {
        format!("`{}` has {}", std::any::type_name::<T>(), size_of::<T>())
    }
}

impl Sample for [u8] {
    #[inline]
    fn view<R>(bytes: &[u8], show: impl FnOnce(&[u8]) -> R) -> Option<R> {
        Some(show(bytes))
    }

    fn describe() -> String {
        "bytes need none".into()
    }
}
