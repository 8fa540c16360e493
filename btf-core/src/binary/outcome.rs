//! Which symbol owns a name, of those that a binary has.

use super::symbols::Target;

/// Result of looking up a name.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    owner: Option<Owner>,
    /// Offset of another function with the same right to the name.
    other: Option<u64>,
    /// Index of the version of a hidden function, which may not be the name's owner.
    pub(super) older: Option<u16>,
    /// Symbol of this name that is not a function of this binary.
    pub(super) unsuitable: Option<Target>,
    /// Indices of versions other than the wanted one.
    pub(super) versions: Vec<u16>,
}

/// A symbol that owns its name.
#[derive(Debug, Clone, Copy)]
struct Owner {
    /// The version that programs are linked against comes before older ones, strong before weak.
    rank: (bool, bool),
    target: Target,
}

/// Why a name has no offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unresolved {
    /// No symbol owns it.
    Missing,
    /// Two functions own it.
    Several(u64, u64),
    /// Its owner is none of the functions that can be probed.
    Owner(Target),
}

impl Outcome {
    /// Adds a symbol of the name.
    pub(super) fn add(&mut self, target: Target, is_weak: bool, is_hidden: bool) {
        if matches!(
            target,
            Target::Imported | Target::Absolute | Target::NotFunction
        ) {
            self.unsuitable.get_or_insert(target);
            return;
        }
        let rank = (is_hidden, is_weak);
        match self.owner {
            Some(owner) if owner.rank < rank => return,
            Some(owner) if owner.rank == rank => match (owner.target, target) {
                // The first of several weak ones counts, as for the linkers and libbpf.
                (Target::Function(own), Target::Function(offset)) => {
                    if own != offset && !is_weak {
                        self.other.get_or_insert(offset);
                    }
                    return;
                }
                (_, Target::Function(_)) => {}
                _ => return,
            },
            _ => {}
        }
        self.owner = Some(Owner { rank, target });
        self.other = None;
    }

    /// Returns `true` if a symbol owns the name.
    pub(super) fn is_owned(&self) -> bool {
        self.owner.is_some()
    }

    /// Returns the offset of the function that owns the name.
    pub(super) fn offset(&self) -> Result<u64, Unresolved> {
        match (self.owner.map(|owner| owner.target), self.other) {
            (Some(Target::Function(offset)), None) => Ok(offset),
            (Some(Target::Function(offset)), Some(other)) => {
                Err(Unresolved::Several(offset, other))
            }
            (Some(target), _) => Err(Unresolved::Owner(target)),
            (None, _) => Err(Unresolved::Missing),
        }
    }
}
