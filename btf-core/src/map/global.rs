//! One global variable that programs read and write while the application does.
#![allow(unsafe_code)] // Reads and writes memory that the kernel side changes; each block has its proof.

use std::cell::UnsafeCell;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use crate::pod::{self, Pod};

/// A global variable of a loaded object, in memory shared with its programs.
///
/// Access is by copy. A variable of at most eight bytes that lies aligned to its size is read and written as a whole;
/// any other piece by piece, so that a program which changes it meanwhile may leave a mixture. No order is promised
/// between variables.
///
/// Skeletons declare the fields of `.data` and `.bss` with it. It may lie anywhere, because C lets packed variables do so.
#[repr(C, packed)]
pub struct Global<T>(UnsafeCell<T>);

// SAFETY: all access through a shared reference is by atomic operations (`Piece`), so that threads do not race; `T` is plain
// data that may be copied by any thread if it is `Send`.
unsafe impl<T: Pod + Send> Sync for Global<T> {}

/// A word that is read and written at once.
trait Piece: Pod {
    /// # Safety
    ///
    /// `at` must be valid and aligned, and all concurrent access to it atomic and of this size.
    unsafe fn load(at: *mut Self) -> Self;
    /// # Safety
    ///
    /// As [`Piece::load`].
    unsafe fn store(at: *mut Self, value: Self);
}

macro_rules! piece {
    ($($word:ty, $atomic:ty);*) => { $(
        impl Piece for $word {
            unsafe fn load(at: *mut Self) -> Self {
                // SAFETY: the caller's promise is `from_ptr`'s requirement.
                let atomic = unsafe { <$atomic>::from_ptr(at) };
                atomic.load(Ordering::Relaxed)
            }

            unsafe fn store(at: *mut Self, value: Self) {
                // SAFETY: the caller's promise is `from_ptr`'s requirement.
                let atomic = unsafe { <$atomic>::from_ptr(at) };
                atomic.store(value, Ordering::Relaxed);
            }
        }
    )* };
}
piece!(u8, AtomicU8; u16, AtomicU16; u32, AtomicU32; u64, AtomicU64);

impl<T: Pod> Global<T> {
    /// A variable with this value. Those of a loaded object are never made, but mapped.
    pub const fn new(value: T) -> Self {
        Global(UnsafeCell::new(value))
    }

    /// A copy of its value now.
    pub fn get(&self) -> T {
        let mut value: T = pod::zeroed();
        let bytes = pod::bytes_of_mut(&mut value);
        match self.piece() {
            8 => self.read::<u64>(bytes),
            4 => self.read::<u32>(bytes),
            2 => self.read::<u16>(bytes),
            _ => self.read::<u8>(bytes),
        }
        value
    }

    /// Sets its value, which programs see from their next read on.
    pub fn set(&self, value: T) {
        let bytes = pod::bytes_of(&value);
        match self.piece() {
            8 => self.write::<u64>(bytes),
            4 => self.write::<u32>(bytes),
            2 => self.write::<u16>(bytes),
            _ => self.write::<u8>(bytes),
        }
    }

    /// By pointer only: a reference to the cell would promise the alignment of `T`.
    fn start(&self) -> *mut T {
        UnsafeCell::raw_get(&raw const self.0)
    }

    /// Size of the largest pieces, up to a machine word's, that divide both the address and the size.
    fn piece(&self) -> usize {
        let both = self.start().addr() | size_of::<T>() | size_of::<u64>();
        1 << both.trailing_zeros()
    }

    /// `P` divides the address and the size of the variable, which is the length of `bytes`.
    fn read<P: Piece>(&self, bytes: &mut [u8]) {
        let start = self.start().cast::<P>();
        for (n, to) in bytes.chunks_exact_mut(size_of::<P>()).enumerate() {
            // SAFETY: the bytes are as many as the variable's, so the n-th piece lies within it.
            let at = unsafe { start.add(n) };
            // SAFETY: it is valid while `self` is borrowed; aligned, because `P`'s size divides the variable's address; and
            // a variable, which keeps its address while it is borrowed, is always accessed in the same pieces, atomically.
            let piece = unsafe { P::load(at) };
            to.copy_from_slice(pod::bytes_of(&piece));
        }
    }

    /// As [`Global::read`], the other way round.
    fn write<P: Piece>(&self, bytes: &[u8]) {
        let start = self.start().cast::<P>();
        let pieces = bytes
            .chunks_exact(size_of::<P>())
            .filter_map(pod::read::<P>);
        for (n, piece) in pieces.enumerate() {
            // SAFETY: the bytes are as many as the variable's, so the n-th piece lies within it.
            let at = unsafe { start.add(n) };
            // SAFETY: as in `read`; the memory is writable, because the variable lies in a cell.
            unsafe { P::store(at, piece) };
        }
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Global<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl<T: Pod + fmt::Display> fmt::Display for Global<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_shape_are_set_and_got() {
        fn round_trip<T: Pod + PartialEq + fmt::Debug>(first: T, second: T) {
            let g = Global::new(first);
            assert_eq!(g.get(), first);
            g.set(second);
            assert_eq!(g.get(), second);
        }
        round_trip(1u8, 255);
        round_trip(-1i16, 7);
        round_trip(1.5f32, -2.5);
        round_trip(u64::MAX, 3);
        round_trip(u128::MAX, 1 << 70);
        round_trip([1u8, 2, 3], [9, 8, 7]);
        round_trip([[1u32; 3]; 5], [[7; 3]; 5]);
        round_trip((), ());
    }

    #[test]
    fn it_may_lie_anywhere() {
        #[repr(C)]
        struct Odd {
            before: Global<u8>,
            word: Global<u64>,
            after: Global<[u16; 3]>,
        }
        let odd = Odd {
            before: Global::new(1),
            word: Global::new(u64::MAX),
            after: Global::new([1, 2, 3]),
        };
        assert_eq!(std::mem::offset_of!(Odd, word), 1);
        odd.word.set(0x0102_0304_0506_0708);
        assert_eq!(
            (odd.before.get(), odd.word.get(), odd.after.get()),
            (1, 0x0102_0304_0506_0708, [1, 2, 3])
        );
    }

    #[test]
    fn it_prints_as_its_value() {
        assert_eq!(format!("{} {0:?} {0:3}", Global::new(-5)), "-5 -5  -5");
    }
}
