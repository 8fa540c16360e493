//! Maps declared with BTF in the `.maps` section.
//!
//! `__uint(name, value)` is a member `int (*name)[value]`, `__type(name, T)` a member `T *name`, `__ulong` an enumerator.
//! Source: libbpf's `parse_btf_map_def`.

use super::MapType;
use crate::btf::{Btf, Kind, Linkage, Type, TypeId};
use crate::effort::Effort;
use crate::error::{Error, ErrorKind, Result};

/// Where a map is pinned by its declaration (`enum libbpf_pin_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Pinning {
    /// Nowhere.
    #[default]
    None,
    /// Under its name in the BPF file system (`LIBBPF_PIN_BY_NAME`).
    ByName,
}

/// What a declaration puts into a slot of a map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SlotTarget {
    /// The map at this position of [`super::Object::maps`].
    Map(usize),
    /// The program whose function is at this position of [`super::Object::functions`].
    Function(usize),
}

/// A declared map.
#[derive(Clone, Debug, Default)]
pub struct MapSpec {
    /// Name of the variable.
    pub name: String,
    /// Map type.
    pub map_type: MapType,
    /// Key size in bytes.
    pub key_size: u32,
    /// Value size in bytes.
    pub value_size: u32,
    /// Capacity; bytes for a ring buffer.
    pub max_entries: u32,
    /// `BPF_F_*` flags of map creation.
    pub map_flags: u32,
    /// NUMA node, if one is asked for.
    pub numa_node: Option<u32>,
    /// Extra argument of some map types.
    pub map_extra: u64,
    /// Type of a key in the object's BTF, if declared with one.
    pub key: Option<TypeId>,
    /// Type of a value in the object's BTF, if declared with one.
    pub value: Option<TypeId>,
    /// Where it is pinned.
    pub pinning: Pinning,
    /// What its values are like, if they are maps and are declared with `__array(values, struct { … })`.
    pub inner: Option<Box<MapSpec>>,
    /// What it holds from the start, by index: `.values = { [1] = &other }`.
    pub slots: Vec<(u32, SlotTarget)>,
    /// Offset of `values` in the declaration's struct.
    pub values_offset: Option<u64>,
    /// Offset of the variable in `.maps`.
    pub offset: u64,
}

/// Reads all map declarations. `offset_of` gives a variable's offset in `.maps` by the symbol
/// table. `is_local` is `true` for static ones; BTF cannot tell, because hidden ones are made
/// static in it.
pub(super) fn parse(
    btf: &Btf,
    offset_of: impl Fn(&str) -> Option<u64>,
    is_local: impl Fn(&str) -> bool,
    effort: &mut Effort,
) -> Result<Vec<MapSpec>> {
    let Some(section) = btf.find(".maps", Kind::DATASEC) else {
        return Err(Error::not_found("section .maps has no counterpart in BTF")
            .hint("declare maps as BTF-defined structs, and compile with -g"));
    };
    let mut maps = Vec::with_capacity(section.vlen());
    for var in section.variables().iter() {
        let name = var.name();
        effort.charge_kept(name.len())?;
        let in_map = |e: Error| e.context(format!("map `{name}`"));
        if var.ty().linkage() == Some(Linkage::EXTERN) {
            return Err(in_map(elsewhere()));
        }
        if is_local(name) {
            return Err(in_map(is_static()));
        }
        let mut map = declaration(var.ty(), effort).map_err(in_map)?;
        map.offset = offset_of(name)
            .ok_or_else(|| in_map(Error::malformed("it is in BTF but not in the symbol table")))?;
        maps.push(map);
    }
    maps.sort_by_key(|m| m.offset);
    Ok(maps)
}

/// A map of another source, which is not among those that are linked.
fn elsewhere() -> Error {
    Error::new(
        ErrorKind::NotFound,
        "it is declared `extern`, and no source of this object defines it",
    )
    .hint("build the source that defines it into the same object (btf_build::Builder::link), or leave `extern` out")
}

/// The error for a static map. clang refers to it by its section alone, without its name.
fn is_static() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "it is static, but maps must be global",
    )
    .hint("remove `static` from its declaration")
}

/// Reads the declaration of one map, a VAR.
pub(super) fn declaration(var: Type<'_>, effort: &mut Effort) -> Result<MapSpec> {
    match var.target().map(Type::strip) {
        Some(def) if def.kind() == Kind::STRUCT => parse_one(var.name(), def, false, effort),
        _ => Err(Error::malformed("its declaration is not a struct")),
    }
}

/// Reads one declaration; `is_inner` is one that stands within another.
fn parse_one(name: &str, def: Type<'_>, is_inner: bool, effort: &mut Effort) -> Result<MapSpec> {
    /// Steps for an attribute: its type may be behind many others.
    const ATTRIBUTE: usize = 16;
    effort.charge_kept(name.len())?;
    let mut map = MapSpec {
        name: name.to_owned(),
        ..MapSpec::default()
    };
    for m in def.members().iter() {
        // Many maps may be of one type.
        effort.charge(ATTRIBUTE)?;
        let bad = |what: &str| Error::malformed(format!("attribute `{}` is not {what}", m.name()));
        let int = || uint(m.ty()).ok_or_else(|| bad("an integer given with __uint"));
        let typed = || pointee(m.ty()).ok_or_else(|| bad("a type given with __type"));
        let size_of = |t: Type<'_>| {
            t.byte_size()
                .and_then(|size| u32::try_from(size).ok())
                .ok_or_else(|| bad("a type with a size"))
        };
        match m.name() {
            "type" => map.map_type = MapType(int()?),
            "max_entries" => map.max_entries = int()?,
            "map_flags" => map.map_flags = int()?,
            "numa_node" => map.numa_node = Some(int()?),
            "map_extra" => map.map_extra = ulong(m.ty()).ok_or_else(|| bad("a number"))?,
            "key_size" => agree(&mut map.key_size, int()?, m.name())?,
            "value_size" => agree(&mut map.value_size, int()?, m.name())?,
            "key" => {
                let t = typed()?;
                agree(&mut map.key_size, size_of(t)?, m.name())?;
                map.key = Some(t.id());
            }
            "value" => {
                let t = typed()?;
                agree(&mut map.value_size, size_of(t)?, m.name())?;
                map.value = Some(t.id());
            }
            "values" if is_inner => return Err(bad("allowed in a map that is itself a value")),
            "values" => {
                values(&mut map, m.ty(), effort).map_err(|e| e.context("attribute `values`"))?;
                map.values_offset = Some(u64::from(m.bit_offset() / 8));
            }
            "pinning" if is_inner => return Err(bad("allowed in a map that is a value")),
            "pinning" => {
                map.pinning = match int()? {
                    0 => Pinning::None,
                    1 => Pinning::ByName,
                    n => {
                        let what = format!("LIBBPF_PIN_NONE or LIBBPF_PIN_BY_NAME, but {n}");
                        return Err(bad(&what).hint(
                            "leave it out and set the path before loading, with `set_pin_path`",
                        ));
                    }
                }
            }
            other => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("attribute `{other}` is not known to this version"),
                ));
            }
        }
    }
    if map.map_type == MapType::default() {
        return Err(Error::malformed("it has no `type` attribute")
            .hint("write `__uint(type, BPF_MAP_TYPE_…);` in its declaration"));
    }
    Ok(map)
}

/// `__array(values, …)`: a struct that declares the maps which are values, or the prototype of programs.
fn values(map: &mut MapSpec, ty: Type<'_>, effort: &mut Effort) -> Result<()> {
    let element = ty.strip_modifiers().array().map(|array| array.element);
    let Some(element) = element.and_then(pointee).map(Type::strip) else {
        return Err(Error::malformed("it is not an array given with __array"));
    };
    let of = |what: &str| {
        Error::malformed(format!("it is {what}, in a map of type {}", map.map_type))
            .hint("`type` stands first, and is one of maps or BPF_MAP_TYPE_PROG_ARRAY")
    };
    match element.kind() {
        Kind::STRUCT if map.map_type.is_of_maps() => {
            let name = format!("{}.inner", map.name);
            let inner = parse_one(&name, element, true, effort)?;
            if inner.map_type.is_of_maps() {
                return Err(Error::malformed(
                    "maps of maps of maps are more than the kernel has",
                ));
            }
            map.inner = Some(Box::new(inner));
        }
        Kind::FUNC_PROTO if map.map_type == MapType::PROG_ARRAY => {}
        Kind::STRUCT => return Err(of("declarations of maps")),
        Kind::FUNC_PROTO => return Err(of("programs")),
        _ => return Err(of("neither maps nor programs")),
    }
    agree(&mut map.value_size, 4, "values")
}

/// `key_size` beside `key`: both may stand there, if they say the same.
fn agree(known: &mut u32, size: u32, attribute: &str) -> Result<()> {
    if *known != 0 && *known != size {
        return Err(Error::malformed(format!(
            "attribute `{attribute}` makes it {size} bytes, another one {known}"
        )));
    }
    *known = size;
    Ok(())
}

fn pointee(t: Type<'_>) -> Option<Type<'_>> {
    let t = t.strip_modifiers();
    if t.kind() == Kind::PTR {
        t.target()
    } else {
        None
    }
}

/// The number N of a pointer to an array of N elements.
fn uint(t: Type<'_>) -> Option<u32> {
    Some(pointee(t)?.strip_modifiers().array()?.len)
}

/// The number of `__ulong`: the value of an enum's only enumerator, else as [`uint`].
fn ulong(t: Type<'_>) -> Option<u64> {
    let e = t.strip_modifiers();
    if e.kind().is_any_enum() {
        return e.enumerators().get(0).map(|e| e.value().cast_unsigned());
    }
    uint(t).map(u64::from)
}
