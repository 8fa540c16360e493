//! Creating the maps that hold sections of globals.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::loaded::LoadedData;
use crate::error::{Context, Error, Result};
use crate::map::{self, Map};
use crate::obj::map_flags::{MMAPABLE, RDONLY_PROG};
use crate::obj::{DataSection, MapType, Object};
use crate::probe::{self, Features};
use crate::sys::MapParams;

/// Creates the map of a section of globals, with its contents. On a kernel without global data there is none: only programs that
/// reach a variable are refused then, as with libbpf.
pub(super) fn create(
    object: &Object,
    data: &DataSection,
    bytes: &[u8],
    btf: Option<&OwnedFd>,
    features: &Features,
) -> Result<LoadedData> {
    let name = data.map_name(object.name());
    let is_frozen = data.kind.is_frozen();
    let is_visible = object.btf().is_some_and(|types| data.is_visible(types));
    fill(data, &name, bytes, btf, is_visible, features)
        .map(|map| LoadedData {
            section: data.name.clone(),
            // What is not in the kernel is what it would have started with.
            contents: if map.is_created() {
                Vec::new()
            } else {
                bytes.to_vec()
            },
            map,
            size: bytes.len(),
            is_frozen,
        })
        .context(|| format!("section {} (map `{name}`)", data.name))
}

/// The variables that lie in the arena, which is among `maps`.
pub(super) fn in_arena(data: &DataSection, maps: &[Map]) -> Result<LoadedData> {
    let arena = maps.iter().find(|map| map.map_type() == MapType::ARENA);
    let arena = arena.ok_or_else(|| Error::not_found("there is no arena"));
    arena
        .and_then(Map::try_clone)
        .map(|map| LoadedData {
            section: data.name.clone(),
            map,
            size: data.size,
            is_frozen: false,
            contents: Vec::new(),
        })
        .context(|| format!("section {}", data.name))
}

fn fill(
    data: &DataSection,
    name: &str,
    bytes: &[u8],
    btf: Option<&OwnedFd>,
    is_visible: bool,
    features: &Features,
) -> Result<Map> {
    let is_frozen = data.kind.is_frozen();
    let mut flags = match is_visible && features.knows(&probe::ARRAY_MMAP) {
        true => MMAPABLE,
        false => 0,
    };
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
    let params = MapParams {
        name,
        is_named: features.knows(&probe::NAMES),
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size,
        max_entries: 1,
        flags,
        numa_node: None,
        extra: 0,
        ifindex: 0,
        inner: None,
        btf: types,
        token: features.token(),
    };
    if !features.knows(&probe::GLOBAL_DATA) {
        return map::absent_of(&params);
    }
    let map = map::create(&params)?;
    if bytes.iter().any(|b| *b != 0) {
        map.set_first(bytes)?;
    }
    if is_frozen {
        map.freeze()?;
    }
    Ok(map)
}
