//! Values that belong to a cgroup and an attach type: the older storages of cgroups.

use std::marker::PhantomData;

use super::{Flags, Map, MapType, keys, typed};
use crate::error::{Error, Result};
use crate::pod::{self, Pod};

/// A value for each cgroup that a program is attached to (`BPF_MAP_TYPE_CGROUP_STORAGE`), which the kernel makes then.
///
/// Keys are `struct bpf_cgroup_storage_key`, or the cgroup's id alone. Newer programs use `BPF_MAP_TYPE_CGRP_STORAGE`, which is a
/// [`super::LocalStorage`].
pub struct CgroupStorage<K: Pod, V: Pod> {
    map: Map,
    types: PhantomData<fn(K) -> V>,
}
typed!(CgroupStorage<K: Pod, V: Pod>);

impl<K: Pod, V: Pod> TryFrom<Map> for CgroupStorage<K, V> {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type("a storage of cgroups", &[MapType::CGROUP_STORAGE])?;
        map.expect_size::<K>("key", map.key_size())?;
        map.expect_size::<V>("value", map.value_size())?;
        Ok(CgroupStorage {
            map,
            types: PhantomData,
        })
    }
}

impl<K: Pod, V: Pod> CgroupStorage<K, V> {
    /// A copy of the value of `key`, if a program is attached there.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name.
    pub fn get(&self, key: &K) -> Result<Option<V>> {
        let mut value: V = pod::zeroed();
        let there = self
            .map
            .lookup(pod::bytes_of(key), pod::bytes_of_mut(&mut value))?;
        Ok(there.then_some(value))
    }

    /// Sets the value of `key`, which must be there.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if no program is attached there; else what the kernel answers.
    pub fn set(&self, key: &K, value: &V) -> Result<()> {
        self.map
            .update(pod::bytes_of(key), pod::bytes_of(value), Flags::EXIST)
    }

    /// The keys; nothing comes after an error.
    pub fn keys(&self) -> impl Iterator<Item = Result<K>> + '_ {
        keys::typed(&self.map)
    }
}

/// As [`CgroupStorage`], with a value for each CPU (`BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE`), which needs no atomic additions.
pub struct PerCpuCgroupStorage<K: Pod, V: Pod> {
    map: Map,
    types: PhantomData<fn(K) -> V>,
}
typed!(PerCpuCgroupStorage<K: Pod, V: Pod>);

impl<K: Pod, V: Pod> TryFrom<Map> for PerCpuCgroupStorage<K, V> {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type(
            "a per-CPU storage of cgroups",
            &[MapType::PERCPU_CGROUP_STORAGE],
        )?;
        map.expect_size::<K>("key", map.key_size())?;
        map.expect_size::<V>("value", map.value_size())?;
        Ok(PerCpuCgroupStorage {
            map,
            types: PhantomData,
        })
    }
}

impl<K: Pod, V: Pod> PerCpuCgroupStorage<K, V> {
    /// Copies of the values of `key`, one for each possible CPU, if a program is attached there.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name.
    pub fn get(&self, key: &K) -> Result<Option<Vec<V>>> {
        self.map.values(pod::bytes_of(key))
    }

    /// Sets the values of `key`, which must be there, one for each possible CPU.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if there are not as many values as [`super::possible_cpus`];
    /// [`crate::ErrorKind::NotFound`] if no program is attached there; else what the kernel answers.
    pub fn set(&self, key: &K, values: &[V]) -> Result<()> {
        self.map
            .set_values(pod::bytes_of(key), values, Flags::EXIST)
    }

    /// The keys; nothing comes after an error.
    pub fn keys(&self) -> impl Iterator<Item = Result<K>> + '_ {
        keys::typed(&self.map)
    }
}
