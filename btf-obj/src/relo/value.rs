//! What a relocation's answer is, in the object and in the target (libbpf's `bpf_core_calc_relo`).

use super::access::Spec;
use super::fixup::Fixup;
use crate::btf::ext::CoreKind;
use crate::btf::{IntEncoding, Kind, Type};
use crate::error::{Context, Error, ErrorKind, Result};

/// A value, and what patching an instruction with it needs to know.
#[derive(Clone, Copy, Default)]
struct Value<'a> {
    value: u64,
    /// Size and type of what is loaded or stored, for an offset that is no bitfield's.
    size: u32,
    ty: Option<Type<'a>>,
    /// Whether the compiler's value must be this one: not where it had a choice.
    validate: bool,
}

/// The fixup of a relocation; `target` is `None` if no candidate has what is asked for.
///
/// # Errors
///
/// [`ErrorKind::Relocation`] if the field has no such property, or does not fit an integer.
pub(super) fn fixup(kind: CoreKind, local: &Spec<'_>, target: Option<&Spec<'_>>) -> Result<Fixup> {
    let (old, new) = if kind.is_field() {
        (
            field(kind, Some(local)).context(|| "by the object's types")?,
            field(kind, target).context(|| "by the kernel's types")?,
        )
    } else if kind.is_enumval() {
        (enumerator(kind, Some(local))?, enumerator(kind, target)?)
    } else {
        (
            Some(whole_type(kind, Some(local))?),
            Some(whole_type(kind, target)?),
        )
    };
    let old = old.unwrap_or_default();
    let mut fixup = Fixup {
        kind,
        local: old.value,
        target: 0,
        poison: true,
        validate: old.validate,
        local_size: old.size,
        target_size: 0,
        refuse_resize: false,
    };
    if let Some(new) = new {
        fixup.poison = false;
        fixup.target = new.value;
        fixup.target_size = new.size;
        fixup.refuse_resize = old.size != new.size && !may_resize(old.ty, new.ty);
    }
    Ok(fixup)
}

/// Whether a load may change its size: between pointers, and between unsigned integers, nothing is lost. A bitfield has no
/// size to be loaded by, here or there.
fn may_resize(old: Option<Type<'_>>, new: Option<Type<'_>>) -> bool {
    let (Some(old), Some(new)) = (old, new) else {
        return false;
    };
    let unsigned = |t: Type<'_>| {
        t.int()
            .is_some_and(|int| int.encoding != IntEncoding::SIGNED)
    };
    old.kind() == Kind::PTR && new.kind() == Kind::PTR || unsigned(old) && unsigned(new)
}

fn wrong(why: String) -> Error {
    Error::new(ErrorKind::Relocation, why)
}

fn size_of(ty: Type<'_>) -> Result<u32> {
    ty.byte_size()
        .and_then(|size| u32::try_from(size).ok())
        .ok_or_else(|| wrong(format!("{ty:?} has no size that fits")))
}

/// `None` poisons.
fn field<'a>(kind: CoreKind, spec: Option<&Spec<'a>>) -> Result<Option<Value<'a>>> {
    if kind == CoreKind::FIELD_EXISTS {
        let value = spec.is_some().into();
        return Ok(Some(Value {
            value,
            validate: true,
            ..Value::default()
        }));
    }
    let Some(spec) = spec else { return Ok(None) };
    let Some(last) = spec.steps.last() else {
        return Ok(None);
    };
    if last.name.is_none() {
        return element(kind, spec, last.ty).map(Some);
    }
    let Some(member) = last.ty.members().get(last.index as usize) else {
        return Ok(None);
    };
    let ty = member.ty().strip();
    let place = Place::of(spec.bit_offset, ty, member.bitfield_size())?;
    let plain = member.bitfield_size().is_none();
    // How a bitfield is loaded is the compiler's choice, so its value is not held against it.
    let mut value = Value {
        validate: plain,
        ..Value::default()
    };
    match kind {
        CoreKind::FIELD_BYTE_OFFSET => {
            value.value = place.byte;
            if plain {
                value.size = place.bytes;
                value.ty = Some(ty);
            }
        }
        CoreKind::FIELD_BYTE_SIZE => value.value = place.bytes.into(),
        CoreKind::FIELD_SIGNED => {
            let signed_int = ty
                .int()
                .is_some_and(|int| int.encoding.contains(IntEncoding::SIGNED));
            value.value = (signed_int || ty.kind().is_any_enum() && ty.flag()).into();
            value.validate = true;
        }
        CoreKind::FIELD_LSHIFT_U64 => {
            // 32 bits wide as in libbpf: what is wider than a register gives no shift, but the same number.
            let first = (spec.bit_offset - place.byte * 8) as u32;
            let shift = if last.ty.btf().is_little_endian() {
                64u32.wrapping_sub(first.wrapping_add(place.bits))
            } else {
                (8u32.wrapping_sub(place.bytes).wrapping_mul(8)).wrapping_add(first)
            };
            value.value = shift.into();
        }
        CoreKind::FIELD_RSHIFT_U64 => {
            value.value = 64u32.wrapping_sub(place.bits).into();
            value.validate = true;
        }
        _ => return Err(wrong(format!("{kind} is no question about a field"))),
    }
    Ok(Some(value))
}

/// An access that ends at an array's element has an offset and a size, and nothing else.
fn element<'a>(kind: CoreKind, spec: &Spec<'a>, ty: Type<'a>) -> Result<Value<'a>> {
    let size = size_of(ty)?;
    match kind {
        CoreKind::FIELD_BYTE_OFFSET => Ok(Value {
            value: spec.bit_offset / 8,
            size,
            ty: Some(ty),
            validate: true,
        }),
        CoreKind::FIELD_BYTE_SIZE => Ok(Value {
            value: size.into(),
            validate: true,
            ..Value::default()
        }),
        _ => Err(wrong(format!(
            "{kind} cannot be asked of an array's element"
        ))),
    }
}

/// Where a member lies, as a load sees it.
struct Place {
    byte: u64,
    bytes: u32,
    bits: u32,
}

impl Place {
    fn of(bit_offset: u64, ty: Type<'_>, bitfield: Option<u32>) -> Result<Place> {
        let Some(bits) = bitfield else {
            let bytes = size_of(ty)?;
            let bits = bytes.wrapping_mul(8);
            return Ok(Place {
                byte: bit_offset / 8,
                bytes,
                bits,
            });
        };
        // The smallest load that holds the whole bitfield, starting from its declared type.
        let mut bytes = ty
            .own_size()
            .filter(|size| *size > 0)
            .ok_or_else(|| wrong(format!("a bitfield is of {ty:?}")))?;
        loop {
            let byte = bit_offset / 8 / u64::from(bytes) * u64::from(bytes);
            if bit_offset + u64::from(bits) - byte * 8 <= u64::from(bytes) * 8 {
                return Ok(Place { byte, bytes, bits });
            }
            if bytes >= 8 {
                return Err(wrong(format!(
                    "a bitfield of {bits} bits at bit {bit_offset} fits no 64-bit load"
                ))
                .hint("read the bytes that it lies in, and take its bits out of them"));
            }
            bytes *= 2;
        }
    }
}

fn whole_type<'a>(kind: CoreKind, spec: Option<&Spec<'a>>) -> Result<Value<'a>> {
    // What the target lacks has id 0 and size 0, and does not exist: never poisoned.
    let mut value = Value {
        validate: true,
        ..Value::default()
    };
    let Some(spec) = spec else { return Ok(value) };
    match kind {
        CoreKind::TYPE_ID_TARGET => {
            value.value = spec.root.id().0.into();
            // Linkers renumber types and leave the instruction alone.
            value.validate = false;
        }
        CoreKind::TYPE_EXISTS | CoreKind::TYPE_MATCHES => value.value = 1,
        CoreKind::TYPE_SIZE => value.value = size_of(spec.root)?.into(),
        _ => return Err(wrong(format!("{kind} is no question about a type"))),
    }
    Ok(value)
}

fn enumerator<'a>(kind: CoreKind, spec: Option<&Spec<'a>>) -> Result<Option<Value<'a>>> {
    let value = match kind {
        CoreKind::ENUMVAL_EXISTS => spec.is_some().into(),
        CoreKind::ENUMVAL_VALUE => {
            let Some(step) = spec.and_then(|s| s.steps.first()) else {
                return Ok(None);
            };
            let Some(e) = step.ty.enumerators().get(step.index as usize) else {
                return Ok(None);
            };
            if step.ty.kind() == Kind::ENUM64 {
                e.value().cast_unsigned()
            } else {
                // libbpf extends the 32 bits by sign, unsigned enums included.
                i64::from(e.value() as i32).cast_unsigned()
            }
        }
        _ => return Err(wrong(format!("{kind} is no question about an enumerator"))),
    };
    Ok(Some(Value {
        value,
        validate: true,
        ..Value::default()
    }))
}
