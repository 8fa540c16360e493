//! When a type of the target is like one of the object down to its members (libbpf's `bpf_core_types_match`).

use super::essential_name;
use crate::btf::{IntEncoding, Kind, Type};
use crate::effort::Effort;
use crate::error::{Error, ErrorKind, Result};

/// As many structs and prototypes within each other as libbpf follows, and as many pointers and arrays in each.
const MAX_LEVELS: usize = 32;

/// Steps for a type, whose name is looked up.
const PER_TYPE: usize = 16;

/// Whether `target` has all that `local` has: members and enumerators of the same names, in types of the same shape.
///
/// # Errors
///
/// [`ErrorKind::Relocation`] if the types are nested deeper than 32 levels.
pub(super) fn types(local: Type<'_>, target: Type<'_>, effort: &mut Effort) -> Result<bool> {
    within(local, target, false, MAX_LEVELS, effort)
}

/// The names match without what makes a flavor of them; none matches none.
fn names(local: &[u8], target: &[u8]) -> bool {
    local.first() == target.first() && essential_name(local) == essential_name(target)
}

fn too_deep() -> Error {
    Error::new(
        ErrorKind::Relocation,
        format!("its type is nested deeper than {MAX_LEVELS} levels"),
    )
}

fn within(
    local: Type<'_>,
    target: Type<'_>,
    behind_pointer: bool,
    level: usize,
    effort: &mut Effort,
) -> Result<bool> {
    if level == 0 {
        return Err(too_deep());
    }
    let (mut local, mut target, mut behind_pointer) = (local, target, behind_pointer);
    for _ in 0..MAX_LEVELS {
        effort.charge(PER_TYPE)?;
        (local, target) = (local.strip(), target.strip());
        if !names(local.name_bytes(), target.name_bytes()) {
            return Ok(false);
        }
        let same_kind = local.kind() == target.kind();
        match local.kind() {
            Kind::UNKN => return Ok(same_kind),
            Kind::FWD => return Ok(forward(local, target, behind_pointer)),
            Kind::ENUM | Kind::ENUM64 => return enums(local, target, effort),
            // Behind a pointer a name is enough, so that types may be declared without their members.
            Kind::STRUCT | Kind::UNION if behind_pointer => {
                let is_union = local.kind() == Kind::UNION;
                return Ok(same_kind || target.kind() == Kind::FWD && is_union == target.flag());
            }
            Kind::STRUCT | Kind::UNION => {
                return Ok(same_kind && members(local, target, level, effort)?);
            }
            Kind::INT => return Ok(same_kind && ints(local, target)),
            Kind::PTR if same_kind => behind_pointer = true,
            Kind::ARRAY if same_kind => {
                if local.array().map(|a| a.len) != target.array().map(|a| a.len) {
                    return Ok(false);
                }
            }
            Kind::FUNC_PROTO if same_kind => {
                if !params(local, target, behind_pointer, level, effort)? {
                    return Ok(false);
                }
            }
            _ => return Ok(false),
        }
        // On to the pointee, element or return type.
        match (local.target(), target.target()) {
            (Some(l), Some(t)) => (local, target) = (l, t),
            _ => return Ok(false),
        }
    }
    Err(too_deep())
}

/// A declaration stands for one of the same noun; behind a pointer for a definition too.
fn forward(local: Type<'_>, target: Type<'_>, behind_pointer: bool) -> bool {
    let is_union = local.flag();
    match target.kind() {
        Kind::FWD => is_union == target.flag(),
        Kind::STRUCT => behind_pointer && !is_union,
        Kind::UNION => behind_pointer && is_union,
        _ => false,
    }
}

fn ints(local: Type<'_>, target: Type<'_>) -> bool {
    let is_signed = |t: Type<'_>| {
        t.int()
            .is_some_and(|int| int.encoding.contains(IntEncoding::SIGNED))
    };
    local.own_size() == target.own_size() && is_signed(local) == is_signed(target)
}

/// Values don't matter, names and size do.
fn enums(local: Type<'_>, target: Type<'_>, effort: &mut Effort) -> Result<bool> {
    if !target.kind().is_any_enum()
        || local.own_size() != target.own_size()
        || local.vlen() > target.vlen()
    {
        return Ok(false);
    }
    for l in local.enumerators().iter() {
        let mut found = false;
        for t in target.enumerators().iter() {
            effort.spend()?;
            if names(l.name_bytes(), t.name_bytes()) {
                found = true;
                break;
            }
        }
        if !found {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Every member has its like; an anonymous one among the anonymous ones.
fn members(local: Type<'_>, target: Type<'_>, level: usize, effort: &mut Effort) -> Result<bool> {
    if local.vlen() > target.vlen() {
        return Ok(false);
    }
    for l in local.members().iter() {
        let mut found = false;
        for t in target.members().iter() {
            effort.spend()?;
            if names(l.name_bytes(), t.name_bytes())
                && within(l.ty(), t.ty(), false, level - 1, effort)?
            {
                found = true;
                break;
            }
        }
        if !found {
            return Ok(false);
        }
    }
    Ok(true)
}

fn params(
    local: Type<'_>,
    target: Type<'_>,
    behind_pointer: bool,
    level: usize,
    effort: &mut Effort,
) -> Result<bool> {
    if local.vlen() != target.vlen() {
        return Ok(false);
    }
    for (l, t) in local.params().iter().zip(target.params().iter()) {
        if !within(l.ty(), t.ty(), behind_pointer, level - 1, effort)? {
            return Ok(false);
        }
    }
    Ok(true)
}
