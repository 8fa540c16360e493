//! Enumerators that are not there.

use std::collections::HashSet;

use super::Explanation;
use super::PER_NAME;
use super::titles::{layers, name_of, titled};
use crate::btf::{Btf, Type, utf8_prefix};
use crate::effort::Effort;
use crate::relo::access::Spec;
use crate::relo::{Targets, essential_name, matching};
use crate::suggest::add_similar;

fn essential(name: &[u8]) -> &str {
    utf8_prefix(essential_name(name))
}

/// The enumerator that is asked for.
fn wanted<'l>(spec: &Spec<'l>) -> Option<&'l str> {
    let step = spec.steps.first().filter(|s| s.ty.kind().is_any_enum())?;
    Some(essential(step.name?.as_bytes()))
}

/// Why `candidate` does not have the enumerator; `None` if it does.
pub(in crate::relo) fn missing(
    spec: &Spec<'_>,
    candidate: Type<'_>,
    targets: &Targets<'_>,
    effort: &mut Effort,
) -> Option<Explanation> {
    match matching::enumerator(spec, candidate, effort) {
        Ok(Some(_)) => return None,
        Ok(None) => {}
        Err(e) => return Some(Explanation::new(e.message())),
    }
    let why = absent(wanted(spec)?, candidate, effort);
    Some(match elsewhere_of(spec, targets, effort) {
        Some(holder) => why.and(&format!(", but {holder} has")),
        None => why,
    })
}

fn absent(name: &str, ty: Type<'_>, effort: &mut Effort) -> Explanation {
    let why = Explanation::new(format!(
        "the kernel's {} has no enumerator `{name}`",
        titled(ty)
    ));
    let names = ty.strip().enumerators();
    if effort.charge(PER_NAME * names.len()).is_err() {
        return why;
    }
    let names = names.iter().map(|e| essential(e.name_bytes()));
    why.with_near(add_similar(Vec::new(), name, names))
}

/// The first enumerator of `local` that `target` lacks.
pub(super) fn first_difference(
    local: Type<'_>,
    target: Type<'_>,
    effort: &mut Effort,
) -> Option<Explanation> {
    let steps = PER_NAME * (local.vlen() + target.vlen());
    effort.charge(steps).ok()?;
    let there: HashSet<&str> = target
        .enumerators()
        .iter()
        .map(|e| essential(e.name_bytes()))
        .collect();
    let mut names = local
        .enumerators()
        .iter()
        .map(|e| essential(e.name_bytes()));
    let missing = names.find(|name| !name.is_empty() && !there.contains(name))?;
    Some(absent(missing, target, effort))
}

/// Another enum of the target that has the enumerator that is asked for.
pub(super) fn elsewhere_of(
    spec: &Spec<'_>,
    targets: &Targets<'_>,
    effort: &mut Effort,
) -> Option<String> {
    let name = wanted(spec)?;
    let enums = layers(targets)
        .flat_map(Btf::types)
        .filter(|ty| ty.kind().is_any_enum());
    let mut holder = None;
    for ty in enums {
        effort.charge(1 + ty.vlen()).ok()?;
        if ty.enumerators().iter().any(|e| e.has_name(name.as_bytes())) {
            holder = Some(ty);
            break;
        }
    }
    let holder = holder?;
    Some(match name_of(holder) {
        "" => "an enum without a name".to_owned(),
        _ => titled(holder),
    })
}
