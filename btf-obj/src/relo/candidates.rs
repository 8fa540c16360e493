//! Types of the targets that may be what a root type stands for: same essential name, compatible kind.
//!
//! One pass over a target serves all roots of an object. A kernel has a hundred thousand types and an object asks for a
//! few, so the pass reads no more of each than turns it away: its kind, then two characters of its name.

use super::{Targets, essential_name, kinds_compatible};
use crate::btf::{Btf, Kind, Type};
use crate::effort::Effort;

/// The candidates of each root name and kind.
pub(super) struct Candidates<'l, 't> {
    /// In order of name, so that those with the same first character are neighbours, and kind.
    wanted: Vec<Wanted<'l, 't>>,
}

/// Roots of one name that are of one kind.
struct Wanted<'l, 't> {
    /// The essential name; not empty.
    name: &'l [u8],
    kind: Kind,
    found: Vec<Type<'t>>,
}

impl<'l, 't> Candidates<'l, 't> {
    /// Searches the kernel's BTF, then the modules' for those roots that it has no candidate for.
    pub(super) fn find(
        roots: impl Iterator<Item = Type<'l>>,
        targets: &Targets<'t>,
        effort: &mut Effort,
    ) -> Self {
        let mut names: Vec<(&'l [u8], Kind)> = roots
            .filter(|root| !root.is_anonymous())
            .map(|root| (essential_name(root.name_bytes()), root.kind()))
            .collect();
        names.sort_by_key(|name| *name);
        names.dedup();
        let wanted = names
            .into_iter()
            .map(|(name, kind)| Wanted {
                name,
                kind,
                found: Vec::new(),
            })
            .collect();
        let mut this = Candidates { wanted };
        // What stands in for the kernel's BTF may be split itself: its base comes first.
        let mut layers = vec![targets.vmlinux];
        while let Some(base) = layers.last().and_then(|btf| btf.base()) {
            layers.push(base);
        }
        for layer in layers.into_iter().rev() {
            this.search(layer, targets.vmlinux, effort, |_| true);
        }
        if this.wanted.iter().all(|w| !w.found.is_empty()) {
            return this;
        }
        for module in targets.modules {
            // What the kernel itself has is never searched in modules; what one module has may be in another too.
            this.search(module, module, effort, |found| {
                found
                    .iter()
                    .all(|t| !std::ptr::eq(t.btf(), targets.vmlinux))
            });
        }
        this
    }

    /// What was found for a root.
    pub(super) fn of(&self, root: Type<'l>) -> &[Type<'t>] {
        let name = (essential_name(root.name_bytes()), root.kind());
        let at = self
            .wanted
            .binary_search_by_key(&name, |w| (w.name, w.kind));
        at.map_or(&[], |at| &self.wanted[at].found)
    }

    /// Searches the own types of `layer`, which is `target` or a base of it. If the budget ends, the
    /// search ends; no relocation is answered then.
    fn search(
        &mut self,
        layer: &'t Btf,
        target: &'t Btf,
        effort: &mut Effort,
        is_open: impl Fn(&[Type<'t>]) -> bool,
    ) {
        let starts = Starts::of(&self.wanted);
        let kinds = self
            .wanted
            .iter()
            .fold(0, |bits, wanted| bits | kind_bit(wanted.kind));
        let (first, strings) = layer.own_strings();
        for header in layer.headers() {
            if kinds & kind_bit(header.kind) == 0 {
                continue;
            }
            let tail = match header.name.checked_sub(first) {
                Some(own) => strings.get(own as usize..).unwrap_or_default(),
                // The name of a module's type may be among the kernel's strings.
                None => layer.string_bytes(header.name).unwrap_or_default(),
            };
            let Some(range) = starts.with(tail) else {
                continue;
            };
            let names = &mut self.wanted[range];
            let names = if names.len() <= FEW {
                names
            } else {
                let Some(equal) = equal(names, tail, effort) else {
                    return;
                };
                &mut names[equal]
            };
            for wanted in names {
                if kinds_compatible(wanted.kind, header.kind)
                    && is_of_name(tail, wanted.name)
                    && is_open(&wanted.found)
                {
                    wanted.found.push(target.ty(header.id));
                }
            }
        }
    }
}

/// Names that are compared one by one with that of each type. An object has a few that begin alike.
const FEW: usize = 16;

/// Returns the positions of those names that are the essential name of the string at the start of
/// `tail`; `None` if the budget ends.
fn equal(
    names: &[Wanted<'_, '_>],
    tail: &[u8],
    effort: &mut Effort,
) -> Option<std::ops::Range<usize>> {
    let end = memchr::memchr(0, tail).unwrap_or(tail.len());
    effort.charge_kept(end).ok()?;
    let name = essential_name(&tail[..end]);
    let first = names.partition_point(|wanted| wanted.name < name);
    let count = names[first..].partition_point(|wanted| wanted.name == name);
    Some(first..first + count)
}

/// Whether the string at the start of `tail` has this essential name: it is the name, or a flavor of it.
fn is_of_name(tail: &[u8], name: &[u8]) -> bool {
    match tail.strip_prefix(name) {
        // The name of a flavor's flavor may be that of another type's flavor.
        Some([0, ..] | []) => essential_name(name) == name,
        Some([b'_', b'_', b'_', ..]) => {
            let end = tail.iter().position(|b| *b == 0).unwrap_or(tail.len());
            essential_name(&tail[..end]) == name
        }
        _ => false,
    }
}

/// A bit for each kind, the same one for both widths of enum.
fn kind_bit(kind: Kind) -> u32 {
    let kind = if kind == Kind::ENUM64 {
        Kind::ENUM
    } else {
        kind
    };
    1u32.checked_shl(kind.0.into()).unwrap_or(0)
}

/// Where the wanted names with each first character lie, and which second ones these have.
struct Starts {
    ranges: Box<[(u32, u32); 256]>,
    /// A bit for each second character modulo 64; that of NUL for a name of one character.
    seconds: Box<[u64; 256]>,
}

impl Starts {
    fn of(wanted: &[Wanted<'_, '_>]) -> Self {
        let mut starts = Starts {
            ranges: Box::new([(0, 0); 256]),
            seconds: Box::new([0; 256]),
        };
        for (at, wanted) in (0..).zip(wanted) {
            let first = usize::from(wanted.name[0]);
            if starts.ranges[first].1 == 0 {
                starts.ranges[first].0 = at;
            }
            starts.ranges[first].1 = at + 1;
            starts.seconds[first] |= second_bit(wanted.name.get(1));
            // A flavor of a name of one character goes on with an underscore.
            if wanted.name.len() == 1 {
                starts.seconds[first] |= second_bit(Some(&b'_'));
            }
        }
        starts
    }

    /// Which of the wanted names a string may be that starts like this.
    fn with(&self, tail: &[u8]) -> Option<std::ops::Range<usize>> {
        let first = usize::from(*tail.first()?);
        if self.seconds[first] & second_bit(tail.get(1)) == 0 {
            return None;
        }
        let (start, end) = self.ranges[first];
        Some(start as usize..end as usize)
    }
}

fn second_bit(second: Option<&u8>) -> u64 {
    1 << (second.copied().unwrap_or(0) & 63)
}
