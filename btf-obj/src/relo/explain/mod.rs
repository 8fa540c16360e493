//! Why a relocation has no value in the target, in words: what is there instead, and what comes close.
//!
//! Relocating does none of this. Who asks pays for it: the relocations up to the one in question are answered again, and
//! the target is looked at anew.
//!
//! * `members`: an access that the target's type does not have;
//! * `types`: a type that is not there, or is another one;
//! * `enumerators`: an enumerator that is not there;
//! * `renames`: what kernels have renamed and no rule finds.

pub(super) mod enumerators;
mod members;
mod renames;
#[cfg(test)]
mod tests;
pub(super) mod titles;
mod types;

use std::fmt;

use super::access::Spec;
use super::{Fixup, Relo, Relocator, Targets, describe};
use crate::btf::{Btf, Type, dump};
use crate::error::Result;
use crate::suggest::did_you_mean;

/// Steps for a name that is compared with the one that is missing.
const PER_NAME: usize = 16;

/// Why a relocation has no value in a target: what the target has instead, and names that come close.
///
/// It prints as one line: ``the kernel's struct `task_struct` has no member `state` (did you mean `__state`?)``.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    reason: String,
    near: Vec<String>,
}

impl Explanation {
    fn new(reason: impl Into<String>) -> Self {
        Explanation {
            reason: reason.into(),
            near: Vec::new(),
        }
    }

    fn with_near(self, near: Vec<String>) -> Self {
        Explanation { near, ..self }
    }

    fn and(mut self, more: &str) -> Self {
        self.reason.push_str(more);
        self
    }

    /// What the target has instead: a sentence without a final stop.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What may have been meant, or what it may have become, the likeliest first: names of members, types or enumerators.
    pub fn near(&self) -> &[String] {
        &self.near
    }

    /// ``did you mean `__state`?``; `None` if nothing comes close.
    pub fn hint(&self) -> Option<String> {
        did_you_mean(&self.near)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        match self.hint() {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// Why the relocation at `index` has no value in these targets, if it has none: it asks for something that is not there,
/// or the size of what it loads cannot change.
///
/// Pass all relocations that are answered together: those before `index` may have ruled out types of the target.
/// [`super::relocate`] says why a relocation *fails*.
///
/// ```
/// # fn main() -> btf_obj::Result<()> {
/// use btf_obj::btf::ext::CoreKind;
/// use btf_obj::btf::{Builder, IntEncoding};
/// use btf_obj::relo::{Relo, Targets, explain};
///
/// let types = |member| {
///     let mut b = Builder::new();
///     let long = b.int("long", 8, IntEncoding::SIGNED);
///     let task = b.structure("task_struct", 8, [(member, long, 0)]);
///     b.finish().map(|btf| (btf, task))
/// };
/// let (object, root) = types("state")?;
/// let (kernel, _) = types("__state")?;
/// let relo = Relo { kind: CoreKind::FIELD_BYTE_OFFSET, root, access: "0:0" };
/// let why = explain(&object, &Targets::new(&kernel), &[relo], 0).expect("there is no `state`");
/// assert_eq!(
///     why.to_string(),
///     "the kernel's struct `task_struct` has no member `state` (did you mean `__state`?)"
/// );
/// # Ok(())
/// # }
/// ```
pub fn explain<'a>(
    local: &'a Btf,
    targets: &Targets<'_>,
    relos: &[Relo<'a>],
    index: usize,
) -> Option<Explanation> {
    let (wanted, before) = relos.get(..=index)?.split_last()?;
    let mut relocator = Relocator::new(local, targets, relos);
    for relo in before {
        // One that fails rules nothing out.
        let _ = relocator.answer(relo);
    }
    let fixup = relocator.answer(wanted).ok()?;
    relocator.explain(wanted, &fixup)
}

/// What a relocation comes to.
pub(crate) struct Finding {
    pub(crate) answer: Result<Fixup>,
    /// Of an answer that is none.
    pub(crate) why: Option<Explanation>,
}

/// Answers relocations as [`super::relocate`] does, but goes on after one that fails, and explains.
pub(crate) fn survey<'a>(
    local: &'a Btf,
    targets: &Targets<'_>,
    relos: &[Relo<'a>],
) -> Vec<Finding> {
    let mut relocator = Relocator::new(local, targets, relos);
    relos
        .iter()
        .map(|relo| {
            let answer = relocator.answer(relo);
            let why = answer
                .as_ref()
                .ok()
                .and_then(|fixup| relocator.explain(relo, fixup));
            Finding {
                answer: answer.map_err(|e| e.context(describe(local, relo))),
                why,
            }
        })
        .collect()
}

impl<'l, 't> Relocator<'l, 't> {
    /// Why this answer, the last one given, is none.
    fn explain(&mut self, relo: &Relo<'l>, fixup: &Fixup) -> Option<Explanation> {
        if !(fixup.poison || fixup.refuse_resize || fixup.is_absent()) {
            return None;
        }
        let spec = Spec::parse(self.local, relo).ok()?;
        let left = self.left(relo.root).to_vec();
        let Some(&candidate) = left.first() else {
            return Some(self.no_type(relo, &spec));
        };
        if fixup.refuse_resize {
            let effort = &mut self.explaining;
            return Some(members::resized(&spec, candidate, fixup, effort));
        }
        let why = self.differs(relo, &spec, candidate)?;
        if !self.narrowed.contains_key(&relo.root) {
            return Some(why);
        }
        // `left` is a part of all, in the same order.
        let mut left = left.into_iter().peekable();
        let all = self.found.of(spec.root).to_vec();
        let ruled_out = all
            .into_iter()
            .filter(|t| left.next_if_eq(t).is_none())
            .any(|t| self.differs(relo, &spec, t).is_none());
        Some(if ruled_out {
            why.and("; another type of that name has it, which relocations before this one have ruled out")
        } else {
            why
        })
    }

    /// What keeps this candidate from answering; `None` if nothing does.
    fn differs(
        &mut self,
        relo: &Relo<'_>,
        spec: &Spec<'_>,
        candidate: Type<'t>,
    ) -> Option<Explanation> {
        let (targets, effort) = (&self.targets, &mut self.explaining);
        if relo.kind.is_field() {
            members::missing(spec, candidate, effort)
        } else if relo.kind.is_type() {
            types::differs(relo.kind, spec.root, candidate, effort)
        } else {
            enumerators::missing(spec, candidate, targets, effort)
        }
    }

    /// There is no candidate.
    fn no_type(&mut self, relo: &Relo<'_>, spec: &Spec<'_>) -> Explanation {
        let why = match self.absent.get(&relo.root) {
            Some(why) => why.clone(),
            None => {
                let why = types::missing(spec.root, &self.targets, &mut self.explaining);
                self.absent.insert(relo.root, why.clone());
                why
            }
        };
        match enumerators::elsewhere_of(spec, &self.targets, &mut self.explaining) {
            Some(holder) => why.and(&format!(", but {holder} has that enumerator")),
            None => why,
        }
    }
}

/// A type as C names it, without what is inside of it.
fn spelled(ty: Type<'_>) -> String {
    const MOST: usize = 80;
    let text = dump::declaration(ty, "");
    let text = text.trim();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
