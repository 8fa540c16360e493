//! Maps whose values are maps.

use std::marker::PhantomData;
use std::os::fd::AsFd;

use super::{Flags, Map, MapType, keys, typed};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::pod::{self, Pod};

/// What a map that is a value may be seen as: [`Map`] or one of the typed ones.
pub trait InnerMap: AsFd + Sized {
    /// Makes it of the untyped map.
    #[doc(hidden)]
    fn of_map(map: Map) -> Result<Self>;
}

impl InnerMap for Map {
    fn of_map(map: Map) -> Result<Self> {
        Ok(map)
    }
}

impl<M: TryFrom<Map, Error = Error> + AsFd> InnerMap for M {
    fn of_map(map: Map) -> Result<Self> {
        map.try_into()
    }
}

/// An array of maps of one shape (`BPF_MAP_TYPE_ARRAY_OF_MAPS`).
///
/// ```no_run
/// # fn main() -> btf_core::Result<()> {
/// # let mut loaded = btf_core::load::OpenObject::open("x", &[])?.load()?;
/// use btf_core::map::{ArrayOfMaps, Hash};
///
/// let generations: ArrayOfMaps<Hash<u32, u64>> = loaded.map("generations")?.typed()?;
/// // Programs see the new map from the next lookup on.
/// let next = generations.new_inner("next")?;
/// generations.set(0, &next)?;
/// # Ok(())
/// # }
/// ```
pub struct ArrayOfMaps<M: InnerMap> {
    map: Map,
    inner: PhantomData<fn() -> M>,
}
typed!(ArrayOfMaps<M: InnerMap>);

/// A hash map from keys to maps of one shape (`BPF_MAP_TYPE_HASH_OF_MAPS`).
pub struct HashOfMaps<K: Pod, M: InnerMap> {
    map: Map,
    types: PhantomData<fn(K) -> M>,
}
typed!(HashOfMaps<K: Pod, M: InnerMap>);

impl Map {
    /// Creates a map as the declaration of this one says of its values.
    fn new_inner<M: InnerMap>(&self, name: &str) -> Result<M> {
        let Some(inner) = &self.inner else {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "it does not know what the maps are like that are its values",
            )
            .hint(
                "declare them with `__array(values, struct { … })`, or create one with Map::create",
            )
            .context(self.what()));
        };
        let mut spec = inner.spec.clone();
        spec.name = name.to_owned();
        // With the types, too: kernels compare what they make of them.
        super::params(&spec, inner.btf.as_ref(), None, &inner.features)
            .and_then(|params| super::create(&params))
            .and_then(M::of_map)
            .context(|| self.what())
    }

    /// The number of the map that is a key's value.
    fn map_id(&self, key: &[u8]) -> Result<Option<u32>> {
        let mut id = 0u32;
        let there = self.lookup(key, pod::bytes_of_mut(&mut id))?;
        Ok(there.then_some(id))
    }

    /// The map that is a key's value.
    fn open_value<M: InnerMap>(&self, key: &[u8]) -> Result<Option<M>> {
        let Some(id) = self.map_id(key)? else {
            return Ok(None);
        };
        match Map::from_id(id).and_then(M::of_map) {
            Ok(map) => Ok(Some(map)),
            // It was replaced meanwhile, and went.
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e.context(self.what())),
        }
    }
}

impl<M: InnerMap> TryFrom<Map> for ArrayOfMaps<M> {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type("an array of maps", &[MapType::ARRAY_OF_MAPS])?;
        map.expect_numbers()?;
        Ok(ArrayOfMaps {
            map,
            inner: PhantomData,
        })
    }
}

impl<M: InnerMap> ArrayOfMaps<M> {
    /// How many maps it can have.
    pub fn len(&self) -> u32 {
        self.map.max_entries()
    }

    /// Whether it has room for none; the kernel makes no such array.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Creates a map that may be put into it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the declaration does not say what it is like; else what the kernel answers.
    pub fn new_inner(&self, name: &str) -> Result<M> {
        self.map.new_inner(name)
    }

    /// Puts a map at `index`. When this returns, no program uses the one that was there any more.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] past the end; else what the kernel answers: that the map is not of the declared shape, for
    /// instance.
    pub fn set(&self, index: u32, map: &M) -> Result<()> {
        self.map.expect_index(index)?;
        self.map
            .set_fd(pod::bytes_of(&index), map.as_fd(), Flags::ANY)
    }

    /// Removes the map at `index`; `false` if there is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] past the end; else what the kernel answers.
    pub fn clear(&self, index: u32) -> Result<bool> {
        self.map.expect_index(index)?;
        self.map.delete(pod::bytes_of(&index))
    }

    /// The map at `index`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Permission`] without `CAP_SYS_ADMIN`; else what the kernel answers.
    pub fn get(&self, index: u32) -> Result<Option<M>> {
        self.map.open_value(pod::bytes_of(&index))
    }

    /// The kernel's number for the map at `index`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name.
    pub fn map_id(&self, index: u32) -> Result<Option<u32>> {
        self.map.map_id(pod::bytes_of(&index))
    }
}

impl<K: Pod, M: InnerMap> TryFrom<Map> for HashOfMaps<K, M> {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_type("a hash map of maps", &[MapType::HASH_OF_MAPS])?;
        map.expect_size::<K>("key", map.key_size())?;
        Ok(HashOfMaps {
            map,
            types: PhantomData,
        })
    }
}

impl<K: Pod, M: InnerMap> HashOfMaps<K, M> {
    /// Creates a map that may be put into it.
    ///
    /// # Errors
    ///
    /// As [`ArrayOfMaps::new_inner`].
    pub fn new_inner(&self, name: &str) -> Result<M> {
        self.map.new_inner(name)
    }

    /// Sets the map of `key`. When this returns, no program uses the one that was there any more.
    ///
    /// # Errors
    ///
    /// What the kernel answers: that it is full, or that the map is not of the declared shape, for instance.
    pub fn insert(&self, key: &K, map: &M) -> Result<()> {
        self.map.set_fd(pod::bytes_of(key), map.as_fd(), Flags::ANY)
    }

    /// Removes `key`; `false` if it is not there.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name.
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.map.delete(pod::bytes_of(key))
    }

    /// The map of `key`, if the key is there.
    ///
    /// # Errors
    ///
    /// As [`ArrayOfMaps::get`].
    pub fn get(&self, key: &K) -> Result<Option<M>> {
        self.map.open_value(pod::bytes_of(key))
    }

    /// The kernel's number for the map of `key`, if the key is there.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name.
    pub fn map_id(&self, key: &K) -> Result<Option<u32>> {
        self.map.map_id(pod::bytes_of(key))
    }

    /// The keys, in no order; nothing comes after an error.
    pub fn keys(&self) -> impl Iterator<Item = Result<K>> + '_ {
        keys::typed(&self.map)
    }
}
