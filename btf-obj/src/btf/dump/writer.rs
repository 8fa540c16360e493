//! The pass that writes the steps, one after the other, under the names given to them.

use super::declarator::{Layer, MAX_NESTING, Written};
use super::names::Names;
use super::order::{Order, Step, What};
use super::text::Text;
use super::{composite, scalar};
use crate::btf::{Btf, Kind, Type};
use crate::error::{Error, Result};

/// What is written so far, with all that writing needs to know.
pub(super) struct Writer<'a> {
    pub(super) btf: &'a Btf,
    pub(super) order: Order<'a>,
    pub(super) names: Names<'a>,
    pub(super) text: Text,
    /// Layers of the declarators that are being written, those of an outer one below those of its parameters.
    pub(super) layers: Vec<Layer>,
    /// For each type id, where a declarator of it stands in the text that may be repeated.
    pub(super) written: Vec<Written>,
    /// How many anonymous types were written or hinted at so far.
    pub(super) anonymous: usize,
    /// Number of parameter lists around the current place.
    pub(super) depth_of_params: usize,
    /// Number of bodies and parameter lists around it.
    depth: usize,
    /// Writes the bodies of anonymous types; `None` where they are hinted at. What writes single declarators links in no
    /// bodies.
    body: Option<Body>,
}

type Body = for<'a> fn(&mut Writer<'a>, Type<'a>, usize) -> Result<()>;

impl<'a> Writer<'a> {
    /// A writer of all that `order` found.
    pub(super) fn new(btf: &'a Btf, order: Order<'a>) -> Writer<'a> {
        let names = Names::new(btf, &order.steps);
        let mut bytes = btf.as_bytes().len();
        let mut base = btf.base();
        while let Some(btf) = base {
            bytes += btf.as_bytes().len();
            base = btf.base();
        }
        // A kernel's header takes little more than half as many bytes as its BTF.
        let text = Text::new(bytes / 8 * 5 + 4096, bytes * 16 + (1 << 20));
        Writer {
            btf,
            order,
            names,
            text,
            layers: Vec::new(),
            written: vec![Written::default(); btf.end_id() as usize],
            anonymous: 0,
            depth_of_params: 0,
            depth: 0,
            body: Some(|writer, ty, level| writer.body(ty, level)),
        }
    }

    /// A writer of single declarators, which mentions types without writing them.
    pub(super) fn short(btf: &'a Btf) -> Writer<'a> {
        Writer {
            btf,
            order: Order::none(btf),
            names: Names::none(),
            text: Text::new(64, 1 << 16),
            layers: Vec::new(),
            written: Vec::new(),
            anonymous: 0,
            depth_of_params: 0,
            depth: 0,
            body: None,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.body.is_some()
    }

    /// Enters a body or parameter list.
    ///
    /// # Errors
    ///
    /// If it is nested too deeply or the text has become too long.
    pub(super) fn descend(&mut self) -> Result<()> {
        self.text.check()?;
        if self.depth == MAX_NESTING {
            return Err(Error::malformed(format!(
                "types are nested more than {MAX_NESTING} deep"
            )));
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn ascend(&mut self) {
        self.depth -= 1;
    }

    pub(super) fn name(&mut self, ty: Type<'a>) {
        self.text.ident(self.names.of(ty));
    }

    /// Writes the body of an anonymous type, or a hint of it.
    pub(super) fn anonymous_body(&mut self, ty: Type<'a>, level: usize) -> Result<()> {
        if let Some(body) = self.body {
            return body(self, ty, level);
        }
        self.text.push("{ ... }");
        Ok(())
    }

    /// Writes all steps.
    ///
    /// # Errors
    ///
    /// For types that cannot be written, with their names.
    pub(super) fn types(&mut self) -> Result<()> {
        for step in std::mem::take(&mut self.order.steps) {
            let ty = self.btf.ty(step.id);
            self.step(step, ty)
                .map_err(|e| e.context(format!("BTF type {ty:?}")))?;
            self.text.push(";\n\n");
        }
        Ok(())
    }

    fn step(&mut self, step: Step, ty: Type<'a>) -> Result<()> {
        self.text.check()?;
        if step.what == What::Typedef {
            return self.typedef(ty);
        }
        self.text.push(composite::keyword(ty));
        self.text.push(" ");
        self.name(ty);
        // An enum without constants is one that was only declared.
        let is_declaration = ty.kind().is_any_enum() && ty.enumerators().is_empty();
        if step.what == What::Definition && !is_declaration {
            self.text.push(" ");
            self.body(ty, 0)?;
        }
        Ok(())
    }

    fn typedef(&mut self, ty: Type<'a>) -> Result<()> {
        self.text.push("typedef ");
        if ty.kind() == Kind::INT {
            self.text.push(scalar::of_int(ty));
            self.text.push(" ");
            self.name(ty);
            return Ok(());
        }
        let name = self.names.of(ty).to_vec();
        self.declare(ty.target().unwrap_or(ty), &name, 0)
    }

    /// Writes an enum that nothing refers to, for its constants.
    pub(super) fn constants(&mut self, ty: Type<'a>) -> Result<()> {
        self.text.check()?;
        self.text.push("enum ");
        self.enum_body(ty, 0);
        self.text.push(";\n\n");
        Ok(())
    }

    /// Writes the functions' prototypes, each with what stands around it; but not one whose name is taken, since
    /// under another name it would be another function.
    ///
    /// # Errors
    ///
    /// For types that cannot be written, with the function's name.
    pub(super) fn functions(&mut self, around: impl Fn(Type<'a>) -> Around) -> Result<()> {
        for func in std::mem::take(&mut self.order.functions) {
            if !self.names.function(func.name_bytes()) {
                continue;
            }
            let around = around(func);
            self.text.push(around.condition);
            self.text.push(around.storage);
            self.prototype(func)
                .map_err(|e| e.context(format!("function `{}`", func.name())))?;
            self.text.push(around.attributes);
            self.text.push(";\n");
            if !around.condition.is_empty() {
                self.text.push("#endif\n");
            }
        }
        Ok(())
    }

    /// Writes the prototype of a FUNC.
    pub(super) fn prototype(&mut self, func: Type<'a>) -> Result<()> {
        let proto = func.func_proto().unwrap_or(func);
        self.declare(proto, func.name_bytes(), 0)
    }
}

/// What stands around a function's prototype.
#[derive(Clone, Copy, Default)]
pub(super) struct Around {
    /// The line of a condition of the preprocessor, or nothing.
    pub(super) condition: &'static str,
    pub(super) storage: &'static str,
    pub(super) attributes: &'static str,
}
