//! Accesses that a type of the target does not have.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::titles::{name_of, titled};
use super::{Explanation, PER_NAME, renames, spelled};
use crate::btf::{Member, Type, utf8_prefix};
use crate::effort::Effort;
use crate::relo::access::{Accessor, Spec};
use crate::relo::{Fixup, compat, essential_name, matching};
use crate::suggest::{add_similar, same_core};

/// How many members of one type are looked at, those of anonymous members included. A hostile type may contain itself.
const MAX_MEMBERS: usize = 1 << 14;

/// Characters of a path after which it is cut.
const MAX_PATH: usize = 128;

/// Where `candidate` does not go on as the access does; `None` if it has all of it.
pub(super) fn missing(
    local: &Spec<'_>,
    candidate: Type<'_>,
    effort: &mut Effort,
) -> Option<Explanation> {
    let mut found = Spec::new(candidate);
    let mut ty = candidate;
    for (n, step) in local.steps.iter().enumerate() {
        match matching::step(n, step, ty, &mut found, effort) {
            Ok(Some(next)) => ty = next,
            Ok(None) => return Some(stops(step, ty, &found, effort)),
            Err(e) => return Some(Explanation::new(e.message())),
        }
    }
    None
}

/// The access so far, in the target: `task_struct.comm`.
fn path(found: &Spec<'_>) -> String {
    let mut out = name_of(found.root).to_owned();
    for (n, step) in found.steps.iter().enumerate() {
        if out.len() > MAX_PATH {
            out.push('…');
            break;
        }
        match step.name {
            Some(name) => _ = write!(out, ".{name}"),
            None if n > 0 => _ = write!(out, "[{}]", step.index),
            None => {}
        }
    }
    out
}

/// Why `step` leads nowhere from `ty`, which the access has come to by `found`.
fn stops(step: &Accessor<'_>, ty: Type<'_>, found: &Spec<'_>, effort: &mut Effort) -> Explanation {
    let here = path(found);
    let Some(name) = step.name else {
        return Explanation::new(match ty.strip().array() {
            Some(array) => format!("the kernel's `{here}` has {} elements", array.len),
            None => format!(
                "the kernel's `{here}` is `{}`, which is no array",
                spelled(ty)
            ),
        });
    };
    let holder = ty.strip();
    let Some(wanted) = step.ty.members().get(step.index as usize) else {
        return Explanation::new(format!("the kernel's `{here}` differs"));
    };
    if !holder.kind().is_composite() {
        return Explanation::new(format!(
            "the kernel's `{here}` is `{}`, which has no members",
            spelled(ty)
        ));
    }
    let what = match name_of(holder) {
        "" => format!("`{here}`"),
        _ => titled(holder),
    };
    let why = Explanation::new(format!("the kernel's {what} has no member `{name}`"));
    let Some(members) = charged(holder, effort) else {
        return why;
    };
    if let Some(there) = members.iter().find(|p| p.member.has_name(name.as_bytes())) {
        return Explanation::new(format!(
            "the kernel's `{here}.{name}` is `{}`, and the object's `{}`",
            spelled(there.member.ty()),
            spelled(wanted.ty())
        ));
    }
    why.with_near(near(wanted, step.ty, holder, effort))
}

/// The load or store would have to change its size.
pub(super) fn resized(
    local: &Spec<'_>,
    candidate: Type<'_>,
    fixup: &Fixup,
    effort: &mut Effort,
) -> Explanation {
    let found = matching::field(local, candidate, effort);
    let there = match found {
        Ok(Some(found)) => {
            let ty = found.steps.last().map_or_else(String::new, type_at);
            format!("`{}` is `{ty}`", path(&found))
        }
        _ => "field is".to_owned(),
    };
    let here = local.steps.last().map_or_else(String::new, type_at);
    Explanation::new(format!(
        "the kernel's {there} of {} bytes, and the object's `{here}` of {}: a load or store can follow a change of size \
         only between unsigned integers, or between pointers",
        fixup.target_size, fixup.local_size
    ))
}

/// The type that a step leads to.
fn type_at(step: &Accessor<'_>) -> String {
    match step.ty.members().get(step.index as usize) {
        Some(member) if step.name.is_some() => spelled(member.ty()),
        _ => spelled(step.ty),
    }
}

/// The first member of `local` that `target` lacks.
pub(super) fn first_difference(
    local: Type<'_>,
    target: Type<'_>,
    effort: &mut Effort,
) -> Option<Explanation> {
    let there = charged(target, effort)?;
    let names: HashSet<&[u8]> = there
        .iter()
        .map(|p| essential_name(p.member.name_bytes()))
        .collect();
    let missing = charged(local, effort)?
        .into_iter()
        .map(|p| p.member)
        .find(|m| !names.contains(essential_name(m.name_bytes())))?;
    let reason = format!(
        "the kernel's {} has no member `{}`",
        titled(target),
        missing.name()
    );
    Some(Explanation::new(reason).with_near(near(missing, local, target, effort)))
}

/// A member that has a name, and where it lies in the type that was asked for.
#[derive(Clone, Copy)]
struct Placed<'a> {
    member: Member<'a>,
    bit_offset: u64,
}

/// The members of `ty` in order, with those of anonymous ones in their place.
fn flat(ty: Type<'_>) -> Vec<Placed<'_>> {
    let mut out = Vec::new();
    let mut budget = MAX_MEMBERS;
    let mut pending: Vec<(Member<'_>, u64)> = Vec::new();
    push(&mut pending, ty, 0);
    while let Some((member, offset)) = pending.pop() {
        let Some(left) = budget.checked_sub(1) else {
            break;
        };
        budget = left;
        let bit_offset = offset + u64::from(member.bit_offset());
        if member.is_anonymous() {
            // What is pending has been counted by nobody yet.
            if pending.len() < MAX_MEMBERS {
                push(&mut pending, member.ty(), bit_offset);
            }
        } else {
            out.push(Placed { member, bit_offset });
        }
    }
    out
}

/// Returns the members as [`flat`] does, for comparisons of their names; `None` if the budget ends.
fn charged<'a>(ty: Type<'a>, effort: &mut Effort) -> Option<Vec<Placed<'a>>> {
    effort.spend().ok()?;
    let members = flat(ty);
    effort.charge(PER_NAME * members.len()).ok()?;
    Some(members)
}

/// Adds the members of `ty`, which lies at `offset`, so that the first one is taken next.
fn push<'a>(pending: &mut Vec<(Member<'a>, u64)>, ty: Type<'a>, offset: u64) {
    let members = ty.strip().members();
    let first = members.iter().take(MAX_MEMBERS).rev();
    pending.extend(first.map(|m| (m, offset)));
}

/// What a member of the object's type `local` may be called in `target`, the likeliest first.
fn near(wanted: Member<'_>, local: Type<'_>, target: Type<'_>, effort: &mut Effort) -> Vec<String> {
    let name = wanted.name();
    let (Some(here), Some(all)) = (charged(local, effort), charged(target, effort)) else {
        return Vec::new();
    };
    let known: HashSet<&[u8]> = here.iter().map(|p| p.member.name_bytes()).collect();
    // What both have is no other name for what one lacks.
    let new: Vec<&str> = all
        .iter()
        .filter(|p| !known.contains(p.member.name_bytes()))
        .map(|p| p.member.name())
        .collect();
    let mut likely: Vec<String> = renames::members(name_of(target), name)
        .filter(|to| all.iter().any(|p| p.member.has_name(to.as_bytes())))
        .map(str::to_owned)
        .collect();
    // A flavor may declare both names.
    likely.extend(
        all.iter()
            .map(|p| p.member.name())
            .filter(|to| same_core(to, name))
            .map(str::to_owned),
    );
    if !likely.is_empty() {
        return add_similar(likely, name, std::iter::empty());
    }
    let mut places = vec![between_neighbours(wanted, &here, &all)];
    if name_of(local) == name_of(target) && local.byte_size() == target.byte_size() {
        places.push(at_its_offset(wanted, &here, &all));
    }
    for place in places.into_iter().flatten() {
        if new.contains(&place.name()) && !likely.iter().any(|l| l == place.name()) {
            likely.push(place.name().to_owned());
        }
    }
    if likely.is_empty() {
        likely = moved(wanted, &all, effort);
    }
    add_similar(likely, name, new.into_iter())
}

/// The one member that stands where the object has `wanted`: after the same one and before the same one.
fn between_neighbours<'t>(
    wanted: Member<'_>,
    here: &[Placed<'_>],
    there: &[Placed<'t>],
) -> Option<Member<'t>> {
    let at = here
        .iter()
        .position(|p| p.member.has_name(wanted.name_bytes()))?;
    let find = |p: &Placed<'_>| {
        let name = p.member.name_bytes();
        there.iter().position(|t| t.member.has_name(name))
    };
    // At either end there is nothing to be after, or before; at both nothing to go by.
    let before = match at.checked_sub(1) {
        Some(before) => Some(find(here.get(before)?)?),
        None => None,
    };
    let after = match here.get(at + 1) {
        Some(after) => Some(find(after)?),
        None => None,
    };
    let (at, is_end) = match (before, after) {
        (Some(before), Some(after)) if after == before + 2 => (before + 1, false),
        (None, Some(1)) => (0, true),
        (Some(before), None) if before + 2 == there.len() => (before + 1, true),
        _ => return None,
    };
    let found = there.get(at)?.member;
    // One neighbour alone says less.
    (!is_end || compat::fields(wanted.ty(), found.ty())).then_some(found)
}

/// The member of the same size at the same offset.
fn at_its_offset<'t>(
    wanted: Member<'_>,
    here: &[Placed<'_>],
    there: &[Placed<'t>],
) -> Option<Member<'t>> {
    let wanted_at = here
        .iter()
        .find(|p| p.member.has_name(wanted.name_bytes()))?;
    there
        .iter()
        .find(|t| {
            t.bit_offset == wanted_at.bit_offset
                && t.member.bitfield_size() == wanted.bitfield_size()
                && t.member.ty().byte_size() == wanted.ty().byte_size()
        })
        .map(|t| t.member)
}

/// Members of the same name, of a type that fits, within a struct that `target` embeds: `thread_info.cpu`.
fn moved(wanted: Member<'_>, there: &[Placed<'_>], effort: &mut Effort) -> Vec<String> {
    let mut out = Vec::new();
    for outer in there {
        let Some(inner) = charged(outer.member.ty(), effort) else {
            break;
        };
        let fits = |p: &&Placed<'_>| {
            p.member.has_name(wanted.name_bytes()) && compat::fields(wanted.ty(), p.member.ty())
        };
        if inner.iter().any(|p| fits(&p)) {
            out.push(format!(
                "{}.{}",
                outer.member.name(),
                utf8_prefix(wanted.name_bytes())
            ));
        }
    }
    out
}
