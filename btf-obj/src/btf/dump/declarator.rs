//! Declarators: a type and a name as C writes them, `const char *(*name[3])(int)`.
//!
//! BTF has the chain from the outside in: array of pointer to function returning pointer to char. C starts with
//! the end of the chain and puts the rest around the name, `*` to the left, `[]` and `()` to the right.

use std::ops::Range;

use super::order::is_builtin_typedef;
use super::writer::Writer;
use super::{composite, scalar};
use crate::btf::{Kind, Type, TypeId};
use crate::error::{Error, Result};

/// As many pointers, arrays and functions around one name, and as many levels of bodies and prototypes within each
/// other, as a type may have; C compilers give up at 256 themselves.
pub(super) const MAX_NESTING: usize = 128;

/// One layer around a name.
#[derive(Clone, Copy)]
pub(super) enum Layer {
    Pointer(Qualifiers),
    Array(u32),
    /// A FUNC_PROTO.
    Function(TypeId),
}

/// Where in the text a declarator stands: what is left of the name, and what is right of it.
#[derive(Clone, Copy, Default)]
pub(super) struct Written {
    start: u32,
    right_start: u32,
    /// Bytes; 0 if there is none.
    left: u16,
    right: u16,
}

impl Written {
    fn new(start: usize, name: Range<usize>, end: usize) -> Written {
        let written = || {
            Some(Written {
                start: start.try_into().ok()?,
                right_start: name.end.try_into().ok()?,
                left: (name.start - start).try_into().ok()?,
                right: (end - name.end).try_into().ok()?,
            })
        };
        // One too long to be found again is made again.
        written().unwrap_or_default()
    }
}

/// What stands before a type or after a `*`.
#[derive(Clone, Copy, Default)]
pub(super) struct Qualifiers {
    is_const: bool,
    is_volatile: bool,
    is_restrict: bool,
    /// The TYPE_TAG of an address space, without which an arena pointer is another type; void if there is none.
    space: TypeId,
}

impl Qualifiers {
    fn any(self) -> bool {
        self.is_const || self.is_volatile || self.is_restrict
    }
}

/// The type at the end of the chain.
#[derive(Clone, Copy)]
struct Base<'a> {
    ty: Type<'a>,
    qualifiers: Qualifiers,
}

impl<'a> Writer<'a> {
    /// Writes `ty name`; with an empty name, the type alone. Bodies of anonymous types are indented from `level`.
    ///
    /// # Errors
    ///
    /// If the type is nested too deeply.
    pub(super) fn declare(&mut self, ty: Type<'a>, name: &[u8], level: usize) -> Result<()> {
        if name.is_empty() {
            return self.declarator(ty, None, level).map(|_| ());
        }
        self.declare_named(ty.id(), name, level)
    }

    /// Writes `ty name` for a name, which a NUL or the end of `name` ends, that is not empty.
    ///
    /// Few types have most of the members. What was written around a name is written again for the next one, unless
    /// there is an anonymous type in it.
    pub(super) fn declare_named(&mut self, id: TypeId, name: &[u8], level: usize) -> Result<()> {
        let known = self.written.get(id.0 as usize).copied().unwrap_or_default();
        if known.left > 0 {
            let start = known.start as usize;
            let end = start + usize::from(known.left);
            self.text.repeat(start..end);
            self.text.ident_until_nul(name);
            if known.right > 0 {
                let start = known.right_start as usize;
                self.text.repeat(start..start + usize::from(known.right));
            }
            return Ok(());
        }
        let (start, anonymous) = (self.text.len(), self.anonymous);
        let name = self.declarator(self.btf.ty(id), Some(name), level)?;
        if anonymous == self.anonymous
            && let Some(slot) = self.written.get_mut(id.0 as usize)
        {
            *slot = Written::new(start, name, self.text.len());
        }
        Ok(())
    }

    /// Writes the declarator, and returns where the name stands.
    fn declarator(
        &mut self,
        ty: Type<'a>,
        name: Option<&[u8]>,
        level: usize,
    ) -> Result<Range<usize>> {
        let start = self.layers.len();
        let base = self.unwind(ty)?;
        let end = self.layers.len();
        let above = self.layers[start..].last().copied();
        let has_pointer = self.layers[start..]
            .iter()
            .any(|layer| matches!(layer, Layer::Pointer(_)));
        self.qualify(base.qualifiers, true);
        self.base(base.ty, above, level)?;
        self.space(base.qualifiers);
        if name.is_some() || has_pointer {
            self.text.push(" ");
        }
        self.left(start, end, name.is_some());
        let name_start = self.text.len();
        if let Some(name) = name {
            self.text.ident_until_nul(name);
        }
        let name_end = self.text.len();
        self.right(start, end, level)?;
        self.layers.truncate(start);
        Ok(name_start..name_end)
    }

    /// Puts the layers of `ty` on top of `self.layers`, the outermost first, and returns what is under them.
    fn unwind(&mut self, ty: Type<'a>) -> Result<Base<'a>> {
        let mut ty = self.order.resolve(ty);
        let mut qualifiers = Qualifiers::default();
        // What a function returns is a value, which has no qualifiers; clang warns of them.
        let mut is_returned = false;
        for _ in 0..MAX_NESTING {
            match ty.kind() {
                Kind::CONST => qualifiers.is_const = !is_returned,
                Kind::VOLATILE => qualifiers.is_volatile = !is_returned,
                Kind::RESTRICT => qualifiers.is_restrict = !is_returned,
                Kind::TYPE_TAG if ty.flag() && is_address_space(ty) => qualifiers.space = ty.id(),
                Kind::TYPE_TAG => {}
                Kind::PTR => {
                    self.layers
                        .push(Layer::Pointer(std::mem::take(&mut qualifiers)));
                    is_returned = false;
                }
                // A qualified array is an array of qualified elements.
                Kind::ARRAY => {
                    let len = ty.array().map_or(0, |array| array.len);
                    self.layers.push(Layer::Array(len));
                    is_returned = false;
                }
                Kind::FUNC_PROTO => {
                    qualifiers = Qualifiers::default();
                    self.layers.push(Layer::Function(ty.id()));
                    is_returned = true;
                }
                Kind::TYPEDEF if self.is_full() && is_builtin_typedef(ty) => {}
                _ => return Ok(self.finish(ty, qualifiers)),
            }
            ty = self.order.resolve(ty.target().unwrap_or(ty));
        }
        Err(Error::malformed(format!(
            "BTF type {ty:?} is under more than {MAX_NESTING} pointers, arrays, functions and qualifiers"
        )))
    }

    fn finish(&self, ty: Type<'a>, mut qualifiers: Qualifiers) -> Base<'a> {
        if qualifiers.any() && ty.kind() == Kind::TYPEDEF {
            let under = ty.strip().kind();
            qualifiers.is_restrict &= under == Kind::PTR;
            if under == Kind::FUNC_PROTO {
                qualifiers = Qualifiers::default();
            }
        } else {
            qualifiers.is_restrict = false;
        }
        Base { ty, qualifiers }
    }

    fn qualify(&mut self, qualifiers: Qualifiers, space_after_last: bool) {
        if !qualifiers.any() {
            return;
        }
        let words = [
            (qualifiers.is_const, "const"),
            (qualifiers.is_volatile, "volatile"),
            (qualifiers.is_restrict, "restrict"),
        ];
        let mut separator = "";
        for (_, word) in words.iter().filter(|(has, _)| *has) {
            self.text.push(separator);
            self.text.push(word);
            separator = " ";
        }
        if space_after_last {
            self.text.push(separator);
        }
    }

    fn space(&mut self, qualifiers: Qualifiers) {
        if qualifiers.space != TypeId::VOID {
            self.text.push(" __attribute__((");
            // Checked to be `address_space(digits)`.
            self.text.push(self.btf.ty(qualifiers.space).name());
            self.text.push("))");
        }
    }

    /// Writes the type at the end of the chain; `above` is the layer next to it.
    fn base(&mut self, ty: Type<'a>, above: Option<Layer>, level: usize) -> Result<()> {
        match ty.kind() {
            Kind::INT | Kind::FLOAT => match scalar::spelling(ty) {
                Some(spelling) => self.text.push(spelling),
                None => self.name(ty),
            },
            Kind::TYPEDEF => self.name(ty),
            Kind::STRUCT | Kind::UNION | Kind::ENUM | Kind::ENUM64 | Kind::FWD => {
                let is_anonymous = ty.is_anonymous();
                self.anonymous += usize::from(is_anonymous);
                if is_anonymous && self.is_full() && self.depth_of_params > 0 {
                    // A type first mentioned in a parameter list would end with it.
                    let pointed = matches!(above, Some(Layer::Pointer(_)));
                    self.text.push(if pointed { "void" } else { "int" });
                    return Ok(());
                }
                self.text.push(composite::keyword(ty));
                self.text.push(" ");
                if is_anonymous {
                    return self.anonymous_body(ty, level);
                }
                self.name(ty);
            }
            _ => self.text.push("void"),
        }
        Ok(())
    }

    /// What stands to the left of the name: the pointers, from the end of the chain.
    fn left(&mut self, start: usize, end: usize, has_name: bool) {
        for at in (start..end).rev() {
            let Layer::Pointer(qualifiers) = self.layers[at] else {
                continue;
            };
            let binds_tighter = matches!(
                self.layers.get(at + 1).filter(|_| at + 1 < end),
                Some(Layer::Array(_) | Layer::Function(_))
            );
            self.text.push(if binds_tighter { "(*" } else { "*" });
            if qualifiers.space != TypeId::VOID {
                self.space(qualifiers);
                self.text.push(" ");
            }
            self.qualify(qualifiers, has_name || at > start);
        }
    }

    /// What stands to its right: arrays and parameters, from the start of the chain.
    fn right(&mut self, start: usize, end: usize, level: usize) -> Result<()> {
        for at in start..end {
            let layer = self.layers[at];
            if at > start
                && matches!(self.layers[at - 1], Layer::Pointer(_))
                && !matches!(layer, Layer::Pointer(_))
            {
                self.text.push(")");
            }
            match layer {
                Layer::Pointer(_) => {}
                Layer::Array(len) => {
                    self.text.push("[");
                    self.text.number(len.into());
                    self.text.push("]");
                }
                Layer::Function(proto) => self.params(self.btf.ty(proto), level)?,
            }
        }
        Ok(())
    }

    fn params(&mut self, proto: Type<'a>, level: usize) -> Result<()> {
        self.descend()?;
        self.depth_of_params += 1;
        let params = proto.params();
        self.text.push("(");
        for param in params.iter() {
            if param.index() > 0 {
                self.text.push(", ");
            }
            match param.ty().id() {
                // Old compilers write `f()` as one parameter of type void.
                TypeId::VOID if params.len() == 1 => self.text.push("void"),
                TypeId::VOID => self.text.push("..."),
                _ => self.declare(param.ty(), param.name_bytes(), level)?,
            }
        }
        self.text
            .push(if params.is_empty() { "void)" } else { ")" });
        self.depth_of_params -= 1;
        self.ascend();
        Ok(())
    }
}

pub(super) fn is_address_space(tag: Type<'_>) -> bool {
    tag.name()
        .strip_prefix("address_space(")
        .and_then(|rest| rest.strip_suffix(')'))
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}
