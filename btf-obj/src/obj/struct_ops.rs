//! Structs of operations: variables in `.struct_ops` and `.struct_ops.link`, whose function pointers are programs.
//!
//! Source: libbpf's `init_struct_ops_maps` and `bpf_object__collect_st_ops_relos`.

use std::collections::HashMap;

use crate::btf::{Btf, Kind, Type, TypeId};
use crate::effort::Effort;
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
    effort: &mut Effort,
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
        let name = variable.name();
        effort.charge_kept(name.len())?;
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
                // Variables may overlap.
                effort.charge_kept(contents.len())?;
                Ok(StructOpsSpec {
                    name: name.to_owned(),
                    section: section.to_owned(),
                    autocreate,
                    ty: ty.id(),
                    bytes: contents.to_vec(),
                    programs: Vec::new(),
                    place: (index, place),
                })
            })
            .context(|| format!("operations `{name}`"))?;
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

/// The variables of an object, by their places.
pub(super) struct Places {
    /// Section, offset and position of each variable, sorted.
    variables: Vec<(usize, u64, usize)>,
    /// For each type, its members by their bit offsets.
    members: HashMap<TypeId, HashMap<u32, usize>>,
}

impl Places {
    pub(super) fn of(all: &[StructOpsSpec]) -> Places {
        let with_place = |(at, spec): (usize, &StructOpsSpec)| (spec.place.0, spec.place.1, at);
        let mut variables: Vec<_> = all.iter().enumerate().map(with_place).collect();
        variables.sort_by_key(|variable| *variable);
        Places {
            variables,
            members: HashMap::new(),
        }
    }

    /// Notes that there is a pointer to a function at a place of a section.
    pub(super) fn set_program(
        &mut self,
        all: &mut [StructOpsSpec],
        btf: &Btf,
        (index, offset): (usize, u64),
        function: &str,
        effort: &mut Effort,
    ) -> Result<()> {
        let spec = self.holding(all, index, offset, effort)?;
        let spec = spec.ok_or_else(|| Error::malformed("it lies in no variable"))?;
        let spec = &mut all[spec];
        let at = u32::try_from(offset - spec.place.1).unwrap_or(u32::MAX);
        let members = btf.ty(spec.ty).members();
        let by_offset = self.members.entry(spec.ty).or_insert_with(|| {
            let mut by_offset = HashMap::new();
            for (n, member) in members.iter().enumerate() {
                by_offset.entry(member.bit_offset()).or_insert(n);
            }
            by_offset
        });
        let member = by_offset.get(&at.saturating_mul(8));
        let member = member
            .and_then(|n| members.get(*n))
            .ok_or_else(|| Error::malformed("no member of the struct begins there"))?;
        if !is_function_pointer(member.ty()) {
            return Err(Error::malformed(format!(
                "member `{}` is no pointer to a function",
                member.name()
            )));
        }
        effort.charge_kept(function.len())?;
        spec.programs.push((at, function.to_owned()));
        Ok(())
    }

    /// The position of the first variable that has this byte of a section.
    fn holding(
        &self,
        all: &[StructOpsSpec],
        section: usize,
        offset: u64,
        effort: &mut Effort,
    ) -> Result<Option<usize>> {
        let after = self
            .variables
            .partition_point(|(s, start, _)| (*s, *start) <= (section, offset));
        // Variables do not overlap, except in a damaged object: the nearest before it has it.
        for (s, start, at) in self.variables[..after].iter().rev() {
            effort.spend()?;
            if *s != section {
                break;
            }
            if offset - start < all[*at].bytes.len() as u64 {
                return Ok(Some(*at));
            }
        }
        Ok(None)
    }
}

/// Whether a type is a pointer to a function.
pub fn is_function_pointer(ty: Type<'_>) -> bool {
    let ty = ty.strip();
    ty.kind() == Kind::PTR
        && ty
            .target()
            .is_some_and(|to| to.strip().kind() == Kind::FUNC_PROTO)
}
