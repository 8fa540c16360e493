//! Array maps.

use std::marker::PhantomData;

use super::{Batched, Flags, Map, MapType, typed};
use crate::error::{Error, Result};
use crate::pod::{self, Pod};

/// A fixed number of values with indices from 0 (`BPF_MAP_TYPE_ARRAY`).
pub struct Array<V: Pod> {
    map: Map,
    value: PhantomData<fn() -> V>,
}
typed!(Array<V: Pod>);

impl<V: Pod> TryFrom<Map> for Array<V> {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type("an array", &[MapType::ARRAY])?;
        map.expect_size::<u32>("key", map.key_size())?;
        map.expect_size::<V>("value", map.value_size())?;
        Ok(Array {
            map,
            value: PhantomData,
        })
    }
}

impl<V: Pod> Array<V> {
    /// How many values it has.
    pub fn len(&self) -> u32 {
        self.map.max_entries()
    }

    /// Whether it has no values; the kernel makes no such array.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy of the value at `index`; `None` past the end.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name.
    pub fn get(&self, index: u32) -> Result<Option<V>> {
        let mut value: V = pod::zeroed();
        let there = self
            .map
            .lookup(pod::bytes_of(&index), pod::bytes_of_mut(&mut value))?;
        Ok(there.then_some(value))
    }

    /// Sets the value at `index`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] past the end; else what the kernel answers, with the map's name.
    pub fn set(&self, index: u32, value: &V) -> Result<()> {
        self.map.expect_index(index)?;
        self.map
            .update(pod::bytes_of(&index), pod::bytes_of(value), Flags::ANY)
    }

    /// Copies of all values in order; it ends early at an error, which [`Array::get`] would show.
    pub fn iter(&self) -> impl Iterator<Item = V> + '_ {
        (0..self.len()).map_while(|index| self.get(index).ok().flatten())
    }

    /// As [`Array::iter`], but fetches `size` values at a time, with their indices. See [`Batched`].
    pub fn batched(&self, size: usize) -> Batched<'_, u32, V> {
        Batched::new(&self.map, size, false, Map::one_value)
    }

    /// Sets many values in one step: those from `first` on.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] past the end; else what the kernel answers, with how many it had written before
    /// that.
    pub fn set_many(&self, first: u32, values: &[V]) -> Result<()> {
        let end = u64::from(first) + values.len() as u64;
        if end > u64::from(self.len()) {
            return Err(self.map.unfit(format!(
                "indices {first} to {} are out of its {} entries",
                end - 1,
                self.len()
            )));
        }
        let indices: Vec<u32> = (first..).take(values.len()).collect();
        self.map.update_many(
            pod::bytes_of_all(&indices),
            pod::bytes_of_all(values),
            Flags::ANY,
        )
    }
}
