//! Stack traces, by the numbers that programs get for them.
#![allow(unsafe_code)] // Claims that frames are plain data; the claim has its proof.

use super::{Map, MapType, keys, typed};
use crate::error::{Error, Result};
use crate::pod::{self, Pod};

/// `BPF_F_STACK_BUILD_ID`.
const STACK_BUILD_ID: u32 = 1 << 5;

/// Call stacks that `bpf_get_stackid` has noted (`BPF_MAP_TYPE_STACK_TRACE`).
pub struct StackTraces {
    map: Map,
}
typed!(StackTraces);

/// A frame of a map with `BPF_F_STACK_BUILD_ID` (`struct bpf_stack_build_id`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct BuildIdFrame {
    /// Which of the two others says where it is: 0 for none, 1 for `offset`, 2 for an address in `offset`.
    pub status: i32,
    /// Build id of the file.
    pub build_id: [u8; 20],
    /// Offset in the file, or an address if the file is not known.
    pub offset: u64,
}

// SAFETY: 4 + 20 + 8 bytes of numbers, aligned to 8 without padding.
unsafe impl Pod for BuildIdFrame {}

impl TryFrom<Map> for StackTraces {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type("a map of stack traces", &[MapType::STACK_TRACE])?;
        map.expect_size::<u32>("key", map.key_size())?;
        Ok(StackTraces { map })
    }
}

impl StackTraces {
    /// The addresses of a stack, the innermost first; `None` if there is no such number.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if the map has build ids instead; else what the kernel answers.
    pub fn get(&self, id: u32) -> Result<Option<Vec<u64>>> {
        if self.has_build_ids() {
            return Err(self
                .map
                .unfit("it has build ids instead of addresses".into()));
        }
        self.frames(id, |address| *address != 0)
    }

    /// The frames of a stack, the innermost first; `None` if there is no such number.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if the map has addresses instead; else what the kernel answers.
    pub fn get_build_ids(&self, id: u32) -> Result<Option<Vec<BuildIdFrame>>> {
        if !self.has_build_ids() {
            return Err(self
                .map
                .unfit("it has addresses instead of build ids".into()));
        }
        self.frames(id, |frame: &BuildIdFrame| frame.status != 0)
    }

    fn has_build_ids(&self) -> bool {
        self.map.map_flags() & STACK_BUILD_ID != 0
    }

    fn frames<F: Pod>(&self, id: u32, is_there: impl Fn(&F) -> bool) -> Result<Option<Vec<F>>> {
        let mut bytes = vec![0; self.map.value_len()?];
        if !self.map.lookup(pod::bytes_of(&id), &mut bytes)? {
            return Ok(None);
        }
        let frames = bytes.chunks_exact(size_of::<F>()).filter_map(pod::read);
        Ok(Some(frames.take_while(is_there).collect()))
    }

    /// Removes a stack, so that its number is free again; `false` if there is no such number.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name.
    pub fn remove(&self, id: u32) -> Result<bool> {
        self.map.delete(pod::bytes_of(&id))
    }

    /// The numbers of all stacks; nothing comes after an error.
    pub fn ids(&self) -> impl Iterator<Item = Result<u32>> + '_ {
        keys::typed(&self.map)
    }
}
