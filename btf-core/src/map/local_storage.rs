//! Values that belong to a task, a socket, an inode or a cgroup, and go with it.

use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd};

use super::{Flags, Map, MapType, typed};
use crate::error::{Error, Result};
use crate::pod::{self, Pod};

/// A value for each task, socket, inode or cgroup that has one, which goes when that goes.
///
/// What a value belongs to is named by a descriptor of it:
///
/// | map type | from | descriptor |
/// |---|---|---|
/// | `BPF_MAP_TYPE_TASK_STORAGE` | 5.11 | a pidfd, of a process; [`pidfd`](super::pidfd) opens one |
/// | `BPF_MAP_TYPE_SK_STORAGE` | 5.2 | a socket |
/// | `BPF_MAP_TYPE_INODE_STORAGE` | 5.10 | an open file or folder |
/// | `BPF_MAP_TYPE_CGRP_STORAGE` | 6.2 | an opened folder of a cgroup |
///
/// The kernel has no way to walk them from here; an iterator program can.
pub struct LocalStorage<V: Pod> {
    map: Map,
    value: PhantomData<fn() -> V>,
}
typed!(LocalStorage<V: Pod>);

impl<V: Pod> TryFrom<Map> for LocalStorage<V> {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type(
            "a local storage",
            &[
                MapType::TASK_STORAGE,
                MapType::SK_STORAGE,
                MapType::INODE_STORAGE,
                MapType::CGRP_STORAGE,
            ],
        )?;
        map.expect_numbers()?;
        map.expect_size::<V>("value", map.value_size())?;
        Ok(LocalStorage {
            map,
            value: PhantomData,
        })
    }
}

impl<V: Pod> LocalStorage<V> {
    /// A copy of the value that belongs to `owner`, if it has one.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name: `EBADF` for a descriptor of something else.
    pub fn get(&self, owner: impl AsFd) -> Result<Option<V>> {
        let mut value: V = pod::zeroed();
        let key = key(&owner);
        let there = self
            .map
            .lookup(pod::bytes_of(&key), pod::bytes_of_mut(&mut value))?;
        Ok(there.then_some(value))
    }

    /// Sets the value that belongs to `owner`, whether it has one or not.
    ///
    /// # Errors
    ///
    /// As [`LocalStorage::get`].
    pub fn insert(&self, owner: impl AsFd, value: &V) -> Result<()> {
        self.update(owner, value, Flags::ANY)
    }

    /// Sets the value that belongs to `owner` under the condition that `flags` states.
    ///
    /// # Errors
    ///
    /// As [`LocalStorage::get`], or that the condition does not hold.
    pub fn update(&self, owner: impl AsFd, value: &V, flags: Flags) -> Result<()> {
        let key = key(&owner);
        self.map
            .update(pod::bytes_of(&key), pod::bytes_of(value), flags)
    }

    /// Removes the value that belongs to `owner`; `false` if it has none.
    ///
    /// # Errors
    ///
    /// As [`LocalStorage::get`].
    pub fn remove(&self, owner: impl AsFd) -> Result<bool> {
        let key = key(&owner);
        self.map.delete(pod::bytes_of(&key))
    }
}

fn key(owner: &impl AsFd) -> i32 {
    owner.as_fd().as_raw_fd()
}
