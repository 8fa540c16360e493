//! Structs of operations: variables in `.struct_ops` and `.struct_ops.link`, whose function pointers are programs.
//!
//! Source: libbpf's `init_struct_ops_maps` and `bpf_object__collect_st_ops_relos`.

use crate::btf::{Btf, Kind, Type, TypeId};
use crate::error::{Context, Error, Result};

/// A variable that holds operations.
#[derive(Clone, Debug)]
pub struct StructOpsSpec {
    /// Name of the variable.
    pub name: String,
    /// Its section, without a leading `?`.
    pub section: String,
    /// Whether it is created unless told otherwise: not in `SEC("?.struct_ops")`.
    pub autocreate: bool,
    /// Its struct in the object's BTF.
    pub ty: TypeId,
    /// Its contents; pointers in it are zero.
    pub bytes: Vec<u8>,
    /// Programs by the place of the pointer to them: an offset in bytes, and the name of the function.
    pub programs: Vec<(u32, String)>,
    /// ELF section index, and the place in it.
    pub(super) place: (usize, u64),
}

impl StructOpsSpec {
    /// Whether it is attached by a link (`.struct_ops.link`, from 6.4 on) rather than by being written.
    pub fn is_link(&self) -> bool {
        self.section == ".struct_ops.link"
    }
}

/// The section without a leading `?`, and whether it had none, if it is one of operations.
pub(super) fn section(name: &str) -> Option<(&str, bool)> {
    let (section, autocreate) = match name.strip_prefix('?') {
        Some(section) => (section, false),
        None => (name, true),
    };
    matches!(section, ".struct_ops" | ".struct_ops.link").then_some((section, autocreate))
}

/// Reads the variables of a section.
pub(super) fn parse(
    btf: &Btf,
    name: &str,
    index: usize,
    bytes: &[u8],
) -> Result<Vec<StructOpsSpec>> {
    let Some((section, autocreate)) = section(name) else {
        return Ok(Vec::new());
    };
    let Some(datasec) = btf.find(name, Kind::DATASEC) else {
        return Err(
            Error::not_found(format!("section {name} has no counterpart in BTF"))
                .hint("compile it with -g, and don't strip .BTF"),
        );
    };
    let mut all = Vec::with_capacity(datasec.vlen());
    for variable in datasec.variables().iter() {
        let place = u64::from(variable.offset());
        let spec = structure(variable.ty())
            .and_then(|ty| {
                let size = ty.byte_size().unwrap_or(0);
                let contents = usize::try_from(place)
                    .ok()
                    .zip(usize::try_from(size).ok())
                    .and_then(|(place, size)| bytes.get(place..place.checked_add(size)?));
                let contents = contents.ok_or_else(|| {
                    Error::malformed(format!("it reaches past the end of section {name}"))
                })?;
                Ok(StructOpsSpec {
                    name: variable.name().to_owned(),
                    section: section.to_owned(),
                    autocreate,
                    ty: ty.id(),
                    bytes: contents.to_vec(),
                    programs: Vec::new(),
                    place: (index, place),
                })
            })
            .context(|| format!("operations `{}`", variable.name()))?;
        all.push(spec);
    }
    Ok(all)
}

fn structure(variable: Type<'_>) -> Result<Type<'_>> {
    match variable.target().map(Type::strip) {
        Some(ty) if ty.kind() == Kind::STRUCT && !ty.name().is_empty() => Ok(ty),
        _ => Err(Error::malformed("it is no struct with a name")),
    }
}

/// Notes that there is a pointer to a function at a place of a section.
pub(super) fn set_program(
    all: &mut [StructOpsSpec],
    btf: &Btf,
    (index, offset): (usize, u64),
    function: &str,
) -> Result<()> {
    let holds = |spec: &&mut StructOpsSpec| {
        let (section, start) = spec.place;
        section == index && (start..start + spec.bytes.len() as u64).contains(&offset)
    };
    let Some(spec) = all.iter_mut().find(holds) else {
        return Err(Error::malformed("it lies in no variable"));
    };
    let at = u32::try_from(offset - spec.place.1).unwrap_or(u32::MAX);
    let members = btf.ty(spec.ty).members();
    let member = members
        .iter()
        .find(|m| m.bit_offset() == at.saturating_mul(8))
        .ok_or_else(|| Error::malformed("no member of the struct begins there"))?;
    if !is_function_pointer(member.ty()) {
        return Err(Error::malformed(format!(
            "member `{}` is no pointer to a function",
            member.name()
        )));
    }
    spec.programs.push((at, function.to_owned()));
    Ok(())
}

/// Whether a type is a pointer to a function.
pub(crate) fn is_function_pointer(ty: Type<'_>) -> bool {
    let ty = ty.strip();
    ty.kind() == Kind::PTR
        && ty
            .target()
            .is_some_and(|to| to.strip().kind() == Kind::FUNC_PROTO)
}
