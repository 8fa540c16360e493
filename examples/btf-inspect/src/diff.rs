//! What differs between two kernels in a type or function of one name.

use std::fmt::Write as _;

use btf_core::btf::{Btf, Enumerator, Kind, Type, dump};

use crate::layout::{declaration, keyword};
use crate::{Result, source};

/// How deep anonymous members are looked into.
const MAX_DEPTH: usize = 16;

/// Lines with `-` for what only the old one has, `+` for what only the new one has, and `~` for
/// what only lies elsewhere, which CO-RE makes up for.
pub(crate) fn text(old: &Btf, new: &Btf, name: &str) -> Result<String> {
    let (a, b) = (chosen(old, name), chosen(new, name));
    Ok(match (a, b) {
        (None, None) => return Err(format!("neither kernel has anything named `{name}`")),
        (Some(_), None) => format!("`{name}` is gone\n"),
        (None, Some(_)) => format!("`{name}` is new\n"),
        (Some(a), Some(b)) => {
            let lines = compared(a, b);
            match lines.is_empty() {
                true => format!("{}: no difference\n", title(b)),
                false => format!("{}:\n{lines}", title(b)),
            }
        }
    })
}

/// What a name stands for: a function before a type, as types are seldom named like one.
fn chosen<'a>(btf: &'a Btf, name: &'a str) -> Option<Type<'a>> {
    let mut all: Vec<Type<'a>> = source::named(btf, name).collect();
    all.sort_by_key(|ty| (ty.kind() != Kind::FUNC, ty.kind() == Kind::TYPEDEF));
    all.first().map(|ty| match ty.kind() {
        Kind::TYPEDEF => ty.strip(),
        _ => *ty,
    })
}

fn title(ty: Type<'_>) -> String {
    match ty.kind() {
        Kind::FUNC => format!("{}()", ty.name()),
        kind if kind.is_any_enum() => format!("enum {}", ty.name()),
        kind if kind.is_composite() => format!("{} {}", keyword(ty), ty.name()),
        _ => dump::declaration(ty, ""),
    }
}

fn compared(a: Type<'_>, b: Type<'_>) -> String {
    let mut out = String::new();
    if a.kind().is_composite() && b.kind().is_composite() {
        let (mut was, mut is) = (Vec::new(), Vec::new());
        add_members(a, 0, MAX_DEPTH, &mut was);
        add_members(b, 0, MAX_DEPTH, &mut is);
        parts(&mut out, &was, &is);
        let (a, b) = (a.byte_size(), b.byte_size());
        if let (Some(a), Some(b)) = (a, b)
            && a != b
        {
            let _ = writeln!(out, "~ {b} bytes, {a} before"); // Writing to a String cannot fail.
        }
    } else if a.kind().is_any_enum() && b.kind().is_any_enum() {
        parts(&mut out, &values(a), &values(b));
    } else {
        let both = [a, b].map(|ty| dump::declaration(ty, ty.name()));
        if both[0] != both[1] {
            let _ = writeln!(out, "- {}\n+ {}", both[0], both[1]);
        }
    }
    out
}

/// A member or enumerator.
struct Part {
    /// How C reaches it.
    path: String,
    text: String,
    /// In bits, from the start of the type.
    place: u64,
}

/// In the order of the old type, and then of what is new.
fn parts(out: &mut String, was: &[Part], is: &[Part]) {
    let within = |all: &[Part], part: &Part| all.iter().position(|other| other.path == part.path);
    for old in was {
        let new = within(is, old).map(|n| &is[n]);
        let line = match new {
            Some(new) if new.text == old.text && new.place == old.place => continue,
            Some(new) if new.text == old.text => {
                format!("~ {}: at {}, {} before", new.text, at(new), at(old))
            }
            Some(new) => format!("- {}\n+ {}", old.text, new.text),
            None => format!("- {}", old.text),
        };
        let _ = writeln!(out, "{line}");
    }
    for new in is.iter().filter(|new| within(was, new).is_none()) {
        let _ = writeln!(out, "+ {}", new.text);
    }
}

/// Where it lies, in bytes, and bits of a bitfield.
fn at(part: &Part) -> String {
    match (part.place / 8, part.place % 8) {
        (bytes, 0) => bytes.to_string(),
        (bytes, bits) => format!("{bytes}:{bits}"),
    }
}

/// Members as C reaches them: those of anonymous members are the type's own.
fn add_members(ty: Type<'_>, base: u64, depth: usize, parts: &mut Vec<Part>) {
    for (n, member) in ty.members().iter().enumerate() {
        let place = base + u64::from(member.bit_offset());
        let inner = member.ty().strip();
        if member.is_anonymous() && inner.kind().is_composite() && depth > 0 {
            add_members(inner, place, depth - 1, parts);
            continue;
        }
        let path = match member.name() {
            // Padding, of which there may be more.
            "" => format!("({n})"),
            name => name.to_owned(),
        };
        parts.push(Part {
            path,
            text: declaration(member),
            place,
        });
    }
}

fn values(ty: Type<'_>) -> Vec<Part> {
    let part = |e: Enumerator<'_>| Part {
        path: e.name().to_owned(),
        text: match e.is_signed() {
            true => format!("{} = {}", e.name(), e.value()),
            false => format!("{} = {}", e.name(), e.value().cast_unsigned()),
        },
        place: 0,
    };
    ty.enumerators().iter().map(part).collect()
}
