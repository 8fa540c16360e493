//! When a type of the target may stand for one of the object: for a field, and for a type as a whole.

use super::{essential_name, kinds_compatible};
use crate::btf::{Kind, Type};
use crate::effort::Effort;
use crate::error::{Error, ErrorKind, Result};

/// As deep as libbpf follows pointers, arrays and prototypes.
const MAX_DEPTH: usize = 32;

/// Whether a field of type `target` may stand for one of type `local` (libbpf's `bpf_core_fields_are_compat`).
pub(super) fn fields(local: Type<'_>, target: Type<'_>) -> bool {
    let (mut local, mut target) = (local, target);
    for _ in 0..MAX_DEPTH {
        (local, target) = (local.strip(), target.strip());
        if local.kind().is_composite() && target.kind().is_composite() {
            return true;
        }
        if !kinds_compatible(local.kind(), target.kind()) {
            return false;
        }
        match local.kind() {
            Kind::PTR | Kind::FLOAT => return true,
            Kind::FWD | Kind::ENUM | Kind::ENUM64 => {
                let (a, b) = (
                    essential_name(local.name_bytes()),
                    essential_name(target.name_bytes()),
                );
                return a.is_empty() || b.is_empty() || a == b;
            }
            Kind::INT => return is_plain(local) && is_plain(target),
            Kind::ARRAY => match (local.target(), target.target()) {
                (Some(l), Some(t)) => (local, target) = (l, t),
                _ => return false,
            },
            _ => return false,
        }
    }
    false
}

/// An integer that is not an old compiler's bitfield.
fn is_plain(ty: Type<'_>) -> bool {
    ty.int().is_none_or(|int| int.bit_offset == 0)
}

/// Whether type `target` may stand for `local`, their names being the same (libbpf's `bpf_core_types_are_compat`).
///
/// # Errors
///
/// [`ErrorKind::Relocation`] if the types are nested deeper than 32 levels.
pub(super) fn types(local: Type<'_>, target: Type<'_>, effort: &mut Effort) -> Result<bool> {
    types_within(local, target, MAX_DEPTH, effort)
}

fn too_deep() -> Error {
    Error::new(
        ErrorKind::Relocation,
        format!("its type is nested deeper than {MAX_DEPTH} levels"),
    )
}

/// `level` counts prototypes within prototypes; in each, as many pointers and arrays are followed again.
fn types_within(
    local: Type<'_>,
    target: Type<'_>,
    level: usize,
    effort: &mut Effort,
) -> Result<bool> {
    if !kinds_compatible(local.kind(), target.kind()) {
        return Ok(false);
    }
    let (mut local, mut target) = (local, target);
    for _ in 0..MAX_DEPTH {
        effort.spend()?;
        (local, target) = (local.strip(), target.strip());
        if !kinds_compatible(local.kind(), target.kind()) {
            return Ok(false);
        }
        match local.kind() {
            Kind::UNKN | Kind::STRUCT | Kind::UNION | Kind::ENUM | Kind::ENUM64 | Kind::FWD => {
                return Ok(true);
            }
            Kind::INT => return Ok(is_plain(local) && is_plain(target)),
            Kind::PTR | Kind::ARRAY => {}
            Kind::FUNC_PROTO => {
                if local.vlen() != target.vlen() {
                    return Ok(false);
                }
                for (l, t) in local.params().iter().zip(target.params().iter()) {
                    let level = level.checked_sub(1).ok_or_else(too_deep)?;
                    if !types_within(l.ty().strip(), t.ty().strip(), level, effort)? {
                        return Ok(false);
                    }
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
