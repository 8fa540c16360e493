//! Following an access of the object through a candidate of the target (libbpf's `bpf_core_spec_match`).

use super::access::{Accessor, MAX_LEN, Spec, is_flexible};
use super::{compat, essential_name, types_match};
use crate::btf::ext::CoreKind;
use crate::btf::{Member, Type};
use crate::effort::Effort;
use crate::error::{Error, ErrorKind, Result};

/// Returns what `candidate` has of what `local` accesses; `None` if it does not match.
///
/// # Errors
///
/// [`ErrorKind::Relocation`] if the path is too long or types are nested or entangled too deeply.
pub(super) fn find<'t>(
    kind: CoreKind,
    local: &Spec<'_>,
    candidate: Type<'t>,
    effort: &mut Effort,
) -> Result<Option<Spec<'t>>> {
    if kind.is_field() {
        return field(local, candidate, effort);
    }
    let mut found = Spec::new(candidate);
    if kind == CoreKind::TYPE_MATCHES {
        return Ok(types_match::types(local.root, candidate, effort)?.then_some(found));
    }
    if kind.is_type() {
        return Ok(compat::types(local.root, candidate, effort)?.then_some(found));
    }
    Ok(enumerator(local, candidate, effort)?.map(|step| {
        found.steps.push(step);
        found.raw_len = 1;
        found
    }))
}

/// The same path in `candidate`; `None` if it does not have it.
///
/// # Errors
///
/// [`ErrorKind::Relocation`] if the path is too long or a type too deep.
pub(super) fn field<'t>(
    local: &Spec<'_>,
    candidate: Type<'t>,
    effort: &mut Effort,
) -> Result<Option<Spec<'t>>> {
    let mut found = Spec::new(candidate);
    let mut ty = candidate;
    for (n, step) in local.steps.iter().enumerate() {
        match self::step(n, step, ty, &mut found, effort)? {
            Some(next) => ty = next,
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

/// Step `n` of an access, from `ty`: what it leads to, or `None` if there is no such member or element.
///
/// # Errors
///
/// As [`spec`].
pub(super) fn step<'t>(
    n: usize,
    local: &Accessor<'_>,
    ty: Type<'t>,
    found: &mut Spec<'t>,
    effort: &mut Effort,
) -> Result<Option<Type<'t>>> {
    let ty = ty.strip();
    match local.name {
        Some(_) => member(local, ty, found, effort),
        None => element(n, local, ty, found),
    }
}

/// Returns the enumerator of `candidate` that `local` refers to.
///
/// # Errors
///
/// [`ErrorKind::Relocation`] if the budget ends.
pub(super) fn enumerator<'t>(
    local: &Spec<'_>,
    candidate: Type<'t>,
    effort: &mut Effort,
) -> Result<Option<Accessor<'t>>> {
    let Some(name) = local.steps.first().and_then(|step| step.name) else {
        return Ok(None);
    };
    let wanted = essential_name(name.as_bytes());
    let ty = candidate.strip();
    for e in ty.enumerators().iter() {
        effort.charge(PER_ENUMERATOR)?;
        // Most names differ in what is compared first.
        let name = e.name_bytes();
        if name.starts_with(wanted) && essential_name(name) == wanted {
            return Ok(Some(Accessor {
                ty,
                index: e.index() as u32,
                name: Some(e.name()),
            }));
        }
    }
    Ok(None)
}

/// Steps for an enumerator, whose name is looked up.
const PER_ENUMERATOR: usize = 12;

fn too_deep() -> Error {
    Error::new(
        ErrorKind::Relocation,
        format!("its path in the target has more than {MAX_LEN} steps"),
    )
}

/// Finds the member of that name in `ty` or its anonymous members; adds the step and returns the member's type.
fn member<'t>(
    local: &Accessor<'_>,
    ty: Type<'t>,
    found: &mut Spec<'t>,
    effort: &mut Effort,
) -> Result<Option<Type<'t>>> {
    let Some(wanted) = local.ty.members().get(local.index as usize) else {
        return Ok(None);
    };
    search(wanted, ty.strip(), found, effort)
}

fn search<'t>(
    wanted: Member<'_>,
    ty: Type<'t>,
    found: &mut Spec<'t>,
    effort: &mut Effort,
) -> Result<Option<Type<'t>>> {
    let wanted_name = wanted.name_bytes();
    for m in ty.members().iter() {
        effort.spend()?;
        if found.raw_len == MAX_LEN {
            return Err(too_deep());
        }
        if m.is_anonymous() {
            found.bit_offset += u64::from(m.bit_offset());
            found.raw_len += 1;
            // The number of steps bounds the depth: libbpf recurses the same way.
            if let Some(next) = search(wanted, m.ty().strip(), found, effort)? {
                return Ok(Some(next));
            }
            found.bit_offset -= u64::from(m.bit_offset());
            found.raw_len -= 1;
        } else if m.has_name(wanted_name) {
            if !compat::fields(wanted.ty(), m.ty()) {
                return Ok(None);
            }
            found.bit_offset += u64::from(m.bit_offset());
            found.raw_len += 1;
            found.steps.push(Accessor {
                ty,
                index: m.index() as u32,
                name: Some(m.name()),
            });
            return Ok(Some(m.ty()));
        }
    }
    Ok(None)
}

/// Adds a step to an element; the first step's "array" is whatever the root pointer points at.
fn element<'t>(
    n: usize,
    local: &Accessor<'_>,
    ty: Type<'t>,
    found: &mut Spec<'t>,
) -> Result<Option<Type<'t>>> {
    let element = if n == 0 {
        ty
    } else {
        let Some(array) = ty.array() else {
            return Ok(None);
        };
        if local.index >= array.len && !is_flexible(found.steps.last(), array) {
            return Ok(None);
        }
        array.element.strip()
    };
    if found.raw_len == MAX_LEN {
        return Err(too_deep());
    }
    found.raw_len += 1;
    found.push_element(element, local.index)?;
    Ok(Some(element))
}
