//! CO-RE: from what a program was compiled against to what a kernel has.
//!
//! [`relocate`] is a pure function from relocations to [`Fixup`]s in the same order; applying them to instructions is
//! a second step. Rules and their order are those of libbpf's `relo_core.c`.
//!
//! A relocation that has no answer in the target *poisons* its instruction: the program still loads if the verifier
//! proves that the instruction is never reached. What is an error here would also be one in libbpf.

mod access;
mod candidates;
mod compat;
mod explain;
mod fixup;
pub(crate) mod footprint;
mod matching;
pub(crate) mod shrink;
#[cfg(test)]
mod tests;
mod types_match;
mod value;

use std::collections::HashMap;
use std::fmt;

use crate::btf::ext::CoreKind;
use crate::btf::{Btf, Kind, Type, TypeId};
use crate::effort::Effort;
use crate::error::{Error, ErrorKind, Result};
use access::Spec;
use candidates::Candidates;
use explain::types::titled;

pub use access::describe;
pub(crate) use explain::survey;
pub use explain::{Explanation, explain};
pub use fixup::{Fixup, POISON};

/// One question to the target.
#[derive(Clone, Copy, Debug)]
pub struct Relo<'a> {
    /// What is asked.
    pub kind: CoreKind,
    /// Root type in the object's BTF.
    pub root: TypeId,
    /// The access: indexes separated by colons, or an enumerator's index.
    pub access: &'a str,
}

/// Where to look: the kernel's BTF, and those of its modules if the kernel's has no candidate.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a> {
    vmlinux: &'a Btf,
    modules: &'a [Btf],
}

impl<'a> Targets<'a> {
    /// The kernel's own BTF, or any BTF in its place.
    pub fn new(vmlinux: &'a Btf) -> Self {
        Targets {
            vmlinux,
            modules: &[],
        }
    }

    /// Split BTFs that are searched, in this order, for types that the first has no candidate for.
    #[must_use]
    pub fn with_modules(self, modules: &'a [Btf]) -> Self {
        Targets { modules, ..self }
    }
}

/// A relocation that could not be carried out, by its position.
pub struct ReloError {
    /// Position in the relocations that were given.
    pub index: usize,
    /// Why.
    pub error: Error,
}

impl fmt::Debug for ReloError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "relocation {}: {:?}", self.index, self.error)
    }
}

/// Answers relocations of one object from `targets`; the fixups are in the order of the relocations.
///
/// Candidates for all root types are found in one pass over each target. They are then narrowed down from relocation to
/// relocation of the same root type, so that two fields never resolve into two different types of one name.
///
/// # Errors
///
/// The first relocation that is malformed, or that two candidates answer differently.
pub fn relocate(
    local: &Btf,
    targets: &Targets<'_>,
    relos: &[Relo<'_>],
) -> Result<Vec<Fixup>, ReloError> {
    let mut relocator = Relocator::new(local, targets, relos);
    let mut out = Vec::with_capacity(relos.len());
    for (index, relo) in relos.iter().enumerate() {
        match relocator.answer(relo) {
            Ok(fixup) => out.push(fixup),
            Err(error) => {
                let error = error.context(describe(local, relo));
                return Err(ReloError { index, error });
            }
        }
    }
    Ok(out)
}

/// Answers one relocation after another.
struct Relocator<'l, 't> {
    local: &'l Btf,
    targets: Targets<'t>,
    found: Candidates<'l, 't>,
    /// The candidates that earlier relocations of each root have left.
    left: HashMap<TypeId, Vec<Type<'t>>>,
    effort: Effort,
    /// Why roots have no candidate; only of those that were asked about.
    absent: Vec<(TypeId, Explanation)>,
}

impl<'l, 't> Relocator<'l, 't> {
    fn new(local: &'l Btf, targets: &Targets<'t>, relos: &[Relo<'_>]) -> Self {
        let roots = relos
            .iter()
            .filter(|r| r.kind != CoreKind::TYPE_ID_LOCAL)
            .map(|r| local.ty(r.root));
        Relocator {
            local,
            targets: *targets,
            found: Candidates::find(roots, targets),
            left: HashMap::new(),
            effort: effort_for(local, relos),
            absent: Vec::new(),
        }
    }

    fn answer(&mut self, relo: &Relo<'_>) -> Result<Fixup> {
        let spec = Spec::parse(self.local, relo)?;
        if relo.kind == CoreKind::TYPE_ID_LOCAL {
            return Ok(Fixup::of_local_id(spec.root.id()));
        }
        if spec.root.is_anonymous() {
            return Err(
                unsupported("a type without a name cannot be looked for in the target")
                    .hint("give the type a name, or a typedef through which it is accessed"),
            );
        }
        let candidates = self
            .left
            .entry(relo.root)
            .or_insert_with(|| self.found.of(spec.root).to_vec());
        one(relo.kind, &spec, candidates, &mut self.effort)
    }
}

/// Returns the budget for comparing types on behalf of `relos`.
fn effort_for(local: &Btf, relos: &[Relo<'_>]) -> Effort {
    Effort::for_bytes(
        local.as_bytes().len().saturating_add(16 * relos.len()),
        ErrorKind::Relocation,
        "the types of the object and of the target are too entangled to compare",
    )
}

/// Answers from those candidates that match, which are the only ones from then on.
fn one<'t>(
    kind: CoreKind,
    spec: &Spec<'_>,
    candidates: &mut Vec<Type<'t>>,
    effort: &mut Effort,
) -> Result<Fixup> {
    let mut answer: Option<(Spec<'t>, Fixup)> = None;
    let mut matching = Vec::with_capacity(candidates.len());
    for &candidate in candidates.iter() {
        let Some(found) = matching::find(kind, spec, candidate, effort)? else {
            continue;
        };
        let fixup = value::fixup(kind, spec, Some(&found))?;
        match &answer {
            None => answer = Some((found, fixup)),
            Some((first_spec, first)) => {
                let same = first_spec.bit_offset == found.bit_offset
                    && first.poison == fixup.poison
                    && first.target == fixup.target;
                if !same {
                    return Err(ambiguous(first_spec.root, first, candidate, &fixup));
                }
            }
        }
        matching.push(candidate);
    }
    match answer {
        Some((_, fixup)) => {
            *candidates = matching;
            Ok(fixup)
        }
        // Nothing matches: an existence check is answered with no, anything else poisons; the candidates stay.
        None => value::fixup(kind, spec, None),
    }
}

fn unsupported(why: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, why)
}

fn ambiguous(first: Type<'_>, a: &Fixup, second: Type<'_>, b: &Fixup) -> Error {
    let says = |f: &Fixup| {
        if f.poison {
            "no answer".to_owned()
        } else {
            f.target.to_string()
        }
    };
    Error::new(
        ErrorKind::Relocation,
        format!(
            "the kernel has two types that answer differently: {} {} says {}, {} {} says {}",
            titled(first),
            first.id(),
            says(a),
            titled(second),
            second.id(),
            says(b)
        ),
    )
    .hint("use a field that only one of them has first, or a flavor that matches only one")
}

/// Whether `target` may stand for `local`, whatever their names (libbpf's `bpf_core_types_are_compat`).
///
/// # Errors
///
/// [`ErrorKind::Relocation`] if the types are nested or entangled too deeply to compare.
pub fn types_are_compatible(local: Type<'_>, target: Type<'_>) -> Result<bool> {
    compat::types(local, target, &mut effort_for(local.btf(), &[]))
}

/// The part of a name that counts: up to the last `___` between two characters that are no underscore.
///
/// `task_struct___old` is a flavor of `task_struct`; `a___b___c` one of `a___b` (libbpf's `bpf_core_essential_name_len`).
pub fn essential_name(name: &[u8]) -> &[u8] {
    let separator = name
        .array_windows::<5>()
        .rposition(|[before, a, b, c, after]| {
            [a, b, c] == [&b'_'; 3] && *before != b'_' && *after != b'_'
        });
    match separator {
        Some(at) => &name[..=at],
        None => name,
    }
}

/// Whether two kinds may stand for each other: the same, or enums of either width.
fn kinds_compatible(a: Kind, b: Kind) -> bool {
    a == b || a.is_any_enum() && b.is_any_enum()
}
