//! What of a target the answers to relocations rest on: members, enumerators, and which pointers were followed.
//!
//! Each candidate that a relocation matches counts, also one that an earlier relocation of the same root has ruled out:
//! with other programs of the object loaded, the earlier one may not be asked.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::access::{Accessor, Spec};
use super::matching;
use super::{PER_CANDIDATE, Relo, Relocator, Targets, describe, essential_name};
use crate::btf::ext::CoreKind;
use crate::btf::{Btf, Kind, Type, TypeId};
use crate::effort::Effort;
use crate::error::Result;
use crate::relo::Fixup;

/// How many pairs of members are compared at most; sound types have far fewer of one name.
const MAX_PAIRS: usize = 1 << 20;

/// What must be kept of a target, by the numbers that its types have there.
#[derive(Default)]
pub(crate) struct Footprint {
    /// Types that were found by name.
    pub(super) roots: BTreeSet<TypeId>,
    /// Members that accesses went through, by their positions.
    pub(super) members: HashMap<TypeId, BTreeSet<usize>>,
    /// Enumerators that were asked for, by their positions.
    pub(super) enumerators: HashMap<TypeId, BTreeSet<usize>>,
    /// Pointers whose targets were compared; of others it is enough that they are pointers.
    pub(super) followed: HashSet<TypeId>,
}

impl Footprint {
    /// Answers relocations as [`super::relocate`] does, but goes on after one that fails, and notes what the answers rest on.
    pub(crate) fn answer<'a>(
        &mut self,
        local: &'a Btf,
        target: &Btf,
        relos: &[Relo<'a>],
    ) -> Vec<Result<Fixup>> {
        let targets = Targets::new(target);
        let mut relocator = Relocator::new(local, &targets, relos);
        let mut effort = super::effort_for(local, relos);
        let mut seen = HashSet::new();
        let mut answers = Vec::with_capacity(relos.len());
        for relo in relos {
            let answer = relocator.answer(relo);
            answers.push(answer.map_err(|e| e.context(describe(local, relo))));
            if relo.kind != CoreKind::TYPE_ID_LOCAL
                && seen.insert((relo.kind, relo.root, relo.access))
                && let Ok(spec) = Spec::parse(local, relo)
            {
                let all = relocator.found.of(local.ty(relo.root));
                self.note(relo.kind, &spec, all, &mut effort);
            }
        }
        answers
    }

    fn note(
        &mut self,
        kind: CoreKind,
        local: &Spec<'_>,
        candidates: &[Type<'_>],
        effort: &mut Effort,
    ) {
        for candidate in candidates {
            if effort.charge(PER_CANDIDATE).is_err() {
                return;
            }
            let Ok(Some(found)) = matching::find(kind, local, *candidate, effort) else {
                continue;
            };
            self.roots.insert(found.root.id());
            if kind == CoreKind::TYPE_MATCHES {
                self.matched(local.root, found.root);
            } else if kind.is_type() {
                self.follow(found.root);
            } else if kind.is_enumval() {
                for step in &found.steps {
                    let of_enum = self.enumerators.entry(step.ty.id()).or_default();
                    of_enum.insert(step.index as usize);
                }
            } else {
                self.path(&found);
            }
        }
    }

    /// The members of an access, those without a name between them included.
    fn path(&mut self, found: &Spec<'_>) {
        let mut ty = found.root.strip();
        for (n, step) in found.steps.iter().enumerate() {
            if step.name.is_none() {
                if n > 0 {
                    ty = ty.target().map_or(ty, Type::strip);
                }
                continue;
            }
            let mut way = Vec::new();
            find_way(ty, step, &mut HashSet::new(), &mut way);
            for (composite, index) in way {
                self.members.entry(composite).or_default().insert(index);
            }
            let Some(member) = step.ty.members().get(step.index as usize) else {
                return;
            };
            ty = member.ty().strip();
        }
    }

    /// Everything that `types_are_compat` compares: through pointers, arrays and prototypes down to composites.
    fn follow(&mut self, root: Type<'_>) {
        let mut pending = vec![root];
        let mut seen = HashSet::new();
        while let Some(ty) = pending.pop().map(Type::strip) {
            if !seen.insert(ty.id()) {
                continue;
            }
            match ty.kind() {
                Kind::PTR => {
                    self.followed.insert(ty.id());
                }
                Kind::ARRAY => {}
                Kind::FUNC_PROTO => pending.extend(ty.params().iter().map(|p| p.ty())),
                _ => continue,
            }
            pending.extend(ty.target());
        }
    }

    /// Everything that `types_match` compares of two types that do.
    fn matched(&mut self, local: Type<'_>, target: Type<'_>) {
        let mut pending = vec![(local, target, false)];
        let mut seen = HashSet::new();
        let mut pairs = MAX_PAIRS;
        while let Some((local, target, behind_pointer)) = pending.pop() {
            let (local, target) = (local.strip(), target.strip());
            if !seen.insert((local.id(), target.id(), behind_pointer)) {
                continue;
            }
            match target.kind() {
                Kind::PTR => {
                    self.followed.insert(target.id());
                    pending.extend(pair(local, target).map(|(l, t)| (l, t, true)));
                }
                Kind::ARRAY => {
                    pending.extend(pair(local, target).map(|(l, t)| (l, t, behind_pointer)));
                }
                Kind::FUNC_PROTO => {
                    let params = local.params().iter().zip(target.params().iter());
                    pending.extend(params.map(|(l, t)| (l.ty(), t.ty(), behind_pointer)));
                    pending.extend(pair(local, target).map(|(l, t)| (l, t, behind_pointer)));
                }
                Kind::ENUM | Kind::ENUM64 => {
                    let wanted = names(local.enumerators().iter().map(|e| e.name_bytes()));
                    let have = target.enumerators().iter().map(|e| e.name_bytes());
                    let kept = self.enumerators.entry(target.id()).or_default();
                    keep_named(kept, &wanted, have, local.vlen());
                }
                Kind::STRUCT | Kind::UNION if !behind_pointer => {
                    let wanted = names(local.members().iter().map(|m| m.name_bytes()));
                    let have = target.members().iter().map(|m| m.name_bytes());
                    let kept = self.members.entry(target.id()).or_default();
                    keep_named(kept, &wanted, have, local.vlen());
                    for l in local.members().iter() {
                        let name = essential_name(l.name_bytes());
                        pairs = pairs.saturating_sub(target.vlen());
                        if pairs == 0 {
                            return;
                        }
                        let same = target.members().iter();
                        let same = same.filter(|t| essential_name(t.name_bytes()) == name);
                        pending.extend(same.map(|t| (l.ty(), t.ty(), false)));
                    }
                }
                _ => {}
            }
        }
    }
}

fn pair<'l, 't>(local: Type<'l>, target: Type<'t>) -> Option<(Type<'l>, Type<'t>)> {
    Some((local.target()?, target.target()?))
}

fn names<'a>(all: impl Iterator<Item = &'a [u8]>) -> HashSet<&'a [u8]> {
    all.map(essential_name).collect()
}

/// Keeps what has one of these names, and others as far as at least `count` stay: fewer than the object has never match.
fn keep_named<'a>(
    kept: &mut BTreeSet<usize>,
    wanted: &HashSet<&[u8]>,
    have: impl ExactSizeIterator<Item = &'a [u8]>,
    count: usize,
) {
    let all = 0..have.len();
    let named = have
        .enumerate()
        .filter(|(_, name)| wanted.contains(essential_name(name)));
    kept.extend(named.map(|(index, _)| index));
    for index in all {
        if kept.len() >= count {
            break;
        }
        kept.insert(index);
    }
}

/// The members from `ty` to that of `step`, through members without a name; `true` if there are.
fn find_way(
    ty: Type<'_>,
    step: &Accessor<'_>,
    seen: &mut HashSet<TypeId>,
    way: &mut Vec<(TypeId, usize)>,
) -> bool {
    // As deep as an access can be: the search that found it was limited as well.
    if way.len() > super::access::MAX_LEN || !seen.insert(ty.id()) {
        return false;
    }
    for member in ty.members().iter() {
        let is_it = ty == step.ty && member.index() == step.index as usize;
        if !is_it && !member.name_bytes().is_empty() {
            continue;
        }
        way.push((ty.id(), member.index()));
        if is_it || find_way(member.ty().strip(), step, seen, way) {
            return true;
        }
        way.pop();
    }
    false
}
