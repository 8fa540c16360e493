//! Claims on ring buffers: one consumer and one producer at a time in this process.
//!
//! A second consumer would return memory to the kernel that the first one's callback still reads,
//! and a second producer would write over the first one's samples. Handles of one map can be made
//! in many ways (`from_fd`, `from_id`, `open_pinned`, `reuse`), so a claim is on the kernel's ID of
//! the map, not on a handle.
//!
//! Claims end at the process. A process that shares the map can damage what is read here, as one
//! that writes this process's memory can. A child of fork(2) starts with its parent's claims, and
//! with its consumers and producers, which share the map's memory with the parent's.

use std::sync::{Mutex, PoisonError};

use super::Map;
use crate::error::{Context, Error, ErrorKind, Result};

/// Maps of this process that have a consumer or a producer.
static CLAIMS: Claims = Claims::new();

/// IDs that are claimed. There are few at a time.
struct Claims(Mutex<Vec<u32>>);

impl Claims {
    const fn new() -> Claims {
        Claims(Mutex::new(Vec::new()))
    }

    /// Calls `change` with the IDs. A panic elsewhere cannot have left them half changed.
    fn with<R>(&self, change: impl FnOnce(&mut Vec<u32>) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Claims an ID; `None` if it is claimed already.
    fn claim(&'static self, id: u32) -> Option<Claim> {
        self.with(|ids| {
            let is_free = !ids.contains(&id);
            is_free.then(|| {
                ids.push(id);
                Claim { claims: self, id }
            })
        })
    }
}

/// Claim on a map, released on drop.
///
/// It must be released before the last file descriptor and mapping of the map: the kernel may give
/// the ID to another map afterwards.
#[derive(Debug)]
pub(super) struct Claim {
    claims: &'static Claims,
    id: u32,
}

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Claims")
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.with(|ids| ids.retain(|id| *id != self.id));
    }
}

/// Part in a ring buffer that one may have at a time.
#[derive(Clone, Copy)]
pub(super) enum Role {
    Consumer,
    Producer,
}

/// ID by which a ring buffer is claimed. It is read with the typed map, because a process may give
/// up its capabilities before it makes a consumer; if that fails, it is read again then.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClaimId(Option<u32>);

impl ClaimId {
    pub(super) fn of(map: &Map) -> ClaimId {
        ClaimId(match map.is_created() {
            true => map.fd.info().ok().map(|info| info.id),
            false => None,
        })
    }

    /// Claims the map for a consumer or a producer.
    pub(super) fn claim(self, map: &Map, role: Role) -> Result<Claim> {
        map.require().context(|| map.what())?;
        let id = match self.0 {
            Some(id) => id,
            None => map.info()?.id,
        };
        CLAIMS
            .claim(id)
            .ok_or_else(|| claimed(map.name(), id, role))
    }
}

fn claimed(name: &str, id: u32, role: Role) -> Error {
    let (what, who, hint) = match role {
        Role::Consumer => (
            "ring buffer",
            "consumer",
            "use or drop that consumer, which another handle of the map may have made",
        ),
        Role::Producer => (
            "user ring buffer",
            "producer",
            "use or drop that producer, which another handle of the map may have made",
        ),
    };
    Error::new(
        ErrorKind::InvalidInput,
        format!("{what} `{name}` (map ID {id}) already has a {who} in this process"),
    )
    .hint(hint)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn an_id_has_one_claim_at_a_time() {
        static CLAIMS: Claims = Claims::new();
        let first = CLAIMS.claim(7).unwrap();
        let other = CLAIMS.claim(8).unwrap();
        assert!(CLAIMS.claim(7).is_none());
        drop(other);
        assert!(CLAIMS.claim(7).is_none());
        drop(first);
        assert!(CLAIMS.claim(7).is_some());
    }

    #[test]
    fn a_panic_releases_a_claim() {
        static CLAIMS: Claims = Claims::new();
        let panicked = std::panic::catch_unwind(|| {
            let _claim = CLAIMS.claim(7);
            panic!("while it is claimed");
        });
        assert!(panicked.is_err());
        assert!(CLAIMS.claim(7).is_some());
    }

    #[test]
    fn threads_never_share_a_claim() {
        static CLAIMS: Claims = Claims::new();
        let holders = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut count = 0;
                    while count < 1000 {
                        let Some(_claim) = CLAIMS.claim(7) else {
                            std::thread::yield_now();
                            continue;
                        };
                        assert_eq!(holders.fetch_add(1, Ordering::Relaxed), 0);
                        assert_eq!(holders.fetch_sub(1, Ordering::Relaxed), 1);
                        count += 1;
                    }
                });
            }
        });
    }

    #[test]
    fn the_error_names_map_and_id() {
        assert_eq!(
            claimed("events", 7, Role::Consumer).to_string(),
            "ring buffer `events` (map ID 7) already has a consumer in this process (use or drop \
             that consumer, which another handle of the map may have made)"
        );
    }
}
