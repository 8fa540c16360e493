//! Access to memory that programs and other threads write at any time: the memory model.
//!
//! Global variables, values of mapped arrays and an arena are shared with BPF programs, which
//! access them in any size, and with the threads of this process. Rust allows no data race, and no
//! atomic accesses of different sizes that overlap while one of them writes. A struct that is read
//! as a whole by one thread while another one sets a field of it would be both.
//!
//! So there is one size. Mapped memory is accessed in words of eight bytes at multiples of eight,
//! by relaxed atomic operations, whatever the size and the address of the variable: its first and
//! its last word may hold bytes of others. Reading takes what is needed out of a word. Writing a
//! part of a word exchanges the word for one in which only that part differs, and tries again if
//! another part has changed meanwhile, so that nothing that others write is lost.
//!
//! For a variable within one word, which every variable is that has at most eight bytes and is
//! aligned to its size, this means that it is read and written as a whole. A larger one may be a
//! mixture of old and new words. There is no order between accesses to different words.
//!
//! Programs run outside of what Rust's rules know of. For them it counts that the processor's
//! loads, stores and exchanges of aligned words are indivisible, which holds whatever size the
//! other side uses.
//!
//! Words reach beyond the reference that they are accessed through, so they are accessed by
//! address, with the provenance that [`crate::sys::Mapping`] exposes for all of its memory. Whole
//! words are mapped, because whole pages are. References to the memory must promise nothing about
//! its contents: all bytes that they cover lie in a [`super::Global`], which is a cell.
#![allow(unsafe_code)] // Accesses memory by address; each block has its proof.

use std::ptr::with_exposed_provenance_mut;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::pod::{self, Pod};

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// The word in which an address lies.
///
/// # Safety
///
/// The address must lie in a [`crate::sys::Mapping`] that lives as long as the result is used, and
/// be mapped for writing if the result is written.
#[inline]
unsafe fn word<'a>(address: usize) -> &'a AtomicU64 {
    let at = with_exposed_provenance_mut(address & !(WORD - 1));
    // SAFETY: it is aligned, and mapped by the caller's promise, because whole pages are. A mapping
    // exposes its provenance. Everybody in this process accesses its memory by this function.
    unsafe { AtomicU64::from_ptr(at) }
}

/// Returns the value at an address.
///
/// # Safety
///
/// All of its bytes must lie in a [`crate::sys::Mapping`] that lives until this returns.
#[inline(always)] // So that the value is made where the caller wants it.
pub(super) unsafe fn get<T: Pod>(address: usize) -> T {
    let mut value = pod::zeroed::<T>();
    let (words, tail) = pod::bytes_of_mut(&mut value).as_chunks_mut();
    let end = address + words.len() * WORD;
    // No pointer to `value` goes to a function that is not inlined, so that it stays in registers.
    if address.is_multiple_of(WORD) {
        // SAFETY: the caller's promise: these are bytes of the value.
        unsafe { load_words(address, words) }
    } else {
        for (n, to) in words.iter_mut().enumerate() {
            // SAFETY: as above, and they lie in two words, because the first one is not aligned.
            *to = unsafe { across(address + n * WORD) };
        }
    }
    if !tail.is_empty() {
        let last = match end % WORD + tail.len() <= WORD {
            // SAFETY: as above.
            true => unsafe { part(end) },
            // SAFETY: as above, and they lie in two words.
            false => unsafe { across(end) },
        };
        tail.copy_from_slice(&last[..tail.len()]);
    }
    value
}

/// Copies as many bytes as `to` has from an address.
///
/// # Safety
///
/// All of them must lie in a [`crate::sys::Mapping`] that lives until this returns.
pub(super) unsafe fn load(address: usize, to: &mut [u8]) {
    let (head, rest) = to.split_at_mut(lead(address).min(to.len()));
    let (words, tail) = rest.as_chunks_mut();
    let (middle, end) = ends(address, head.len(), words.len());
    // SAFETY: the caller's promise: these are the bytes one after the other.
    unsafe { load_part(address, head) }
    // SAFETY: as above.
    unsafe { load_words(middle, words) }
    // SAFETY: as above.
    unsafe { load_part(end, tail) }
}

/// As [`load`], of whole words.
#[inline]
unsafe fn load_words(address: usize, to: &mut [[u8; WORD]]) {
    for (n, to) in to.iter_mut().enumerate() {
        // SAFETY: the caller's promise; the bytes of `to` are as many as those up to this word's
        // end.
        let word = unsafe { word(address + n * WORD) };
        *to = word.load(Ordering::Relaxed).to_ne_bytes();
    }
}

/// As [`load`], of bytes within one word.
///
/// # Safety
///
/// As [`load`].
unsafe fn load_part(address: usize, to: &mut [u8]) {
    if !to.is_empty() {
        // SAFETY: the caller's promise.
        let bytes = unsafe { part(address) };
        to.copy_from_slice(&bytes[..to.len()]);
    }
}

/// Returns the bytes from an address up to the end of its word, and zeros after them.
///
/// # Safety
///
/// The address must lie in a [`crate::sys::Mapping`] that lives until this returns.
#[inline]
unsafe fn part(address: usize) -> [u8; WORD] {
    // SAFETY: the caller's promise.
    let word = unsafe { word(address) }.load(Ordering::Relaxed);
    // Shifted in a register, as bytes at a variable index go through memory.
    towards_start(word, address % WORD * 8).to_ne_bytes()
}

/// Returns eight bytes in two words, for a value at an address that is not aligned.
///
/// # Safety
///
/// The address must not be aligned. Both words must lie in a [`crate::sys::Mapping`] that lives
/// until this returns.
#[cold]
#[inline(never)]
unsafe fn across(address: usize) -> [u8; WORD] {
    let bits = address % WORD * 8;
    // SAFETY: the caller's promise.
    let first = unsafe { word(address) }.load(Ordering::Relaxed);
    // SAFETY: the caller's promise.
    let second = unsafe { word(address + WORD) }.load(Ordering::Relaxed);
    let first = towards_start(first, bits);
    let second = towards_end(second, u64::BITS as usize - bits);
    (first | second).to_ne_bytes()
}

/// A word without its first bytes in memory, which are so many bits.
#[inline]
fn towards_start(word: u64, bits: usize) -> u64 {
    match cfg!(target_endian = "little") {
        true => word >> bits,
        false => word << bits,
    }
}

/// A word with so many bits of zeros before its first bytes in memory, and without the last ones.
#[inline]
fn towards_end(word: u64, bits: usize) -> u64 {
    match cfg!(target_endian = "little") {
        true => word << bits,
        false => word >> bits,
    }
}

/// Sets the value at an address.
///
/// # Safety
///
/// As [`get`], and the mapping must be writable.
#[inline]
pub(super) unsafe fn set<T: Pod>(address: usize, value: &T) {
    let (skew, size) = (address % WORD, size_of::<T>());
    let bytes = pod::bytes_of(value);
    if skew == 0 && size.is_multiple_of(WORD) {
        // SAFETY: the caller's promise.
        unsafe { store_words(address, bytes.as_chunks().0) }
    } else if size <= WORD && skew + size <= WORD {
        // SAFETY: the caller's promise.
        unsafe { store_part(address, bytes) }
    } else {
        // SAFETY: the caller's promise.
        unsafe { store(address, bytes) }
    }
}

/// Copies bytes to an address.
///
/// # Safety
///
/// As [`load`], and the mapping must be writable.
pub(super) unsafe fn store(address: usize, from: &[u8]) {
    let (head, rest) = from.split_at(lead(address).min(from.len()));
    let (words, tail) = rest.as_chunks();
    let (middle, end) = ends(address, head.len(), words.len());
    // SAFETY: the caller's promise: these are the bytes one after the other.
    unsafe { store_part(address, head) }
    // SAFETY: as above.
    unsafe { store_words(middle, words) }
    // SAFETY: as above.
    unsafe { store_part(end, tail) }
}

/// As [`store`], of whole words.
#[inline]
unsafe fn store_words(address: usize, from: &[[u8; WORD]]) {
    for (n, from) in from.iter().enumerate() {
        // SAFETY: the caller's promise; the bytes of `from` are as many as those up to this word's
        // end.
        let word = unsafe { word(address + n * WORD) };
        word.store(u64::from_ne_bytes(*from), Ordering::Relaxed);
    }
}

/// As [`store`], of bytes within one word, of which the others stay.
#[inline]
unsafe fn store_part(address: usize, from: &[u8]) {
    if from.is_empty() {
        return;
    }
    let (mut mask, mut bits) = ([0; WORD], [0; WORD]);
    mask[..from.len()].fill(u8::MAX);
    bits[..from.len()].copy_from_slice(from);
    // Shifted in a register, as bytes at a variable index go through memory.
    let skew = address % WORD * 8;
    let mask = towards_end(u64::from_ne_bytes(mask), skew);
    let bits = towards_end(u64::from_ne_bytes(bits), skew);
    // SAFETY: the caller's promise, of the first byte.
    let word = unsafe { word(address) };
    let mut old = word.load(Ordering::Relaxed);
    while let Err(now) = word.compare_exchange_weak(
        old,
        old & !mask | bits,
        Ordering::Relaxed,
        Ordering::Relaxed,
    ) {
        old = now;
    }
}

/// Bytes from an address up to the next word.
fn lead(address: usize) -> usize {
    address.next_multiple_of(WORD) - address
}

/// Addresses of what follows `head` bytes, and of what follows `words` words after them.
fn ends(address: usize, head: usize, words: usize) -> (usize, usize) {
    (address + head, address + head + words * WORD)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::sys::Mapping;

    /// Memory whose bytes are all 0xee.
    fn memory() -> (Mapping, usize) {
        let mapping = Mapping::anonymous(4096).unwrap();
        let start = mapping.start().addr().get();
        // SAFETY: the mapping has as many bytes, and is writable.
        unsafe { store(start, &[0xee; 4096]) };
        (mapping, start)
    }

    fn bytes(start: usize, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        // SAFETY: the callers stay within the memory.
        unsafe { load(start, &mut bytes) };
        bytes
    }

    #[test]
    fn copies_any_length_at_any_address_and_leaves_the_others() {
        let (_mapping, start) = memory();
        for at in 0..17 {
            for len in 0..40 {
                let values: Vec<u8> = (1..=len).collect();
                // SAFETY: the bytes lie in the mapping.
                unsafe { store(start + at, &values) };
                assert_eq!(bytes(start + at, len.into()), values, "{len} bytes at {at}");
                let around = [bytes(start, at), bytes(start + at + values.len(), 16)].concat();
                assert!(around.iter().all(|b| *b == 0xee), "{len} bytes at {at}");
                // SAFETY: as above.
                unsafe { store(start + at, &[0xee; 64]) };
            }
        }
    }

    #[test]
    fn reaches_the_last_byte_of_a_page() {
        let (_mapping, start) = memory();
        // SAFETY: the bytes are the last ones of the mapping.
        unsafe { store(start + 4093, &[1, 2, 3]) };
        assert_eq!(bytes(start + 4092, 4), [0xee, 1, 2, 3]);
    }

    /// A variable that one thread sets as a whole, another one by its elements, and a third one
    /// reads, as `Global::set`, `elements` and `Mapped::fetch` do.
    #[test]
    fn a_whole_and_its_elements_are_accessed_by_several_threads() {
        const ROUNDS: u8 = if cfg!(miri) { 10 } else { 250 };
        let (_mapping, start) = memory();
        std::thread::scope(|scope| {
            // SAFETY: the bytes lie in the mapping.
            let set = |at, value: &[u8]| unsafe { store(start + at, value) };
            scope.spawn(move || (0..ROUNDS).for_each(|n| set(0, &[n; 16])));
            scope.spawn(move || (0..ROUNDS).for_each(|n| set(3, &[n])));
            for _ in 0..ROUNDS {
                // Whatever comes of the fourth element, the others of a word are of one round.
                let whole = bytes(start, 16);
                assert!(whole[4..8].iter().all(|b| *b == whole[0]), "{whole:?}");
                assert!(whole[8..].iter().all(|b| *b == whole[8]), "{whole:?}");
                // SAFETY: as above.
                let element = unsafe { get::<u8>(start + 3) };
                assert!(element < ROUNDS || element == 0xee);
            }
        });
    }

    #[test]
    fn parts_of_a_word_are_set_by_several_threads_without_loss() {
        let (_mapping, start) = memory();
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // Sets the other half of the word all the time.
            scope.spawn(|| {
                for n in (0u32..).take_while(|_| !is_done.load(Ordering::Relaxed)) {
                    // SAFETY: the bytes lie in the mapping.
                    unsafe { store(start + 4, &n.to_ne_bytes()) };
                }
            });
            for n in 0u32..20_000 {
                // SAFETY: the bytes lie in the mapping.
                unsafe { store(start, &n.to_ne_bytes()) };
                assert_eq!(bytes(start, 4), n.to_ne_bytes());
            }
            is_done.store(true, Ordering::Relaxed);
        });
    }
}
