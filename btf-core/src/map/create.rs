//! Creating maps by what a declaration says.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{Info, Map, MapType};
use crate::error::{Error, ErrorKind, Result};
use crate::obj::MapSpec;
use crate::obj::map_flags::RB_OVERWRITE;
use crate::probe::{self, Features};
use crate::sys::{self, Capabilities, MapFd, MapParams, Version};

impl Map {
    /// Creates a map that no object declares. Its types, inner maps and pinning are left out.
    ///
    /// ```no_run
    /// # fn main() -> btf_core::Result<()> {
    /// use btf_core::map::{Hash, Map, MapType};
    /// use btf_core::obj::MapSpec;
    ///
    /// let spec = MapSpec {
    ///     name: "sizes".into(),
    ///     map_type: MapType::HASH,
    ///     key_size: 4,
    ///     value_size: 8,
    ///     max_entries: 1024,
    ///     ..MapSpec::default()
    /// };
    /// let sizes: Hash<u32, u64> = Map::create(&spec)?.try_into()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What the kernel answers, with what to try.
    pub fn create(spec: &MapSpec) -> Result<Map> {
        let features = Features::running();
        features.raise_memlock_limit();
        params(spec, None, None, &features)
            .and_then(|params| create(&params))
            .map_err(|e| e.context(format!("map `{}`", spec.name)))
    }
}

/// What the kernel is given for a declaration.
pub(crate) fn params<'p>(
    spec: &'p MapSpec,
    btf: Option<&'p OwnedFd>,
    inner: Option<BorrowedFd<'p>>,
    features: &'p Features,
) -> Result<MapParams<'p>> {
    check_flags(spec)?;
    let is_ring = spec.map_type.is_ring_buffer();
    let max_entries = match spec.map_type {
        MapType::PERF_EVENT_ARRAY if spec.max_entries == 0 => {
            u32::try_from(sys::possible_cpus()?).unwrap_or(u32::MAX)
        }
        _ if is_ring => ring_size(spec.max_entries, sys::page_size()),
        _ => spec.max_entries,
    };
    let (key_size, value_size) = sizes(spec);
    let types = (
        spec.key.unwrap_or_default().0,
        spec.value.unwrap_or_default().0,
    );
    let has_types = takes_btf(spec.map_type) && !is_ring && types != (0, 0);
    Ok(MapParams {
        name: &spec.name,
        is_named: features.knows(&probe::NAMES),
        map_type: spec.map_type,
        key_size,
        value_size,
        max_entries,
        flags: spec.map_flags,
        numa_node: spec.numa_node,
        extra: spec.map_extra,
        ifindex: 0,
        inner,
        btf: btf
            .filter(|_| has_types)
            .map(|btf| (btf.as_fd(), types.0, types.1)),
        token: features.token(),
    })
}

/// Bytes of a key and of a value. A ring buffer's declaration may state the type of its samples, and so may a perf event
/// array's; the kernel wants to hear nothing of them.
fn sizes(spec: &MapSpec) -> (u32, u32) {
    match spec.map_type {
        map_type if map_type.is_ring_buffer() => (0, 0),
        MapType::PERF_EVENT_ARRAY => (4, 4),
        _ => (spec.key_size, spec.value_size),
    }
}

/// Stands for a declared map that is not created: it has the sizes of its declaration, and nothing can be done with it.
pub(crate) fn absent(spec: &MapSpec) -> Result<Map> {
    let (key_size, value_size) = sizes(spec);
    Map::absent(Info {
        name: spec.name.clone(),
        map_type: spec.map_type,
        key_size,
        value_size,
        max_entries: spec.max_entries,
        flags: spec.map_flags,
    })
}

/// Stands for the map that would be created with these.
pub(crate) fn absent_of(params: &MapParams<'_>) -> Result<Map> {
    Map::absent(info(params))
}

fn info(params: &MapParams<'_>) -> Info {
    Info {
        name: params.name.to_owned(),
        map_type: params.map_type,
        key_size: params.key_size,
        value_size: params.value_size,
        max_entries: params.max_entries,
        flags: params.flags,
    }
}

/// Whether the declaration has the flags without which the kernel answers a bare EINVAL.
fn check_flags(spec: &MapSpec) -> Result<()> {
    let needs = spec.map_type.def().map_or(&[][..], |def| def.needs);
    match needs.iter().find(|(bit, _)| spec.map_flags & bit == 0) {
        Some((_, name)) => Err(Error::new(
            ErrorKind::InvalidInput,
            format!("a map of type {} needs the flag {name}", spec.map_type),
        )
        .hint(format!(
            "write `__uint(map_flags, {name});` in its declaration, or use set_map_flags before the load"
        ))),
        None => Ok(()),
    }
}

/// Creates a map with its types, or without if the kernel does not take them, as libbpf does.
pub(crate) fn create(params: &MapParams<'_>) -> Result<Map> {
    let created = MapFd::create(params).or_else(|e| {
        if params.btf.is_none() {
            return Err(e);
        }
        let without = MapFd::create(&MapParams {
            btf: None,
            ..*params
        });
        // Unlike libbpf, which returns the second error: it hides the first where that is not about
        // types.
        without.map_err(|second| match e.raw_os_error() {
            Some(libc::EINVAL | sys::ENOTSUPP) => second,
            _ => e,
        })
    });
    match created {
        Ok(fd) => Ok(Map::new(fd, info(params))),
        Err(e) => Err(refused(params, e)),
    }
}

fn refused(params: &MapParams<'_>, e: std::io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = Error::os(
        format!(
            "the kernel refused to create it (type {}, keys of {} bytes, values of {} bytes, max_entries {}, flags {:#x})",
            params.map_type, params.key_size, params.value_size, params.max_entries, params.flags
        ),
        e,
    );
    match errno {
        Some(libc::EINVAL) if let Some((major, minor)) = newer(params.map_type) => error.hint(format!(
            "maps of this type require Linux {major}.{minor} or newer; set_autocreate(false) leaves the map out"
        )),
        Some(libc::EPERM) if params.token.is_some() => error.hint(sys::token_hint()),
        Some(libc::EPERM | libc::EACCES) => {
            error.hint(sys::charged_hint(capabilities(params.map_type)))
        }
        Some(libc::EINVAL) if params.max_entries == 0 && has_max_entries(params.map_type) => error
            .hint("set max_entries in its declaration, or with set_max_entries before the load"),
        Some(libc::EINVAL) => error.hint(unsuited(params)),
        Some(libc::E2BIG) => {
            error.hint("a key or value, or all of them together, are larger than the kernel allows")
        }
        Some(libc::ENOMEM) if params.max_entries == 1 => error.hint(
            "there is not that much memory, for this process or its memory cgroup: make its value smaller, or the variables of its section",
        ),
        Some(libc::ENOMEM) => error.hint(
            "there is not that much memory, for this process or its memory cgroup: set a smaller max_entries",
        ),
        Some(sys::ENOTSUPP) => error.hint("maps of this type do not have one of the flags"),
        _ => match errno.and_then(sys::limit_hint) {
            Some(hint) => error.hint(hint),
            None => error,
        },
    }
}

/// Returns `true` if maps of this type have `max_entries`. Local storage does not: its elements
/// belong to tasks, sockets, inodes or cgroups.
fn has_max_entries(map_type: MapType) -> bool {
    !matches!(
        map_type,
        MapType::TASK_STORAGE
            | MapType::SK_STORAGE
            | MapType::INODE_STORAGE
            | MapType::CGRP_STORAGE
    )
}

/// The kernel that brought maps of this type, if that is newer than the running one.
fn newer(map_type: MapType) -> Option<(u8, u8)> {
    let running = sys::kernel_version();
    map_type
        .since()
        .filter(|(major, minor)| running < Version((*major).into(), (*minor).into(), 0))
}

/// Returns the capabilities needed to create a map. Socket and device maps also need
/// `CAP_NET_ADMIN` (the kernel's `map_create`).
fn capabilities(map_type: MapType) -> Capabilities {
    match map_type {
        MapType::SOCKMAP
        | MapType::SOCKHASH
        | MapType::DEVMAP
        | MapType::DEVMAP_HASH
        | MapType::XSKMAP => Capabilities::BPF | Capabilities::NET_ADMIN,
        _ => Capabilities::BPF,
    }
}

/// What may be wrong with what the kernel found invalid, the likeliest first.
fn unsuited(params: &MapParams<'_>) -> &'static str {
    match params.map_type {
        t if t.has_indices() && params.key_size != 4 => {
            "the keys of such a map are indices of 4 bytes"
        }
        MapType::QUEUE | MapType::STACK | MapType::BLOOM_FILTER if params.key_size != 0 => {
            "such a map has no keys: leave `__type(key, …)` out of its declaration"
        }
        MapType::HASH | MapType::LRU_HASH | MapType::PERCPU_HASH if params.key_size == 0 => {
            "its declaration does not say what its keys are: `__type(key, …)`"
        }
        _ if params.value_size == 0 && !params.map_type.is_ring_buffer() => {
            "its declaration does not say what its values are: `__type(value, …)`"
        }
        MapType::RINGBUF if params.flags & RB_OVERWRITE != 0 => {
            "the flag BPF_F_RB_OVERWRITE requires Linux 6.19 or newer"
        }
        _ if params.numa_node.is_some() => "this machine may not have that NUMA node",
        _ => {
            "this kernel may not know the map type or a flag, or the sizes do not suit the type; \
             set_autocreate(false) leaves the map out"
        }
    }
}

/// Whether the kernel takes BTF for a map of this type (libbpf's `bpf_object__create_map`).
fn takes_btf(map_type: MapType) -> bool {
    !matches!(
        map_type,
        MapType::PERF_EVENT_ARRAY
            | MapType::CGROUP_ARRAY
            | MapType::STACK_TRACE
            | MapType::ARRAY_OF_MAPS
            | MapType::HASH_OF_MAPS
            | MapType::DEVMAP
            | MapType::DEVMAP_HASH
            | MapType::CPUMAP
            | MapType::XSKMAP
            | MapType::SOCKMAP
            | MapType::SOCKHASH
            | MapType::QUEUE
            | MapType::STACK
            | MapType::ARENA
    )
}

/// The next size that the kernel takes for a ring buffer: a power of two of pages. 0 stays, for the kernel to refuse.
fn ring_size(wanted: u32, page: usize) -> u32 {
    let page = u32::try_from(page).unwrap_or(u32::MAX);
    if wanted == 0 {
        return 0;
    }
    // Pages are powers of two, so a power of two that is not smaller is a multiple. What is too large stays for the kernel.
    wanted
        .max(page)
        .checked_next_power_of_two()
        .unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_buffers_are_powers_of_two_of_pages() {
        assert_eq!(ring_size(0, 4096), 0);
        assert_eq!(ring_size(1, 4096), 4096);
        assert_eq!(ring_size(4096, 4096), 4096);
        assert_eq!(ring_size(5000, 4096), 8192);
        assert_eq!(ring_size(256 * 1024, 65536), 256 * 1024);
        assert_eq!(ring_size(u32::MAX, 4096), u32::MAX);
    }

    #[test]
    fn a_flag_that_the_type_needs_is_asked_for() {
        let mut spec = MapSpec {
            map_type: MapType::LPM_TRIE,
            map_flags: 1 << 7,
            ..MapSpec::default()
        };
        assert_eq!(
            check_flags(&spec).unwrap_err().to_string(),
            "a map of type lpm_trie needs the flag BPF_F_NO_PREALLOC (write `__uint(map_flags, BPF_F_NO_PREALLOC);` in its \
             declaration, or use set_map_flags before the load)"
        );
        spec.map_flags |= 1;
        assert!(check_flags(&spec).is_ok());
    }

    #[test]
    fn some_types_of_map_have_no_types_of_keys() {
        assert!(takes_btf(MapType::HASH));
        assert!(!takes_btf(MapType::STACK_TRACE));
        assert!(!takes_btf(MapType::SOCKMAP));
    }
}
