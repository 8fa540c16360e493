//! Where types are read from, and which one a name stands for.

use std::path::Path;

use btf_core::btf::{Btf, Kind, Type};
use btf_core::obj::Object;

use crate::Result;

/// Types of kernels' modules are in addition to these.
const BASE: &str = "vmlinux";

/// The BTF of a kernel, a module or an object.
pub(crate) fn btf(file: &str) -> Result<Btf> {
    let path = Path::new(file);
    let bytes = std::fs::read(path).map_err(|e| format!("cannot read {file}: {e}"))?;
    if bytes.starts_with(b"\x7fELF") {
        let object = parse(file, &bytes)?;
        let btf = object.btf().cloned();
        return btf.ok_or_else(|| format!("{file} has no BTF"));
    }
    let is_module = path.parent() == Some(Path::new("/sys/kernel/btf"))
        && path.file_name().is_some_and(|name| name != BASE);
    let parsed = match is_module {
        true => Btf::from_file(path.with_file_name(BASE))
            .and_then(|base| Btf::parse_split(bytes, &base)),
        false => Btf::parse(bytes),
    };
    parsed.map_err(|e| format!("{file}: {e}"))
}

/// A BPF object.
pub(crate) fn object(file: &str) -> Result<Object> {
    let bytes = std::fs::read(file).map_err(|e| format!("cannot read {file}: {e}"))?;
    parse(file, &bytes)
}

fn parse(file: &str, bytes: &[u8]) -> Result<Object> {
    let name = Path::new(file).file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    let name = name.split('.').next().unwrap_or_default();
    Object::parse(name, bytes).map_err(|e| format!("{file}: {e}"))
}

/// What has this name and says something: no forward declaration of what is defined, and no tag.
pub(crate) fn named<'a>(btf: &'a Btf, name: &'a str) -> impl Iterator<Item = Type<'a>> {
    let is_said = |kind| !matches!(kind, Kind::FWD | Kind::DECL_TAG | Kind::TYPE_TAG);
    btf.find_all(name).filter(move |ty| is_said(ty.kind()))
}

/// The struct or union of this name, or that a typedef of it stands for.
pub(crate) fn composite<'a>(btf: &'a Btf, name: &'a str) -> Option<Type<'a>> {
    let stripped = named(btf, name).map(Type::strip);
    stripped.into_iter().find(|ty| ty.kind().is_composite())
}
