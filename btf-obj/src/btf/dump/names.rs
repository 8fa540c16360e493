//! Names of the header's types and constants: C has one name space for tags and one for everything else,
//! BTF has neither. A name taken gets `___2`, `___3`, and so on, which CO-RE ignores.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::order::Step;
use super::text::{as_ident, clean};
use crate::btf::hash::NameHash;
use crate::btf::{Btf, Kind, Type};

/// The name of each type that is written, and the names that are taken.
pub(super) struct Names<'a> {
    /// For each type id, 0 or one more than the place of its name in `given`.
    renamed: Vec<u32>,
    given: Vec<Vec<u8>>,
    tags: Space<'a>,
    idents: Space<'a>,
}

impl<'a> Names<'a> {
    /// Names nothing: every type has its own.
    pub(super) fn none() -> Names<'a> {
        Names {
            renamed: Vec::new(),
            given: Vec::new(),
            tags: Space::default(),
            idents: Space::default(),
        }
    }

    /// Names the types of `steps`; the first to be written keeps its name.
    pub(super) fn new(btf: &'a Btf, steps: &[Step]) -> Names<'a> {
        let mut names = Names::none();
        names.renamed = vec![0; btf.end_id() as usize];
        // Growing would hash every name again. A kernel has two constants for each type that is written.
        names.tags.taken.reserve(steps.len());
        names.idents.taken.reserve(steps.len() * 2);
        // A forward declaration and the definition are two steps of one type.
        let mut seen = vec![false; btf.end_id() as usize];
        let mut taken = Vec::new();
        for step in steps {
            let Some(seen) = seen.get_mut(step.id.0 as usize) else {
                continue;
            };
            if std::mem::replace(seen, true) {
                continue;
            }
            let ty = btf.ty(step.id);
            if ty.is_anonymous() {
                continue;
            }
            match as_ident(ty.name_bytes()) {
                Some(name) if names.space(ty.kind()).claim(name) => {}
                _ => taken.push(ty),
            }
        }
        // Only now is every name known that a made one must not meet.
        for ty in taken {
            let made = names.space(ty.kind()).make(ty.name_bytes());
            names.given.push(made);
            names.renamed[ty.id().0 as usize] = names.given.len() as u32;
        }
        names
    }

    /// The name under which `ty` is written.
    pub(super) fn of<'n>(&'n self, ty: Type<'a>) -> &'n [u8] {
        match self.renamed.get(ty.id().0 as usize) {
            Some(&n @ 1..) => &self.given[n as usize - 1],
            _ => ty.name_bytes(),
        }
    }

    /// The name for an enumerator, which is from now on taken.
    pub(super) fn constant(&mut self, name: &'a [u8]) -> Cow<'a, [u8]> {
        match as_ident(name) {
            Some(name) if self.idents.claim(name) => Cow::Borrowed(name),
            _ => Cow::Owned(self.idents.make(name)),
        }
    }

    /// Takes a function's name if it is free: a function renamed would be another one.
    pub(super) fn function(&mut self, name: &'a [u8]) -> bool {
        as_ident(name).is_some_and(|name| self.idents.claim(name))
    }

    fn space(&mut self, kind: Kind) -> &mut Space<'a> {
        if kind == Kind::TYPEDEF || kind == Kind::INT {
            &mut self.idents
        } else {
            &mut self.tags
        }
    }
}

/// A C name space.
#[derive(Default)]
struct Space<'a> {
    /// Names of the BTF that are taken.
    taken: HashSet<&'a [u8], NameHash>,
    /// Names that were made, and those that others were made from, each with the last number that was added to it.
    made: HashMap<Vec<u8>, u32, NameHash>,
}

impl<'a> Space<'a> {
    fn has(&self, name: &[u8]) -> bool {
        self.made.contains_key(name) || self.taken.contains(name)
    }

    /// Takes a name; `false` if it is taken.
    fn claim(&mut self, name: &'a [u8]) -> bool {
        !self.made.contains_key(name) && self.taken.insert(name)
    }

    /// Makes and takes a name like this one.
    fn make(&mut self, name: &[u8]) -> Vec<u8> {
        let base = as_ident(name).map_or_else(|| clean(name), <[u8]>::to_vec);
        if !self.has(&base) {
            self.made.insert(base.clone(), 1);
            return base;
        }
        let mut number = self.made.get(&base).copied().unwrap_or(1);
        loop {
            number += 1;
            let made = [&base, b"___".as_slice(), number.to_string().as_bytes()].concat();
            if self.has(&made) {
                continue;
            }
            self.made.insert(made.clone(), 1);
            self.made.insert(base, number);
            return made;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_name_never_meets_another() {
        let mut names = Names::none();
        for name in ["a", "a___2"] {
            assert_eq!(*names.constant(name.as_bytes()), *name.as_bytes());
        }
        assert_eq!(*names.constant(b"a"), *b"a___3");
        assert_eq!(*names.constant(b"a"), *b"a___4");
        assert_eq!(*names.constant(b"a___2"), *b"a___2___2");
        assert_eq!(*names.constant(b"b.c"), *b"b_c");
        assert_eq!(*names.constant(b"b_c"), *b"b_c___2");
        assert!(!names.function(b"a"));
        assert!(names.function(b"f"));
    }
}
