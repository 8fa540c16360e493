//! Types by their names, and tags by what they are on. Each search is one pass over the types; who has many names to look
//! for makes the pass itself, over [`Btf::types`].

use super::{Btf, Kind, Type, TypeId};

impl Btf {
    /// The first type of this name and kind, own types before those of the base.
    pub fn find(&self, name: &str, kind: Kind) -> Option<Type<'_>> {
        let mut btf = self;
        loop {
            let found = btf
                .headers()
                .find(|h| h.kind == kind && btf.has_string(h.name, name.as_bytes()));
            match found {
                Some(header) => return Some(self.ty(header.id)),
                None => btf = btf.base()?,
            }
        }
    }

    /// All types of this name, of whatever kind: own types in order of id, then those of the base. With an empty name,
    /// those that have none.
    ///
    /// ```
    /// # fn main() -> btf_obj::Result<()> {
    /// use btf_obj::btf::{Builder, Kind};
    ///
    /// let mut b = Builder::new();
    /// let list = b.forward_struct("list");
    /// b.typedef("list", list);
    /// let btf = b.finish()?;
    /// let kinds: Vec<Kind> = btf.find_all("list").map(|ty| ty.kind()).collect();
    /// assert_eq!(kinds, [Kind::FWD, Kind::TYPEDEF]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn find_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Type<'a>> + 'a {
        self.with_bases()
            .flat_map(move |btf| {
                btf.headers()
                    .filter(move |h| btf.has_string(h.name, name.as_bytes()))
            })
            .map(|header| self.ty(header.id))
    }

    /// The DECL_TAGs on this type, on the whole or on one of its members or parameters ([`Type::component`]).
    ///
    /// ```
    /// # fn main() -> btf_obj::Result<()> {
    /// use btf_obj::btf::{Builder, IntEncoding};
    ///
    /// let mut b = Builder::new();
    /// let int = b.int("int", 4, IntEncoding::SIGNED);
    /// let s = b.structure("s", 4, [("a", int, 0)]);
    /// b.decl_tag("counter", s, Some(0));
    /// let btf = b.finish()?;
    /// let tag = btf.decl_tags(s).next().expect("it was just added");
    /// assert_eq!((tag.name(), tag.component()), ("counter", Some(0)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn decl_tags(&self, id: TypeId) -> impl Iterator<Item = Type<'_>> + '_ {
        self.with_bases()
            .flat_map(|btf| btf.headers().filter(|h| h.kind == Kind::DECL_TAG))
            .map(|header| self.ty(header.id))
            .filter(move |tag| tag.target().is_some_and(|ty| ty.id() == id))
    }

    /// This BTF, and what it continues.
    fn with_bases(&self) -> impl Iterator<Item = &Btf> + '_ {
        std::iter::successors(Some(self), |btf| btf.base())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Builder, IntEncoding};
    use super::*;

    /// A BTF, and one that continues it; both have an `int` and an `s`.
    fn split() -> Btf {
        let mut b = Builder::new();
        let int = b.int("int", 4, IntEncoding::SIGNED);
        let s = b.structure("s", 4, [("a", int, 0)]);
        b.decl_tag("old", s, None);
        let base = b.finish().unwrap();
        let mut b = Builder::split(&base);
        b.typedef("s", int);
        b.structure("s", 8, [("b", int, 32)]);
        b.decl_tag("new", s, Some(0));
        b.finish().unwrap()
    }

    #[test]
    fn own_types_come_first() {
        let btf = split();
        let id = |kind| btf.find("s", kind).unwrap().id().0;
        assert_eq!([id(Kind::TYPEDEF), id(Kind::STRUCT)], [4, 5]);
        assert_eq!(btf.find("int", Kind::INT).unwrap().id(), TypeId(1));
        assert!(btf.find("int", Kind::STRUCT).is_none());
        let ids = |name| btf.find_all(name).map(|ty| ty.id().0).collect::<Vec<_>>();
        assert_eq!(ids("s"), [4, 5, 2]);
        assert_eq!(ids("int"), [1]);
        assert_eq!(ids("i"), [0; 0]);
        assert_eq!(ids("old"), [3]);
    }

    #[test]
    fn tags_are_found_by_what_they_are_on() {
        let btf = split();
        let tags = btf.decl_tags(TypeId(2));
        let tags: Vec<_> = tags.map(|t| (t.name(), t.component())).collect();
        assert_eq!(tags, [("new", Some(0)), ("old", Some(-1))]);
        assert_eq!(btf.decl_tags(TypeId(5)).count(), 0);
    }
}
