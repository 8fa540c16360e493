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
use explain::titles::titled;

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
pub fn relocate<'a>(
    local: &'a Btf,
    targets: &Targets<'_>,
    relos: &[Relo<'a>],
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
    /// Candidates that earlier relocations have left, of roots for which they ruled some out.
    narrowed: HashMap<TypeId, Vec<Type<'t>>>,
    /// Fixups of earlier relocations, which objects repeat. Narrowing does not change them.
    fixups: HashMap<(CoreKind, TypeId, &'l str), Fixup>,
    effort: Effort,
    /// Budget for explanations, which search whole targets.
    explaining: Effort,
    /// Why roots have no candidate, of those that were explained.
    absent: HashMap<TypeId, Explanation>,
}

/// Steps for trying a candidate: its path is a list, and a value is computed.
const PER_CANDIDATE: usize = 128;

impl<'l, 't> Relocator<'l, 't> {
    fn new(local: &'l Btf, targets: &Targets<'t>, relos: &[Relo<'l>]) -> Self {
        let roots = relos
            .iter()
            .filter(|r| r.kind != CoreKind::TYPE_ID_LOCAL)
            .map(|r| local.ty(r.root));
        let mut effort = effort_for(local, relos);
        Relocator {
            local,
            targets: *targets,
            found: Candidates::find(roots, targets, &mut effort),
            narrowed: HashMap::new(),
            fixups: HashMap::new(),
            effort,
            explaining: effort_for(targets.vmlinux, relos),
            absent: HashMap::new(),
        }
    }

    fn answer(&mut self, relo: &Relo<'l>) -> Result<Fixup> {
        let key = (relo.kind, relo.root, relo.access);
        if let Some(fixup) = self.fixups.get(&key) {
            return Ok(*fixup);
        }
        let fixup = self.answer_anew(relo)?;
        self.fixups.insert(key, fixup);
        Ok(fixup)
    }

    fn answer_anew(&mut self, relo: &Relo<'l>) -> Result<Fixup> {
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
        let candidates = match self.narrowed.get(&relo.root) {
            Some(narrowed) => narrowed,
            None => self.found.of(spec.root),
        };
        let (fixup, left) = one(relo.kind, &spec, candidates, &mut self.effort)?;
        if let Some(left) = left {
            self.narrowed.insert(relo.root, left);
        }
        Ok(fixup)
    }

    /// Returns the candidates of a root that no relocation has ruled out.
    fn left(&self, root: TypeId) -> &[Type<'t>] {
        match self.narrowed.get(&root) {
            Some(narrowed) => narrowed,
            None => self.found.of(self.local.ty(root)),
        }
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

/// Returns the fixup, and those candidates that match if others do not.
fn one<'t>(
    kind: CoreKind,
    spec: &Spec<'_>,
    candidates: &[Type<'t>],
    effort: &mut Effort,
) -> Result<(Fixup, Option<Vec<Type<'t>>>)> {
    let mut answer: Option<(Spec<'t>, Fixup)> = None;
    let mut matching = Vec::new();
    for &candidate in candidates {
        effort.charge(PER_CANDIDATE)?;
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
            let is_narrower = matching.len() < candidates.len();
            Ok((fixup, is_narrower.then_some(matching)))
        }
        // Without a match an existence check yields 0 and anything else poisons; the candidates stay.
        None => Ok((value::fixup(kind, spec, None)?, None)),
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
