//! Many entries in one system call.

use super::keys::{KeyBuffer, Keys};
use super::{Flags, Map, MapType};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::pod::{self, Pod};
use crate::sys::{BatchRead, ENOTSUPP, Position};

/// Entries of a map, fetched many at a time: what `batched` and `drain` of hash maps, tries and arrays return.
///
/// Every entry that is there from the start to the end is handed out, whatever comes and goes meanwhile; of those that do, some may
/// be missed. Nothing comes after an error.
///
/// A hash map is read by whole buckets. Where one has more entries than a batch has room for, the kernel answers `ENOSPC` and
/// copies none; the batch is then fetched again with room for twice as many, and the next ones are as large.
///
/// ```no_run
/// # fn main() -> btf_core::Result<()> {
/// # let mut loaded = btf_core::load::OpenObject::open("x", &[])?.load()?;
/// use btf_core::map::Hash;
///
/// let sizes: Hash<u32, u64> = loaded.map("sizes")?.typed()?;
/// for entry in sizes.batched(4096) {
///     let (pid, size) = entry?;
///     println!("{pid}: {size}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Batched<'a, K, V> {
    map: &'a Map,
    position: Position,
    /// Entries for which the buffers have room. It is counted, not computed from their lengths:
    /// keys may have no bytes.
    room: usize,
    keys: Vec<u8>,
    values: Vec<u8>,
    /// Bytes of a key and of a value in the buffers.
    key_len: usize,
    value_len: usize,
    /// Entries in the buffers, and how many of those were handed out.
    filled: usize,
    taken: usize,
    is_last: bool,
    delete: bool,
    decode: fn(&Map, &[u8]) -> Option<V>,
    key: std::marker::PhantomData<K>,
}

impl<'a, K: Pod, V> Batched<'a, K, V> {
    pub(super) fn new(
        map: &'a Map,
        size: usize,
        delete: bool,
        decode: fn(&Map, &[u8]) -> Option<V>,
    ) -> Self {
        Batched {
            map,
            position: map.fd.batch_start(),
            room: size.clamp(1, MOST),
            keys: Vec::new(),
            values: Vec::new(),
            key_len: map.fd.key_len(),
            value_len: 0,
            filled: 0,
            taken: 0,
            is_last: false,
            delete,
            decode,
            key: std::marker::PhantomData,
        }
    }

    /// Where the kernel has no batches for this type of map, walks the entries one by one instead, which is many times slower;
    /// entries that are removed on the way may then make the walk begin anew. What is drained is removed one by one, and
    /// loses what programs add to it between the two steps.
    ///
    /// # Errors
    ///
    /// Those of the first batch, but for [`ErrorKind::Unsupported`].
    pub fn or_one_by_one(mut self) -> Result<OneByOne<'a, K, V>> {
        match self.fetch() {
            Ok(()) => Ok(OneByOne::Batched(self)),
            Err(e) if e.kind() == ErrorKind::Unsupported => {
                let keys = Keys::new(self.map, vec![0; self.map.fd.key_len()]);
                Ok(OneByOne::Single(Single {
                    map: self.map,
                    keys,
                    delete: self.delete,
                    decode: self.decode,
                    key: self.key,
                }))
            }
            Err(e) => Err(e),
        }
    }

    /// Fetches batches until one has entries. `Err` is the end, with an error if there was one.
    #[cold]
    fn refill(&mut self) -> std::result::Result<(), Option<Error>> {
        while self.taken == self.filled {
            if self.is_last {
                return Err(None);
            }
            if let Err(e) = self.fetch() {
                (self.filled, self.taken, self.is_last) = (0, 0, true);
                return Err(Some(e));
            }
        }
        Ok(())
    }

    /// Fetches the next batch.
    fn fetch(&mut self) -> Result<()> {
        let map = self.map;
        map.require().context(|| map.what())?;
        if self.key_len == 0 {
            return Err(map.unfit("its keys have no bytes, so it has no batches".into()));
        }
        self.value_len = map.value_len()?;
        loop {
            resize(&mut self.keys, self.room, self.key_len).context(|| map.what())?;
            resize(&mut self.values, self.room, self.value_len).context(|| map.what())?;
            let (keys, values) = (&mut self.keys, &mut self.values);
            let read = self
                .map
                .fd
                .read_batch(&mut self.position, keys, values, self.delete);
            (self.filled, self.is_last) = match read {
                Ok(BatchRead::Some(read)) => (read, false),
                Ok(BatchRead::Last(read)) => (read, true),
                Ok(BatchRead::TooFew) if self.room < MOST => {
                    self.room *= 2;
                    continue;
                }
                Ok(BatchRead::TooFew) => {
                    return Err(self.map.unfit(format!(
                        "more than {MOST} of its entries belong to one batch"
                    )));
                }
                Err(e) if is_unknown(&e) => {
                    let instead = "or_one_by_one walks the entries";
                    return Err(self.map.no_batches("read many entries at once", instead));
                }
                Err(e) => return Err(self.map.refused("read a batch of entries", e)),
            };
            self.taken = 0;
            return Ok(());
        }
    }
}

/// What bounds the memory of a batch, in entries.
const MOST: usize = 1 << 24;

/// Gives a buffer room for so many items.
fn resize(buffer: &mut Vec<u8>, items: usize, size: usize) -> Result<()> {
    let len = items.checked_mul(size).ok_or_else(|| {
        let why = format!("{items} entries of {size} bytes exceed the address space");
        Error::new(ErrorKind::InvalidInput, why).hint("read fewer at a time")
    })?;
    buffer.resize(len, 0);
    Ok(())
}

/// Whether the kernel does not know the operation, or not for this type of map.
fn is_unknown(e: &std::io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | ENOTSUPP))
}

/// What the kernel did not go on with, and how much it had done by then.
fn beyond(what: &str, done: usize, count: usize, of: &str) -> String {
    match done {
        0 => format!("{what} any of {count} {of}"),
        _ => format!("{what} more than the first {done} of {count} {of}"),
    }
}

impl<K: Pod, V> Iterator for Batched<'_, K, V> {
    type Item = Result<(K, V)>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.taken == self.filled
            && let Err(end) = self.refill()
        {
            return end.map(Err);
        }
        let (key_at, value_at) = (self.taken * self.key_len, self.taken * self.value_len);
        self.taken += 1;
        let key = pod::read(self.keys.get(key_at..)?)?;
        let value = self.values.get(value_at..value_at + self.value_len)?;
        Some(Ok((key, (self.decode)(self.map, value)?)))
    }
}

/// Entries of a map, by batches where the kernel has them, one by one else: see [`Batched::or_one_by_one`].
#[derive(Debug)]
pub enum OneByOne<'a, K, V> {
    /// Many at a time.
    Batched(Batched<'a, K, V>),
    /// One by one.
    Single(Single<'a, K, V>),
}

impl<K: Pod, V> Iterator for OneByOne<'_, K, V> {
    type Item = Result<(K, V)>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            OneByOne::Batched(entries) => entries.next(),
            OneByOne::Single(entries) => entries.next(),
        }
    }
}

/// Entries of a map, one by one.
#[derive(Debug)]
pub struct Single<'a, K, V> {
    map: &'a Map,
    keys: Keys<'a, Vec<u8>>,
    delete: bool,
    decode: fn(&Map, &[u8]) -> Option<V>,
    key: std::marker::PhantomData<K>,
}

impl<K: Pod, V> Single<'_, K, V> {
    fn entry(&self, key: &[u8]) -> Result<Option<(K, V)>> {
        let Some(bytes) = self.map.get_bytes(key)? else {
            return Ok(None);
        };
        if self.delete && !self.map.delete(key)? {
            return Ok(None);
        }
        Ok(pod::read(key).zip((self.decode)(self.map, &bytes)))
    }
}

impl<K: Pod, V> Iterator for Single<'_, K, V> {
    type Item = Result<(K, V)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let key = match self.keys.next()? {
                Ok(key) => key,
                Err(e) => return Some(Err(e)),
            };
            match self.entry(key.bytes()) {
                Ok(Some(entry)) => return Some(Ok(entry)),
                // It went meanwhile.
                Ok(None) => {}
                Err(e) => return Some(Err(e)),
            }
        }
    }
}

impl Map {
    /// Writes many entries, whose bytes lie one behind the other.
    pub(super) fn update_many(&self, keys: &[u8], values: &[u8], flags: Flags) -> Result<()> {
        self.require().context(|| self.what())?;
        let count = keys.len() / self.fd.key_len().max(1);
        if count == 0 {
            return Ok(());
        }
        self.fd
            .update_batch(keys, values, flags.0)
            .map_err(|(done, e)| match done == 0 && is_unknown(&e) {
                true => self.no_batches("write many entries at once", "write them one by one"),
                false => self.refused(&beyond("write", done, count, "entries"), e),
            })
    }

    /// Removes many keys, whose bytes lie one behind the other; returns how many were there.
    pub(super) fn delete_many(&self, keys: &[u8]) -> Result<usize> {
        self.require().context(|| self.what())?;
        let key_len = self.fd.key_len().max(1);
        let (mut at, count, mut removed) = (0, keys.len() / key_len, 0);
        while at < count {
            match self.fd.delete_batch(&keys[at * key_len..]) {
                Ok(()) => return Ok(removed + count - at),
                Err((done, e)) if e.kind() == std::io::ErrorKind::NotFound => {
                    removed += done;
                    // Goes on behind the one that was not there.
                    at += done + 1;
                }
                Err((0, e)) if is_unknown(&e) => {
                    let instead = "remove them one by one";
                    return Err(self.no_batches("remove many keys at once", instead));
                }
                Err((done, e)) => {
                    return Err(self.refused(&beyond("remove", at + done, count, "keys"), e));
                }
            }
        }
        Ok(removed)
    }

    /// A value as it is.
    pub(super) fn one_value<V: Pod>(&self, bytes: &[u8]) -> Option<V> {
        pod::read(bytes)
    }

    /// The values of all CPUs.
    pub(super) fn all_values<V: Pod>(&self, bytes: &[u8]) -> Option<Vec<V>> {
        // The kernel pads each CPU's value to eight bytes.
        Some(
            bytes
                .chunks_exact(self.fd.stride())
                .filter_map(pod::read)
                .collect(),
        )
    }

    /// The bytes of entries as the kernel takes them.
    pub(super) fn check_lengths(&self, keys: usize, values: usize) -> Result<()> {
        if keys == values {
            return Ok(());
        }
        Err(self.unfit(format!(
            "{keys} keys and {values} values were given, and each key takes one value"
        )))
    }

    /// An error that this kernel has no batches for this type of map, with what does the same.
    fn no_batches(&self, doing: &str, instead: &str) -> Error {
        let since = match self.map_type() {
            MapType::LPM_TRIE | MapType::PERCPU_ARRAY => "5.13",
            _ => "5.6",
        };
        self.unsupported(doing, since)
            .hint(format!("kernels from {since} on can; here {instead}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Hash, Info, PerCpuHash, possible_cpus};
    use super::*;

    /// A map that is not created, and whose declaration has no sizes.
    fn absent(map_type: MapType) -> Map {
        Map::absent(Info {
            name: "none".into(),
            map_type,
            key_size: 0,
            value_size: 0,
            max_entries: 0,
            flags: 0,
        })
        .unwrap()
    }

    #[test]
    fn maps_without_sizes_return_errors() {
        let hash: Hash<(), ()> = absent(MapType::HASH).try_into().unwrap();
        let per_cpu: PerCpuHash<(), ()> = absent(MapType::PERCPU_HASH).try_into().unwrap();
        let units = vec![(); possible_cpus().unwrap()];
        let errors = [
            hash.get(&()).unwrap_err(),
            hash.insert(&(), &()).unwrap_err(),
            hash.take(&()).unwrap_err(),
            hash.remove(&()).unwrap_err(),
            hash.try_iter().next().unwrap().unwrap_err(),
            hash.batched(4).next().unwrap().unwrap_err(),
            hash.drain(0).next().unwrap().unwrap_err(),
            hash.batched(4).or_one_by_one().err().unwrap(),
            hash.insert_many(&[()], &[()]).unwrap_err(),
            hash.remove_many(&[()]).unwrap_err(),
            per_cpu.get(&()).unwrap_err(),
            per_cpu.insert(&(), &units).unwrap_err(),
            per_cpu.take(&()).unwrap_err(),
            per_cpu.batched(usize::MAX).next().unwrap().unwrap_err(),
            per_cpu.insert_many(&[()], [&units[..]]).unwrap_err(),
        ];
        for e in errors {
            assert_eq!(e.kind(), ErrorKind::InvalidInput, "{e}");
            assert!(e.to_string().contains("was not created"), "{e}");
        }
    }

    #[test]
    fn unknown_map_types_have_keys_and_no_values() {
        let map = absent(MapType(99));
        let errors = [
            map.get_bytes(&[]).unwrap_err(),
            map.set_bytes(&[], &[], Flags::ANY).unwrap_err(),
        ];
        for e in errors {
            assert_eq!(e.kind(), ErrorKind::Unsupported);
            assert!(e.to_string().contains("map type 99"), "{e}");
        }
    }
}
