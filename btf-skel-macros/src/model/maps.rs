//! Maps: which type of btf-core stands for a map type, and with which parameters.

use btf_obj::btf::{Btf, TypeId};
use btf_obj::obj::{MapSpec, MapType, Object};

use super::types::{TypeRef, Types};
use crate::names::Scope;

/// A map of the object.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) c_name: String,
    pub(crate) name: String,
    pub(crate) kind: MapKind,
    pub(crate) doc: String,
}

/// The type of btf-core that a map is, with its parameters.
#[derive(Debug)]
pub(crate) struct MapKind {
    pub(crate) name: &'static str,
    pub(crate) parameters: Vec<Parameter>,
}

/// A parameter of a map's type.
#[derive(Debug)]
pub(crate) enum Parameter {
    Type(TypeRef),
    /// `[u8]`: samples as they come.
    Bytes,
    /// The maps that are values.
    Map(MapKind),
}

/// A kind without a type of its own.
const UNTYPED: MapKind = MapKind {
    name: "Map",
    parameters: Vec::new(),
};

/// What a parameter is made of.
#[derive(Clone, Copy)]
enum Part {
    Key,
    Value,
    /// The declared value; bytes if there is none that is a sample's.
    Sample,
    /// The declared inner map; untyped if there is none.
    Inner,
}

/// The table: a new kind of map is a row here. What is not in it is untyped.
const KINDS: &[(MapType, &str, &[Part])] = {
    use Part::{Inner, Key, Sample, Value};
    &[
        (MapType::HASH, "Hash", &[Key, Value]),
        (MapType::LRU_HASH, "Hash", &[Key, Value]),
        (MapType::RHASH, "Hash", &[Key, Value]),
        (MapType::PERCPU_HASH, "PerCpuHash", &[Key, Value]),
        (MapType::LRU_PERCPU_HASH, "PerCpuHash", &[Key, Value]),
        (MapType::LPM_TRIE, "LpmTrie", &[Key, Value]),
        (MapType::ARRAY, "Array", &[Value]),
        (MapType::ARENA, "Arena", &[]),
        (MapType::PERCPU_ARRAY, "PerCpuArray", &[Value]),
        (MapType::QUEUE, "Queue", &[Value]),
        (MapType::STACK, "Stack", &[Value]),
        (MapType::BLOOM_FILTER, "BloomFilter", &[Value]),
        (MapType::PROG_ARRAY, "ProgArray", &[]),
        (MapType::CGROUP_ARRAY, "CgroupArray", &[]),
        (MapType::STACK_TRACE, "StackTraces", &[]),
        (MapType::ARRAY_OF_MAPS, "ArrayOfMaps", &[Inner]),
        (MapType::HASH_OF_MAPS, "HashOfMaps", &[Key, Inner]),
        (MapType::SOCKMAP, "SockMap", &[]),
        (MapType::SOCKHASH, "SockHash", &[Key]),
        (MapType::REUSEPORT_SOCKARRAY, "ReuseportSockArray", &[]),
        (MapType::DEVMAP, "DevMap", &[]),
        (MapType::DEVMAP_HASH, "DevMapHash", &[]),
        (MapType::CPUMAP, "CpuMap", &[]),
        (MapType::XSKMAP, "XskMap", &[]),
        (MapType::TASK_STORAGE, "LocalStorage", &[Value]),
        (MapType::SK_STORAGE, "LocalStorage", &[Value]),
        (MapType::INODE_STORAGE, "LocalStorage", &[Value]),
        (MapType::CGRP_STORAGE, "LocalStorage", &[Value]),
        (MapType::CGROUP_STORAGE, "CgroupStorage", &[Key, Value]),
        (
            MapType::PERCPU_CGROUP_STORAGE,
            "PerCpuCgroupStorage",
            &[Key, Value],
        ),
        (MapType::RINGBUF, "RingBuf", &[Sample]),
        (MapType::PERF_EVENT_ARRAY, "PerfEventArray", &[Sample]),
        (MapType::USER_RINGBUF, "UserRingBuf", &[Value]),
    ]
};

pub(super) fn all(object: &Object, btf: &Btf, types: &mut Types<'_>) -> Vec<Map> {
    let mut scope = Scope::default();
    object
        .maps()
        .iter()
        .map(|spec| Map {
            c_name: spec.name.clone(),
            name: scope.value(&spec.name),
            kind: kind(spec, btf, types),
            doc: types.docs.of("variable", &spec.name) + &doc(spec),
        })
        .collect()
}

fn kind(spec: &MapSpec, btf: &Btf, types: &mut Types<'_>) -> MapKind {
    // Without the type of what is written there is nothing to write.
    let is_written = spec.map_type != MapType::USER_RINGBUF || spec.value.is_some();
    let row = KINDS
        .iter()
        .find(|row| row.0 == spec.map_type && is_written);
    let Some((_, name, parts)) = row else {
        return UNTYPED;
    };
    let parameters = parts.iter().map(|part| parameter(*part, spec, btf, types));
    MapKind {
        name,
        parameters: parameters.collect(),
    }
}

fn parameter(part: Part, spec: &MapSpec, btf: &Btf, types: &mut Types<'_>) -> Parameter {
    let mut named = |id: Option<TypeId>, size: u32, what: &str| match id {
        Some(id) => types.reference(btf.ty(id), &format!("{}_{what}", spec.name)),
        None => TypeRef::Bytes(size.into()),
    };
    match part {
        Part::Key => Parameter::Type(named(spec.key, spec.key_size, "key")),
        Part::Value => Parameter::Type(named(spec.value, spec.value_size, "value")),
        Part::Sample if !has_sample(spec) => Parameter::Bytes,
        Part::Sample => Parameter::Type(named(spec.value, 0, "value")),
        Part::Inner => Parameter::Map(match &spec.inner {
            Some(inner) => kind(inner, btf, types),
            None => UNTYPED,
        }),
    }
}

/// Whether the declared value is the type of a sample. What libbpf wants declared of a perf event array is a number.
fn has_sample(spec: &MapSpec) -> bool {
    let is_number = spec.map_type == MapType::PERF_EVENT_ARRAY && spec.value_size == 4;
    spec.value.is_some() && !is_number
}

fn doc(spec: &MapSpec) -> String {
    let unit = match spec.max_entries {
        _ if spec.map_type.is_ring_buffer() => "bytes",
        _ if spec.map_type == MapType::ARENA => "pages",
        1 => "entry",
        _ => "entries",
    };
    format!(
        "Map `{}`: {}, {} {unit}.",
        spec.name, spec.map_type, spec.max_entries
    )
}
