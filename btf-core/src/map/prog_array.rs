//! Arrays of programs, to be called by number.

use std::os::fd::AsFd;

use super::{Flags, Map, MapType, typed};
use crate::error::{Error, Result};
use crate::pod;
use crate::prog::Program;

/// Programs that others go on with (`bpf_tail_call`), by number (`BPF_MAP_TYPE_PROG_ARRAY`).
///
/// All are of one type, which is that of the program that calls. The array is emptied when the last descriptor of it is closed, even
/// while a program still uses it: keep it, or pin it.
///
/// ```no_run
/// # fn main() -> btf_core::Result<()> {
/// # let loaded = btf_core::load::OpenObject::open("x", &[])?.load()?;
/// use btf_core::map::ProgArray;
///
/// let handlers: ProgArray = loaded.map("handlers")?.typed()?;
/// handlers.set(6, loaded.program("on_tcp")?)?;
/// # Ok(())
/// # }
/// ```
pub struct ProgArray {
    map: Map,
}
typed!(ProgArray);

impl TryFrom<Map> for ProgArray {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type("an array of programs", &[MapType::PROG_ARRAY])?;
        map.expect_numbers()?;
        Ok(ProgArray { map })
    }
}

impl ProgArray {
    /// How many programs it can have.
    pub fn len(&self) -> u32 {
        self.map.max_entries()
    }

    /// Whether it has room for none; the kernel makes no such array.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a program at `index`, typed or not, in place of one that is there.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] past the end, or if the program is not loaded; else what the kernel answers: that it is
    /// of another type than those that are there, for instance.
    pub fn set(&self, index: u32, program: &Program) -> Result<()> {
        self.set_fd(index, program.fd()?)
    }

    /// As [`ProgArray::set`], with a program's descriptor.
    ///
    /// # Errors
    ///
    /// As [`ProgArray::set`].
    pub fn set_fd(&self, index: u32, program: impl AsFd) -> Result<()> {
        self.map.expect_index(index)?;
        self.map
            .set_fd(pod::bytes_of(&index), program.as_fd(), Flags::ANY)
    }

    /// Removes the program at `index`, so that calls of it go on behind the call; `false` if there is none.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] past the end; else what the kernel answers.
    pub fn clear(&self, index: u32) -> Result<bool> {
        self.map.expect_index(index)?;
        self.map.delete(pod::bytes_of(&index))
    }

    /// The kernel's number for the program at `index`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name.
    pub fn program_id(&self, index: u32) -> Result<Option<u32>> {
        let mut id = 0u32;
        let there = self
            .map
            .lookup(pod::bytes_of(&index), pod::bytes_of_mut(&mut id))?;
        Ok(there.then_some(id))
    }
}
