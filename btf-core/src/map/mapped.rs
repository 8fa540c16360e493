//! Sections of global variables, mapped into this process as the structs that skeletons generate.
#![allow(unsafe_code)] // Views a memory map as a struct; each block has its proof.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

use super::{Map, words};
use crate::error::{Error, ErrorKind, Result};
use crate::obj::map_flags::MMAPABLE;
use crate::pod::Pod;
use crate::sys::{Access, ENOTSUPP, Mapping};

/// A type that a section of global variables may be seen as.
///
/// Every [`Pod`] type is one, for sections that nobody can change any more (`.rodata`). For `.data` and `.bss`, which
/// programs write at any time, skeletons generate structs of [`super::Global`] fields and implement it with `SHARED`.
///
/// # Safety
///
/// Any bytes must be a valid value. If `SHARED` is true, every byte of the type, including padding,
/// must lie in a [`super::Global`], because the memory changes while references to it exist.
pub unsafe trait Section: 'static {
    /// Whether memory that is written from elsewhere may be seen as this type.
    const SHARED: bool;
}

// SAFETY: any bytes are a value of a `Pod` type. It makes no claim about memory that changes.
unsafe impl<T: Pod> Section for T {
    const SHARED: bool = false;
}

/// A section of global variables, shared with the loaded programs: dereferences to its struct.
///
/// Of `.rodata` it is what was set before the load, unchangeable. The variables of `.data` and `.bss` are read and written
/// through [`super::Global`].
///
/// Kernels before 5.5 cannot share it. There it is a copy of this process's own, which [`Mapped::fetch`] and [`Mapped::store`]
/// exchange with the kernel's.
pub struct Mapped<T> {
    /// Its first byte. Here, too, because an access of a variable is not much more than a load.
    start: NonNull<T>,
    /// An arena's is shared with its map.
    mapping: Arc<Mapping>,
    /// The map that it is a copy of, if it is one.
    copied: Option<Map>,
    /// Bytes of the section, which may be more than those of its struct.
    len: usize,
    section: PhantomData<T>,
}

// SAFETY: it is a `&T` with the mapping that it points into: shared access only. Moving it moves no value.
unsafe impl<T: Sync> Send for Mapped<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Mapped<T> {}

impl<T: Section> Mapped<T> {
    /// Maps the `len` bytes of a section, which its map begins with; `section` is for errors, and `is_frozen` says that nobody can
    /// write it any more. `contents` are those of a section that has no map.
    pub(crate) fn new(
        map: &Map,
        section: &str,
        len: usize,
        is_frozen: bool,
        contents: &[u8],
    ) -> Result<Self> {
        let size = size_of::<T>();
        let type_name = std::any::type_name::<T>();
        if !is_frozen && !T::SHARED {
            return Err(map
                .unfit(format!(
                    "`{type_name}` cannot stand for section {section}, which programs write"
                ))
                .hint("declare its variables as fields of type Global"));
        }
        if is_frozen && T::SHARED {
            return Err(map.unfit(format!(
                "`{type_name}` has variables to write, but section {section} is read-only once loaded"
            ))
            .hint("declare its variables as plain fields"));
        }
        // A struct is padded to its alignment, which the section need not be; of that the page has enough.
        if size > len.next_multiple_of(16) || align_of::<T>() > crate::sys::page_size() {
            return Err(map.unfit(format!(
                "section {section} has {len} bytes, but `{type_name}` has {size}"
            )));
        }
        if let (Some(memory), true) = (&map.memory, T::SHARED) {
            return match memory.len() >= size {
                true => Ok(Mapped {
                    start: memory.start().cast(),
                    mapping: Arc::clone(memory),
                    copied: None,
                    len: size,
                    section: PhantomData,
                }),
                false => Err(map.unfit(format!("section {section} does not fit it"))),
            };
        }
        let access = if is_frozen {
            Access::Read
        } else {
            Access::ReadWrite
        };
        let failed = |e: io::Error| {
            let error = match e.raw_os_error() {
                Some(ENOTSUPP) => Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "the kernel maps section {section} for nobody, as it holds a lock, a timer or a pointer to an object of the kernel's"
                    ),
                )
                .hint("declare such variables __hidden, in a section of their own, SEC(\".data.locks\") for instance"),
                _ => Error::os(format!("cannot map section {section} into memory"), e),
            };
            error.context(format!("map `{}`", map.name()))
        };
        if map.is_created() && map.map_flags() & MMAPABLE != 0 {
            let mapping = Mapping::new(map, 0, len.max(size), access).map_err(failed)?;
            return Ok(Mapped {
                start: mapping.start().cast(),
                mapping: Arc::new(mapping),
                copied: None,
                len,
                section: PhantomData,
            });
        }
        let mapping = Mapping::anonymous(len.max(size)).map_err(failed)?;
        let copy: Mapped<T> = Mapped {
            start: mapping.start().cast(),
            mapping: Arc::new(mapping),
            copied: Some(map.try_clone()?),
            len,
            section: PhantomData,
        };
        match map.is_created() {
            true => copy.write(&map.first()?),
            false => copy.write(contents),
        }
        Ok(copy)
    }

    /// Bytes of the section; as many are mapped at least.
    pub(super) fn section_len(&self) -> usize {
        self.len
    }

    /// Its first byte.
    pub(super) fn start(&self) -> NonNull<u8> {
        self.mapping.start()
    }

    /// Whether the memory is the programs' own, as it is on kernels from 5.5 on.
    pub fn is_shared(&self) -> bool {
        self.copied.is_none()
    }

    /// Reads what programs have made of the variables, if they are not shared with them; else does nothing. Constants stay as
    /// they were.
    ///
    /// # Errors
    ///
    /// What the kernel answers; [`crate::ErrorKind::InvalidInput`] on kernels before 5.2, where programs have no variables.
    pub fn fetch(&self) -> Result<()> {
        if let (Some(map), true) = (&self.copied, T::SHARED) {
            self.write(&map.first()?);
        }
        Ok(())
    }

    /// Makes the variables, all of them, those of the programs, if they are not shared with them; else does nothing. What programs
    /// write meanwhile is lost.
    ///
    /// # Errors
    ///
    /// Those of [`Mapped::fetch`].
    pub fn store(&self) -> Result<()> {
        if let (Some(map), true) = (&self.copied, T::SHARED) {
            map.require()?;
            map.set_first(&self.read(map.value_size() as usize))
                .map_err(|e| e.context(map.what()))?;
        }
        Ok(())
    }

    /// Copies bytes into the memory.
    fn write(&self, bytes: &[u8]) {
        let len = bytes.len().min(self.mapping.len());
        // SAFETY: the mapping has as many bytes. It is this process's own, so it is writable. While
        // references to it exist, all that they cover lies in cells (`T::SHARED`); before `new`
        // returns there are none.
        unsafe { words::store(self.start().addr().get(), &bytes[..len]) };
    }

    /// Copies bytes out of the memory.
    fn read(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let len = len.min(self.mapping.len());
        // SAFETY: the mapping has as many bytes.
        unsafe { words::load(self.start().addr().get(), &mut bytes[..len]) };
        bytes
    }
}

impl<T: Section> Deref for Mapped<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the mapping is valid while `self` lives, at least as large as `T` (checked in `new`) and aligned to a
        // page, which is enough for `T` (checked too). Any bytes are a `T` by `Section`. Either nobody writes the memory,
        // the map being frozen for user space and read-only for programs, or `T::SHARED` holds, so that all of it lies in
        // cells. It was mapped for writing unless it is frozen, and only cells write.
        unsafe { self.start.as_ref() }
    }
}

impl<T: Section + fmt::Debug> fmt::Debug for Mapped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Section + fmt::Display> fmt::Display for Mapped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
