//! What the programs of an object that are on static probes share: the maps of `<bpf/usdt.bpf.h>`.

use std::os::fd::AsFd;
use std::sync::Arc;

use super::open_program::OpenProgram;
use crate::error::{Error, Result};
use crate::map::Map;
use crate::obj::Attach;
use crate::probe::{self, Features};
use crate::prog::{BY_ADDRESS, SPECS, UsdtMaps};
use crate::sys::MapFd;

/// The maps, if a program wants them and the object has them.
pub(super) fn maps(
    maps: &[Map],
    programs: &[OpenProgram],
    features: &Features,
) -> Result<Option<Arc<UsdtMaps>>> {
    let is_wanted =
        |p: &OpenProgram| p.autoload() && p.spec.def.is_some_and(|def| def.attach == Attach::Usdt);
    let named = |name| {
        maps.iter()
            .find(|map: &&Map| map.name() == name && map.is_created())
    };
    let (true, Some(specs), Some(by_address)) = (
        programs.iter().any(is_wanted),
        named(SPECS),
        named(BY_ADDRESS),
    ) else {
        return Ok(None);
    };
    let copy = |map: &Map| -> Result<MapFd> {
        let fd = map.as_fd().try_clone_to_owned().map_err(|e| {
            Error::os("cannot copy its descriptor", e).context(format!("map `{}`", map.name()))
        })?;
        let described = MapFd::from_fd(fd).map_err(|e| {
            Error::os("the kernel does not describe it", e).context(format!("map `{}`", map.name()))
        })?;
        Ok(described.0)
    };
    Ok(Some(Arc::new(UsdtMaps::new(
        copy(specs)?,
        specs.max_entries(),
        copy(by_address)?,
        features.knows(&probe::BPF_COOKIE),
        are_links_known(features),
    ))))
}

/// Whether one link is made for all places of a probe.
pub(super) fn are_links_known(features: &Features) -> bool {
    features.knows(&probe::UPROBE_MULTI)
}
