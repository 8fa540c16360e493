//! What is asked of whole types and of enumerators, as functions: an object that asks for fields alone is relocated without.

use super::access::Spec;
use super::explain::{Explanation, enumerators, types};
use super::{Targets, compat, matching, types_match};
use crate::btf::Type;
use crate::btf::ext::CoreKind;
use crate::effort::Effort;
use crate::error::{Error, ErrorKind, Result};

type Match = for<'t> fn(CoreKind, &Spec<'_>, Type<'t>, &mut Effort) -> Result<Option<Spec<'t>>>;
type Differ = fn(CoreKind, &Spec<'_>, Type<'_>, &Targets<'_>, &mut Effort) -> Option<Explanation>;

/// How these questions are answered, and explained.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// What a candidate has of it, if it matches.
    pub(super) matches: Match,
    /// What keeps a candidate from answering.
    pub(super) differs: Differ,
}

impl Rules {
    /// libbpf's.
    pub(super) const ALL: Rules = Rules {
        matches: found,
        differs,
    };
}

/// What a candidate has of what is asked for; `None` if it does not match.
///
/// # Errors
///
/// [`crate::ErrorKind::Relocation`] if types are nested or entangled too deeply; [`crate::ErrorKind::InvalidInput`] for a question that there
/// are no rules for.
pub(super) fn matching<'t>(
    rules: Option<Rules>,
    kind: CoreKind,
    local: &Spec<'_>,
    candidate: Type<'t>,
    effort: &mut Effort,
) -> Result<Option<Spec<'t>>> {
    match rules {
        _ if kind.is_field() => matching::field(local, candidate, effort),
        Some(rules) => (rules.matches)(kind, local, candidate, effort),
        None => Err(Error::new(
            ErrorKind::InvalidInput,
            "it is no relocation of a field, but the object is loaded for those alone",
        )),
    }
}

fn found<'t>(
    kind: CoreKind,
    local: &Spec<'_>,
    candidate: Type<'t>,
    effort: &mut Effort,
) -> Result<Option<Spec<'t>>> {
    let mut found = Spec::new(candidate);
    if kind == CoreKind::TYPE_MATCHES {
        return Ok(types_match::types(local.root, candidate, effort)?.then_some(found));
    }
    if kind.is_type() {
        return Ok(compat::types(local.root, candidate, effort)?.then_some(found));
    }
    Ok(matching::enumerator(local, candidate).map(|step| {
        found.steps.push(step);
        found.raw_len = 1;
        found
    }))
}

fn differs(
    kind: CoreKind,
    local: &Spec<'_>,
    candidate: Type<'_>,
    targets: &Targets<'_>,
    effort: &mut Effort,
) -> Option<Explanation> {
    match kind.is_type() {
        true => types::differs(kind, local.root, candidate, effort),
        false => enumerators::missing(local, candidate, targets),
    }
}
