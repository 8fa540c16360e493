//! C types as Rust types of the same layout: which Rust type stands for each.

use std::collections::HashMap;

use btf_obj::btf::{Kind, Type, TypeId, dump};

use super::layout::{Layout, is_signed};
use super::members::{self, Outer};
use crate::docs::Docs;
use crate::names::{self, Scope};

/// How far types lie within each other before what is deeper becomes bytes.
const MAX_DEPTH: u32 = 64;

/// A use of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TypeRef {
    /// A number: its name in Rust and size.
    Number(&'static str, u64),
    Bool,
    /// A pointer: an address of the other side, never followed here.
    Pointer,
    /// An array of C's `char`.
    Chars(u64),
    Array(Box<TypeRef>, u64),
    /// One of the skeleton's types.
    Named(usize),
    /// One of the skeleton's names for a type, and that type.
    Alias(usize, Box<TypeRef>),
    /// Bytes of a type that has no better form.
    Bytes(u64),
}

impl TypeRef {
    /// The type behind a typedef.
    pub(crate) fn bare(&self) -> &TypeRef {
        match self {
            TypeRef::Alias(_, ty) => ty,
            ty => ty,
        }
    }
}

/// A type that the skeleton defines.
#[derive(Debug)]
pub(crate) struct TypeDef {
    pub(crate) name: String,
    /// What it is in C, as Markdown: `struct event` in backticks, or where a type without a name stands.
    pub(crate) phrase: String,
    /// What the source says of it.
    pub(crate) comment: String,
    pub(crate) size: u64,
    /// Of a struct that may lie in shared memory: the name of the struct of its members there.
    pub(crate) parts: Option<String>,
    pub(crate) body: Body,
}

/// A typedef.
#[derive(Debug)]
pub(crate) struct Alias {
    pub(crate) name: String,
    /// As in C.
    pub(crate) declaration: String,
    /// What the source says of it.
    pub(crate) comment: String,
    pub(crate) ty: TypeRef,
}

#[derive(Debug)]
pub(crate) enum Body {
    Struct(Layout),
    /// Bytes with a typed view for each member.
    Union {
        align: u64,
        members: Vec<Accessor>,
    },
    /// A number with names for some values.
    Enum {
        repr: &'static str,
        values: Vec<Value>,
    },
    /// Members that overlap in a way that only bytes can show.
    Opaque,
}

/// A name for a value of an enum.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) name: String,
    pub(crate) c_name: String,
    /// What the source says of it.
    pub(crate) comment: String,
    pub(crate) value: i128,
}

/// A member that is read and written by methods: of a union, or a bitfield.
#[derive(Debug)]
pub(crate) struct Accessor {
    pub(crate) name: String,
    pub(crate) setter: String,
    pub(crate) ty: TypeRef,
    pub(crate) place: Place,
    /// As in C.
    pub(crate) declaration: String,
    /// What the source says of it.
    pub(crate) comment: String,
}

/// Where a member lies in the bytes that hold it.
#[derive(Debug)]
pub(crate) enum Place {
    Byte(u64),
    Bits {
        /// First bit.
        offset: u64,
        width: u64,
        signed: bool,
    },
}

/// What a type that has no name itself is called, after the place where it is used.
pub(super) struct Hint {
    /// As a C name.
    pub(super) name: String,
    /// For docs.
    pub(super) phrase: String,
}

/// The skeleton's types as they are found.
pub(crate) struct Types<'d> {
    pub(super) scope: Scope,
    /// What the sources say.
    pub(super) docs: &'d Docs,
    defs: Vec<Option<TypeDef>>,
    /// For each definition its name, and the C name it comes from.
    names: Vec<(String, String)>,
    known: HashMap<TypeId, usize>,
    aliases: Vec<Alias>,
    known_aliases: HashMap<TypeId, usize>,
    depth: u32,
}

impl<'d> Types<'d> {
    pub(super) fn new(scope: Scope, docs: &'d Docs) -> Self {
        Types {
            scope,
            docs,
            defs: Vec::new(),
            names: Vec::new(),
            known: HashMap::new(),
            aliases: Vec::new(),
            known_aliases: HashMap::new(),
            depth: 0,
        }
    }

    pub(super) fn finish(self) -> (Vec<TypeDef>, Vec<Alias>) {
        (self.defs.into_iter().flatten().collect(), self.aliases)
    }

    /// The type of an index, with the name that it has in C.
    pub(super) fn definition(&mut self, index: usize) -> Option<(&mut TypeDef, &str)> {
        let def = self.defs.get_mut(index)?.as_mut()?;
        Some((def, &self.names.get(index)?.1))
    }

    /// As many types as are defined.
    pub(super) fn count(&self) -> usize {
        self.defs.len()
    }

    /// A name for another type.
    pub(super) fn name(&mut self, c_name: &str) -> String {
        self.scope.ty(c_name)
    }

    /// What stands for the type of a variable or of a map's key or value (`name` says which, should the type have none);
    /// it is defined if it has to be.
    pub(super) fn reference(&mut self, ty: Type<'_>, name: &str) -> TypeRef {
        let hint = Hint {
            name: name.to_owned(),
            phrase: format!("the type of `{name}`"),
        };
        self.named(ty, Some(&hint))
    }

    /// As [`Types::reference`].
    pub(super) fn named(&mut self, ty: Type<'_>, hint: Option<&Hint>) -> TypeRef {
        if self.depth >= MAX_DEPTH {
            return TypeRef::Bytes(ty.byte_size().unwrap_or(0));
        }
        self.depth += 1;
        let bare = self.bare(ty, hint);
        self.depth -= 1;
        let outer = ty.strip_modifiers();
        if outer.kind() == Kind::TYPEDEF {
            self.alias(outer, bare)
        } else {
            bare
        }
    }

    fn bare(&mut self, ty: Type<'_>, hint: Option<&Hint>) -> TypeRef {
        let typedef = typedef_name(ty).map(|name| Hint {
            name: name.to_owned(),
            phrase: format!("`{name}`"),
        });
        let ty = ty.strip();
        let size = ty.byte_size().unwrap_or(0);
        match ty.kind() {
            Kind::INT => number(ty, size),
            Kind::FLOAT => match size {
                4 => TypeRef::Number("f32", 4),
                8 => TypeRef::Number("f64", 8),
                _ => TypeRef::Bytes(size),
            },
            Kind::PTR => TypeRef::Pointer,
            Kind::ARRAY => self.array(ty, size, typedef.as_ref().or(hint)),
            Kind::STRUCT | Kind::UNION | Kind::ENUM | Kind::ENUM64 => {
                TypeRef::Named(self.define(ty, typedef.as_ref().or(hint), size))
            }
            _ => TypeRef::Bytes(size),
        }
    }

    /// The name for `ty` that `typedef` gives it, unless it is one of a number or the type's own.
    fn alias(&mut self, typedef: Type<'_>, ty: TypeRef) -> TypeRef {
        let c_name = typedef.name();
        let is_own = match ty.bare() {
            TypeRef::Named(index) => self
                .names
                .get(*index)
                .is_some_and(|(name, from)| from == c_name || *name == names::upper_camel(c_name)),
            TypeRef::Number(name, _) => names::is_number(c_name, name),
            TypeRef::Bool => matches!(c_name, "bool" | "_Bool"),
            TypeRef::Bytes(0) => true,
            _ => false,
        };
        if is_own {
            return ty;
        }
        let index = match self.known_aliases.get(&typedef.id()) {
            Some(index) => *index,
            None => {
                let target = typedef.target().unwrap_or(typedef);
                self.aliases.push(Alias {
                    name: self.scope.ty(c_name),
                    declaration: format!("typedef {}", dump::declaration(target, c_name)),
                    comment: self.docs.of("typedef", c_name),
                    ty: ty.clone(),
                });
                let index = self.aliases.len() - 1;
                self.known_aliases.insert(typedef.id(), index);
                index
            }
        };
        TypeRef::Alias(index, Box::new(ty))
    }

    fn array(&mut self, ty: Type<'_>, size: u64, hint: Option<&Hint>) -> TypeRef {
        let Some(array) = ty.array() else {
            return TypeRef::Bytes(size);
        };
        let element = array.element.strip();
        let is_char = element.kind() == Kind::INT
            && element.name() == "char"
            && element.byte_size() == Some(1);
        if is_char {
            return TypeRef::Chars(array.len.into());
        }
        TypeRef::Array(Box::new(self.named(array.element, hint)), array.len.into())
    }

    fn define(&mut self, ty: Type<'_>, hint: Option<&Hint>, size: u64) -> usize {
        if let Some(known) = self.known.get(&ty.id()) {
            return *known;
        }
        let (c_name, phrase) = match (ty.is_anonymous(), hint) {
            (false, _) => (ty.name(), format!("`{} {}`", keyword(ty.kind()), ty.name())),
            (true, Some(hint)) => (hint.name.as_str(), hint.phrase.clone()),
            (true, None) => ("anonymous", "a type without a name".to_owned()),
        };
        let name = self.scope.ty(c_name);
        let index = self.defs.len();
        self.known.insert(ty.id(), index);
        self.names.push((name.clone(), c_name.to_owned()));
        self.defs.push(None);
        let outer = Outer {
            name: c_name,
            phrase: &phrase,
        };
        let body = match ty.kind() {
            Kind::STRUCT => {
                members::structure(self, ty, &outer, size).map_or(Body::Opaque, Body::Struct)
            }
            Kind::UNION => self.union(ty, &outer, size),
            _ => enumeration(ty, size, self.docs),
        };
        let word = if ty.is_anonymous() { "typedef" } else { "type" };
        self.defs[index] = Some(TypeDef {
            name,
            comment: self.docs.of(word, c_name),
            phrase,
            size,
            parts: None,
            body,
        });
        index
    }

    fn union(&mut self, ty: Type<'_>, outer: &Outer<'_>, size: u64) -> Body {
        let members = members::union(self, ty, outer, size);
        let is_aligned = |m: &Accessor, align| match m.place {
            Place::Byte(at) => at.is_multiple_of(align),
            Place::Bits { .. } => true,
        };
        let aligns = members.iter().map(|m| (self.measure(&m.ty).1, m));
        let packed = aligns.clone().any(|(align, m)| !is_aligned(m, align));
        let align = aligns.map(|(align, _)| align).max().unwrap_or(1);
        Body::Union {
            align: if packed || !size.is_multiple_of(align) {
                1
            } else {
                align
            },
            members,
        }
    }

    /// Size and alignment of what stands for a type.
    pub(super) fn measure(&self, ty: &TypeRef) -> (u64, u64) {
        match ty {
            TypeRef::Number(_, size) => (*size, *size),
            TypeRef::Bool => (1, 1),
            TypeRef::Pointer => (8, 8),
            TypeRef::Chars(n) | TypeRef::Bytes(n) => (*n, 1),
            TypeRef::Array(element, n) => {
                let (size, align) = self.measure(element);
                (size.saturating_mul(*n), align)
            }
            TypeRef::Alias(_, ty) => self.measure(ty),
            TypeRef::Named(index) => match self.defs.get(*index).and_then(Option::as_ref) {
                Some(def) => (def.size, def.align()),
                // Only a struct that contains itself is asked for before it is done.
                None => (0, 1),
            },
        }
    }
}

impl TypeDef {
    /// Alignment in C, as far as BTF tells.
    pub(crate) fn align(&self) -> u64 {
        match self.body {
            Body::Struct(Layout { align, .. }) | Body::Union { align, .. } => align,
            Body::Enum { .. } => self.size,
            Body::Opaque => 1,
        }
    }
}

fn number(ty: Type<'_>, size: u64) -> TypeRef {
    if ty
        .int()
        .is_some_and(|int| int.encoding.contains(btf_obj::btf::IntEncoding::BOOL))
        && size == 1
    {
        return TypeRef::Bool;
    }
    match integer(size, is_signed(ty)) {
        Some(name) => TypeRef::Number(name, size),
        None => TypeRef::Bytes(size),
    }
}

fn integer(size: u64, signed: bool) -> Option<&'static str> {
    Some(match (size, signed) {
        (1, false) => "u8",
        (1, true) => "i8",
        (2, false) => "u16",
        (2, true) => "i16",
        (4, false) => "u32",
        (4, true) => "i32",
        (8, false) => "u64",
        (8, true) => "i64",
        (16, false) => "u128",
        (16, true) => "i128",
        _ => return None,
    })
}

fn enumeration(ty: Type<'_>, size: u64, docs: &Docs) -> Body {
    let Some(repr) = integer(size, ty.flag()) else {
        return Body::Opaque;
    };
    let mut scope = Scope::default();
    let values = ty
        .enumerators()
        .iter()
        .map(|e| Value {
            name: scope.constant(e.name()),
            c_name: e.name().to_owned(),
            comment: docs.of("enumerator", e.name()),
            value: if ty.flag() {
                e.value().into()
            } else {
                e.value().cast_unsigned().into()
            },
        })
        .collect();
    Body::Enum { repr, values }
}

fn keyword(kind: Kind) -> &'static str {
    match kind {
        Kind::STRUCT => "struct",
        Kind::UNION => "union",
        _ => "enum",
    }
}

/// The name of the innermost typedef, which an anonymous type is known by.
fn typedef_name<'a>(ty: Type<'a>) -> Option<&'a str> {
    let mut name = None;
    let mut ty = ty;
    // As many levels as `strip` follows.
    for _ in 0..32 {
        if ty.kind() == Kind::TYPEDEF {
            name = Some(ty.name());
        } else if ty.strip() == ty {
            break;
        }
        match ty.target() {
            Some(target) => ty = target,
            None => break,
        }
    }
    name
}
