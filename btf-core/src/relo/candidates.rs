//! Types of the targets that may be what a root type stands for: same essential name, compatible kind.
//!
//! One pass over a target serves all roots of an object. Most names are turned away by a table of which lengths
//! occur with which first byte, before anything is hashed.

use std::collections::HashMap;

use super::{Targets, essential_name, kinds_compatible};
use crate::btf::{Btf, Kind, Type};

/// The candidates of each root name and kind.
pub(super) struct Candidates<'l, 't> {
    by_name: HashMap<&'l [u8], Vec<Entry<'t>>>,
}

/// Roots of one name that are of one kind.
struct Entry<'t> {
    kind: Kind,
    found: Vec<Type<'t>>,
}

impl<'l, 't> Candidates<'l, 't> {
    /// Searches the kernel's BTF, then the modules' for those roots that it has no candidate for.
    pub(super) fn find(roots: impl Iterator<Item = Type<'l>>, targets: &Targets<'t>) -> Self {
        let mut by_name: HashMap<&'l [u8], Vec<Entry<'t>>> = HashMap::new();
        for root in roots.filter(|t| !t.is_anonymous()) {
            let entries = by_name
                .entry(essential_name(root.name_bytes()))
                .or_default();
            if entries.iter().all(|e| e.kind != root.kind()) {
                entries.push(Entry {
                    kind: root.kind(),
                    found: Vec::new(),
                });
            }
        }
        let mut this = Candidates { by_name };
        this.search(targets.vmlinux, |_| true);
        for module in targets.modules {
            if this.is_complete() {
                break;
            }
            // What the kernel itself has is never searched in modules; what one module has may be in another too.
            this.search(module, |found| {
                found
                    .iter()
                    .all(|t| !std::ptr::eq(t.btf(), targets.vmlinux))
            });
        }
        this
    }

    /// What was found for a root.
    pub(super) fn of(&self, root: Type<'_>) -> &[Type<'t>] {
        self.by_name
            .get(essential_name(root.name_bytes()))
            .and_then(|entries| entries.iter().find(|e| e.kind == root.kind()))
            .map_or(&[], |e| &e.found)
    }

    fn is_complete(&self) -> bool {
        self.by_name.values().flatten().all(|e| !e.found.is_empty())
    }

    fn search(&mut self, target: &'t Btf, wanted: impl Fn(&[Type<'t>]) -> bool) {
        let filter = Filter::of(self.by_name.keys().copied());
        let kinds = self
            .by_name
            .values()
            .flatten()
            .fold(0u32, |mask, e| mask | kind_bit(e.kind));
        for ty in target.types() {
            if kinds & kind_bit(ty.kind()) == 0 {
                continue;
            }
            let name = ty.name_bytes();
            if !filter.may_have(name) {
                continue;
            }
            let Some(entries) = self.by_name.get_mut(essential_name(name)) else {
                continue;
            };
            for entry in entries {
                if kinds_compatible(entry.kind, ty.kind()) && wanted(&entry.found) {
                    entry.found.push(ty);
                }
            }
        }
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

/// Which lengths occur with which first byte.
struct Filter {
    lengths: Box<[u64; 256]>,
    shortest: usize,
}

impl Filter {
    fn of<'n>(names: impl Iterator<Item = &'n [u8]>) -> Self {
        let mut filter = Filter {
            lengths: Box::new([0; 256]),
            shortest: usize::MAX,
        };
        for name in names {
            filter.lengths[usize::from(name[0])] |= 1 << name.len().min(63);
            filter.shortest = filter.shortest.min(name.len());
        }
        filter
    }

    /// Whether the name, or what a flavor leaves of it, can be among those looked for.
    fn may_have(&self, name: &[u8]) -> bool {
        let Some(first) = name.first() else {
            return false;
        };
        let lengths = self.lengths[usize::from(*first)];
        if lengths & 1 << name.len().min(63) != 0 {
            return true;
        }
        // A flavored name is longer than its essential name by at least `___x`.
        lengths != 0
            && name.len() >= self.shortest.saturating_add(4)
            && name.array_windows::<3>().any(|w| w == b"___")
    }
}
