//! Maps of a loaded object: untyped as they come out of it, and typed by what their keys and values are.
//!
//! [`Map`] owns the descriptor and is read and written as bytes. A typed map is made of it (`TryFrom`), which checks the map's
//! type and sizes once; skeletons do that for the maps of their object.
//!
//! | what the kernel calls it | here |
//! |---|---|
//! | hash, lru_hash, rhash | [`struct@Hash`] |
//! | array | [`Array`] |
//! | arena | [`Arena`] |
//! | percpu_hash, lru_percpu_hash, percpu_array | [`PerCpuHash`], [`PerCpuArray`] |
//! | lpm_trie | [`LpmTrie`] |
//! | queue, stack, bloom_filter | [`Queue`], [`Stack`], [`BloomFilter`] |
//! | prog_array, cgroup_array | [`ProgArray`], [`CgroupArray`] |
//! | array_of_maps, hash_of_maps | [`ArrayOfMaps`], [`HashOfMaps`] |
//! | stack_trace | [`StackTraces`] |
//! | sockmap, sockhash, reuseport_sockarray | [`SockMap`], [`SockHash`], [`ReuseportSockArray`] |
//! | devmap, devmap_hash, cpumap, xskmap | [`DevMap`], [`DevMapHash`], [`CpuMap`], [`XskMap`] |
//! | task_storage, sk_storage, inode_storage, cgrp_storage | [`LocalStorage`] |
//! | cgroup_storage, percpu_cgroup_storage | [`CgroupStorage`], [`PerCpuCgroupStorage`] |
//! | ringbuf, user_ringbuf, perf_event_array | [`RingBuf`], [`UserRingBuf`], [`PerfEventArray`]; [`Consumers`] waits for several, any reactor for their descriptors; as async streams with the feature `tokio` |
//! | insn_array | nothing: the loader makes one of each [`crate::obj::JumpTable`] |
//!
//! [`Mapped`] is a section of global variables, [`MappedArray`] the memory of an array; a section that was resized has more
//! [`elements`](Mapped::elements).

mod arena;
mod array;
mod batch;
mod bloom_filter;
mod cgroup_array;
mod cgroup_storage;
mod claims;
mod consumers;
mod create;
mod elements;
mod global;
mod hash;
mod keys;
mod local_storage;
mod lpm_trie;
mod mapped;
mod mapped_array;
mod of_maps;
mod per_cpu;
mod perf_event_array;
mod prog_array;
mod queue;
mod redirect;
mod ring;
mod ring_buf;
mod sample;
#[cfg(feature = "tokio")]
mod samples;
mod sock_map;
mod stack_traces;
mod untyped;
mod user_ring_buf;
mod words;

use std::os::fd::OwnedFd;

use crate::error::{Error, Result};

pub use crate::obj::MapType;
pub use arena::Arena;
pub(crate) use arena::{fill_arena, map_arena};
pub use array::Array;
pub use batch::{Batched, OneByOne, Single};
pub use bloom_filter::BloomFilter;
pub use cgroup_array::CgroupArray;
pub use cgroup_storage::{CgroupStorage, PerCpuCgroupStorage};
pub use consumers::{Consume, Consumers};
pub(crate) use create::{absent, absent_of, create, params};
pub use elements::Elements;
pub use global::{Global, InPlace};
pub use hash::Hash;
pub use local_storage::LocalStorage;
pub use lpm_trie::{LpmKey, LpmTrie};
pub use mapped::{Mapped, Section};
pub use mapped_array::{MappedArray, MappedArrayMut};
pub use of_maps::{ArrayOfMaps, HashOfMaps, InnerMap};
pub use per_cpu::{PerCpuArray, PerCpuHash};
pub use perf_event_array::{Pages, PerfConsumer, PerfEventArray};
pub use prog_array::ProgArray;
pub use queue::{Queue, Stack};
pub use redirect::{CpuMap, DevMap, DevMapHash, Redirect, XskMap};
pub use ring_buf::{Consumer, RingBuf};
pub use sample::Sample;
#[cfg(feature = "tokio")]
pub use samples::{PerfSample, PerfSamples, Samples};
pub use sock_map::{ReuseportSockArray, SockHash, SockMap};
pub use stack_traces::{BuildIdFrame, StackTraces};
pub(crate) use untyped::{Info, Inner};
pub use untyped::{Map, MapInfo};
pub use user_ring_buf::{Producer, UserRingBuf};

/// How many values a per-CPU map has for each key: one for every CPU there can be.
///
/// # Errors
///
/// Those of reading the kernel's list of CPUs from sysfs, or from procfs if something else lies at
/// its path.
pub fn possible_cpus() -> Result<usize> {
    crate::sys::possible_cpus()
}

/// Opens a descriptor of a process, by its number: what [`LocalStorage`] takes for a task.
///
/// # Errors
///
/// [`crate::ErrorKind::NotFound`] or [`crate::ErrorKind::Os`] if there is no such process.
pub fn pidfd(pid: u32) -> Result<OwnedFd> {
    crate::sys::pidfd_open(pid)
        .map_err(|e| Error::os(format!("cannot open a descriptor of process {pid}"), e))
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

/// What every typed map says of itself: the untyped one below it, and its descriptor.
macro_rules! typed {
    ($name:ident $(<$($p:ident: $bound:path),*>)?) => {
        impl $(<$($p: $bound),*>)? $name $(<$($p),*>)? {
            /// The map without its types: name, sizes, capacity.
            pub fn map(&self) -> &$crate::map::Map {
                &self.map
            }

            /// Whether it is in the kernel: not with `set_autocreate(false)`. All that one does with a map that is not is an
            /// error.
            pub fn is_created(&self) -> bool {
                self.map.is_created()
            }
        }

        impl $(<$($p: $bound),*>)? std::os::fd::AsFd for $name $(<$($p),*>)? {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                std::os::fd::AsFd::as_fd(&self.map)
            }
        }

        impl $(<$($p: $bound),*>)? std::fmt::Debug for $name $(<$($p),*>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.map).finish()
            }
        }
    };
}
use typed;
