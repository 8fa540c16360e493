//! Plain old data: the types that may be read from, and written as, bytes shared with the kernel.

mod bits;
mod boolean;
mod chars;
mod pointer;

pub use bits::{bits, set_bits};
pub use boolean::Bool;
pub use chars::{Chars, NulTerminated};
pub use pointer::Ptr;

/// A type whose every bit pattern is a value and which has no padding bytes.
///
/// Map keys and values, global variables and ring buffer samples are of such types: the kernel side writes
/// whatever bytes it likes, and all bytes of a key count when it is looked up.
/// Skeletons implement it for the types they generate, with padding spelled out as fields.
///
/// # Safety
///
/// Every sequence of `size_of::<Self>()` bytes must be a valid value, and no byte of any value may be
/// uninitialised (no implicit padding). References and types with invalid values (`bool`, `char`, enums) are out.
pub unsafe trait Pod: Copy + 'static {}

macro_rules! pod {
    ($($t:ty),*) => { $(
        // SAFETY: a primitive number has no padding and no invalid bit pattern.
        unsafe impl Pod for $t {}
    )* };
}
pod!(
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    f32,
    f64,
    ()
);

// SAFETY: an array has no padding between its elements, and its bit patterns are those of its elements.
unsafe impl<T: Pod, const N: usize> Pod for [T; N] {}

/// The bytes of a value.
#[inline]
pub fn bytes_of<T: Pod>(value: &T) -> &[u8] {
    // SAFETY: `Pod` has no uninitialised bytes, the pointer and length are those of a live reference.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast::<u8>(), size_of::<T>()) }
}

/// The bytes of values in a row.
#[inline]
pub fn bytes_of_all<T: Pod>(values: &[T]) -> &[u8] {
    // SAFETY: as in `bytes_of`, for each value; an array has no padding between its elements.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) }
}

/// The bytes of values in a row, to be written.
#[inline]
pub fn bytes_of_all_mut<T: Pod>(values: &mut [T]) -> &mut [u8] {
    let len = size_of_val(values);
    // SAFETY: as in `bytes_of_all`; any bytes written are valid values, and the borrow is
    // exclusive.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast::<u8>(), len) }
}

/// The bytes of a value, to be written.
#[inline]
pub fn bytes_of_mut<T: Pod>(value: &mut T) -> &mut [u8] {
    // SAFETY: as in `bytes_of`; any bytes written are a valid `T`, and the borrow is exclusive.
    unsafe {
        std::slice::from_raw_parts_mut(std::ptr::from_mut(value).cast::<u8>(), size_of::<T>())
    }
}

/// Copies a value out of the first bytes of `bytes`, whatever their alignment; `None` if there are too few.
#[inline]
pub fn read<T: Pod>(bytes: &[u8]) -> Option<T> {
    if bytes.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: the length was checked, the read is unaligned, and every bit pattern is a `T`.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// The value `offset` bytes into `bytes`; zeros if it does not lie within them. Members of unions are read with it.
#[inline]
pub fn read_at<T: Pod>(bytes: &[u8], offset: usize) -> T {
    let rest = bytes.get(offset..).unwrap_or_default();
    read(rest).unwrap_or_else(zeroed)
}

/// Sets the value `offset` bytes into `bytes`; what does not lie within them is dropped.
pub fn write_at<T: Pod>(bytes: &mut [u8], offset: usize, value: &T) {
    let rest = bytes.get_mut(offset..).unwrap_or_default();
    for (to, from) in rest.iter_mut().zip(bytes_of(value)) {
        *to = *from;
    }
}

/// The values that follow `offset` bytes into `bytes`, as many as there are whole ones: a flexible array.
pub fn tail<T: Pod>(bytes: &[u8], offset: usize) -> impl ExactSizeIterator<Item = T> {
    let rest = bytes.get(offset..).unwrap_or_default();
    // A type of no size has no elements that could be counted.
    let size = size_of::<T>();
    let count = rest.len().checked_div(size).unwrap_or(0);
    (0..count).map(move |n| read_at(rest, n * size))
}

/// The value whose bytes are all zero.
#[inline]
pub fn zeroed<T: Pod>() -> T {
    // SAFETY: every bit pattern is a `T`, the one of zeros included.
    unsafe { std::mem::zeroed() }
}

/// A boxed value from `bytes`, zero-filled or cut to the size of `T`; never on the stack, so of any size.
pub fn boxed<T: Pod>(bytes: &[u8]) -> Box<T> {
    // SAFETY: the zeroed allocation is an initialised `T`, because every bit pattern is one.
    let mut value = unsafe { Box::<T>::new_zeroed().assume_init() };
    let n = bytes.len().min(size_of::<T>());
    bytes_of_mut(&mut *value)[..n].copy_from_slice(&bytes[..n]);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_tails_stay_within_their_bytes() {
        let mut bytes = [0; 5];
        write_at(&mut bytes, 3, &0x0102_0304u32.to_be_bytes());
        assert_eq!(bytes, [0, 0, 0, 1, 2]);
        assert_eq!(read_at::<[u8; 2]>(&bytes, 3), [1, 2]);
        assert_eq!(read_at::<[u8; 2]>(&bytes, 4), [0, 0]);
        assert_eq!(read_at::<u8>(&bytes, 9), 0);
        let tail: Vec<[u8; 2]> = tail(&bytes, 2).collect();
        assert_eq!(tail, [[0, 1]]);
        assert_eq!(super::tail::<()>(&bytes, 0).len(), 0);
    }

    #[test]
    fn values_round_trip_through_bytes() {
        let v = [0x0102_0304u32, 5];
        assert_eq!(read::<[u32; 2]>(bytes_of(&v)), Some(v));
        assert_eq!(read::<u64>(&[0; 7]), None);
        assert_eq!(*boxed::<u32>(&[1]), u32::from_ne_bytes([1, 0, 0, 0]));
    }
}
