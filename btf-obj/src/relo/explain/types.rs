//! Types that are not there, and types that are others than the object's.

use super::titles::{layers, name_of, titled, word};
use super::{Explanation, PER_NAME, enumerators, members, renames, spelled};
use crate::btf::ext::CoreKind;
use crate::btf::{Btf, Kind, Type};
use crate::effort::Effort;
use crate::relo::{Targets, compat, kinds_compatible, types_match};
use crate::suggest::add_similar;

/// No type of that name and kind: what else is called so, and what is called nearly so.
pub(super) fn missing(root: Type<'_>, targets: &Targets<'_>, effort: &mut Effort) -> Explanation {
    let count: usize = layers(targets).map(|btf| btf.end_id() as usize).sum();
    if effort.charge(PER_NAME * count).is_err() {
        return Explanation::new(format!("the kernel has no {}", titled(root)));
    }
    let name = name_of(root);
    let mut other = None;
    let mut names = Vec::new();
    for ty in layers(targets).flat_map(Btf::types) {
        let is_named = name_of(ty) == name;
        if is_named && is_of_interest(ty.kind()) {
            other.get_or_insert(ty);
        } else if kinds_compatible(ty.kind(), root.kind()) && !ty.is_anonymous() {
            names.push(name_of(ty));
        }
    }
    let what = titled(root);
    let reason = match other {
        Some(fwd) if fwd.kind() == Kind::FWD => {
            format!("the kernel only declares {what} and does not define it")
        }
        Some(ty) => format!(
            "the kernel has no {what}, but a {} of that name",
            word(ty.kind())
        ),
        None => format!("the kernel has no {what}"),
    };
    let likely: Vec<String> = renames::types(name)
        .filter(|new| names.contains(new))
        .map(str::to_owned)
        .collect();
    let near = if likely.is_empty() {
        add_similar(likely, name, names.into_iter())
    } else {
        likely
    };
    Explanation::new(reason).with_near(near)
}

/// What a struct may have been taken for; functions and variables share their names with other things.
fn is_of_interest(kind: Kind) -> bool {
    kind.is_composite() || kind.is_any_enum() || matches!(kind, Kind::TYPEDEF | Kind::FWD)
}

/// Why `candidate`, which has the name, is not like the object's type; `None` if it is.
pub(in crate::relo) fn differs(
    kind: CoreKind,
    local: Type<'_>,
    candidate: Type<'_>,
    effort: &mut Effort,
) -> Option<Explanation> {
    let alike = if kind == CoreKind::TYPE_MATCHES {
        types_match::types(local, candidate, effort)
    } else {
        compat::types(local, candidate, effort)
    };
    if alike.is_ok_and(|alike| alike) {
        return None;
    }
    let (l, t) = (local.strip(), candidate.strip());
    if l.kind().is_composite() && t.kind().is_composite() {
        return Some(members::first_difference(l, t, effort).unwrap_or_else(|| {
            Explanation::new(format!(
                "the kernel's {} differs from the object's within its members' types",
                titled(candidate)
            ))
        }));
    }
    if l.kind().is_any_enum()
        && t.kind().is_any_enum()
        && let Some(why) = enumerators::first_difference(l, t, effort)
    {
        return Some(why);
    }
    // A typedef is told by what it stands for.
    let inner = |ty: Type<'_>| match ty.kind() {
        Kind::TYPEDEF => ty.target().map_or_else(String::new, spelled),
        _ => spelled(ty),
    };
    Some(Explanation::new(format!(
        "the kernel's {} is `{}`, and the object's `{}`",
        titled(candidate),
        inner(candidate),
        inner(local)
    )))
}
