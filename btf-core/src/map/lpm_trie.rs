//! Tries of prefixes: lookups find the longest one that matches.
#![allow(unsafe_code)] // Claims that keys are plain data; the claim has its proof.

use std::marker::PhantomData;

use super::{Batched, Flags, Map, MapType, keys, typed};
use crate::error::{Error, Result};
use crate::pod::{self, Pod};

/// A trie of prefixes (`BPF_MAP_TYPE_LPM_TRIE`), as routing tables are.
///
/// A key is the struct that the map is declared with: a `__u32` with the prefix's length in bits, then the data, whose bits
/// count from the first byte's highest on (network order). Skeletons have the struct under its C name; [`LpmKey`] is
/// one for declarations without.
///
/// ```no_run
/// # fn main() -> btf_core::Result<()> {
/// # let mut loaded = btf_core::load::OpenObject::open("x", &[])?.load()?;
/// use btf_core::map::{LpmKey, LpmTrie};
///
/// let blocked: LpmTrie<LpmKey<[u8; 4]>, u64> = loaded.map("blocked")?.typed()?;
/// blocked.insert(&LpmKey::new(8, [10, 0, 0, 0]), &0)?;
/// // The whole address is looked up; 10.0.0.0/8 is what it finds.
/// assert_eq!(blocked.get(&LpmKey::new(32, [10, 1, 2, 3]))?, Some(0));
/// # Ok(())
/// # }
/// ```
pub struct LpmTrie<K: Pod, V: Pod> {
    map: Map,
    types: PhantomData<fn(K) -> V>,
}
typed!(LpmTrie<K: Pod, V: Pod>);

/// A key of an [`LpmTrie`]: the length of a prefix, and the bytes that it is of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C, packed)]
pub struct LpmKey<D: Pod> {
    prefix_len: u32,
    data: D,
}

// SAFETY: both fields take any bytes, and a packed struct has no padding.
unsafe impl<D: Pod> Pod for LpmKey<D> {}

impl<D: Pod> LpmKey<D> {
    /// The first `prefix_len` bits of `data`, whose numbers are in network order.
    pub fn new(prefix_len: u32, data: D) -> Self {
        LpmKey { prefix_len, data }
    }

    /// How many bits of the data count.
    pub fn prefix_len(&self) -> u32 {
        self.prefix_len
    }

    /// The data.
    pub fn data(&self) -> D {
        self.data
    }
}

impl<K: Pod, V: Pod> TryFrom<Map> for LpmTrie<K, V> {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type("an LPM trie", &[MapType::LPM_TRIE])?;
        map.expect_size::<K>("key", map.key_size())?;
        map.expect_size::<V>("value", map.value_size())?;
        Ok(LpmTrie {
            map,
            types: PhantomData,
        })
    }
}

impl<K: Pod, V: Pod> LpmTrie<K, V> {
    /// A copy of the value of the longest prefix that `key` begins with, if there is one.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if `key` says that more bits count than it has; else what the kernel answers, with the
    /// map's name.
    pub fn get(&self, key: &K) -> Result<Option<V>> {
        let mut value: V = pod::zeroed();
        let there = self
            .map
            .lookup(self.checked(key)?, pod::bytes_of_mut(&mut value))?;
        Ok(there.then_some(value))
    }

    /// Sets the value of a prefix, whether it is there or not.
    ///
    /// # Errors
    ///
    /// As [`LpmTrie::get`]; what the kernel answers may be that the map is full.
    pub fn insert(&self, key: &K, value: &V) -> Result<()> {
        self.update(key, value, Flags::ANY)
    }

    /// Sets the value of a prefix under the condition that `flags` states.
    ///
    /// # Errors
    ///
    /// As [`LpmTrie::insert`]; what the kernel answers may be that the condition does not hold.
    pub fn update(&self, key: &K, value: &V, flags: Flags) -> Result<()> {
        self.map
            .update(self.checked(key)?, pod::bytes_of(value), flags)
    }

    /// Removes exactly this prefix; `false` if it is not there.
    ///
    /// # Errors
    ///
    /// As [`LpmTrie::get`].
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.map.delete(self.checked(key)?)
    }

    /// The prefixes with copies of their values, longer ones before those that they begin with; it ends early at an error, which
    /// [`LpmTrie::try_iter`] shows. What comes or goes meanwhile is treated as [`super::Hash::iter`] says; a prefix that goes
    /// before its value was read is seen with that of a shorter one, because the kernel looks up in no other way.
    pub fn iter(&self) -> impl Iterator<Item = (K, V)> + '_ {
        self.try_iter().map_while(Result::ok)
    }

    /// As [`LpmTrie::iter`], but an error is handed out; nothing comes after it.
    pub fn try_iter(&self) -> impl Iterator<Item = Result<(K, V)>> + '_ {
        self.keys().filter_map(|key| match key {
            Ok(key) => match self.get(&key) {
                Ok(value) => value.map(|value| Ok((key, value))),
                Err(e) => Some(Err(e)),
            },
            Err(e) => Some(Err(e)),
        })
    }

    /// The prefixes alone, as [`LpmTrie::try_iter`] walks them.
    pub fn keys(&self) -> impl Iterator<Item = Result<K>> + '_ {
        keys::typed(&self.map)
    }

    /// As [`LpmTrie::try_iter`], but fetches `size` entries at a time, which is many times faster. See [`Batched`].
    ///
    /// Where the kernel has no batches for this map (before 5.13) it hands out [`crate::ErrorKind::Unsupported`], and
    /// [`Batched::or_one_by_one`] goes on without them.
    pub fn batched(&self, size: usize) -> Batched<'_, K, V> {
        Batched::new(&self.map, size, false, Map::one_value)
    }

    /// Sets the values of many keys in one step, those at the same place of the other list.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if there are not as many keys as values, or a key's prefix is longer than its data;
    /// [`crate::ErrorKind::Unsupported`] before 5.13; else what the kernel answers, with how many it had written before that.
    pub fn insert_many(&self, keys: &[K], values: &[V]) -> Result<()> {
        self.map.check_lengths(keys.len(), values.len())?;
        keys.iter()
            .try_for_each(|key| self.checked(key).map(drop))?;
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
    /// [`crate::ErrorKind::InvalidInput`] if a key's prefix is longer than its data; [`crate::ErrorKind::Unsupported`] before 5.13;
    /// else what the kernel answers, with how far it had come before that.
    pub fn remove_many(&self, keys: &[K]) -> Result<usize> {
        keys.iter()
            .try_for_each(|key| self.checked(key).map(drop))?;
        self.map.delete_many(pod::bytes_of_all(keys))
    }

    /// A key's bytes, if its length does not exceed its data.
    fn checked<'k>(&self, key: &'k K) -> Result<&'k [u8]> {
        let bytes = pod::bytes_of(key);
        let most = bytes.len().saturating_sub(size_of::<u32>()) * 8;
        match pod::read::<u32>(bytes) {
            Some(len) if len as usize <= most => Ok(bytes),
            len => Err(self.map.unfit(format!(
                "a prefix of {} bits is longer than the {most} bits of a key",
                len.unwrap_or(0)
            ))),
        }
    }
}
