//! Walking a map's keys.

use super::Map;
use crate::error::Result;
use crate::pod::{self, Pod};

/// The keys of a map, one at a time. After an error it ends.
///
/// The key that follows is fetched before one is handed out, so that the receiver may remove the one it got.
pub(super) struct Keys<'a, K> {
    map: &'a Map,
    next: Next<K>,
}

enum Next<K> {
    First,
    Key(K),
    End,
}

impl<'a, K: Pod> Keys<'a, K> {
    pub(super) fn new(map: &'a Map) -> Self {
        Keys {
            map,
            next: Next::First,
        }
    }

    fn after(&self, key: Option<&K>) -> Result<Option<K>> {
        let mut next: K = pod::zeroed();
        self.map
            .fd
            .next_key(key.map(pod::bytes_of), pod::bytes_of_mut(&mut next))
            .map(|there| there.then_some(next))
            .map_err(|e| self.map.refused("find the next key", e))
    }
}

impl<K: Pod> Iterator for Keys<'_, K> {
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
