//! Going through a type and its bytes together.

use super::super::{IntEncoding, Kind, Member, Type};
use super::bits;
use super::write::{Scalar, Writer, too_long};
use crate::error::{Context, Error, ErrorKind, Result};

/// Structs and arrays in each other.
const MAX_DEPTH: usize = 128;

pub(super) struct Walk<'b> {
    bytes: &'b [u8],
    writer: Writer,
    depth: usize,
    /// Types that may still be visited. What is written is bounded by itself, but not all that is visited is written.
    steps: usize,
}

fn refused(why: String) -> Error {
    Error::new(ErrorKind::Unsupported, why)
}

impl<'b> Walk<'b> {
    pub(super) fn new(bytes: &'b [u8], writer: Writer) -> Self {
        let steps = writer.limit();
        Walk {
            bytes,
            writer,
            depth: 0,
            steps,
        }
    }

    pub(super) fn finish(self) -> String {
        self.writer.finish()
    }

    /// The type whose end is where the bytes end, so that a flexible array there has elements.
    pub(super) fn outermost(&mut self, ty: Type<'_>) -> Result<()> {
        self.value(ty, 0, true)
    }

    /// A value whose first bit is at `start`; `is_last` if nothing follows it.
    fn value(&mut self, ty: Type<'_>, start: u64, is_last: bool) -> Result<()> {
        self.step()?;
        let ty = under_names(ty)?;
        let size = ty.own_size().unwrap_or(0);
        match ty.kind() {
            Kind::STRUCT | Kind::UNION => self.deeper(|walk| {
                walk.writer.open_struct()?;
                walk.members(ty, start, is_last)?;
                walk.require(ty, start)?;
                walk.writer.close_struct()
            }),
            Kind::ARRAY => self.deeper(|walk| walk.array(ty, start, is_last)),
            Kind::DATASEC => self.deeper(|walk| walk.section(ty, start)),
            Kind::INT | Kind::ENUM | Kind::ENUM64 => {
                let bits = ty
                    .int()
                    .map_or(size.saturating_mul(8), |int| int.bits.into());
                self.number(ty, start, bits)
            }
            Kind::PTR => {
                let bits = u32::from(ty.btf().pointer_size()) * 8;
                let value = self.read(ty, start, bits)?;
                self.writer.scalar(&Scalar::Hex(value))
            }
            Kind::FLOAT => self.float(ty, start, size),
            _ => Err(refused(format!("{ty:?} has no value"))),
        }
    }

    fn step(&mut self) -> Result<()> {
        self.steps(1)
    }

    fn steps(&mut self, count: usize) -> Result<()> {
        self.steps = self.steps.checked_sub(count).ok_or_else(too_long)?;
        Ok(())
    }

    fn deeper(&mut self, inner: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.depth == MAX_DEPTH {
            return Err(refused(format!(
                "it is nested deeper than {MAX_DEPTH} levels"
            )));
        }
        self.depth += 1;
        let done = inner(self);
        self.depth -= 1;
        done
    }

    /// Fails if a composite, all of whose members are there, is not: its end is padding.
    fn require(&self, ty: Type<'_>, start: u64) -> Result<()> {
        let size = u64::from(ty.own_size().unwrap_or(0));
        if start / 8 + size > self.bytes.len() as u64 {
            return Err(self.truncated(ty, start, size * 8));
        }
        Ok(())
    }

    fn members(&mut self, ty: Type<'_>, start: u64, is_last: bool) -> Result<()> {
        let count = ty.members().len();
        for m in ty.members().iter() {
            self.step()?;
            let at = start + u64::from(m.bit_offset());
            let is_last = is_last && (m.index() + 1 == count || ty.kind() == Kind::UNION);
            self.member(m, at, is_last).context(|| match m.name() {
                "" => format!("member {}", m.index()),
                name => format!("member `{name}`"),
            })?;
        }
        Ok(())
    }

    fn member(&mut self, m: Member<'_>, at: u64, is_last: bool) -> Result<()> {
        let name = m.name();
        let ty = under_names(m.ty())?;
        if name.is_empty() && ty.kind().is_composite() {
            return self.deeper(|walk| walk.members(ty, at, is_last));
        }
        self.writer.name(name)?;
        match m.bitfield_size() {
            Some(bits) if matches!(ty.kind(), Kind::INT | Kind::ENUM | Kind::ENUM64) => {
                self.number(ty, at, bits)
            }
            Some(_) => Err(refused(format!("a bitfield is of {ty:?}"))),
            None => self.value(ty, at, is_last),
        }
    }

    fn array(&mut self, ty: Type<'_>, start: u64, is_last: bool) -> Result<()> {
        let Some(array) = ty.array() else {
            return Ok(());
        };
        let element = array.element;
        let size = element
            .byte_size()
            .ok_or_else(|| refused(format!("its elements, {element:?}, have no size")))?;
        let rest = (self.bytes.len() as u64).saturating_sub(start / 8);
        let count = match array.len {
            0 if is_last && size > 0 => rest / size,
            len => len.into(),
        };
        if count.saturating_mul(size) > rest {
            return Err(self.truncated(ty, start, count.saturating_mul(size).saturating_mul(8)));
        }
        if is_char(element)
            && let Some(text) = self.text(start, count)
        {
            return self.writer.scalar(&Scalar::Text(text));
        }
        self.writer.open_array()?;
        for n in 0..count {
            self.writer.element()?;
            // The check above has bounded the product.
            let at = start + n * size * 8;
            self.value(element, at, false)
                .context(|| format!("element {n}"))?;
        }
        self.writer.close_array()
    }

    /// The characters of an array of `char`, if they are text.
    fn text(&self, start: u64, count: u64) -> Option<&'b str> {
        let from = (start / 8) as usize;
        let chars = self.bytes.get(from..from + count as usize)?;
        let end = chars.iter().position(|b| *b == 0).unwrap_or(chars.len());
        let text = &chars[..end];
        let is_text = count > 0 && text.iter().all(|b| matches!(b, b' '..=b'~'));
        is_text.then(|| std::str::from_utf8(text).ok()).flatten()
    }

    fn section(&mut self, ty: Type<'_>, start: u64) -> Result<()> {
        self.writer.open_struct()?;
        for v in ty.variables().iter() {
            self.writer.name(v.name())?;
            self.value(v.ty(), start + u64::from(v.offset()) * 8, false)
                .context(|| format!("variable `{}`", v.name()))?;
        }
        self.writer.close_struct()
    }

    /// An integer or enum of so many bits.
    fn number(&mut self, ty: Type<'_>, start: u64, bits: u32) -> Result<()> {
        let int = ty.int();
        // An old compiler's bitfield begins within its integer.
        let start = start + int.map_or(0, |int| u64::from(int.bit_offset));
        let value = self.read(ty, start, bits)?;
        let is_signed = match int {
            Some(int) => int.encoding.contains(IntEncoding::SIGNED),
            None => ty.flag(),
        };
        let signed = is_signed.then(|| bits::sign_extend(value, bits));
        // All may have to be looked at, for each of many elements.
        self.steps(ty.enumerators().len() / 8)?;
        if int.is_some_and(|int| int.encoding.contains(IntEncoding::BOOL)) {
            return self.writer.scalar(&Scalar::Bool(value != 0));
        }
        if let Some(name) = enumerator(ty, value, signed) {
            return self.writer.scalar(&Scalar::Name(name));
        }
        self.writer.scalar(&match signed {
            _ if bits > 64 => Scalar::Hex(value),
            _ if is_char(ty) && matches!(value as u8, b' '..=b'~') => Scalar::Char(value as u8),
            Some(signed) => Scalar::Signed(signed),
            None => Scalar::Unsigned(value),
        })
    }

    fn float(&mut self, ty: Type<'_>, start: u64, size: u32) -> Result<()> {
        let bytes = usize::try_from(start / 8)
            .ok()
            .and_then(|from| self.bytes.get(from..from.checked_add(size as usize)?))
            .ok_or_else(|| self.truncated(ty, start, u64::from(size) * 8))?;
        let value = bits::read(bytes, 0, size.min(16) * 8, ty.btf().is_little_endian());
        match value.and_then(|value| bits::float(value, size)) {
            Some(number) if size <= 4 => self.writer.scalar(&Scalar::Single(number as f32)),
            Some(number) => self.writer.scalar(&Scalar::Double(number)),
            None => self.writer.scalar(&Scalar::Bytes(bytes)),
        }
    }

    fn read(&self, ty: Type<'_>, start: u64, bits: u32) -> Result<u128> {
        if bits > 128 {
            return Err(refused(format!("{ty:?} has {bits} bits, more than 128")));
        }
        bits::read(self.bytes, start, bits, ty.btf().is_little_endian())
            .ok_or_else(|| self.truncated(ty, start, bits.into()))
    }

    fn truncated(&self, ty: Type<'_>, start: u64, bits: u64) -> Error {
        let (from, to) = (start / 8, start.saturating_add(bits).div_ceil(8));
        Error::new(
            ErrorKind::InvalidInput,
            format!(
                "{ty:?} is at bytes {from} to {to}, but there are {}",
                self.bytes.len()
            ),
        )
    }
}

/// The type under typedefs, modifiers and a variable's name.
fn under_names(ty: Type<'_>) -> Result<Type<'_>> {
    let inner = match ty.kind() {
        Kind::VAR => ty.target().unwrap_or(ty).strip(),
        _ => ty.strip(),
    };
    if inner.is_void() {
        return Err(refused(format!("{ty:?} has no value")));
    }
    Ok(inner)
}

/// Whether this is C's `char`, of which arrays are text. A typedef of it is a small number.
fn is_char(ty: Type<'_>) -> bool {
    let ty = ty.strip_modifiers();
    ty.kind() == Kind::INT
        && ty.own_size() == Some(1)
        && (ty.name_bytes() == b"char"
            || ty
                .int()
                .is_some_and(|int| int.encoding.contains(IntEncoding::CHAR)))
}

fn enumerator<'a>(ty: Type<'a>, value: u128, signed: Option<i128>) -> Option<&'a str> {
    let is_it = |e: i64| match signed {
        Some(signed) => i128::from(e) == signed,
        None => u128::from(e.cast_unsigned()) == value,
    };
    let found = ty.enumerators().iter().find(|e| is_it(e.value()))?;
    Some(found.name())
}
