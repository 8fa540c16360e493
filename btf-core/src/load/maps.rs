//! Creating maps, and the maps that hold sections of globals.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::loaded::LoadedData;
use super::open_map::OpenMap;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::map::{Info, Map};
use crate::obj::{DataSection, MapSpec, MapType, Object, Pinning};
use crate::sys::{self, MapFd, MapParams};

/// `BPF_F_RDONLY_PROG`.
const RDONLY_PROG: u32 = 1 << 7;
/// `BPF_F_MMAPABLE`.
const MMAPABLE: u32 = 1 << 10;

/// Creates a declared map.
pub(super) fn create(map: &OpenMap, btf: Option<&OwnedFd>) -> Result<Map> {
    let spec = &map.spec;
    create_spec(spec, btf).context(|| format!("map `{}`", spec.name))
}

fn create_spec(spec: &MapSpec, btf: Option<&OwnedFd>) -> Result<Map> {
    if spec.pinning != Pinning::None {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "it asks to be pinned by name (LIBBPF_PIN_BY_NAME), which this version does not do",
        )
        .hint("leave `pinning` out of its declaration"));
    }
    check_flags(spec)?;
    let is_ring = spec.map_type.is_ring_buffer();
    let max_entries = match spec.map_type {
        MapType::PERF_EVENT_ARRAY if spec.max_entries == 0 => {
            u32::try_from(sys::possible_cpus()?).unwrap_or(u32::MAX)
        }
        _ if is_ring => ring_size(spec.max_entries, sys::page_size()),
        _ => spec.max_entries,
    };
    // A ring buffer's declaration may state the type of its samples; the kernel wants to hear nothing of them.
    let (key_size, value_size) = if is_ring {
        (0, 0)
    } else {
        (spec.key_size, spec.value_size)
    };
    let types = (
        spec.key.unwrap_or_default().0,
        spec.value.unwrap_or_default().0,
    );
    let has_types = takes_btf(spec.map_type) && !is_ring && types != (0, 0);
    let params = MapParams {
        name: &spec.name,
        map_type: spec.map_type,
        key_size,
        value_size,
        max_entries,
        flags: spec.map_flags,
        numa_node: spec.numa_node,
        extra: spec.map_extra,
        btf: btf
            .filter(|_| has_types)
            .map(|btf| (btf.as_fd(), types.0, types.1)),
    };
    create_raw(params)
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
fn create_raw(params: MapParams<'_>) -> Result<Map> {
    let with_types = MapFd::create(&params);
    let created = match with_types {
        Err(_) if params.btf.is_some() => MapFd::create(&MapParams {
            btf: None,
            ..params
        }),
        created => created,
    };
    match created {
        Ok(fd) => Ok(Map::new(
            fd,
            Info {
                name: params.name.to_owned(),
                map_type: params.map_type,
                key_size: params.key_size,
                value_size: params.value_size,
                max_entries: params.max_entries,
            },
        )),
        Err(e) => Err(refused(&params, e)),
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
        Some(libc::EPERM | libc::EACCES) => error.hint(sys::privileges_hint()),
        Some(libc::EINVAL) if params.max_entries == 0 => error
            .hint("set max_entries in its declaration, or with set_max_entries before the load"),
        Some(libc::EINVAL) => error.hint(
            "this kernel may not know the map type or a flag, or the sizes do not suit the type; \
             set_autocreate(false) leaves the map out",
        ),
        Some(libc::E2BIG) => error.hint("a key or value is larger than the kernel allows"),
        Some(libc::ENOMEM) => error.hint("set a smaller max_entries"),
        _ => error,
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

/// Creates the map of a section of globals, with its contents.
pub(super) fn create_data(
    object: &Object,
    data: &DataSection,
    bytes: &[u8],
    btf: Option<&OwnedFd>,
) -> Result<LoadedData> {
    let name = data.map_name(object.name());
    let is_frozen = data.kind.is_frozen();
    fill(data, &name, bytes, btf)
        .map(|map| LoadedData {
            section: data.name.clone(),
            map,
            is_frozen,
        })
        .context(|| format!("section {} (map `{name}`)", data.name))
}

fn fill(data: &DataSection, name: &str, bytes: &[u8], btf: Option<&OwnedFd>) -> Result<Map> {
    let is_frozen = data.kind.is_frozen();
    // What has no variables, such as string literals, is not looked at from here. (libbpf also leaves out sections
    // whose variables are all static, which it does not show; skeletons of ours may.)
    let mut flags = if data.datasec.is_some() { MMAPABLE } else { 0 };
    if is_frozen {
        flags |= RDONLY_PROG;
    }
    let value_size =
        u32::try_from(bytes.len()).map_err(|_| Error::malformed("it is larger than 4 GiB"))?;
    let types: Option<(BorrowedFd<'_>, u32, u32)> = match (btf, data.datasec) {
        // A map without a key type holds a section.
        (Some(btf), Some(id)) => Some((btf.as_fd(), 0, id.0)),
        _ => None,
    };
    let map = create_raw(MapParams {
        name,
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size,
        max_entries: 1,
        flags,
        numa_node: None,
        extra: 0,
        btf: types,
    })?;
    if bytes.iter().any(|b| *b != 0) {
        map.set_first(bytes)?;
    }
    if is_frozen {
        map.freeze()?;
    }
    Ok(map)
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
