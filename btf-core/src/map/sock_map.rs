//! Maps of sockets, to which programs redirect and from which they choose.

use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd};

use super::{Flags, Map, MapType, typed};
use crate::error::{Error, Result};
use crate::pod::{self, Pod};

/// Sockets by number (`BPF_MAP_TYPE_SOCKMAP`).
///
/// A socket that is closed leaves it by itself.
pub struct SockMap {
    map: Map,
}
typed!(SockMap);

/// Sockets by key (`BPF_MAP_TYPE_SOCKHASH`).
pub struct SockHash<K: Pod> {
    map: Map,
    key: PhantomData<fn(K)>,
}
typed!(SockHash<K: Pod>);

/// Sockets that share a port, by number, of which a program picks one (`BPF_MAP_TYPE_REUSEPORT_SOCKARRAY`).
///
/// It takes sockets with `SO_REUSEPORT` that are bound, or listen.
pub struct ReuseportSockArray {
    map: Map,
}
typed!(ReuseportSockArray);

impl Map {
    /// Sets a key's socket. Values are descriptors, in four bytes or in eight.
    fn set_socket(&self, key: &[u8], socket: &impl AsFd, flags: Flags) -> Result<()> {
        let number = socket.as_fd().as_raw_fd();
        match self.value_size() {
            8 => self.update(key, pod::bytes_of(&i64::from(number)), flags),
            _ => self.update(key, pod::bytes_of(&number), flags),
        }
    }

    /// The cookie of a key's socket.
    fn cookie(&self, key: &[u8]) -> Result<Option<u64>> {
        if self.value_size() != 8 {
            return Err(self
                .unfit("its values have 4 bytes, and a socket's cookie has 8".into())
                .hint("declare it with `__type(value, __u64);`"));
        }
        let mut cookie = 0u64;
        let there = self.lookup(key, pod::bytes_of_mut(&mut cookie))?;
        Ok(there.then_some(cookie))
    }

    fn expect_sockets(&self, wanted: &str, map_type: MapType) -> Result<()> {
        self.expect_type(wanted, &[map_type])?;
        match self.value_size() {
            4 | 8 => Ok(()),
            n => Err(self.unfit(format!("its values have {n} bytes instead of 4 or 8"))),
        }
    }
}

/// What both arrays of sockets can do.
macro_rules! sockets_by_number {
    ($name:ident, $what:literal, $map_type:ident) => {
        impl TryFrom<Map> for $name {
            type Error = Error;

            fn try_from(map: Map) -> Result<Self> {
                map.expect_sockets($what, MapType::$map_type)?;
                map.expect_numbers()?;
                Ok($name { map })
            }
        }

        impl $name {
            /// Puts a socket at `index`, in place of one that is there.
            ///
            /// # Errors
            ///
            /// [`crate::ErrorKind::InvalidInput`] past the end; else what the kernel answers: that the socket is of a kind or in a
            /// state that it does not take, for instance.
            pub fn set(&self, index: u32, socket: &impl AsFd) -> Result<()> {
                self.update(index, socket, Flags::ANY)
            }

            /// Puts a socket at `index` under the condition that `flags` states.
            ///
            /// # Errors
            ///
            #[doc = concat!("As [`", stringify!($name), "::set`], or that the condition does not hold.")]
            pub fn update(&self, index: u32, socket: &impl AsFd, flags: Flags) -> Result<()> {
                self.map.expect_index(index)?;
                self.map.set_socket(pod::bytes_of(&index), socket, flags)
            }

            /// Removes the socket at `index`; `false` if there is none.
            ///
            /// # Errors
            ///
            /// [`crate::ErrorKind::InvalidInput`] past the end; else what the kernel answers.
            pub fn clear(&self, index: u32) -> Result<bool> {
                self.map.expect_index(index)?;
                // Of a map of sockets the kernel says EINVAL for a slot that is empty.
                let is_empty =
                    |e: &Error| matches!(e.os_error(), Some(libc::EINVAL | libc::ENOENT));
                match self.map.delete(pod::bytes_of(&index)) {
                    Err(e) if is_empty(&e) => Ok(false),
                    answer => answer,
                }
            }

            /// The cookie of the socket at `index`, which identifies it (`SO_COOKIE`); `None` if there is none.
            ///
            /// # Errors
            ///
            /// [`crate::ErrorKind::InvalidInput`] if the map's values have 4 bytes; else what the kernel answers.
            pub fn cookie(&self, index: u32) -> Result<Option<u64>> {
                self.map.cookie(pod::bytes_of(&index))
            }
        }
    };
}
sockets_by_number!(SockMap, "a map of sockets", SOCKMAP);
sockets_by_number!(
    ReuseportSockArray,
    "an array of sockets that share a port",
    REUSEPORT_SOCKARRAY
);

impl<K: Pod> TryFrom<Map> for SockHash<K> {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_sockets("a hash map of sockets", MapType::SOCKHASH)?;
        map.expect_size::<K>("key", map.key_size())?;
        Ok(SockHash {
            map,
            key: PhantomData,
        })
    }
}

impl<K: Pod> SockHash<K> {
    /// Sets the socket of `key`, whether it has one or not.
    ///
    /// # Errors
    ///
    /// As [`SockMap::set`]; what the kernel answers may be that the map is full.
    pub fn insert(&self, key: &K, socket: &impl AsFd) -> Result<()> {
        self.update(key, socket, Flags::ANY)
    }

    /// Sets the socket of `key` under the condition that `flags` states.
    ///
    /// # Errors
    ///
    /// As [`SockHash::insert`], or that the condition does not hold.
    pub fn update(&self, key: &K, socket: &impl AsFd, flags: Flags) -> Result<()> {
        self.map.set_socket(pod::bytes_of(key), socket, flags)
    }

    /// Removes `key`; `false` if it is not there.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name.
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.map.delete(pod::bytes_of(key))
    }

    /// The cookie of the socket of `key`, which identifies it (`SO_COOKIE`); `None` if there is none.
    ///
    /// # Errors
    ///
    /// As [`SockMap::cookie`].
    pub fn cookie(&self, key: &K) -> Result<Option<u64>> {
        self.map.cookie(pod::bytes_of(key))
    }
}
