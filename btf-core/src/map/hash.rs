//! Hash maps, LRU ones included.

use std::marker::PhantomData;

use super::{Batched, Flags, Map, MapType, keys, typed};
use crate::error::{Error, Result};
use crate::pod::{self, Pod};

/// A map from keys to values (`BPF_MAP_TYPE_HASH`, `BPF_MAP_TYPE_LRU_HASH`, `BPF_MAP_TYPE_RHASH`).
///
/// ```no_run
/// # fn main() -> btf_core::Result<()> {
/// # let mut loaded = btf_core::load::OpenObject::open("x", &[])?.load()?;
/// use btf_core::map::Hash;
///
/// let sizes: Hash<u32, u64> = loaded.map("sizes")?.typed()?;
/// sizes.insert(&1, &0)?;
/// for (pid, size) in sizes.iter() {
///     println!("{pid}: {size}");
/// }
/// # Ok(())
/// # }
/// ```
pub struct Hash<K: Pod, V: Pod> {
    map: Map,
    types: PhantomData<fn(K) -> V>,
}
typed!(Hash<K: Pod, V: Pod>);

impl<K: Pod, V: Pod> TryFrom<Map> for Hash<K, V> {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type(
            "a hash map",
            &[MapType::HASH, MapType::LRU_HASH, MapType::RHASH],
        )?;
        map.expect_size::<K>("key", map.key_size())?;
        map.expect_size::<V>("value", map.value_size())?;
        Ok(Hash {
            map,
            types: PhantomData,
        })
    }
}

impl<K: Pod, V: Pod> Hash<K, V> {
    /// A copy of the value of `key`, if the key is there.
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

    /// Sets the value of `key`, whether it is there or not.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name: that the map is full, for instance.
    pub fn insert(&self, key: &K, value: &V) -> Result<()> {
        self.update(key, value, Flags::ANY)
    }

    /// Sets the value of `key` under the condition that `flags` states.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name: that the condition does not hold, for instance.
    pub fn update(&self, key: &K, value: &V, flags: Flags) -> Result<()> {
        self.map
            .update(pod::bytes_of(key), pod::bytes_of(value), flags)
    }

    /// Removes `key` and returns its value, if it is there, at once: a program that changes it meanwhile does so before or after.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Unsupported`] before 5.14, where [`Hash::get`] and [`Hash::remove`] lose what changes between them; else
    /// what the kernel answers, with the map's name.
    pub fn take(&self, key: &K) -> Result<Option<V>> {
        let mut value: V = pod::zeroed();
        let there = self
            .map
            .take(pod::bytes_of(key), pod::bytes_of_mut(&mut value))?;
        Ok(there.then_some(value))
    }

    /// Removes `key`; `false` if it is not there.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name.
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.map.delete(pod::bytes_of(key))
    }

    /// The keys with copies of their values, in no order; it ends early at an error, which [`Hash::try_iter`] shows.
    ///
    /// Entries that come or go meanwhile may be missed, and some may be seen twice. The entry just handed out may be
    /// removed.
    pub fn iter(&self) -> impl Iterator<Item = (K, V)> + '_ {
        self.try_iter().map_while(Result::ok)
    }

    /// As [`Hash::iter`], but an error is handed out; nothing comes after it.
    pub fn try_iter(&self) -> impl Iterator<Item = Result<(K, V)>> + '_ {
        keys::typed(&self.map).filter_map(|key| match key {
            Ok(key) => match self.get(&key) {
                Ok(value) => value.map(|value| Ok((key, value))),
                Err(e) => Some(Err(e)),
            },
            Err(e) => Some(Err(e)),
        })
    }

    /// The keys alone, as [`Hash::try_iter`] walks them.
    pub fn keys(&self) -> impl Iterator<Item = Result<K>> + '_ {
        keys::typed(&self.map)
    }

    /// As [`Hash::try_iter`], but fetches `size` entries at a time, which is many times faster. See [`Batched`].
    ///
    /// Where the kernel has no batches for this map (before 5.6) it hands out [`crate::ErrorKind::Unsupported`], and
    /// [`Batched::or_one_by_one`] goes on without them.
    pub fn batched(&self, size: usize) -> Batched<'_, K, V> {
        Batched::new(&self.map, size, false, Map::one_value)
    }

    /// As [`Hash::batched`], but removes what it hands out, in the same step. What was fetched is gone from the map, even if
    /// the iterator is dropped before it handed it out.
    pub fn drain(&self, size: usize) -> Batched<'_, K, V> {
        Batched::new(&self.map, size, true, Map::one_value)
    }

    /// Sets the values of many keys in one step, those at the same place of the other list.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if there are not as many keys as values; [`crate::ErrorKind::Unsupported`] before
    /// 5.6; else what the kernel answers, with how many it had written before that.
    pub fn insert_many(&self, keys: &[K], values: &[V]) -> Result<()> {
        self.map.check_lengths(keys.len(), values.len())?;
        self.map.update_many(
            pod::bytes_of_all(keys),
            pod::bytes_of_all(values),
            Flags::ANY,
        )
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
