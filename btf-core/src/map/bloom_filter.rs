//! Bloom filters: sets that say "not in it" or "probably in it".

use std::marker::PhantomData;

use super::{Flags, Map, MapType, typed};
use crate::error::{Error, Result};
use crate::pod::{self, Pod};

/// A set of values that takes little memory and forgets none (`BPF_MAP_TYPE_BLOOM_FILTER`, from 5.16 on).
///
/// A value that was added is always found. Of others a few are, too: fewer with more hash functions (`map_extra`, 5 else) and
/// as long as no more than `max_entries` values are in it. It shows neither its values nor their number.
pub struct BloomFilter<V: Pod> {
    map: Map,
    value: PhantomData<fn(V)>,
}
typed!(BloomFilter<V: Pod>);

impl<V: Pod> TryFrom<Map> for BloomFilter<V> {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type("a Bloom filter", &[MapType::BLOOM_FILTER])?;
        map.expect_no_keys()?;
        map.expect_size::<V>("value", map.value_size())?;
        Ok(BloomFilter {
            map,
            value: PhantomData,
        })
    }
}

impl<V: Pod> BloomFilter<V> {
    /// Adds a value, which cannot be taken back.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name.
    pub fn add(&self, value: &V) -> Result<()> {
        self.map.update(&[], pod::bytes_of(value), Flags::ANY)
    }

    /// Whether the value is in it: `false` is certain.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name.
    pub fn may_contain(&self, value: &V) -> Result<bool> {
        // The kernel reads the value, and writes nothing.
        let mut value = *value;
        self.map.lookup(&[], pod::bytes_of_mut(&mut value))
    }
}
