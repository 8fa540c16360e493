//! What declarations put into maps: other maps once they are there, programs once they are loaded.

use std::os::fd::{AsFd, BorrowedFd};

use super::entry::Entry;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::map::{Flags, Map};
use crate::obj::{MapSpec, Object, SlotTarget};
use crate::prog::Program;

/// Puts maps into the maps that hold them.
pub(super) fn maps(object: &Object, maps: &[Map]) -> Result<()> {
    each(object, maps.iter().map(Some), |target| match target {
        SlotTarget::Map(n) => {
            let name = &object.maps()[n].name;
            match maps[n].is_created() {
                true => Ok(Some((format!("map `{name}`"), maps[n].as_fd()))),
                false => Err(Error::new(
                    ErrorKind::InvalidInput,
                    format!("map `{name}`, which is to be one of its values, was not created"),
                )),
            }
        }
        SlotTarget::Function(_) => Ok(None),
    })
}

/// Puts programs into the arrays that hold them.
pub(super) fn programs(
    object: &Object,
    maps: &[Entry<Map>],
    programs: &[Entry<Program>],
) -> Result<()> {
    let maps = maps.iter().map(|slot| slot.item.as_ref());
    each(object, maps, |target| match target {
        SlotTarget::Map(_) => Ok(None),
        SlotTarget::Function(function) => {
            let at = object
                .programs()
                .iter()
                .position(|p| p.function == function);
            let program = at.and_then(|at| programs.get(at)?.item.as_ref());
            let name = &object.functions()[function].name;
            match program.map(Program::fd) {
                Some(Ok(fd)) => Ok(Some((format!("program `{name}`"), fd))),
                Some(Err(e)) => Err(e.context("a program that is to be one of its values")),
                None => Err(Error::malformed(format!(
                    "function `{name}` is not a program"
                ))),
            }
        }
    })
}

/// Goes through all slots of the maps that were created.
fn each<'f>(
    object: &Object,
    maps: impl Iterator<Item = Option<&'f Map>>,
    fd_of: impl Fn(SlotTarget) -> Result<Option<(String, BorrowedFd<'f>)>>,
) -> Result<()> {
    for (spec, map) in object.maps().iter().zip(maps) {
        let Some(map) = map.filter(|map| map.is_created()) else {
            continue;
        };
        for (index, target) in &spec.slots {
            let what = || format!("map `{}`", spec.name);
            if let Some((name, fd)) = fd_of(*target).context(what)? {
                set(spec, map, *index, fd).context(|| format!("slot {index} ({name})"))?;
            }
        }
    }
    Ok(())
}

fn set(spec: &MapSpec, map: &Map, index: u32, fd: BorrowedFd<'_>) -> Result<()> {
    if spec.key_size != 4 {
        let why = format!(
            "its keys have {} bytes, and those of `values` have 4",
            spec.key_size
        );
        return Err(Error::malformed(why).context(format!("map `{}`", spec.name)));
    }
    map.set_fd(&index.to_ne_bytes(), fd, Flags::ANY)
}
