//! Bodies of structs, unions and enums, with the padding and attributes that make C lay them out as BTF says.

use super::layout::{Form, Layout, Places, padding, round_up};
use super::writer::Writer;
use crate::btf::{Kind, Member, Type};
use crate::error::Result;

/// C's keyword for a composite, enum or forward declaration.
pub(super) fn keyword(ty: Type<'_>) -> &'static str {
    match ty.kind() {
        Kind::UNION => "union",
        Kind::FWD if ty.flag() => "union",
        Kind::ENUM | Kind::ENUM64 => "enum",
        _ => "struct",
    }
}

impl<'a> Writer<'a> {
    /// Writes `{ … }` and the attributes of a struct, union or enum; the closing brace is indented by `level`.
    ///
    /// # Errors
    ///
    /// If bodies are nested too deeply or the text becomes too long.
    pub(super) fn body(&mut self, ty: Type<'a>, level: usize) -> Result<()> {
        if ty.kind().is_any_enum() {
            self.enum_body(ty, level);
            return Ok(());
        }
        self.descend()?;
        let layout = self.order.layouts.get(ty.id());
        if ty.members().is_empty() && layout.bits() == 0 {
            self.text.push("{}");
        } else {
            self.text.push("{\n");
            if layout.form == Form::Plain {
                for member in ty.members().iter() {
                    self.member(member, None, level + 1)?;
                }
            } else if ty.kind() == Kind::UNION {
                self.union_members(ty, layout, level + 1)?;
            } else {
                self.struct_members(ty, layout, level + 1)?;
            }
            self.text.indent(level);
            self.text.push("}");
        }
        if layout.form == Form::Packed {
            self.text.push(" __attribute__((packed))");
        }
        self.ascend();
        Ok(())
    }

    fn struct_members(&mut self, ty: Type<'a>, layout: Layout, level: usize) -> Result<()> {
        let mut cursor = 0;
        let mut places = Places::of(ty);
        while let Some(place) = places.next(&self.order.layouts) {
            let placed = match place {
                Ok(placed) => placed,
                Err(member) => {
                    self.impossible(member, level);
                    continue;
                }
            };
            if placed.natural_start(cursor, layout.form == Form::Packed) != placed.start {
                self.padding(cursor, placed.start, level)?;
            }
            self.member(placed.member, placed.width, level)?;
            cursor = placed.end;
        }
        let end = layout.bits();
        if round_up(cursor, u64::from(layout.align) * 8) < end {
            self.padding(cursor, end, level)?;
        }
        Ok(())
    }

    fn union_members(&mut self, ty: Type<'a>, layout: Layout, level: usize) -> Result<()> {
        let mut longest = 0;
        let mut places = Places::of(ty);
        while let Some(place) = places.next(&self.order.layouts) {
            match place {
                Ok(placed) => {
                    self.member(placed.member, placed.width, level)?;
                    longest = longest.max(placed.end);
                }
                Err(member) => self.impossible(member, level),
            }
        }
        let end = layout.bits();
        if round_up(longest, u64::from(layout.align) * 8) < end {
            self.text.indent(level);
            self.text.push("struct {\n");
            self.padding(0, end, level + 1)?;
            self.text.indent(level);
            self.text.push("};\n");
        }
        Ok(())
    }

    fn member(&mut self, member: Member<'a>, width: Option<u32>, level: usize) -> Result<()> {
        self.text.check()?;
        self.text.indent(level);
        if !member.is_anonymous() {
            self.declare_named(member.type_id(), member.name_tail(), level)?;
        } else {
            let under = member.ty().strip();
            if under.kind().is_composite() {
                // `struct name;` would need -fms-extensions; its members written out are the same to C and to CO-RE.
                self.text.push(keyword(under));
                self.text.push(" ");
                self.body(under, level)?;
            } else {
                self.declare(member.ty(), b"", level)?;
            }
        }
        if let Some(width) = width {
            self.text.push(": ");
            self.text.number(width.into());
        }
        self.text.push(";\n");
        Ok(())
    }

    /// Says that a member is left out; its room becomes padding.
    fn impossible(&mut self, member: Member<'_>, level: usize) {
        self.text.indent(level);
        self.text.push("/* no C for member ");
        self.text.ident(member.name_bytes());
        self.text.push(" at bit ");
        self.text.number(member.bit_offset().into());
        self.text.push(" */\n");
    }

    /// Fills a gap. A file may state one of gigabytes, so the length of the text is checked on the way.
    fn padding(&mut self, from: u64, to: u64, level: usize) -> Result<()> {
        for (unit, width) in padding(from, to, self.btf.pointer_size()) {
            self.text.check()?;
            self.text.indent(level);
            self.text.push(unit);
            self.text.push(": ");
            self.text.number(width);
            self.text.push(";\n");
        }
        Ok(())
    }
}
