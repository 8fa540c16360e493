//! A map that is yet to be created.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::obj::{MapSpec, MapType};

/// A map of an opened object: what may be changed before it is created.
#[derive(Debug, Clone)]
pub struct OpenMap {
    pub(super) spec: MapSpec,
    pub(super) autocreate: bool,
    /// Where it is pinned, whatever its declaration says.
    pub(super) pin: Option<PathBuf>,
    /// The map that it shall be.
    pub(super) reuse: Option<Arc<OwnedFd>>,
    /// A map like those that will be its values.
    pub(super) inner: Option<Arc<OwnedFd>>,
    pub(super) ifindex: u32,
}

impl OpenMap {
    pub(super) fn new(spec: MapSpec) -> OpenMap {
        OpenMap {
            spec,
            autocreate: true,
            pin: None,
            reuse: None,
            inner: None,
            ifindex: 0,
        }
    }

    /// Its name as declared.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its type.
    pub fn map_type(&self) -> MapType {
        self.spec.map_type
    }

    /// Size of a key in bytes.
    pub fn key_size(&self) -> u32 {
        self.spec.key_size
    }

    /// Size of a value in bytes.
    pub fn value_size(&self) -> u32 {
        self.spec.value_size
    }

    /// Sets the size of a key in bytes. The type of a key that its declaration has is left out if it has another size.
    pub fn set_key_size(&mut self, size: u32) {
        if size != self.spec.key_size {
            self.spec.key = None;
        }
        self.spec.key_size = size;
    }

    /// Sets the size of a value in bytes. The type of a value that its declaration has is left out if it has another size.
    pub fn set_value_size(&mut self, size: u32) {
        if size != self.spec.value_size {
            self.spec.value = None;
        }
        self.spec.value_size = size;
    }

    /// Sets its type: a plain hash map instead of an LRU one, for instance.
    pub fn set_map_type(&mut self, map_type: MapType) {
        self.spec.map_type = map_type;
    }

    /// Its capacity in entries, or in bytes for a ring buffer.
    pub fn max_entries(&self) -> u32 {
        self.spec.max_entries
    }

    /// Sets its capacity. A ring buffer's is rounded up to what the kernel takes: a power of two of pages.
    pub fn set_max_entries(&mut self, max_entries: u32) {
        self.spec.max_entries = max_entries;
    }

    /// Its `BPF_F_*` flags.
    pub fn map_flags(&self) -> u32 {
        self.spec.map_flags
    }

    /// Sets its `BPF_F_*` flags.
    pub fn set_map_flags(&mut self, flags: u32) {
        self.spec.map_flags = flags;
    }

    /// Sets the NUMA node its memory lies on.
    pub fn set_numa_node(&mut self, node: u32) {
        self.spec.numa_node = Some(node);
    }

    /// Returns the index of the network device that it is for, 0 if it is for the kernel's memory.
    pub fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// Sets the index of the network device that stores the map, for programs offloaded to it
    /// (libbpf's `bpf_map__set_ifindex`).
    pub fn set_ifindex(&mut self, ifindex: u32) {
        self.ifindex = ifindex;
    }

    /// The extra argument of some map types: how many hash functions a Bloom filter has, for instance.
    pub fn map_extra(&self) -> u64 {
        self.spec.map_extra
    }

    /// Sets the extra argument of some map types.
    pub fn set_map_extra(&mut self, extra: u64) {
        self.spec.map_extra = extra;
    }

    /// Where it will be pinned, if that was set; a declaration with `LIBBPF_PIN_BY_NAME` does not show here.
    pub fn pin_path(&self) -> Option<&Path> {
        self.pin.as_deref()
    }

    /// Pins it at `path`, in a BPF file system. If a map is pinned there when the object is loaded, it is used and nothing is
    /// created; it must be of the same type, sizes and flags.
    pub fn set_pin_path(&mut self, path: impl Into<PathBuf>) {
        self.pin = Some(path.into());
    }

    /// Uses this map, which another object or process has created, instead of creating one. The declaration's sizes do not count
    /// then, as in libbpf; typed maps check theirs.
    ///
    /// # Errors
    ///
    /// Those of duplicating a descriptor.
    pub fn reuse(&mut self, map: impl AsFd) -> Result<()> {
        self.reuse = Some(self.duplicate(map)?);
        Ok(())
    }

    /// Says what the maps are like that will be its values, if its declaration does not.
    ///
    /// # Errors
    ///
    /// Those of duplicating a descriptor.
    pub fn set_inner_map(&mut self, map: impl AsFd) -> Result<()> {
        self.inner = Some(self.duplicate(map)?);
        Ok(())
    }

    fn duplicate(&self, map: impl AsFd) -> Result<Arc<OwnedFd>> {
        let fd = map.as_fd().try_clone_to_owned();
        fd.map(Arc::new).map_err(|e| {
            Error::os("cannot duplicate a map's descriptor", e)
                .context(format!("map `{}`", self.spec.name))
        })
    }

    /// Whether it is created with the object.
    pub fn autocreate(&self) -> bool {
        self.autocreate
    }

    /// Sets whether it is created with the object: not if the kernel does not know its type, for instance. Programs load
    /// without it as long as they never reach an instruction that uses it. After the load
    /// [`Map::is_created`](crate::map::Map::is_created) tells.
    pub fn set_autocreate(&mut self, autocreate: bool) {
        self.autocreate = autocreate;
    }
}
