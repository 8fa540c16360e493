//! Arenas: memory that programs and this process share at one address, and point around in.
#![allow(unsafe_code)] // Views mapped memory as variables; each block has its proof.

use std::sync::Arc;

use super::{Global, Map, MapType, typed, words};
use crate::error::{Error, Result};
use crate::pod::{Pod, Ptr};
use crate::sys::{self, Mapping};

/// Memory shared with programs (`BPF_MAP_TYPE_ARENA`, since kernel 6.9), mapped here where its pointers say it is.
///
/// Programs allocate pages of it (`bpf_arena_alloc_pages`) and leave pointers to what is in them, in their variables or in the
/// arena itself; [`Arena::get`] follows such a pointer. Variables of the object that lie in the arena (`__arena_global`) are
/// the skeleton's `arena`.
///
/// A page that no program has allocated is there once it is touched from here, or is not to be touched
/// (`BPF_F_SEGV_ON_FAULT`): then touching it ends the process, as does touching one that a program has freed.
///
/// ```no_run
/// # fn main() -> btf_core::Result<()> {
/// # let mut loaded = btf_core::load::OpenObject::open("x", &[])?.load()?;
/// # let first = btf_core::pod::Ptr(0);
/// use btf_core::map::Arena;
///
/// let arena: Arena = loaded.map("arena")?.typed()?;
/// let count = arena.get::<u64>(first)?; // a pointer that a program has written
/// println!("{count}");
/// # Ok(())
/// # }
/// ```
pub struct Arena {
    map: Map,
}
typed!(Arena);

impl TryFrom<Map> for Arena {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type("an arena", &[MapType::ARENA])?;
        Ok(Arena { map })
    }
}

impl Arena {
    /// Its size in bytes, of which only pages that were allocated take memory.
    pub fn size(&self) -> usize {
        size(&self.map)
    }

    /// The address of its first byte, here and in pointers that programs write.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not mapped here: it was not created, or is another object's (`reuse`) that has
    /// it mapped already.
    pub fn address(&self) -> Result<Ptr> {
        let start = self.memory()?.start().addr().get();
        Ok(Ptr(start as u64))
    }

    /// The variable that a pointer into the arena points to. It may lie anywhere, and programs may change it at any time; see
    /// [`Global`].
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it does not lie in the arena with all its bytes, as NULL does not; as
    /// [`Arena::address`].
    pub fn get<T: Pod>(&self, pointer: Ptr) -> Result<&Global<T>> {
        self.slice(pointer, 1).map(|all| &all[0])
    }

    /// The `len` variables in a row that a pointer into the arena points to.
    ///
    /// # Errors
    ///
    /// As [`Arena::get`].
    pub fn slice<T: Pod>(&self, pointer: Ptr, len: usize) -> Result<&[Global<T>]> {
        let memory = self.memory()?;
        let start = memory.start();
        let offset = within(pointer, len.checked_mul(size_of::<T>()), memory).ok_or_else(|| {
            self.map.unfit(format!(
                "{len} values of {} bytes at {pointer} are not within its {} bytes from {:#x} on",
                size_of::<T>(),
                memory.len(),
                start.addr()
            ))
        })?;
        // SAFETY: the offset lies within the mapping (checked).
        let first = unsafe { start.add(offset) }.cast::<Global<T>>();
        // SAFETY: so do all bytes of all values (checked), and they are mapped for reading and writing for as long as `self`
        // lives, which holds the mapping. A `Global` has no alignment, any bytes are one, and it is a cell, so that others
        // may change what is in it.
        Ok(unsafe { std::slice::from_raw_parts(first.as_ptr(), len) })
    }

    fn memory(&self) -> Result<&Mapping> {
        self.map.require().map_err(|e| e.context(self.map.what()))?;
        match &self.map.memory {
            Some(memory) => Ok(memory),
            None => Err(self
                .map
                .unfit("it is not mapped here".into())
                .hint("an arena that is used by several objects of a process is reached by the one that created it")),
        }
    }
}

/// Where `pointer` points to in an arena, with so many bytes behind it.
fn within(pointer: Ptr, len: Option<usize>, memory: &Mapping) -> Option<usize> {
    let start = memory.start().addr().get() as u64;
    let offset = usize::try_from(pointer.0.checked_sub(start)?).ok()?;
    let end = offset.checked_add(len?)?;
    (end <= memory.len()).then_some(offset)
}

fn size(map: &Map) -> usize {
    (map.max_entries() as usize).saturating_mul(sys::page_size())
}

/// Maps an arena, at `address` if that is not 0: programs that use it cannot be loaded before.
pub(crate) fn map_arena(map: &mut Map, address: u64) -> Result<()> {
    let memory = match usize::try_from(address) {
        Ok(0) => Mapping::new(&*map, 0, size(map), sys::Access::ReadWrite),
        Ok(address) => Mapping::at(&*map, address, size(map)),
        Err(_) => Err(std::io::ErrorKind::InvalidInput.into()),
    };
    let memory = memory.map_err(|e| {
        let is_taken = e.raw_os_error() == Some(libc::EEXIST);
        let error = Error::os("cannot map its memory", e);
        match is_taken {
            true => error.hint(format!(
                "something else lies at {address:#x}; set_map_extra has it elsewhere, or with 0 where there is room"
            )),
            false => error,
        }
    })?;
    map.memory = Some(Arc::new(memory));
    Ok(())
}

/// Puts the first contents of an arena's variables into its memory, or into memory of this process if there is no arena.
pub(crate) fn fill_arena(map: &mut Map, bytes: &[u8]) -> Result<()> {
    if !map.is_created() {
        let memory = Mapping::anonymous(bytes.len().next_multiple_of(sys::page_size()));
        let memory = memory.map_err(|e| Error::os("cannot map memory for its variables", e))?;
        map.memory = Some(Arc::new(memory));
    }
    let Some(memory) = &map.memory else {
        return Ok(());
    };
    if bytes.len() > memory.len() {
        return Err(map
            .unfit(format!(
                "it has {} bytes, but the variables in it have {}",
                memory.len(),
                bytes.len()
            ))
            .hint("set a larger max_entries, which counts pages"));
    }
    // SAFETY: the mapping has as many bytes (checked), is mapped for writing and held by `map`.
    unsafe { words::store(memory.start().addr().get(), bytes) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_lie_within_with_all_their_bytes() {
        let memory = Mapping::anonymous(8192).unwrap();
        let start = memory.start().addr().get() as u64;
        let at = |offset: u64, len| within(Ptr(start.wrapping_add(offset)), len, &memory);
        assert_eq!(at(0, Some(8192)), Some(0));
        assert_eq!(at(8191, Some(1)), Some(8191));
        assert_eq!(at(8192, Some(0)), Some(8192));
        assert_eq!(at(8191, Some(2)), None);
        assert_eq!(at(u64::MAX, Some(1)), None);
        assert_eq!(at(0, None), None);
        assert_eq!(at(1, Some(usize::MAX)), None);
        assert_eq!(within(Ptr(0), Some(1), &memory), None);
    }
}
