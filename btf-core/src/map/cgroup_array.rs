//! Arrays of cgroups, to ask whether a process is below one.

use std::os::fd::AsFd;

use super::{Flags, Map, MapType, typed};
use crate::error::{Error, Result};
use crate::pod;

/// Cgroups for `bpf_current_task_under_cgroup` and `bpf_skb_under_cgroup`, by number (`BPF_MAP_TYPE_CGROUP_ARRAY`).
///
/// What is in it cannot be read back.
pub struct CgroupArray {
    map: Map,
}
typed!(CgroupArray);

impl TryFrom<Map> for CgroupArray {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type("an array of cgroups", &[MapType::CGROUP_ARRAY])?;
        map.expect_numbers()?;
        Ok(CgroupArray { map })
    }
}

impl CgroupArray {
    /// Puts a cgroup at `index`: its opened folder in the second version's file system (`/sys/fs/cgroup/…`).
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] past the end; else what the kernel answers: that the descriptor is not of a cgroup, for
    /// instance.
    pub fn set(&self, index: u32, cgroup: impl AsFd) -> Result<()> {
        self.map.expect_index(index)?;
        self.map
            .set_fd(pod::bytes_of(&index), cgroup.as_fd(), Flags::ANY)
    }

    /// Removes the cgroup at `index`; `false` if there is none.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] past the end; else what the kernel answers.
    pub fn clear(&self, index: u32) -> Result<bool> {
        self.map.expect_index(index)?;
        self.map.delete(pod::bytes_of(&index))
    }
}
