//! Creating declared maps.

use std::cell::RefCell;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use super::open_map::OpenMap;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::map::{self, Inner, Map};
use crate::obj::{MapType, Pinning};
use crate::pin;
use crate::pin::NewPins;
use crate::probe::Features;

/// What maps are created with, besides their declarations.
pub(super) struct Creator<'a> {
    pub(super) btf: Option<&'a OwnedFd>,
    /// Where maps are pinned by name.
    pub(super) pin_root: &'a Path,
    /// Those that are made.
    pub(super) new_pins: RefCell<NewPins>,
    /// First contents of the variables in the arena, if there are such.
    pub(super) arena: Option<&'a [u8]>,
    pub(super) features: &'a Features,
}

impl Creator<'_> {
    /// Creates a declared map, or takes the one that is there for it, or what stands for one that is not to be created.
    pub(super) fn map(&self, open: &OpenMap) -> Result<Map> {
        let inner = open.spec.inner.as_deref().map(|spec| {
            Arc::new(Inner {
                spec: spec.clone(),
                btf: self.btf.and_then(|btf| btf.try_clone().ok()),
                features: self.features.clone(),
            })
        });
        self.create(open)
            .and_then(|(map, is_new)| match open.spec.map_type {
                MapType::ARENA => self.arena(open, map, is_new),
                _ => Ok(map),
            })
            .map(|map| map.with_inner(inner))
            .context(|| format!("map `{}`", open.spec.name))
    }

    /// Maps an arena. Where the variables lie in it is libbpf 1.7's choice: from its first byte on. (Later versions put them at
    /// its end.)
    fn arena(&self, open: &OpenMap, mut map: Map, is_new: bool) -> Result<Map> {
        match is_new {
            true if map.is_created() => map::map_arena(&mut map, open.spec.map_extra)?,
            true => {}
            // Where another process has it may be taken here. As in libbpf its variables are left as they are, too.
            false => {
                let extra = map.info()?.map_extra;
                let _ = map::map_arena(&mut map, extra);
                return Ok(map);
            }
        }
        if let Some(bytes) = self.arena {
            map::fill_arena(&mut map, bytes)?;
        }
        Ok(map)
    }

    /// A map, and whether it is new.
    fn create(&self, open: &OpenMap) -> Result<(Map, bool)> {
        if !open.autocreate {
            return Ok((map::absent(&open.spec)?, true));
        }
        if let Some(fd) = &open.reuse {
            return Ok((pin::reuse(&open.spec, fd)?, false));
        }
        let inner = self.inner(open)?;
        let mut params = map::params(
            &open.spec,
            self.btf,
            inner.as_ref().map(AsFd::as_fd),
            self.features,
        )?;
        params.ifindex = open.ifindex;
        let new = &mut *self.new_pins.borrow_mut();
        match (&open.pin, open.spec.pinning) {
            (Some(path), _) => pin::open_or_create(&params, path, new),
            (None, Pinning::ByName) => {
                let path = pin::by_name(&open.spec.name, self.pin_root);
                pin::open_or_create(&params, &path, new)
            }
            _ => Ok((map::create(&params)?, true)),
        }
    }

    /// A map like those that will be the values of this one: the kernel looks at it, and keeps none of it.
    fn inner(&self, open: &OpenMap) -> Result<Option<OwnedFd>> {
        if !open.spec.map_type.is_of_maps() {
            return Ok(None);
        }
        if let Some(fd) = &open.inner {
            let fd = fd.try_clone();
            return fd
                .map(Some)
                .map_err(|e| Error::os("cannot duplicate its inner map's descriptor", e));
        }
        let Some(spec) = &open.spec.inner else {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "it does not say what the maps are like that will be its values",
            )
            .hint(
                "add `__array(values, struct { __uint(type, …); … });` to its declaration, or call set_inner_map before the load",
            ));
        };
        let params = map::params(spec, self.btf, None, self.features)?;
        let inner = map::create(&params).context(|| format!("inner map `{}`", spec.name))?;
        Ok(Some(inner.into_fd()))
    }
}
