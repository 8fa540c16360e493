//! Words for types in messages.

use crate::btf::{Btf, Kind, Type, utf8_prefix};
use crate::relo::{Targets, essential_name};

/// The name of a type without what makes a flavor of it.
pub(super) fn name_of(ty: Type<'_>) -> &str {
    utf8_prefix(essential_name(ty.name_bytes()))
}

/// The word that C has for a kind.
pub(super) fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::STRUCT => "struct",
        Kind::UNION => "union",
        Kind::ENUM | Kind::ENUM64 => "enum",
        Kind::TYPEDEF => "typedef",
        Kind::FWD => "forward declaration",
        Kind::FUNC => "function",
        _ => "type",
    }
}

/// ``struct `task_struct` ``.
pub(in crate::relo) fn titled(ty: Type<'_>) -> String {
    match name_of(ty) {
        "" => format!("{} without a name", word(ty.kind())),
        name => format!("{} `{name}`", word(ty.kind())),
    }
}

/// The kernel's BTF, what it continues, and the modules'.
pub(super) fn layers<'t>(targets: &Targets<'t>) -> impl Iterator<Item = &'t Btf> + use<'t> {
    std::iter::successors(Some(targets.vmlinux), |btf| btf.base()).chain(targets.modules)
}
