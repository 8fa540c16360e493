//! Writing BTF: types one after the other, strings deduplicated, ids known before they are written.
//!
//! What comes out has gone through [`Btf::parse`], so it is as valid as what is read. Methods return the new type's id
//! and never fail by themselves: the first thing that cannot be encoded is kept, and [`Builder::finish`] returns it.

mod copy;
mod field;
mod record;
mod strings;
#[cfg(test)]
mod tests;

use super::raw::{Slot, slots};
use super::{Btf, IntEncoding, Kind, Linkage, TypeId};
use crate::error::{Error, ErrorKind, Result};
use copy::Source;
use record::Head;
use std::ops::Range;

pub use field::Field;
pub use record::assemble;
pub use strings::Strings;

/// What fits the 24 bits of a record's count, and of a bitfield's offset.
const MAX_24_BITS: u32 = 0x00ff_ffff;

/// A BTF in the making.
///
/// ```
/// # fn main() -> btf_obj::Result<()> {
/// use btf_obj::btf::{Builder, IntEncoding, Kind};
///
/// let mut b = Builder::new();
/// let int = b.int("int", 4, IntEncoding::SIGNED);
/// // A list's node points to the next one: its id is needed before it can be written.
/// let node = b.reserve();
/// let next = b.pointer(node);
/// b.at(node).structure("node", 16, [("next", next, 0), ("value", int, 64)]);
/// let btf = b.finish()?;
/// let node = btf.find("node", Kind::STRUCT).expect("it was just added");
/// assert_eq!(node.members().get(1).map(|m| m.bit_offset()), Some(64));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Builder {
    base: Option<Btf>,
    little_endian: bool,
    strings: Strings,
    /// Records in order of writing, which is not the order of ids.
    words: Vec<u32>,
    /// For each own id where its record lies in `words`; empty if it is only reserved.
    records: Vec<Range<usize>>,
    first_id: u32,
    /// The reserved id that the next type takes.
    next: Option<TypeId>,
    sources: Vec<Source>,
    error: Option<Error>,
}

impl Default for Builder {
    fn default() -> Self {
        Builder::new()
    }
}

impl Builder {
    /// BTF that stands for itself; the first type has id 1.
    pub fn new() -> Self {
        Builder {
            base: None,
            little_endian: cfg!(target_endian = "little"),
            strings: Strings::default(),
            words: Vec::new(),
            records: Vec::new(),
            first_id: 1,
            next: None,
            sources: Vec::new(),
            error: None,
        }
    }

    /// Split BTF: ids and strings continue those of `base`, whose types may be referred to and whose strings are not
    /// written again. [`Btf::parse_split`] with the same base reads what comes out.
    pub fn split(base: &Btf) -> Self {
        Builder {
            base: Some(base.clone()),
            little_endian: base.is_little_endian(),
            strings: Strings::on(base),
            first_id: base.end_id(),
            ..Builder::new()
        }
    }

    /// Starts with all types of `btf`. They keep their IDs, and strings their offsets, so that what
    /// refers to them (`.BTF.ext`) stays right.
    pub fn extending(btf: &Btf) -> Self {
        let mut builder = Builder {
            base: btf.base().cloned(),
            little_endian: btf.is_little_endian(),
            strings: Strings::of(btf),
            first_id: btf.first_id(),
            ..Builder::new()
        };
        for ty in btf.types() {
            let start = builder.words.len();
            builder.words.extend(btf.record(ty.id()));
            builder.records.push(start..builder.words.len());
        }
        builder
    }

    /// Changes a reference of a type that was added before: what a modifier, pointer, typedef,
    /// variable or array is of (`index` is 0), a member by its index, or 0 for what a prototype
    /// returns and its parameters from 1 on.
    pub fn set_reference(&mut self, id: TypeId, index: usize, to: TypeId) -> &mut Self {
        let own = id.0.checked_sub(self.first_id).map(|own| own as usize);
        let record = own.and_then(|own| self.records.get(own)).cloned();
        let words = record.and_then(|record| self.words.get_mut(record));
        let words = words.unwrap_or_default();
        let slots = slots(words).into_iter();
        let mut references = slots.filter(|(slot, _)| *slot == Slot::Id);
        match references.nth(index).and_then(|(_, at)| words.get_mut(at)) {
            Some(word) => *word = to.0,
            None => self.fail(format!("type {id} has no reference {index}")),
        }
        self
    }

    /// Says that the types are those of a machine with this byte order, if it is not this machine's:
    /// [`Btf::is_little_endian`] will tell it. A split BTF has that of its base.
    pub fn set_little_endian(&mut self, little_endian: bool) -> &mut Self {
        self.little_endian = little_endian;
        self
    }

    /// The id that the next type gets, unless a reserved one is filled first.
    pub fn next_id(&self) -> TypeId {
        TypeId(self.first_id.saturating_add(self.records.len() as u32))
    }

    /// Sets an id aside for a type that is written later, with [`Builder::at`].
    pub fn reserve(&mut self) -> TypeId {
        let id = self.next_id();
        self.records.push(0..0);
        id
    }

    /// Makes the type that is added next the one with this reserved id.
    pub fn at(&mut self, id: TypeId) -> &mut Self {
        self.next = Some(id);
        self
    }

    /// An integer of `size` bytes, all of whose bits count.
    pub fn int(&mut self, name: &str, size: u32, encoding: IntEncoding) -> TypeId {
        self.int_within(name, size, encoding, 0, size.saturating_mul(8))
    }

    /// An integer of which only `bits` count, from `bit_offset` on, as compilers once wrote bitfields.
    pub fn int_within(
        &mut self,
        name: &str,
        size: u32,
        encoding: IntEncoding,
        bit_offset: u32,
        bits: u32,
    ) -> TypeId {
        if bits > 0xff || bit_offset > 0xff {
            self.fail(format!(
                "integer `{name}` has {bits} bits from bit {bit_offset}, which is more than BTF can say"
            ));
        }
        if encoding.0 > 0xf {
            self.fail(format!(
                "integer `{name}` has encoding {:#x}, which is more than four bits",
                encoding.0
            ));
        }
        let rest = u32::from(encoding.0) << 24 | bit_offset << 16 | bits;
        self.record(Head::new(name, Kind::INT, size), 0, vec![rest])
    }

    /// A floating-point number of `size` bytes.
    pub fn float(&mut self, name: &str, size: u32) -> TypeId {
        self.record(Head::new(name, Kind::FLOAT, size), 0, vec![])
    }

    /// A pointer; to [`TypeId::VOID`] for `void *`.
    pub fn pointer(&mut self, to: TypeId) -> TypeId {
        self.refer(Kind::PTR, "", to)
    }

    /// `len` elements of a type; 0 for a flexible array. `index` is an integer type.
    pub fn array(&mut self, element: TypeId, index: TypeId, len: u32) -> TypeId {
        let rest = vec![element.0, index.0, len];
        self.record(Head::new("", Kind::ARRAY, 0), 0, rest)
    }

    /// A struct of `size` bytes. Members are [`Field`]s, or tuples of name, type, offset in bits and, of a bitfield, bits.
    pub fn structure<'a, F: Into<Field<'a>>>(
        &mut self,
        name: &str,
        size: u32,
        members: impl IntoIterator<Item = F>,
    ) -> TypeId {
        self.composite(Kind::STRUCT, name, size, members)
    }

    /// A union of `size` bytes; members as in [`Builder::structure`].
    pub fn union<'a, F: Into<Field<'a>>>(
        &mut self,
        name: &str,
        size: u32,
        members: impl IntoIterator<Item = F>,
    ) -> TypeId {
        self.composite(Kind::UNION, name, size, members)
    }

    /// A struct or union, whichever `kind` says.
    pub fn composite<'a, F: Into<Field<'a>>>(
        &mut self,
        kind: Kind,
        name: &str,
        size: u32,
        members: impl IntoIterator<Item = F>,
    ) -> TypeId {
        if !kind.is_composite() {
            self.fail(format!("`{name}` with members cannot be of kind {kind}"));
        }
        let members: Vec<Field<'a>> = members.into_iter().map(Into::into).collect();
        // With the flag, the upper byte of an offset is the bits of a bitfield; without, all of it is the offset.
        let flag = members.iter().any(|m| m.bits > 0);
        let mut rest = Vec::with_capacity(members.len() * 3);
        for m in &members {
            if flag && (m.bits > 0xff || m.bit_offset > MAX_24_BITS) {
                self.fail(format!(
                    "member `{}` of `{name}` has {} bits from bit {}, but beside bitfields an offset has 24 bits and a \
                     bitfield's size 8",
                    m.name, m.bits, m.bit_offset
                ));
            }
            let member = self.string(m.name);
            rest.extend([member, m.ty.0, m.bits << 24 | m.bit_offset]);
        }
        self.record(Head::new(name, kind, size).flag(flag), members.len(), rest)
    }

    /// An enum of up to 32 bits (`size` is 1, 2 or 4 bytes; the kernel also writes 8). Values are names and numbers.
    pub fn enumeration<'a>(
        &mut self,
        name: &str,
        size: u32,
        signed: bool,
        values: impl IntoIterator<Item = (&'a str, i64)>,
    ) -> TypeId {
        let mut rest = Vec::new();
        for (value_name, value) in values {
            let fits = if signed {
                i32::try_from(value).is_ok()
            } else {
                u32::try_from(value).is_ok()
            };
            if !fits {
                self.fail(format!(
                    "enumerator `{value_name}` of `{name}` is {value}, which does not fit {} bits; use enumeration64",
                    if signed { "signed 32" } else { "unsigned 32" }
                ));
            }
            rest.extend([self.string(value_name), value as u32]);
        }
        let head = Head::new(name, Kind::ENUM, size).flag(signed);
        self.record(head, rest.len() / 2, rest)
    }

    /// An enum of 64 bits. A value of an unsigned one is the same bits as an `i64`, as in [`super::Enumerator::value`].
    pub fn enumeration64<'a>(
        &mut self,
        name: &str,
        size: u32,
        signed: bool,
        values: impl IntoIterator<Item = (&'a str, i64)>,
    ) -> TypeId {
        let mut rest = Vec::new();
        for (value_name, value) in values {
            rest.extend([self.string(value_name), value as u32, (value >> 32) as u32]);
        }
        let head = Head::new(name, Kind::ENUM64, size).flag(signed);
        self.record(head, rest.len() / 3, rest)
    }

    /// A struct that is declared and not defined.
    pub fn forward_struct(&mut self, name: &str) -> TypeId {
        self.record(Head::new(name, Kind::FWD, 0), 0, vec![])
    }

    /// A union that is declared and not defined.
    pub fn forward_union(&mut self, name: &str) -> TypeId {
        self.record(Head::new(name, Kind::FWD, 0).flag(true), 0, vec![])
    }

    /// Another name for a type.
    pub fn typedef(&mut self, name: &str, to: TypeId) -> TypeId {
        self.refer(Kind::TYPEDEF, name, to)
    }

    /// Adds a `const` qualifier, like libbpf's `btf__add_const`.
    pub fn const_(&mut self, of: TypeId) -> TypeId {
        self.refer(Kind::CONST, "", of)
    }

    /// A type that is `volatile`.
    pub fn volatile(&mut self, of: TypeId) -> TypeId {
        self.refer(Kind::VOLATILE, "", of)
    }

    /// A pointer that is `restrict`.
    pub fn restrict(&mut self, of: TypeId) -> TypeId {
        self.refer(Kind::RESTRICT, "", of)
    }

    /// A prototype. Parameters are names and types; an empty name with [`TypeId::VOID`] at the end is `...`.
    pub fn prototype<'a>(
        &mut self,
        returns: TypeId,
        params: impl IntoIterator<Item = (&'a str, TypeId)>,
    ) -> TypeId {
        let mut rest = Vec::new();
        for (name, ty) in params {
            rest.extend([self.string(name), ty.0]);
        }
        let head = Head::new("", Kind::FUNC_PROTO, returns.0);
        self.record(head, rest.len() / 2, rest)
    }

    /// A function of this prototype.
    pub fn function(&mut self, name: &str, prototype: TypeId, linkage: Linkage) -> TypeId {
        // Where other kinds have a count, a function has its linkage.
        let head = Head::new(name, Kind::FUNC, prototype.0);
        self.record(head, linkage.0 as usize, vec![])
    }

    /// A global variable.
    pub fn variable(&mut self, name: &str, ty: TypeId, linkage: Linkage) -> TypeId {
        self.record(Head::new(name, Kind::VAR, ty.0), 0, vec![linkage.0])
    }

    /// A section of variables, each with its VAR (or FUNC), offset and size in bytes.
    pub fn section(
        &mut self,
        name: &str,
        size: u32,
        variables: impl IntoIterator<Item = (TypeId, u32, u32)>,
    ) -> TypeId {
        let rest: Vec<u32> = variables
            .into_iter()
            .flat_map(|(var, offset, size)| [var.0, offset, size])
            .collect();
        self.record(Head::new(name, Kind::DATASEC, size), rest.len() / 3, rest)
    }

    /// A tag on a declaration: on the whole of it, or on a member or parameter.
    pub fn decl_tag(&mut self, text: &str, of: TypeId, component: Option<u32>) -> TypeId {
        self.any_decl_tag(text, of, component, false)
    }

    /// A tag that is a whole attribute of the declaration (`__attribute__((text))`); kernels from 6.15 know it.
    pub fn decl_attribute(&mut self, text: &str, of: TypeId, component: Option<u32>) -> TypeId {
        self.any_decl_tag(text, of, component, true)
    }

    fn any_decl_tag(
        &mut self,
        text: &str,
        of: TypeId,
        component: Option<u32>,
        attribute: bool,
    ) -> TypeId {
        if component.is_some_and(|c| i32::try_from(c).is_err()) {
            self.fail(format!("tag `{text}` is on a component past 31 bits"));
        }
        let head = Head::new(text, Kind::DECL_TAG, of.0).flag(attribute);
        self.record(head, 0, vec![component.unwrap_or(u32::MAX)])
    }

    /// A tag on a type that a pointer points to (`__user`, `__rcu`).
    pub fn type_tag(&mut self, text: &str, of: TypeId) -> TypeId {
        self.refer(Kind::TYPE_TAG, text, of)
    }

    /// A tag that is a whole attribute of the type (`__attribute__((text))`); kernels from 6.15 know it.
    pub fn type_attribute(&mut self, text: &str, of: TypeId) -> TypeId {
        self.record(Head::new(text, Kind::TYPE_TAG, of.0).flag(true), 0, vec![])
    }

    /// The BTF, validated.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] with the first thing that could not be encoded, or naming a reserved id that was never
    /// written; [`ErrorKind::Malformed`] as [`Btf::parse`], for a reference to an id that does not exist for instance.
    pub fn finish(mut self) -> Result<Btf> {
        if let Some(n) = self.records.iter().position(Range::is_empty) {
            let id = TypeId(self.first_id + n as u32);
            self.fail(format!("type {id} was reserved and never written"));
        }
        if u32::try_from(self.words.len() * 4).is_err() {
            self.fail("the types of this BTF are longer than 4 GiB together".into());
        }
        if let Some(error) = self.error {
            return Err(error);
        }
        let mut types = Vec::with_capacity(self.words.len());
        for record in &self.records {
            types.extend_from_slice(&self.words[record.clone()]);
        }
        let bytes = Btf::bytes_for(assemble(&types, self.strings.own()), self.little_endian)?;
        match &self.base {
            Some(base) => Btf::parse_split(bytes, base),
            None => Btf::parse(bytes),
        }
    }

    fn fail(&mut self, why: String) {
        self.error
            .get_or_insert_with(|| Error::new(ErrorKind::InvalidInput, why));
    }

    fn string(&mut self, text: &str) -> u32 {
        self.string_bytes(text.as_bytes())
    }

    fn string_bytes(&mut self, text: &[u8]) -> u32 {
        self.strings.offset(text).unwrap_or_else(|why| {
            self.fail(why);
            0
        })
    }

    fn refer(&mut self, kind: Kind, name: &str, to: TypeId) -> TypeId {
        self.record(Head::new(name, kind, to.0), 0, vec![])
    }
}
