//! Arrays mapped into this process: their values are read and written without system calls.
#![allow(unsafe_code)] // Views mapped memory as values; each block has its proof.

use std::marker::PhantomData;

use super::{Array, Global, Map};
use crate::error::{Error, ErrorKind, Result};
use crate::obj::map_flags::MMAPABLE;
use crate::pod::Pod;
use crate::sys::{Access, Mapping};

impl<V: Pod> Array<V> {
    /// Its values as memory of this process, to read: of an array with the flag `BPF_F_MMAPABLE` (from kernel 5.5 on).
    ///
    /// ```no_run
    /// # fn main() -> btf_core::Result<()> {
    /// # let mut loaded = btf_core::load::OpenObject::open("x", &[])?.load()?;
    /// use btf_core::map::Array;
    ///
    /// let counts: Array<u64> = loaded.map("counts")?.typed()?;
    /// let counts = counts.mapped()?;
    /// println!("{}", counts.iter().sum::<u64>()); // no system call
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if its declaration lacks the flag; else what the kernel answers.
    pub fn mapped(&self) -> Result<MappedArray<V>> {
        MappedArray::new(self.map(), Access::Read)
    }

    /// As [`Array::mapped`], to read and write.
    ///
    /// # Errors
    ///
    /// As [`Array::mapped`]; what the kernel answers if the array is frozen.
    pub fn mapped_mut(&self) -> Result<MappedArrayMut<V>> {
        MappedArray::new(self.map(), Access::ReadWrite).map(MappedArrayMut)
    }
}

/// The values of an array as memory, to read. It holds the array itself and borrows nothing from it.
///
/// Programs may change a value at any time; how that shows is as with a [`Global`].
#[derive(Debug)]
pub struct MappedArray<V: Pod> {
    memory: Mapping,
    len: usize,
    value: PhantomData<fn() -> V>,
}

impl<V: Pod> MappedArray<V> {
    /// From one value to the next: the kernel aligns each to eight bytes.
    const STRIDE: usize = size_of::<V>().next_multiple_of(8);

    fn new(map: &Map, access: Access) -> Result<Self> {
        map.require().map_err(|e| e.context(map.what()))?;
        if map.map_flags() & MMAPABLE == 0 {
            return Err(
                Error::new(ErrorKind::InvalidInput, "it cannot be mapped into memory")
                    .hint("write `__uint(map_flags, BPF_F_MMAPABLE);` in its declaration, or use set_map_flags before the load")
                    .context(map.what()),
            );
        }
        let len = map.max_entries() as usize;
        let memory = len
            .checked_mul(Self::STRIDE)
            .ok_or_else(|| std::io::ErrorKind::InvalidInput.into())
            .and_then(|size| Mapping::new(map, 0, size, access))
            .map_err(|e| map.refused("map its memory", e))?;
        Ok(MappedArray {
            memory,
            len,
            value: PhantomData,
        })
    }

    /// How many values it has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no values; the kernel makes no such array.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A copy of the value at `index`; `None` past the end.
    pub fn get(&self, index: usize) -> Option<V> {
        self.cell(index).map(Global::get)
    }

    /// Copies of all values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = V> + '_ {
        // A value of every index is there.
        (0..self.len).map(|index| self.get(index).unwrap_or_else(crate::pod::zeroed))
    }

    /// The value at `index`, which may be written only if the memory is mapped for it.
    fn cell(&self, index: usize) -> Option<&Global<V>> {
        if index >= self.len {
            return None;
        }
        // SAFETY: the mapping has room for `len` values at this distance, so that this one lies within.
        let at = unsafe { self.memory.start().add(index * Self::STRIDE) };
        let at = at.cast::<Global<V>>();
        // SAFETY: it is mapped while `self` lives. A `Global` has no alignment, any bytes are one, and it is a cell, so that
        // programs may change what is in it. It is read atomically; only `MappedArrayMut`, whose memory is mapped for
        // writing, hands it out.
        Some(unsafe { at.as_ref() })
    }
}

/// The values of an array as memory, to read and write. What it derefs to reads alone.
#[derive(Debug)]
pub struct MappedArrayMut<V: Pod>(MappedArray<V>);

impl<V: Pod> MappedArrayMut<V> {
    /// The value at `index`, shared with the programs; `None` past the end.
    pub fn at(&self, index: usize) -> Option<&Global<V>> {
        self.0.cell(index)
    }

    /// All values, shared with the programs; `None` if they do not lie in a row, because their size is no multiple of eight.
    pub fn as_slice(&self) -> Option<&[Global<V>]> {
        if size_of::<V>() != MappedArray::<V>::STRIDE {
            return None;
        }
        let start = self.0.memory.start().cast::<Global<V>>();
        // SAFETY: as in `MappedArray::cell`, for each of the values, between which there is nothing (checked).
        Some(unsafe { std::slice::from_raw_parts(start.as_ptr(), self.0.len) })
    }
}

impl<V: Pod> std::ops::Deref for MappedArrayMut<V> {
    type Target = MappedArray<V>;

    fn deref(&self) -> &MappedArray<V> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<V: Pod>(len: usize) -> MappedArrayMut<V> {
        MappedArrayMut(MappedArray {
            memory: Mapping::anonymous(4096).unwrap(),
            len,
            value: PhantomData,
        })
    }

    #[test]
    fn values_lie_eight_bytes_apart_or_more() {
        let array = of::<[u8; 3]>(5);
        array.at(4).unwrap().set([1, 2, 3]);
        assert_eq!(array.get(4), Some([1, 2, 3]));
        assert_eq!(array.iter().last(), Some([1, 2, 3]));
        assert_eq!((array.get(5), array.at(5).is_none()), (None, true));
        assert!(array.as_slice().is_none());
        let bytes = array.memory.start().addr().get();
        let at = std::ptr::from_ref(array.at(4).unwrap()).addr();
        assert_eq!(at - bytes, 4 * 8);
    }

    #[test]
    fn values_in_a_row_are_a_slice() {
        let array = of::<[u64; 2]>(3);
        let all = array.as_slice().unwrap();
        all[2].set([7, 8]);
        assert_eq!((all.len(), array.get(2)), (3, Some([7, 8])));
    }
}
