//! The array at the end of a section, as long as the section is.
#![allow(unsafe_code)] // Shows memory past the end of a struct; the block has its proof.

use super::mapped::{Mapped, Section};

/// A section whose last variable is an array, so that it can have more elements than are declared
/// ([`set_data_size`](crate::load::OpenObject::set_data_size)). Skeletons implement it.
///
/// # Safety
///
/// `OFFSET` is where the array begins. `Element` takes any bytes, and fits there by its alignment; of a section that is shared with
/// programs it is a [`super::Global`].
pub unsafe trait Elements: Section {
    /// What the array consists of.
    type Element;
    /// Where it begins in the section.
    const OFFSET: usize;
}

impl<T: Elements> Mapped<T> {
    /// The array that is the section's last variable, with all elements that were given room before the load. The variable
    /// itself has as many as are declared.
    pub fn elements(&self) -> &[T::Element] {
        let size = size_of::<T::Element>();
        let room = self.section_len().saturating_sub(T::OFFSET);
        let count = room.checked_div(size).unwrap_or(0);
        if count == 0 {
            return &[];
        }
        // SAFETY: the array begins within the section (there is room for an element), which is mapped while `self` lives.
        let start = unsafe { self.start().add(T::OFFSET) };
        // SAFETY: so many elements are mapped, and aligned by what the trait promises, as any bytes are values of them. Either
        // nobody writes the memory, or they are cells (`Section`).
        unsafe { std::slice::from_raw_parts(start.cast().as_ptr(), count) }
    }
}
