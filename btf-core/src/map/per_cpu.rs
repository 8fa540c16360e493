//! Per-CPU maps: each key has one value for every CPU there can be, which the programs on that CPU see.

use std::marker::PhantomData;

use super::{Batched, Flags, Map, MapType, keys, typed};
use crate::error::{Error, Result};
use crate::pod::{self, Pod};

/// A hash map with a value for each CPU (`BPF_MAP_TYPE_PERCPU_HASH`, `BPF_MAP_TYPE_LRU_PERCPU_HASH`).
pub struct PerCpuHash<K: Pod, V: Pod> {
    map: Map,
    types: PhantomData<fn(K) -> V>,
}
typed!(PerCpuHash<K: Pod, V: Pod>);

/// An array with a value for each CPU (`BPF_MAP_TYPE_PERCPU_ARRAY`).
pub struct PerCpuArray<V: Pod> {
    map: Map,
    value: PhantomData<fn() -> V>,
}
typed!(PerCpuArray<V: Pod>);

impl Map {
    /// The values of all CPUs of one key.
    pub(super) fn values<V: Pod>(&self, key: &[u8]) -> Result<Option<Vec<V>>> {
        let mut bytes = vec![0; self.value_len()?];
        if !self.lookup(key, &mut bytes)? {
            return Ok(None);
        }
        Ok(self.all_values(&bytes))
    }

    pub(super) fn set_values<V: Pod>(&self, key: &[u8], values: &[V], flags: Flags) -> Result<()> {
        self.update(key, &self.padded(values)?, flags)
    }

    /// The bytes of the values of all CPUs as the kernel takes them.
    fn padded<V: Pod>(&self, values: &[V]) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.value_len()?];
        let (stride, cpus) = (self.fd.stride(), super::possible_cpus()?);
        if values.len() != cpus {
            return Err(self.unfit(format!(
                "{} values were given for {cpus} possible CPUs",
                values.len()
            )));
        }
        for (to, from) in bytes.chunks_exact_mut(stride).zip(values) {
            to[..size_of::<V>()].copy_from_slice(pod::bytes_of(from));
        }
        Ok(bytes)
    }
}

impl<K: Pod, V: Pod> TryFrom<Map> for PerCpuHash<K, V> {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type(
            "a per-CPU hash map",
            &[MapType::PERCPU_HASH, MapType::LRU_PERCPU_HASH],
        )?;
        map.expect_size::<K>("key", map.key_size())?;
        map.expect_size::<V>("value", map.value_size())?;
        Ok(PerCpuHash {
            map,
            types: PhantomData,
        })
    }
}

impl<K: Pod, V: Pod> PerCpuHash<K, V> {
    /// Copies of the values of `key`, one for each possible CPU, if the key is there.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name.
    pub fn get(&self, key: &K) -> Result<Option<Vec<V>>> {
        self.map.values(pod::bytes_of(key))
    }

    /// Sets the values of `key`, one for each possible CPU.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if there are not as many values as [`super::possible_cpus`]; else what the
    /// kernel answers, with the map's name.
    pub fn insert(&self, key: &K, values: &[V]) -> Result<()> {
        self.update(key, values, Flags::ANY)
    }

    /// Sets the values of `key` under the condition that `flags` states.
    ///
    /// # Errors
    ///
    /// As [`PerCpuHash::insert`].
    pub fn update(&self, key: &K, values: &[V], flags: Flags) -> Result<()> {
        self.map.set_values(pod::bytes_of(key), values, flags)
    }

    /// Removes `key` and returns its values, one for each possible CPU, at once.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Unsupported`] before 5.14; else what the kernel answers, with the map's name.
    pub fn take(&self, key: &K) -> Result<Option<Vec<V>>> {
        let mut bytes = vec![0; self.map.value_len()?];
        if !self.map.take(pod::bytes_of(key), &mut bytes)? {
            return Ok(None);
        }
        Ok(self.map.all_values(&bytes))
    }

    /// Removes `key`; `false` if it is not there.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name.
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.map.delete(pod::bytes_of(key))
    }

    /// The keys with copies of their values, in no order; it ends early at an error, which
    /// [`PerCpuHash::try_iter`] shows. What comes or goes meanwhile is treated as [`super::Hash::iter`] says.
    pub fn iter(&self) -> impl Iterator<Item = (K, Vec<V>)> + '_ {
        self.try_iter().map_while(Result::ok)
    }

    /// As [`PerCpuHash::iter`], but an error is handed out; nothing comes after it.
    pub fn try_iter(&self) -> impl Iterator<Item = Result<(K, Vec<V>)>> + '_ {
        keys::typed(&self.map).filter_map(|key| match key {
            Ok(key) => match self.get(&key) {
                Ok(values) => values.map(|values| Ok((key, values))),
                Err(e) => Some(Err(e)),
            },
            Err(e) => Some(Err(e)),
        })
    }

    /// As [`PerCpuHash::try_iter`], but fetches `size` entries at a time, which is many times faster. See [`Batched`].
    ///
    /// Where the kernel has no batches for this map (before 5.6) it hands out [`crate::ErrorKind::Unsupported`], and
    /// [`Batched::or_one_by_one`] goes on without them.
    pub fn batched(&self, size: usize) -> Batched<'_, K, Vec<V>> {
        Batched::new(&self.map, size, false, Map::all_values)
    }

    /// As [`PerCpuHash::batched`], but removes what it hands out, in the same step. What was fetched is gone from the map, even if
    /// the iterator is dropped before it handed it out.
    pub fn drain(&self, size: usize) -> Batched<'_, K, Vec<V>> {
        Batched::new(&self.map, size, true, Map::all_values)
    }

    /// Sets the values of many keys in one step, for each key one for each possible CPU.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if there are not as many lists as keys, or one has not as many values as
    /// [`super::possible_cpus`]; [`crate::ErrorKind::Unsupported`] before 5.6; else what the kernel answers, with how many it had
    /// written before that.
    pub fn insert_many<'v>(
        &self,
        keys: &[K],
        values: impl IntoIterator<Item = &'v [V]>,
    ) -> Result<()>
    where
        V: 'v,
    {
        let (mut bytes, mut count) = (Vec::new(), 0);
        for values in values {
            bytes.extend(self.map.padded(values)?);
            count += 1;
        }
        self.map.check_lengths(keys.len(), count)?;
        self.map
            .update_many(pod::bytes_of_all(keys), &bytes, Flags::ANY)
    }

    /// Removes many keys in one step, and returns how many were there.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Unsupported`] before 5.6; else what the kernel answers, with how far it had come before that.
    pub fn remove_many(&self, keys: &[K]) -> Result<usize> {
        self.map.delete_many(pod::bytes_of_all(keys))
    }
}

impl<V: Pod> TryFrom<Map> for PerCpuArray<V> {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type("a per-CPU array", &[MapType::PERCPU_ARRAY])?;
        map.expect_size::<u32>("key", map.key_size())?;
        map.expect_size::<V>("value", map.value_size())?;
        Ok(PerCpuArray {
            map,
            value: PhantomData,
        })
    }
}

impl<V: Pod> PerCpuArray<V> {
    /// How many entries it has, each with a value for every possible CPU.
    pub fn len(&self) -> u32 {
        self.map.max_entries()
    }

    /// Whether it has no entries; the kernel makes no such array.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies of the values at `index`, one for each possible CPU; `None` past the end.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name.
    pub fn get(&self, index: u32) -> Result<Option<Vec<V>>> {
        self.map.values(pod::bytes_of(&index))
    }

    /// Sets the values at `index`, one for each possible CPU.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] past the end, or if there are not as many values as
    /// [`super::possible_cpus`]; else what the kernel answers, with the map's name.
    pub fn set(&self, index: u32, values: &[V]) -> Result<()> {
        self.map.expect_index(index)?;
        self.map
            .set_values(pod::bytes_of(&index), values, Flags::ANY)
    }

    /// Copies of all values in order of index; it ends early at an error, which [`PerCpuArray::get`] would show.
    pub fn iter(&self) -> impl Iterator<Item = Vec<V>> + '_ {
        (0..self.len()).map_while(|index| self.get(index).ok().flatten())
    }

    /// As [`PerCpuArray::iter`], but fetches `size` entries at a time, with their indices. Kernels have this from 5.13 on; see
    /// [`Batched`].
    pub fn batched(&self, size: usize) -> Batched<'_, u32, Vec<V>> {
        Batched::new(&self.map, size, false, Map::all_values)
    }
}
