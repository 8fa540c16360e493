//! Where the members of a struct lie, and the holes between them.

use std::fmt::Write as _;

use btf_core::btf::{Kind, Member, Type, dump};

/// How deep anonymous members are shown.
const MAX_DEPTH: usize = 16;

/// A line for each member: offset, size, declaration. Of bitfields both are in bits, after a colon.
pub(crate) fn text(ty: Type<'_>) -> String {
    let keyword = keyword(ty);
    let mut out = format!("{keyword} {} {{\n", ty.name());
    members(&mut out, ty, 0, 1);
    let size = ty.byte_size().unwrap_or_default();
    let _ = writeln!(out, "}}; /* {size} bytes */"); // Writing to a String cannot fail.
    out
}

/// `base` is in bits, from the start of the type that was asked for.
fn members(out: &mut String, ty: Type<'_>, base: u64, depth: usize) {
    // Members of a union have no holes between them.
    let mut end = (ty.kind() == Kind::STRUCT).then_some(base);
    for member in ty.members().iter() {
        let start = base.saturating_add(member.bit_offset().into());
        if let Some(end) = end.filter(|end| *end < start) {
            hole(out, end, start, depth);
        }
        let inner = member.ty().strip();
        let indent = "    ".repeat(depth);
        if member.is_anonymous() && inner.kind().is_composite() && depth < MAX_DEPTH {
            let _ = writeln!(out, "{:16}{indent}{} {{", "", keyword(inner));
            members(out, inner, start, depth + 1);
            let _ = writeln!(out, "{:16}{indent}}};", "");
        } else {
            let _ = writeln!(
                out,
                "{:16}{indent}{};",
                place(member, base),
                declaration(member)
            );
        }
        let after = member
            .bit_range()
            .map_or(start, |bits| base.saturating_add(bits.end));
        end = end.map(|end| end.max(after));
    }
    let size = ty.byte_size().unwrap_or_default().saturating_mul(8);
    let last = base.saturating_add(size);
    if let Some(end) = end.filter(|end| *end < last) {
        hole(out, end, last, depth);
    }
}

fn hole(out: &mut String, start: u64, end: u64, depth: usize) {
    let bits = end - start;
    let size = match bits % 8 {
        0 => count(bits / 8, "byte"),
        _ => count(bits, "bit"),
    };
    let _ = writeln!(out, "{:16}{}/* hole of {size} */", "", "    ".repeat(depth));
}

fn count(n: u64, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

fn place(member: Member<'_>, base: u64) -> String {
    let start = base + u64::from(member.bit_offset());
    match (member.bitfield_size(), member.ty().byte_size()) {
        (Some(bits), _) => format!("{:6}:{} {bits}", start / 8, start % 8),
        (None, Some(size)) => format!("{:6} {size:5}", start / 8),
        (None, None) => format!("{:6}     ?", start / 8),
    }
}

/// A member as C declares it.
pub(crate) fn declaration(member: Member<'_>) -> String {
    let text = dump::declaration(member.ty(), member.name());
    match member.bitfield_size() {
        Some(bits) => format!("{text} : {bits}"),
        None => text,
    }
}

/// `struct` or `union`.
pub(crate) fn keyword(ty: Type<'_>) -> &'static str {
    match ty.kind() == Kind::UNION {
        true => "union",
        false => "struct",
    }
}
