//! One global variable that programs read and write while the application does.
#![allow(unsafe_code)] // Accesses memory shared with programs; each block has its proof.

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::Deref;

use super::words;
use crate::pod::{self, Pod};

/// A global variable of a loaded object, in memory shared with its programs.
///
/// Access is by copy: [`Global::get`] and [`Global::set`]. An element of an array or a member of a
/// struct is a `Global` itself, and is accessed without the rest:
///
/// ```
/// # use btf_core::map::Global;
/// # fn example(counts: &Global<[u64; 1 << 20]>) {
/// counts[7].set(counts[7].get() + 1);
/// let sum: u64 = counts.iter().map(Global::get).sum();
/// let all: Vec<u64> = counts.to_vec();
/// # }
/// ```
///
/// A skeleton's structs have their members in the same way: `skel.bss.stats.errors.get()`.
///
/// # Concurrent access
///
/// A variable of at most eight bytes that is aligned to its size is read and written as a whole.
/// Any other one is copied in words of eight bytes, so that a program that changes it meanwhile may
/// leave a mixture of old and new ones. A write leaves the bytes around the variable as they are,
/// whoever writes those. No order is guaranteed between different variables, or between words of
/// one.
///
/// Skeletons declare the variables of `.data` and `.bss` with this type. Values of it are never
/// made, but only found in mapped memory. It has no alignment, because C allows packed variables.
#[repr(C, packed)]
pub struct Global<T>(UnsafeCell<T>);

// SAFETY: access through a shared reference is by atomic operations of one size (`words`), so that
// threads do not race; `T` is plain data that may be copied by any thread if it is `Send`.
unsafe impl<T: Pod + Send> Sync for Global<T> {}

/// A type whose parts can be accessed in place inside of a [`Global`], which derefs to them: an
/// array, or a struct of a skeleton.
///
/// # Safety
///
/// `Parts` must have the size of `Self` and the alignment 1, and consist of `Global`s of the parts
/// at their offsets, with no bytes in between.
pub unsafe trait InPlace: Pod {
    /// The parts of a value in shared memory.
    type Parts;
}

// SAFETY: the elements of an array follow each other without bytes in between.
unsafe impl<T: Pod, const N: usize> InPlace for [T; N] {
    type Parts = [Global<T>; N];
}

impl<T: Pod> Global<T> {
    /// Returns a copy of its value. See [`Global::get_boxed`] for large ones.
    #[inline]
    pub fn get(&self) -> T {
        // SAFETY: a `Global` is only found in mapped memory, which outlives the borrow of `self`,
        // and has as many bytes as `T`.
        unsafe { words::get(self.address()) }
    }

    /// Sets its value, which programs see from their next read on.
    #[inline]
    pub fn set(&self, value: T) {
        self.copy_from(&value);
    }

    /// Returns a copy of its value on the heap. It is never on the stack, so it may be of any size.
    pub fn get_boxed(&self) -> Box<T> {
        let mut value = pod::boxed(&[]);
        self.copy_to(&mut *value);
        value
    }

    /// Copies its value into `value`.
    pub fn copy_to(&self, value: &mut T) {
        // SAFETY: as in `get`.
        unsafe { words::load(self.address(), pod::bytes_of_mut(value)) }
    }

    /// Sets its value to that of `value`.
    #[inline]
    pub fn copy_from(&self, value: &T) {
        // SAFETY: as in `get`. Memory that is not mapped for writing is never handed out as a
        // `Global`.
        unsafe { words::set(self.address(), value) }
    }

    /// By pointer, as a reference to the cell would promise the alignment of `T`.
    #[inline]
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Copies the values of variables in a row, `counts[8..16]` for instance, into `values`, as
    /// many as both have. Returns their number.
    pub fn copy_all_to(variables: &[Global<T>], values: &mut [T]) -> usize {
        let len = variables.len().min(values.len());
        let bytes = pod::bytes_of_all_mut(&mut values[..len]);
        // SAFETY: as in `get`, of `len` variables.
        unsafe { words::load(variables.as_ptr().addr(), bytes) }
        len
    }

    /// Sets variables in a row to `values`, as many as both have. Returns their number.
    pub fn copy_all_from(variables: &[Global<T>], values: &[T]) -> usize {
        let len = variables.len().min(values.len());
        let bytes = pod::bytes_of_all(&values[..len]);
        // SAFETY: as in `copy_from`, of `len` variables.
        unsafe { words::store(variables.as_ptr().addr(), bytes) }
        len
    }

    /// Passes a copy of its value to `show`. A large one does not come on the stack.
    fn show(&self, show: impl FnOnce(&T) -> fmt::Result) -> fmt::Result {
        // Functions of their own, as the stack frame of a function has room for all of its
        // variables.
        #[inline(never)]
        fn on_stack<T: Pod>(
            global: &Global<T>,
            show: impl FnOnce(&T) -> fmt::Result,
        ) -> fmt::Result {
            show(&global.get())
        }
        match size_of::<T>() <= 1024 {
            true => on_stack(self, show),
            false => show(&*self.get_boxed()),
        }
    }
}

impl<T: Pod, const N: usize> Global<[T; N]> {
    /// The elements.
    #[inline]
    pub fn as_slice(&self) -> &[Global<T>] {
        &**self
    }

    /// Returns copies of the elements.
    pub fn to_vec(&self) -> Vec<T> {
        let mut values = vec![pod::zeroed(); N];
        Global::copy_all_to(self.as_slice(), &mut values);
        values
    }
}

impl<T: InPlace> Deref for Global<T> {
    type Target = T::Parts;

    #[inline]
    fn deref(&self) -> &T::Parts {
        const {
            assert!(size_of::<T::Parts>() == size_of::<T>() && align_of::<T::Parts>() == 1);
        }
        let parts = std::ptr::from_ref(self).cast::<T::Parts>();
        // SAFETY: the parts are cells in the same bytes, by the promise of `InPlace`, and have no
        // alignment; the memory is mapped for as long as `self` is borrowed.
        unsafe { &*parts }
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Global<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(|value| value.fmt(f))
    }
}

impl<T: Pod + fmt::Display> fmt::Display for Global<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(|value| value.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Mapping;

    /// A variable `at` bytes into memory of its own.
    struct Variable<T>(Mapping, usize, std::marker::PhantomData<T>);

    impl<T: Pod> Variable<T> {
        fn new(at: usize, value: T) -> Self {
            let mapping = Mapping::anonymous(at + size_of::<T>().max(1)).unwrap();
            let variable: Self = Variable(mapping, at, std::marker::PhantomData);
            variable.set(value);
            variable
        }
    }

    impl<T> Deref for Variable<T> {
        type Target = Global<T>;

        fn deref(&self) -> &Global<T> {
            // SAFETY: the mapping has as many bytes.
            let start = unsafe { self.0.start().add(self.1) };
            // SAFETY: they are mapped, and a `Global` has no alignment.
            unsafe { start.cast().as_ref() }
        }
    }

    #[test]
    fn values_of_every_shape_are_set_and_got() {
        fn round_trip<T: Pod + PartialEq + fmt::Debug>(first: T, second: T) {
            for at in 0..9 {
                let g = Variable::new(at, first);
                assert_eq!(g.get(), first);
                g.set(second);
                assert_eq!((g.get(), *g.get_boxed()), (second, second));
            }
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
    fn elements_are_set_without_the_others() {
        let g = Variable::new(3, [[1u16, 2], [3, 4], [5, 6]]);
        g[1][0].set(7);
        assert_eq!(g.get(), [[1, 2], [7, 4], [5, 6]]);
        assert_eq!(g[2].to_vec(), [5, 6]);
        assert_eq!(g.iter().map(|row| row[1].get()).sum::<u16>(), 12);
        assert!(g.as_slice().get(3).is_none());
        let mut rows = [[0; 2]; 4];
        assert_eq!(Global::copy_all_to(&g[1..], &mut rows), 2);
        assert_eq!(rows, [[7, 4], [5, 6], [0, 0], [0, 0]]);
        assert_eq!(Global::copy_all_from(&g[2..], &rows), 1);
        assert_eq!(g[2].get(), [7, 4]);
    }

    /// Larger than a test's stack of two MiB.
    #[test]
    fn large_arrays_are_used_without_the_stack() {
        const LEN: usize = 1 << 20;
        let mapping = Mapping::anonymous(LEN * 8).unwrap();
        // SAFETY: the mapping has as many bytes, and a `Global` has no alignment.
        let g = unsafe { mapping.start().cast::<Global<[u64; LEN]>>().as_ref() };
        g[LEN - 1].set(5);
        assert_eq!(g[LEN - 1].get(), 5);
        assert_eq!(g.iter().map(Global::get).sum::<u64>(), 5);
        let mut boxed = g.get_boxed();
        boxed[0] = 6;
        g.copy_from(&boxed);
        assert_eq!(g.to_vec()[0], 6);
        let shown = format!("{g:?}");
        assert!(shown.starts_with("[6, 0, ") && shown.ends_with(", 0, 5]"));
    }

    #[test]
    fn it_prints_as_its_value() {
        assert_eq!(
            format!("{} {0:?} {0:3}", *Variable::new(0, -5)),
            "-5 -5  -5"
        );
    }
}
