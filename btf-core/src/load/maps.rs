//! Creating declared maps.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::open_map::OpenMap;
use super::pinned;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::map::{self, Inner, Map};

/// What maps are created with, besides their declarations.
pub(super) struct Creator<'a> {
    pub(super) btf: Option<&'a OwnedFd>,
    /// Where maps are pinned by name.
    pub(super) pin_root: &'a Path,
}

impl Creator<'_> {
    /// Creates a declared map, or takes the one that is there for it, or what stands for one that is not to be created.
    pub(super) fn map(&self, open: &OpenMap) -> Result<Map> {
        let inner = open.spec.inner.as_deref().map(|spec| Inner {
            spec: spec.clone(),
            btf: self.btf.and_then(|btf| btf.try_clone().ok()),
        });
        self.create(open)
            .map(|map| map.with_inner(inner))
            .context(|| format!("map `{}`", open.spec.name))
    }

    fn create(&self, open: &OpenMap) -> Result<Map> {
        if !open.autocreate {
            return map::absent(&open.spec);
        }
        if let Some(fd) = &open.reuse {
            return pinned::reuse(&open.spec, fd);
        }
        let inner = self.inner(open)?;
        let params = map::params(&open.spec, self.btf, inner.as_ref().map(AsFd::as_fd))?;
        match pinned::path(open, self.pin_root) {
            Some(path) => pinned::open_or_create(&params, &path),
            None => map::create(&params),
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
        let params = map::params(spec, self.btf, None)?;
        let inner = map::create(&params).context(|| format!("inner map `{}`", spec.name))?;
        Ok(Some(inner.into_fd()))
    }
}
