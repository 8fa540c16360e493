//! The elements of types: members, enumerators, parameters, and variables of sections.

use std::fmt;
use std::marker::PhantomData;

use super::raw::TYPE_WORDS;
use super::{Kind, Type, TypeId, utf8_prefix};

/// The elements of a type: members, enumerators, parameters or variables.
pub struct List<'a, E> {
    ty: Type<'a>,
    len: usize,
    element: PhantomData<fn() -> E>,
}

impl<E> Clone for List<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for List<'_, E> {}

/// An element of a [`List`]: made from its type and position.
pub trait Element<'a>: Copy {
    #[doc(hidden)]
    fn make(ty: Type<'a>, index: usize) -> Self;
}

impl<'a, E: Element<'a>> List<'a, E> {
    pub(super) fn of(ty: Type<'a>, has: bool) -> Self {
        List {
            ty,
            len: if has { ty.vlen() } else { 0 },
            element: PhantomData,
        }
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The element at `index`.
    pub fn get(self, index: usize) -> Option<E> {
        (index < self.len).then(|| E::make(self.ty, index))
    }

    /// All of them in order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = E> + ExactSizeIterator + use<'a, E> {
        (0..self.len).map(move |index| E::make(self.ty, index))
    }
}

macro_rules! element {
    ($name:ident, $words:literal) => {
        impl<'a> Element<'a> for $name<'a> {
            fn make(ty: Type<'a>, index: usize) -> Self {
                let words = ty.words(TYPE_WORDS + index * $words);
                $name { ty, index, words }
            }
        }

        impl<'a> $name<'a> {
            /// Its position.
            pub fn index(self) -> usize {
                self.index
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} {} of {:?}", stringify!($name), self.index, self.ty)
            }
        }
    };
}

macro_rules! named {
    ($name:ident) => {
        impl<'a> $name<'a> {
            /// Its name, empty if it has none.
            pub fn name(self) -> &'a str {
                utf8_prefix(self.name_bytes())
            }

            /// Its name as it stands in the string section.
            pub fn name_bytes(self) -> &'a [u8] {
                self.ty
                    .btf()
                    .string_bytes(self.words[0])
                    .unwrap_or_default()
            }

            /// Whether this is its name.
            pub fn has_name(self, name: &[u8]) -> bool {
                self.ty.btf().has_string(self.words[0], name)
            }

            /// Whether it has no name.
            pub fn is_anonymous(self) -> bool {
                self.has_name(b"")
            }
        }
    };
}

/// A member of a struct or union.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    ty: Type<'a>,
    index: usize,
    words: [u32; 3],
}
element!(Member, 3);
named!(Member);

impl<'a> Member<'a> {
    /// Its name, a NUL, and what follows in the string section.
    pub(crate) fn name_tail(self) -> &'a [u8] {
        self.ty.btf().string_tail(self.words[0]).unwrap_or_default()
    }

    /// Its type.
    pub fn ty(self) -> Type<'a> {
        self.ty.btf().ty(self.type_id())
    }

    /// The number of its type.
    pub fn type_id(self) -> TypeId {
        TypeId(self.words[1])
    }

    /// First bit of the member from the start of the composite.
    pub fn bit_offset(self) -> u32 {
        if self.ty.flag() {
            self.words[2] & 0x00ff_ffff
        } else {
            self.words[2]
        }
    }

    /// Where its bits are, from the start of the composite; `None` for what has no size.
    ///
    /// Of a bitfield these are its own: in the encoding of today ([`Member::bitfield_size`]), and in that of old compilers,
    /// which say it with an INT that has fewer bits than its size ([`super::Int::bit_offset`], [`super::Int::bits`]). Of any other member
    /// they are those of its type.
    ///
    /// ```
    /// # fn main() -> btf_obj::Result<()> {
    /// use btf_obj::btf::{Builder, IntEncoding};
    ///
    /// let mut b = Builder::new();
    /// let int = b.int("int", 4, IntEncoding::SIGNED);
    /// let s = b.structure("s", 8, [("a", int, 0, 3), ("b", int, 3, 5), ("c", int, 32, 0)]);
    /// let btf = b.finish()?;
    /// let members = btf.ty(s).members();
    /// let places: Vec<_> = members.iter().filter_map(|m| m.bit_range()).collect();
    /// assert_eq!(places, [0..3, 3..8, 32..64]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn bit_range(self) -> Option<std::ops::Range<u64>> {
        let start = u64::from(self.bit_offset());
        if let Some(bits) = self.bitfield_size() {
            return Some(start..start + u64::from(bits));
        }
        let ty = self.ty().strip();
        match ty.int() {
            Some(int) if u32::from(int.bits) < ty.own_size()?.saturating_mul(8) => {
                let start = start + u64::from(int.bit_offset);
                Some(start..start + u64::from(int.bits))
            }
            _ => start
                .checked_add(ty.byte_size()?.checked_mul(8)?)
                .map(|end| start..end),
        }
    }

    /// Bits of a bitfield; `None` for a member that is none.
    pub fn bitfield_size(self) -> Option<u32> {
        let size = if self.ty.flag() {
            self.words[2] >> 24
        } else {
            0
        };
        (size != 0).then_some(size)
    }
}

/// A name and value of an enum.
#[derive(Clone, Copy)]
pub struct Enumerator<'a> {
    ty: Type<'a>,
    index: usize,
    words: [u32; 3],
}

impl<'a> Element<'a> for Enumerator<'a> {
    fn make(ty: Type<'a>, index: usize) -> Self {
        let words = if ty.kind() == Kind::ENUM64 {
            ty.words(TYPE_WORDS + index * 3)
        } else {
            let [name, value] = ty.words(TYPE_WORDS + index * 2);
            [name, value, 0]
        };
        Enumerator { ty, index, words }
    }
}

impl<'a> Enumerator<'a> {
    /// Its value, sign-extended to 64 bits if the enum is signed.
    pub fn value(self) -> i64 {
        let low = self.words[1];
        if self.ty.kind() == Kind::ENUM64 {
            (u64::from(self.words[2]) << 32 | u64::from(low)).cast_signed()
        } else if self.is_signed() {
            low.cast_signed().into()
        } else {
            low.into()
        }
    }

    /// Whether the enum is signed; if not, [`Enumerator::value`] holds the bits of an unsigned number.
    pub fn is_signed(self) -> bool {
        self.ty.flag()
    }

    /// Its position.
    pub fn index(self) -> usize {
        self.index
    }
}
named!(Enumerator);

impl fmt::Debug for Enumerator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.name(), self.value())
    }
}

/// A parameter of a function prototype.
#[derive(Clone, Copy)]
pub struct Param<'a> {
    ty: Type<'a>,
    index: usize,
    words: [u32; 2],
}
element!(Param, 2);
named!(Param);

impl<'a> Param<'a> {
    /// Its type; `void` (with no name, at the end) stands for `...`.
    pub fn ty(self) -> Type<'a> {
        self.ty.btf().ty(TypeId(self.words[1]))
    }

    /// Whether this is the `...` of a variadic function.
    pub fn is_variadic(self) -> bool {
        self.words[0] == 0 && self.words[1] == 0
    }
}

/// A variable's place in a DATASEC.
#[derive(Clone, Copy)]
pub struct Variable<'a> {
    ty: Type<'a>,
    index: usize,
    words: [u32; 3],
}
element!(Variable, 3);

impl<'a> Variable<'a> {
    /// The VAR (or, in `.ksyms`, FUNC).
    pub fn ty(self) -> Type<'a> {
        self.ty.btf().ty(TypeId(self.words[0]))
    }

    /// Its name.
    pub fn name(self) -> &'a str {
        self.ty().name()
    }

    /// Its offset in the section; in a relocatable object 0 until it is taken from the symbol table.
    pub fn offset(self) -> u32 {
        self.words[1]
    }

    /// Its size in bytes.
    pub fn size(self) -> u32 {
        self.words[2]
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Builder, IntEncoding};
    use super::*;

    #[test]
    fn bits_of_members_in_both_encodings() {
        let mut b = Builder::new();
        let int = b.int("int", 4, IntEncoding::SIGNED);
        let old = b.int_within("unsigned int", 4, IntEncoding(0), 5, 3);
        let named = b.typedef("u", old);
        let rows = b.array(int, int, 3);
        let later = b.forward_struct("later");
        let members = [
            ("new", int, 1, 7),
            ("old", named, 32, 0),
            ("whole", int, 64, 0),
            ("rows", rows, 96, 0),
            ("later", later, 192, 0),
        ];
        let s = b.structure("s", 24, members);
        let btf = b.finish().unwrap();
        let ranges = btf.ty(s).members().iter().map(Member::bit_range);
        assert_eq!(
            ranges.collect::<Vec<_>>(),
            [Some(1..8), Some(37..40), Some(64..96), Some(96..192), None]
        );
    }
}
