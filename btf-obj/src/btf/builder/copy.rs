//! Copying types from another BTF, with everything they refer to.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::raw::{Slot, slots};
use super::super::{Btf, Type, TypeId};
use super::Builder;

/// A BTF that types were copied from, and which ids they have now. Holding it keeps its address its own.
#[derive(Debug)]
pub(super) struct Source {
    btf: Btf,
    ids: HashMap<TypeId, TypeId>,
}

impl Builder {
    /// Copies a type and all that it refers to; returns its id here. What was copied from the same BTF before is not
    /// copied again, and what this BTF's base has stays there.
    ///
    /// Tags on declarations and sections of variables refer to types, not the other way round: copy them by themselves.
    pub fn copy(&mut self, ty: Type<'_>) -> TypeId {
        let at = self.source(ty.btf());
        let mut pending = Vec::new();
        let id = self.claim(at, ty.id(), &mut pending);
        while let Some(id) = pending.pop() {
            self.copy_record(at, id, &mut pending);
        }
        id
    }

    /// Says that this type of another BTF is the one with this id here, so that [`Builder::copy`] refers to it instead
    /// of copying.
    pub fn substitute(&mut self, ty: Type<'_>, id: TypeId) {
        let at = self.source(ty.btf());
        self.sources[at].ids.insert(ty.id(), id);
    }

    fn source(&mut self, btf: &Btf) -> usize {
        let same = |s: &Source| Arc::ptr_eq(&s.btf.0, &btf.0);
        self.sources.iter().position(same).unwrap_or_else(|| {
            self.sources.push(Source {
                btf: btf.clone(),
                ids: HashMap::from([(TypeId::VOID, TypeId::VOID)]),
            });
            self.sources.len() - 1
        })
    }

    /// The id here of a source's type; a new one is reserved and noted for copying.
    fn claim(&mut self, source: usize, id: TypeId, pending: &mut Vec<TypeId>) -> TypeId {
        if self.has_in_base(source, id) {
            return id;
        }
        if let Some(&known) = self.sources[source].ids.get(&id) {
            return known;
        }
        let here = self.reserve();
        self.sources[source].ids.insert(id, here);
        pending.push(id);
        here
    }

    /// Whether a source's type lies in the base of what is written.
    fn has_in_base(&self, source: usize, id: TypeId) -> bool {
        let Some(base) = &self.base else { return false };
        if id.0 >= base.end_id() {
            return false;
        }
        let mut btf = Some(&self.sources[source].btf);
        while let Some(b) = btf {
            if Arc::ptr_eq(&b.0, &base.0) {
                return true;
            }
            btf = b.base();
        }
        false
    }

    fn copy_record(&mut self, source: usize, id: TypeId, pending: &mut Vec<TypeId>) {
        let btf = self.sources[source].btf.clone();
        let Some(here) = self.sources[source].ids.get(&id).copied() else {
            return;
        };
        let mut words = btf.record(id);
        for (slot, at) in slots(&words) {
            words[at] = match slot {
                Slot::Name => self.string_bytes(btf.string_bytes(words[at]).unwrap_or_default()),
                Slot::Id => self.claim(source, TypeId(words[at]), pending).0,
            };
        }
        let start = self.words.len();
        self.words.extend(words);
        self.at(here).place(start);
    }
}
