//! One type: a `Copy` handle that reads the validated bytes. Its members and the like are in `elements`.

use std::fmt;

use super::raw::{Info, TYPE_WORDS};
use super::{
    Btf, Enumerator, Kind, Linkage, List, MAX_RESOLVE_DEPTH, Member, Param, TypeId, Variable,
    utf8_prefix,
};

/// A type of a [`Btf`].
#[derive(Clone, Copy)]
pub struct Type<'a> {
    /// The BTF it was asked from (ids it mentions are that one's).
    btf: &'a Btf,
    id: TypeId,
    /// The BTF its record lies in: `btf` or a base of it. `None` for `void`.
    home: Option<(&'a Btf, u32)>,
    /// The words that every record begins with: name, info, and what its kind makes of the third.
    head: [u32; TYPE_WORDS],
}

impl<'a> Type<'a> {
    pub(super) fn at(btf: &'a Btf, id: TypeId) -> Type<'a> {
        match btf.locate(id) {
            Some((home, record)) => Type {
                btf,
                id,
                home: Some((home, record)),
                head: home.words(record, 0),
            },
            None => Type {
                btf,
                id: TypeId::VOID,
                home: None,
                head: [0; TYPE_WORDS],
            },
        }
    }

    /// The words of the record from this one on; zeros past the end.
    pub(super) fn words<const N: usize>(self, first: usize) -> [u32; N] {
        self.home
            .map_or([0; N], |(home, record)| home.words(record, first))
    }

    fn info(self) -> Info {
        Info(self.head[1])
    }

    /// The BTF this type was asked from.
    pub fn btf(self) -> &'a Btf {
        self.btf
    }

    /// Its number.
    pub fn id(self) -> TypeId {
        self.id
    }

    /// Its kind; [`Kind::UNKN`] for `void`.
    pub fn kind(self) -> Kind {
        self.info().kind()
    }

    /// Whether this is `void` (id 0).
    pub fn is_void(self) -> bool {
        self.home.is_none()
    }

    /// Its name, empty if it has none; up to the first byte that is not UTF-8.
    pub fn name(self) -> &'a str {
        utf8_prefix(self.name_bytes())
    }

    /// Its name as it stands in the string section.
    pub fn name_bytes(self) -> &'a [u8] {
        self.btf.string_bytes(self.head[0]).unwrap_or_default()
    }

    /// Where its name stands in the string section.
    pub(crate) fn name_offset(self) -> u32 {
        self.head[0]
    }

    /// Whether it has no name.
    pub fn is_anonymous(self) -> bool {
        self.has_name(b"")
    }

    /// Returns `true` if this only declares a struct, union or enum (`enum name;`), which another
    /// type may define.
    pub(crate) fn is_forward(self) -> bool {
        match self.kind() {
            Kind::FWD => true,
            kind => kind.is_any_enum() && self.vlen() == 0 && !self.is_anonymous(),
        }
    }

    /// Whether this is its name.
    pub fn has_name(self, name: &[u8]) -> bool {
        self.btf.has_string(self.head[0], name)
    }

    /// The flag bit: bitfield sizes in a composite's members, a union for FWD, signed for an enum, an attribute in place of
    /// a tag for DECL_TAG and TYPE_TAG.
    pub fn flag(self) -> bool {
        self.info().flag()
    }

    /// Number of members, enumerators, parameters or variables.
    pub fn vlen(self) -> usize {
        self.info().vlen()
    }

    /// The type that a pointer, typedef, modifier, FUNC, FUNC_PROTO (its return type), VAR or tag refers to, or the
    /// element of an array; `None` for the other kinds.
    pub fn target(self) -> Option<Type<'a>> {
        if self.kind().refers() {
            Some(self.btf.ty(TypeId(self.head[2])))
        } else {
            self.array().map(|a| a.element)
        }
    }

    /// The type under `const`, `volatile`, `restrict` and type tags.
    pub fn strip_modifiers(self) -> Type<'a> {
        self.strip_while(Kind::is_modifier)
    }

    /// The type under modifiers and typedefs; `void` if they never end.
    pub fn strip(self) -> Type<'a> {
        self.strip_while(|kind| kind.is_modifier() || kind == Kind::TYPEDEF)
    }

    fn strip_while(self, skip: impl Fn(Kind) -> bool) -> Type<'a> {
        let mut t = self;
        let mut budget = MAX_RESOLVE_DEPTH;
        while skip(t.kind()) {
            match t.target() {
                Some(target) if budget > 0 => t = target,
                _ => return self.btf.ty(TypeId::VOID),
            }
            budget -= 1;
        }
        t
    }

    /// The size that a record of this kind states itself: INT, FLOAT, enums, composites, DATASEC.
    pub fn own_size(self) -> Option<u32> {
        self.kind().is_sized().then_some(self.head[2])
    }

    /// Size in bytes as C's `sizeof` gives it, through typedefs, modifiers and arrays.
    ///
    /// `None` for what has no size (`void`, functions, forward declarations) and for chains that never end.
    pub fn byte_size(self) -> Option<u64> {
        let mut count = 1u64;
        let mut t = self;
        for _ in 0..MAX_RESOLVE_DEPTH {
            if let Some(size) = t.own_size() {
                return count.checked_mul(size.into());
            }
            t = match t.kind() {
                Kind::PTR => return count.checked_mul(self.btf.pointer_size().into()),
                Kind::ARRAY => {
                    let array = t.array()?;
                    count = count.checked_mul(array.len.into())?;
                    array.element
                }
                Kind::TYPEDEF
                | Kind::VOLATILE
                | Kind::CONST
                | Kind::RESTRICT
                | Kind::VAR
                | Kind::DECL_TAG
                | Kind::TYPE_TAG => t.target()?,
                _ => return None,
            };
        }
        None
    }

    /// Alignment in bytes as the members' natural alignment and packing tell (libbpf's `btf__align_of`).
    ///
    /// A composite with a member, or a size, that is not a multiple of its members' alignment is packed: 1. `None` for what
    /// has no alignment, and for types that consist of more parts than any sound one does.
    pub fn align(self) -> Option<u64> {
        /// Parts that are looked at; the kernel's largest structs have some thousands.
        const MAX_PARTS: u32 = 1 << 16;
        self.align_within(MAX_RESOLVE_DEPTH, &mut { MAX_PARTS })
    }

    fn align_within(self, depth: usize, parts: &mut u32) -> Option<u64> {
        let depth = depth.checked_sub(1)?;
        *parts = parts.checked_sub(1)?;
        let pointer = u64::from(self.btf.pointer_size());
        match self.kind() {
            Kind::INT | Kind::ENUM | Kind::ENUM64 | Kind::FLOAT => {
                Some(u64::from(self.own_size()?).clamp(1, pointer))
            }
            Kind::PTR => Some(pointer),
            Kind::STRUCT | Kind::UNION => {
                let mut align = 1;
                for m in self.members().iter() {
                    let of_member = m.ty().align_within(depth, parts)?;
                    align = align.max(of_member);
                    if m.bitfield_size().is_none()
                        && !u64::from(m.bit_offset()).is_multiple_of(8 * of_member)
                    {
                        return Some(1);
                    }
                }
                if u64::from(self.own_size()?).is_multiple_of(align) {
                    Some(align)
                } else {
                    Some(1)
                }
            }
            Kind::ARRAY
            | Kind::TYPEDEF
            | Kind::VOLATILE
            | Kind::CONST
            | Kind::RESTRICT
            | Kind::VAR
            | Kind::TYPE_TAG => self.target()?.align_within(depth, parts),
            _ => None,
        }
    }

    /// What an INT says of itself.
    pub fn int(self) -> Option<Int> {
        (self.kind() == Kind::INT).then(|| {
            let [word] = self.words(TYPE_WORDS);
            Int {
                encoding: IntEncoding(((word >> 24) & 0xf) as u8),
                bit_offset: ((word >> 16) & 0xff) as u8,
                bits: (word & 0xff) as u8,
            }
        })
    }

    /// Element, index type and length of an ARRAY.
    pub fn array(self) -> Option<Array<'a>> {
        (self.kind() == Kind::ARRAY).then(|| {
            let [element, index, len] = self.words(TYPE_WORDS);
            Array {
                element: self.btf.ty(TypeId(element)),
                index: self.btf.ty(TypeId(index)),
                len,
            }
        })
    }

    /// Members of a struct or union; none for other kinds.
    pub fn members(self) -> List<'a, Member<'a>> {
        List::of(self, self.kind().is_composite())
    }

    /// Values of an enum of either width; none for other kinds.
    pub fn enumerators(self) -> List<'a, Enumerator<'a>> {
        List::of(self, self.kind().is_any_enum())
    }

    /// Parameters of a FUNC_PROTO, or of the prototype of a FUNC; none for other kinds.
    pub fn params(self) -> List<'a, Param<'a>> {
        let proto = self.func_proto().unwrap_or(self);
        List::of(proto, proto.kind() == Kind::FUNC_PROTO)
    }

    /// The prototype of a FUNC, or the type itself if it is one.
    pub fn func_proto(self) -> Option<Type<'a>> {
        match self.kind() {
            Kind::FUNC_PROTO => Some(self),
            Kind::FUNC => self.target().filter(|t| t.kind() == Kind::FUNC_PROTO),
            _ => None,
        }
    }

    /// What a FUNC or FUNC_PROTO returns; `void` is a type, too. `None` for other kinds.
    pub fn return_type(self) -> Option<Type<'a>> {
        self.func_proto()?.target()
    }

    /// Variables of a DATASEC; none for other kinds.
    pub fn variables(self) -> List<'a, Variable<'a>> {
        List::of(self, self.kind() == Kind::DATASEC)
    }

    /// Linkage of a FUNC or VAR.
    pub fn linkage(self) -> Option<Linkage> {
        match self.kind() {
            Kind::FUNC => Some(Linkage(self.info().vlen() as u32)),
            Kind::VAR => Some(Linkage(self.words::<1>(TYPE_WORDS)[0])),
            _ => None,
        }
    }

    /// Which member or parameter of its target a DECL_TAG is on: -1 for the whole.
    pub fn component(self) -> Option<i32> {
        (self.kind() == Kind::DECL_TAG).then(|| self.words::<1>(TYPE_WORDS)[0].cast_signed())
    }
}

impl PartialEq for Type<'_> {
    /// Same id in the same BTF.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.btf, other.btf) && self.id == other.id
    }
}

impl Eq for Type<'_> {}

impl fmt::Debug for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_void() {
            return f.write_str("[0] void");
        }
        write!(f, "{} {}", self.id, self.kind())?;
        if !self.is_anonymous() {
            write!(f, " '{}'", self.name())?;
        }
        Ok(())
    }
}

/// Encoding of an INT: an open set of flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IntEncoding(pub u8);

impl IntEncoding {
    /// Signed.
    pub const SIGNED: IntEncoding = IntEncoding(1);
    /// A character.
    pub const CHAR: IntEncoding = IntEncoding(2);
    /// A boolean.
    pub const BOOL: IntEncoding = IntEncoding(4);

    /// Whether all flags of `other` are set.
    pub fn contains(self, other: IntEncoding) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What an INT record says beyond its size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Int {
    /// Signed, char, bool.
    pub encoding: IntEncoding,
    /// First bit of the value (old compilers' bitfields; else 0).
    pub bit_offset: u8,
    /// Bits of the value.
    pub bits: u8,
}

/// What an ARRAY record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Array<'a> {
    /// Type of an element.
    pub element: Type<'a>,
    /// Type of an index.
    pub index: Type<'a>,
    /// Number of elements; 0 for a flexible array.
    pub len: u32,
}

#[cfg(test)]
mod tests {
    use super::super::Builder;
    use super::*;

    #[test]
    fn functions_have_parameters_and_a_return_type() {
        let mut b = Builder::new();
        let int = b.int("int", 4, IntEncoding::SIGNED);
        let proto = b.prototype(int, [("fd", int), ("", TypeId::VOID)]);
        let f = b.function("ioctl", proto, Linkage::GLOBAL);
        let nothing = b.prototype(TypeId::VOID, []);
        let btf = b.finish().unwrap();
        let f = btf.ty(f);
        assert_eq!(f.return_type().unwrap().name(), "int");
        let params: Vec<_> = f.params().iter().collect();
        let names = params.iter().map(|p| (p.name(), p.is_variadic()));
        assert_eq!(names.collect::<Vec<_>>(), [("fd", false), ("", true)]);
        assert!(btf.ty(nothing).return_type().unwrap().is_void());
        assert!(btf.ty(int).return_type().is_none());
    }
}
