//! The table of map types: number, name, the kernel that brought each, and what its declaration must say.

use std::fmt;

/// Map type (`enum bpf_map_type`): an open set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MapType(pub u32);

/// What is known of a map type.
pub struct MapTypeDef {
    pub map_type: MapType,
    pub name: &'static str,
    /// First kernel that has it.
    pub since: (u8, u8),
    /// Flags without which the kernel does not create it, as C writes them.
    pub needs: &'static [(u32, &'static str)],
}

/// `BPF_F_NO_PREALLOC`.
const NO_PREALLOC: (u32, &str) = (1, "BPF_F_NO_PREALLOC");
/// `BPF_F_MMAPABLE`.
const MMAPABLE: (u32, &str) = (super::map_flags::MMAPABLE, "BPF_F_MMAPABLE");

macro_rules! map_types {
    ($($name:ident = $number:literal, $text:literal, ($major:literal, $minor:literal) $(, $($needs:ident)|+)?;)*) => {
        #[allow(missing_docs)] // The names are those of the kernel's header, which defines them.
        impl MapType {
            $(pub const $name: MapType = MapType($number);)*
        }

        /// The table: a new map type is a row here.
        static MAP_TYPES: &[MapTypeDef] = &[
            $(MapTypeDef {
                map_type: MapType::$name,
                name: $text,
                since: ($major, $minor),
                needs: &[$($($needs),+)?],
            },)*
        ];
    };
}

map_types! {
    HASH = 1, "hash", (3, 19);
    ARRAY = 2, "array", (3, 19);
    PROG_ARRAY = 3, "prog_array", (4, 2);
    PERF_EVENT_ARRAY = 4, "perf_event_array", (4, 3);
    PERCPU_HASH = 5, "percpu_hash", (4, 6);
    PERCPU_ARRAY = 6, "percpu_array", (4, 6);
    STACK_TRACE = 7, "stack_trace", (4, 6);
    CGROUP_ARRAY = 8, "cgroup_array", (4, 8);
    LRU_HASH = 9, "lru_hash", (4, 10);
    LRU_PERCPU_HASH = 10, "lru_percpu_hash", (4, 10);
    LPM_TRIE = 11, "lpm_trie", (4, 11), NO_PREALLOC;
    ARRAY_OF_MAPS = 12, "array_of_maps", (4, 12);
    HASH_OF_MAPS = 13, "hash_of_maps", (4, 12);
    DEVMAP = 14, "devmap", (4, 14);
    SOCKMAP = 15, "sockmap", (4, 14);
    CPUMAP = 16, "cpumap", (4, 15);
    XSKMAP = 17, "xskmap", (4, 18);
    SOCKHASH = 18, "sockhash", (4, 18);
    CGROUP_STORAGE = 19, "cgroup_storage", (4, 19);
    REUSEPORT_SOCKARRAY = 20, "reuseport_sockarray", (4, 19);
    PERCPU_CGROUP_STORAGE = 21, "percpu_cgroup_storage", (4, 20);
    QUEUE = 22, "queue", (4, 20);
    STACK = 23, "stack", (4, 20);
    SK_STORAGE = 24, "sk_storage", (5, 2), NO_PREALLOC;
    DEVMAP_HASH = 25, "devmap_hash", (5, 4);
    STRUCT_OPS = 26, "struct_ops", (5, 6);
    RINGBUF = 27, "ringbuf", (5, 8);
    INODE_STORAGE = 28, "inode_storage", (5, 10), NO_PREALLOC;
    TASK_STORAGE = 29, "task_storage", (5, 11), NO_PREALLOC;
    BLOOM_FILTER = 30, "bloom_filter", (5, 16);
    USER_RINGBUF = 31, "user_ringbuf", (6, 1);
    CGRP_STORAGE = 32, "cgrp_storage", (6, 2), NO_PREALLOC;
    ARENA = 33, "arena", (6, 9), MMAPABLE;
    INSN_ARRAY = 34, "insn_array", (6, 19);
    RHASH = 35, "rhash", (7, 2), NO_PREALLOC;
}

impl MapType {
    /// Its row in the table; `None` for one of a newer kernel than this version knows.
    #[doc(hidden)]
    pub fn def(self) -> Option<&'static MapTypeDef> {
        MAP_TYPES.iter().find(|def| def.map_type == self)
    }

    /// The first kernel that has it, as major and minor number; `None` if this version does not know the type.
    pub fn since(self) -> Option<(u8, u8)> {
        self.def().map(|def| def.since)
    }

    /// Whether a key has a value for each CPU there can be.
    pub fn is_per_cpu(self) -> bool {
        matches!(
            self,
            Self::PERCPU_HASH
                | Self::LRU_PERCPU_HASH
                | Self::PERCPU_ARRAY
                | Self::PERCPU_CGROUP_STORAGE
        )
    }

    /// Whether its values are written as descriptors of other things, and read, if at all, as the numbers of those.
    pub fn has_descriptors(self) -> bool {
        matches!(
            self,
            Self::PROG_ARRAY
                | Self::PERF_EVENT_ARRAY
                | Self::CGROUP_ARRAY
                | Self::ARRAY_OF_MAPS
                | Self::HASH_OF_MAPS
        )
    }

    /// Whether its values are other maps.
    pub fn is_of_maps(self) -> bool {
        matches!(self, Self::ARRAY_OF_MAPS | Self::HASH_OF_MAPS)
    }

    /// Whether its keys are the numbers from 0 to its capacity.
    pub fn has_indices(self) -> bool {
        matches!(
            self,
            Self::ARRAY
                | Self::PROG_ARRAY
                | Self::PERF_EVENT_ARRAY
                | Self::PERCPU_ARRAY
                | Self::CGROUP_ARRAY
                | Self::ARRAY_OF_MAPS
                | Self::DEVMAP
                | Self::SOCKMAP
                | Self::CPUMAP
                | Self::XSKMAP
                | Self::REUSEPORT_SOCKARRAY
        )
    }

    /// Whether it is a ring buffer, whose capacity is in bytes: a power of two of pages.
    pub fn is_ring_buffer(self) -> bool {
        matches!(self, Self::RINGBUF | Self::USER_RINGBUF)
    }
}

impl fmt::Debug for MapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.def() {
            Some(def) => f.write_str(def.name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for MapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_of_numbers_and_of_kernels() {
        for (row, number) in MAP_TYPES.iter().zip(1..) {
            assert_eq!(row.map_type.0, number, "{}", row.name);
        }
        assert!(MAP_TYPES.is_sorted_by_key(|row| row.since));
    }

    #[test]
    fn types_have_names() {
        assert_eq!(MapType::LPM_TRIE.to_string(), "lpm_trie");
        assert_eq!(MapType(99).to_string(), "99");
        assert_eq!(MapType::ARENA.since(), Some((6, 9)));
        assert_eq!(MapType(99).since(), None);
    }
}
