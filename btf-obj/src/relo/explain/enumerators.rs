//! Enumerators that are not there.

use super::Explanation;
use super::types::{layers, name_of, titled};
use crate::btf::{Btf, Type, utf8_prefix};
use crate::near::add_similar;
use crate::relo::access::Spec;
use crate::relo::{Targets, essential_name, matching};

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
) -> Option<Explanation> {
    if matching::enumerator(spec, candidate).is_some() {
        return None;
    }
    let why = absent(wanted(spec)?, candidate);
    Some(match elsewhere_of(spec, targets) {
        Some(holder) => why.and(&format!(", but {holder} has")),
        None => why,
    })
}

fn absent(name: &str, ty: Type<'_>) -> Explanation {
    let names = ty.strip().enumerators();
    let names = names.iter().map(|e| essential(e.name_bytes()));
    Explanation::new(format!(
        "the kernel's {} has no enumerator `{name}`",
        titled(ty)
    ))
    .with_near(add_similar(Vec::new(), name, names))
}

/// The first enumerator of `local` that `target` lacks.
pub(super) fn first_difference(local: Type<'_>, target: Type<'_>) -> Option<Explanation> {
    let lacks = |name: &&str| {
        target
            .enumerators()
            .iter()
            .all(|e| essential(e.name_bytes()) != *name)
    };
    let missing = local
        .enumerators()
        .iter()
        .map(|e| essential(e.name_bytes()));
    Some(absent(
        missing.filter(|name| !name.is_empty()).find(lacks)?,
        target,
    ))
}

/// Another enum of the target that has the enumerator that is asked for.
pub(super) fn elsewhere_of(spec: &Spec<'_>, targets: &Targets<'_>) -> Option<String> {
    let name = wanted(spec)?;
    let holder = layers(targets).flat_map(Btf::types).find(|ty| {
        ty.kind().is_any_enum() && ty.enumerators().iter().any(|e| e.has_name(name.as_bytes()))
    })?;
    Some(match name_of(holder) {
        "" => "an enum without a name".to_owned(),
        _ => titled(holder),
    })
}
