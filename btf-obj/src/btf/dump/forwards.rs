//! Forward declarations and the types that they declare.

use std::collections::HashMap;

use crate::btf::hash::NameHash;
use crate::btf::{Btf, Kind, Type, TypeId};

/// Forward declarations, each with the type that it declares: the first definition of its name and kind, or the
/// first of those forward declarations if there is none.
pub(super) struct Forwards(HashMap<TypeId, TypeId>);

impl Forwards {
    pub(super) fn none() -> Forwards {
        Forwards(HashMap::new())
    }

    pub(super) fn new(btf: &Btf) -> Forwards {
        let all = |is_wanted: fn(Kind) -> bool| {
            let layers = std::iter::successors(Some(btf), |layer| layer.base());
            let mut layers: Vec<&Btf> = layers.collect();
            layers.reverse();
            let headers = layers.into_iter().flat_map(Btf::headers);
            headers
                .filter(move |h| is_wanted(h.kind))
                .map(|h| btf.ty(h.id))
        };
        let key = |ty: Type<'_>| match ty.kind() {
            Kind::ENUM | Kind::ENUM64 => Kind::ENUM,
            Kind::UNION => Kind::UNION,
            Kind::FWD if ty.flag() => Kind::UNION,
            _ => Kind::STRUCT,
        };
        let is_tagged = |kind: Kind| kind.is_composite() || kind.is_any_enum();
        let mut declared = HashMap::with_hasher(NameHash::default());
        let mut forwards = Vec::new();
        for ty in all(|kind| kind == Kind::FWD || kind.is_any_enum()) {
            if !ty.is_forward() {
                continue;
            }
            declared
                .entry((ty.name_bytes(), key(ty)))
                .or_insert((ty.id(), false));
            forwards.push(ty);
        }
        if !forwards.is_empty() {
            let is_definition = |ty: &Type<'_>| !ty.is_anonymous() && !ty.is_forward();
            for ty in all(is_tagged).filter(is_definition) {
                match declared.get_mut(&(ty.name_bytes(), key(ty))) {
                    Some(found) if !found.1 => *found = (ty.id(), true),
                    _ => {}
                }
            }
        }
        let of = |ty: Type<'_>| {
            declared
                .get(&(ty.name_bytes(), key(ty)))
                .map_or(ty.id(), |d| d.0)
        };
        Forwards(forwards.into_iter().map(|ty| (ty.id(), of(ty))).collect())
    }

    /// The type that is meant: another one only for a forward declaration.
    pub(super) fn resolve<'a>(&self, ty: Type<'a>) -> Type<'a> {
        if !ty.is_forward() {
            return ty;
        }
        self.0.get(&ty.id()).map_or(ty, |id| ty.btf().ty(*id))
    }
}
