//! Maps: which type of btf-core stands for a map type, and with which parameters.

use btf_core::btf::{Btf, TypeId};
use btf_core::obj::{MapSpec, MapType, Object};

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
pub(crate) enum MapKind {
    /// `name<K, V>`
    KeyValue(&'static str, TypeRef, TypeRef),
    /// `name<V>`
    Value(&'static str, TypeRef),
    /// `RingBuf<T>`; of bytes if the declaration has no type.
    RingBuf(Option<TypeRef>),
    /// A kind without a type of its own.
    Untyped,
}

/// Which parameters a type takes.
enum Shape {
    KeyValue(&'static str),
    Value(&'static str),
    RingBuf,
}

/// The table: a new kind of map is a row here.
const KINDS: &[(MapType, Shape)] = &[
    (MapType::HASH, Shape::KeyValue("Hash")),
    (MapType::LRU_HASH, Shape::KeyValue("Hash")),
    (MapType::PERCPU_HASH, Shape::KeyValue("PerCpuHash")),
    (MapType::LRU_PERCPU_HASH, Shape::KeyValue("PerCpuHash")),
    (MapType::LPM_TRIE, Shape::KeyValue("LpmTrie")),
    (MapType::ARRAY, Shape::Value("Array")),
    (MapType::PERCPU_ARRAY, Shape::Value("PerCpuArray")),
    (MapType::RINGBUF, Shape::RingBuf),
];

pub(super) fn all(object: &Object, btf: &Btf, types: &mut Types) -> Vec<Map> {
    let mut scope = Scope::default();
    object
        .maps()
        .iter()
        .map(|spec| Map {
            c_name: spec.name.clone(),
            name: scope.value(&spec.name),
            kind: kind(spec, btf, types),
            doc: doc(spec),
        })
        .collect()
}

fn kind(spec: &MapSpec, btf: &Btf, types: &mut Types) -> MapKind {
    let mut part = |id: Option<TypeId>, size: u32, what: &str| match id {
        Some(id) => types.reference(btf.ty(id), &format!("{}_{what}", spec.name)),
        None => TypeRef::Bytes(size.into()),
    };
    let shape = KINDS
        .iter()
        .find(|(map_type, _)| *map_type == spec.map_type);
    match shape.map(|(_, shape)| shape) {
        Some(Shape::KeyValue(name)) => {
            let key = part(spec.key, spec.key_size, "key");
            MapKind::KeyValue(name, key, part(spec.value, spec.value_size, "value"))
        }
        Some(Shape::Value(name)) => {
            MapKind::Value(name, part(spec.value, spec.value_size, "value"))
        }
        Some(Shape::RingBuf) => MapKind::RingBuf(
            spec.value
                .map(|id| types.reference(btf.ty(id), &format!("{}_value", spec.name))),
        ),
        None => MapKind::Untyped,
    }
}

fn doc(spec: &MapSpec) -> String {
    let unit = match (spec.map_type, spec.max_entries) {
        (MapType::RINGBUF, _) => "bytes",
        (_, 1) => "entry",
        _ => "entries",
    };
    format!(
        "Map `{}`: {}, {} {unit}.",
        spec.name, spec.map_type, spec.max_entries
    )
}
