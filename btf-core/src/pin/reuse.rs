//! Reuse of existing maps: pinned by an earlier run, or given by the application.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::map::open_if_there;
use super::new_pins::NewPins;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::map::{self, Map};
use crate::obj::map_flags::RDONLY_PROG;
use crate::obj::{MapSpec, MapType};
use crate::sys::MapParams;

/// Where a map is pinned by its name.
pub(crate) fn by_name(name: &str, root: &Path) -> PathBuf {
    // A BPF file system keeps dots for itself.
    root.join(name.replace('.', "_"))
}

/// Uses the map that is pinned at `path`, or creates one and pins it there; says whether it is new.
pub(crate) fn open_or_create(
    params: &MapParams<'_>,
    path: &Path,
    new: &mut NewPins,
) -> Result<(Map, bool)> {
    if let Some(map) = open(params, path)? {
        return Ok((map, false));
    }
    let map = map::create(params)?;
    match new.pin(&map, path) {
        Ok(()) => Ok((map, true)),
        // Another process was faster, so that its map is the one.
        Err(e) if e.os_error() == Some(libc::EEXIST) => {
            open(params, path)?.map(|map| (map, false)).ok_or(e)
        }
        Err(e) => Err(e),
    }
}

fn open(params: &MapParams<'_>, path: &Path) -> Result<Option<Map>> {
    let Some(map) = open_if_there(path)? else {
        return Ok(None);
    };
    check(params, &map).context(|| format!("map pinned at {}", path.display()))?;
    Ok(Some(map.renamed(params.name)))
}

/// Uses a map that the application has.
pub(crate) fn reuse(spec: &MapSpec, fd: &OwnedFd) -> Result<Map> {
    let fd = fd.try_clone();
    let fd = fd.map_err(|e| Error::os("cannot duplicate the descriptor of the map to use", e))?;
    Ok(Map::from_fd(fd)?.renamed(&spec.name))
}

/// Checks that a map is as the declaration wants it, and names whatever is not (libbpf's `map_is_reuse_compat`).
fn check(params: &MapParams<'_>, map: &Map) -> Result<()> {
    let info = map.info()?;
    let differences = differences(
        &Shape::wanted(params),
        &Shape {
            map_type: info.map_type,
            numbers: [
                info.key_size.into(),
                info.value_size.into(),
                info.max_entries.into(),
                info.map_flags.into(),
                info.map_extra,
            ],
        },
    );
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidInput,
        format!("it is not as declared: {}", differences.join(", ")),
    )
    .hint("remove the pin if nobody uses it any more, or pin this map elsewhere (set_pin_path, set_pin_root)"))
}

/// What must be the same of two maps.
struct Shape {
    map_type: MapType,
    numbers: [u64; 5],
}

const NAMES: [&str; 5] = [
    "key_size",
    "value_size",
    "max_entries",
    "map_flags",
    "map_extra",
];
/// The position of the flags, which are shown in hexadecimal.
const FLAGS: usize = 3;

impl Shape {
    fn wanted(params: &MapParams<'_>) -> Shape {
        Shape {
            map_type: params.map_type,
            numbers: [
                params.key_size.into(),
                params.value_size.into(),
                params.max_entries.into(),
                params.all_flags().into(),
                params.extra,
            ],
        }
    }
}

fn differences(wanted: &Shape, found: &Shape) -> Vec<String> {
    let mut out = Vec::new();
    if wanted.map_type != found.map_type {
        out.push(format!(
            "type {} instead of {}",
            found.map_type, wanted.map_type
        ));
    }
    for (n, name) in NAMES.iter().enumerate() {
        let (mut is, want) = (found.numbers[n], wanted.numbers[n]);
        // The kernel sets it for maps of devices by itself.
        let of_devices = [MapType::DEVMAP, MapType::DEVMAP_HASH].contains(&found.map_type);
        if n == FLAGS && of_devices && want & u64::from(RDONLY_PROG) == 0 {
            is &= !u64::from(RDONLY_PROG);
        }
        match is == want {
            true => {}
            false if n == FLAGS => out.push(format!("{name} {is:#x} instead of {want:#x}")),
            false => out.push(format!("{name} {is} instead of {want}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_named() {
        let wanted = Shape {
            map_type: MapType::HASH,
            numbers: [4, 8, 16, 0, 0],
        };
        let found = Shape {
            map_type: MapType::LRU_HASH,
            numbers: [4, 4, 16, 1, 5],
        };
        assert_eq!(
            differences(&wanted, &found),
            [
                "type lru_hash instead of hash",
                "value_size 4 instead of 8",
                "map_flags 0x1 instead of 0x0",
                "map_extra 5 instead of 0",
            ]
        );
        assert!(differences(&wanted, &wanted).is_empty());
    }

    #[test]
    fn a_flag_that_the_kernel_sets_is_no_difference() {
        let shape = |map_type, flags| Shape {
            map_type,
            numbers: [4, 4, 16, flags, 0],
        };
        let set = u64::from(RDONLY_PROG);
        let devices = MapType::DEVMAP;
        assert!(differences(&shape(devices, 0), &shape(devices, set)).is_empty());
        assert_eq!(
            differences(&shape(MapType::HASH, 0), &shape(MapType::HASH, set)).len(),
            1
        );
    }
}
