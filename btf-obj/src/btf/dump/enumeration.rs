//! Bodies of enums: their constants, and the attribute that gives them their size.

use super::writer::Writer;
use crate::btf::{Enumerator, Kind, Type};

impl<'a> Writer<'a> {
    /// Writes `{ … }` and the attribute of an enum. Each time the same enum is written its constants have new names.
    pub(super) fn enum_body(&mut self, ty: Type<'a>, level: usize) {
        self.text.push("{\n");
        let mut range = Range::default();
        for enumerator in ty.enumerators().iter() {
            let name = self.names.constant(enumerator.name_bytes());
            self.text.indent(level + 1);
            self.text.push_ident(&name);
            self.text.push(" = ");
            self.value(enumerator, ty.kind() == Kind::ENUM64);
            self.text.push(",\n");
            range.add(enumerator);
        }
        self.text.indent(level);
        self.text.push("}");
        self.text
            .push(range.attribute(ty.own_size().unwrap_or_default()));
    }

    fn value(&mut self, enumerator: Enumerator<'_>, is_long: bool) {
        let value = enumerator.value();
        if !enumerator.is_signed() {
            self.text.number(value.cast_unsigned());
            self.text.push(if is_long { "ULL" } else { "" });
        } else if value == i64::MIN {
            // C has no negative constants, and the positive one does not fit.
            self.text.push("-9223372036854775807LL - 1");
        } else {
            self.text.push(if value < 0 { "-" } else { "" });
            self.text.number(value.unsigned_abs());
            self.text.push(if is_long { "LL" } else { "" });
        }
    }
}

/// The least and the greatest constant of an enum.
#[derive(Default)]
struct Range {
    least: i128,
    greatest: i128,
}

impl Range {
    fn add(&mut self, enumerator: Enumerator<'_>) {
        let value = match enumerator.is_signed() {
            true => enumerator.value().into(),
            false => enumerator.value().cast_unsigned().into(),
        };
        self.least = self.least.min(value);
        self.greatest = self.greatest.max(value);
    }

    /// Whether a number of so many bits, signed if need be, holds all constants.
    fn fits(&self, bits: u32) -> bool {
        if self.least < 0 {
            self.least >= -(1 << (bits - 1)) && self.greatest < 1 << (bits - 1)
        } else {
            self.greatest < 1 << bits
        }
    }

    /// What makes C choose this size: by itself it takes `int`, and a longer type only if it must.
    fn attribute(&self, size: u32) -> &'static str {
        match size {
            // `packed` takes the smallest type, and unlike `mode` leaves it unsigned.
            1 if self.fits(8) => " __attribute__((packed))",
            1 => " __attribute__((mode(byte)))",
            2 if !self.fits(8) && self.fits(16) => " __attribute__((packed))",
            2 => " __attribute__((mode(HI)))",
            8 if self.fits(32) => " __attribute__((mode(DI)))",
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attribute_gives_the_size() {
        let range = |least, greatest| Range { least, greatest };
        assert_eq!(range(0, 255).attribute(1), " __attribute__((packed))");
        assert_eq!(range(-1, 128).attribute(2), " __attribute__((packed))");
        assert_eq!(range(0, 1).attribute(2), " __attribute__((mode(HI)))");
        assert_eq!(range(0, 1 << 31).attribute(4), "");
        assert_eq!(range(-1, 1 << 31).attribute(8), "");
        assert_eq!(range(0, 1).attribute(8), " __attribute__((mode(DI)))");
    }
}
