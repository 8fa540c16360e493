//! A map that is yet to be created.

use crate::obj::{MapSpec, MapType};

/// A map of an opened object: what may be changed before it is created.
#[derive(Debug, Clone)]
pub struct OpenMap {
    pub(super) spec: MapSpec,
    pub(super) autocreate: bool,
}

impl OpenMap {
    pub(super) fn new(spec: MapSpec) -> OpenMap {
        OpenMap {
            spec,
            autocreate: true,
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

    /// Whether it is created with the object.
    pub fn autocreate(&self) -> bool {
        self.autocreate
    }

    /// Sets whether it is created with the object: not if the kernel does not know its type, for instance. Programs load
    /// without it as long as they never reach an instruction that uses it.
    pub fn set_autocreate(&mut self, autocreate: bool) {
        self.autocreate = autocreate;
    }
}
