//! Maps of a loaded object: untyped as they come out of it, and typed by what their keys and values are.
//!
//! [`Map`] owns the descriptor. [`struct@Hash`], [`Array`], [`PerCpuHash`], [`PerCpuArray`] and [`RingBuf`] are made of it
//! (`TryFrom`), which checks the map's type and sizes once. [`Mapped`] is a section of global variables.

mod array;
mod global;
mod hash;
mod keys;
mod lpm_trie;
mod mapped;
mod per_cpu;
mod ring_buf;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::error::{Error, ErrorKind, Result};
use crate::pod::Pod;
use crate::sys::MapFd;

pub use crate::obj::MapType;
pub use array::Array;
pub use global::Global;
pub use hash::Hash;
pub use lpm_trie::{LpmKey, LpmTrie};
pub use mapped::{Mapped, Section};
pub use per_cpu::{PerCpuArray, PerCpuHash};
pub use ring_buf::{Consumer, RingBuf, Sample};

/// How many values a per-CPU map has for each key: one for every CPU there can be.
///
/// # Errors
///
/// Those of reading the kernel's list of CPUs from sysfs.
pub fn possible_cpus() -> Result<usize> {
    crate::sys::possible_cpus()
}

/// Flags of an update (`BPF_ANY` and others): an open set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(pub u64);

impl Flags {
    /// Insert the key or overwrite its value (`BPF_ANY`).
    pub const ANY: Flags = Flags(0);
    /// Only insert: the key must not be there (`BPF_NOEXIST`).
    pub const NO_EXIST: Flags = Flags(1);
    /// Only overwrite: the key must be there (`BPF_EXIST`).
    pub const EXIST: Flags = Flags(2);
    /// Take the spin lock in the value (`BPF_F_LOCK`).
    pub const LOCK: Flags = Flags(4);
}

impl std::ops::BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// A map in the kernel; it goes when neither this nor a loaded program holds it any more.
#[derive(Debug)]
pub struct Map {
    fd: MapFd,
    info: Info,
}

/// What a map was created with.
#[derive(Debug, Clone)]
pub(crate) struct Info {
    pub(crate) name: String,
    pub(crate) map_type: MapType,
    pub(crate) key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Map {
    pub(crate) fn new(fd: MapFd, info: Info) -> Map {
        Map { fd, info }
    }

    /// Its name as declared.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// Its type.
    pub fn map_type(&self) -> MapType {
        self.info.map_type
    }

    /// Size of a key in bytes.
    pub fn key_size(&self) -> u32 {
        self.info.key_size
    }

    /// Size of a value in bytes; of one CPU's value in a per-CPU map.
    pub fn value_size(&self) -> u32 {
        self.info.value_size
    }

    /// Its capacity in entries, or in bytes for a ring buffer.
    pub fn max_entries(&self) -> u32 {
        self.info.max_entries
    }

    /// An error about this map from what the kernel answered.
    fn refused(&self, doing: &str, e: io::Error) -> Error {
        let hint = match e.raw_os_error() {
            // Tries answer ENOSPC.
            Some(libc::E2BIG | libc::ENOSPC) => Some(format!(
                "it is full: its max_entries is {}; {}set_max_entries before the load",
                self.info.max_entries,
                match self.info.map_type {
                    MapType::HASH | MapType::PERCPU_HASH => "use an LRU map or ",
                    _ => "use ",
                }
            )),
            Some(libc::EEXIST) => {
                Some("the key is there already, and the update asked for a new one".into())
            }
            Some(libc::EPERM) => Some("the map may be frozen, or open for reading only".into()),
            _ => None,
        };
        let error = Error::os(format!("cannot {doing}"), e);
        let error = match hint {
            Some(hint) => error.hint(hint),
            None => error,
        };
        error.context(format!("map `{}`", self.info.name))
    }

    /// Copies out a value of the map's own size.
    fn lookup(&self, key: &[u8], value: &mut [u8]) -> Result<bool> {
        self.fd
            .lookup(key, value)
            .map_err(|e| self.refused("look up a key", e))
    }

    fn update(&self, key: &[u8], value: &[u8], flags: Flags) -> Result<()> {
        self.fd
            .update(key, value, flags.0)
            .map_err(|e| self.refused("write a value", e))
    }

    fn delete(&self, key: &[u8]) -> Result<bool> {
        self.fd
            .delete(key)
            .map_err(|e| self.refused("remove a key", e))
    }

    /// Sets the one value of the array that holds a section of globals.
    pub(crate) fn set_first(&self, value: &[u8]) -> Result<()> {
        self.fd
            .update(&0u32.to_ne_bytes(), value, Flags::ANY.0)
            .map_err(|e| Error::os("cannot write its initial contents", e))
    }

    /// Ends all writing from user space, for good, so that the verifier may take the contents for constants.
    pub(crate) fn freeze(&self) -> Result<()> {
        self.fd
            .freeze()
            .map_err(|e| Error::os("cannot freeze its contents", e))
    }

    /// Checks that the map is of one of `types` before it is used as a `wanted`.
    fn expect_type(&self, wanted: &str, types: &[MapType]) -> Result<()> {
        if types.contains(&self.info.map_type) {
            return Ok(());
        }
        Err(self.unfit(format!(
            "it is a map of type {} and cannot be used as {wanted}",
            self.info.map_type
        )))
    }

    /// Checks the size of a key or value against its Rust type.
    fn expect_size<T: Pod>(&self, what: &str, size: u32) -> Result<()> {
        if size_of::<T>() == size as usize {
            return Ok(());
        }
        Err(self.unfit(format!(
            "its {what} has {size} bytes, but `{}` has {}",
            std::any::type_name::<T>(),
            size_of::<T>()
        )))
    }

    fn unfit(&self, why: String) -> Error {
        Error::new(ErrorKind::InvalidInput, why).context(format!("map `{}`", self.info.name))
    }
}

/// What every typed map says of itself: the untyped one below it, and its descriptor.
macro_rules! typed {
    ($name:ident<$($p:ident: $bound:path),*>) => {
        impl<$($p: $bound),*> $name<$($p),*> {
            /// The map without its types: name, sizes, capacity.
            pub fn map(&self) -> &$crate::map::Map {
                &self.map
            }
        }

        impl<$($p: $bound),*> std::os::fd::AsFd for $name<$($p),*> {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                std::os::fd::AsFd::as_fd(&self.map)
            }
        }

        impl<$($p: $bound),*> std::fmt::Debug for $name<$($p),*> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.map).finish()
            }
        }
    };
}
use typed;
