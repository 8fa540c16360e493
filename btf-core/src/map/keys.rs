//! Walking a map's keys.

use super::Map;
use crate::error::Result;
use crate::pod::{self, Pod};

/// What a key may be held in.
pub(super) trait KeyBuffer: Clone {
    fn bytes(&self) -> &[u8];
    fn bytes_mut(&mut self) -> &mut [u8];
}

/// A key of a typed map.
#[derive(Clone, Copy)]
pub(super) struct Typed<K>(K);

impl<K: Pod> KeyBuffer for Typed<K> {
    fn bytes(&self) -> &[u8] {
        pod::bytes_of(&self.0)
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        pod::bytes_of_mut(&mut self.0)
    }
}

impl KeyBuffer for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl Map {
    /// The keys, in the map's order; nothing comes after an error.
    pub fn key_bytes(&self) -> impl Iterator<Item = Result<Vec<u8>>> + '_ {
        Keys::new(self, vec![0; self.fd.key_len()])
    }
}

/// The keys of a map with keys of this type.
pub(super) fn typed<K: Pod>(map: &Map) -> impl Iterator<Item = Result<K>> + '_ {
    Keys::new(map, Typed(pod::zeroed::<K>())).map(|key| key.map(|Typed(key)| key))
}

/// The keys of a map, one at a time. After an error it ends.
///
/// The key that follows is fetched before one is handed out, so that the receiver may remove the one it got.
#[derive(Debug)]
pub(super) struct Keys<'a, K> {
    map: &'a Map,
    blank: K,
    next: Next<K>,
}

#[derive(Debug)]
enum Next<K> {
    First,
    Key(K),
    End,
}

impl<'a, K: KeyBuffer> Keys<'a, K> {
    /// `blank` is of the size of a key, whatever is in it.
    pub(super) fn new(map: &'a Map, blank: K) -> Self {
        Keys {
            map,
            blank,
            next: Next::First,
        }
    }

    fn after(&self, key: Option<&K>) -> Result<Option<K>> {
        let mut next = self.blank.clone();
        self.map
            .fd
            .next_key(key.map(K::bytes), next.bytes_mut())
            .map(|there| there.then_some(next))
            .map_err(|e| self.map.refused("find the next key", e))
    }
}

impl<K: KeyBuffer> Iterator for Keys<'_, K> {
    type Item = Result<K>;

    fn next(&mut self) -> Option<Result<K>> {
        let current = match std::mem::replace(&mut self.next, Next::End) {
            Next::End => return None,
            Next::Key(key) => key,
            Next::First => match self.after(None) {
                Ok(first) => first?,
                Err(e) => return Some(Err(e)),
            },
        };
        match self.after(Some(&current)) {
            Ok(Some(key)) => self.next = Next::Key(key),
            Ok(None) => {}
            Err(e) => return Some(Err(e)),
        }
        Some(Ok(current))
    }
}
