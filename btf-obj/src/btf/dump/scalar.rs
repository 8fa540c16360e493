//! How INT and FLOAT types are spelled: C's own names where they are meant, else a type of the same size.

use crate::btf::{IntEncoding, Kind, Type};

/// The C spelling of an INT or FLOAT; `None` for an INT that has a name of its own and needs a typedef.
pub(super) fn spelling(ty: Type<'_>) -> Option<&str> {
    if ty.kind() == Kind::FLOAT {
        return Some(of_float(ty));
    }
    let name = ty.name();
    if name == "bool" {
        return Some("_Bool");
    }
    let size = size_of_words(name, ty.btf().pointer_size());
    match size {
        Some(size) if Some(size) == ty.own_size() => Some(name),
        // C's `long` of another architecture, or no name at all.
        Some(_) => Some(of_int(ty)),
        None if name.is_empty() => Some(of_int(ty)),
        None => None,
    }
}

/// Whether an INT has a name that is not C's, as GCC's `__Poly8_t` of Arm vectors: it is written as a typedef first.
pub(super) fn is_named_anew(ty: Type<'_>) -> bool {
    ty.kind() == Kind::INT && spelling(ty).is_none()
}

/// C's type of the same size and encoding as an INT.
pub(super) fn of_int(ty: Type<'_>) -> &'static str {
    let encoding = ty.int().map_or(IntEncoding(0), |int| int.encoding);
    let signed = encoding.contains(IntEncoding::SIGNED);
    match (ty.own_size(), signed) {
        (Some(1), _) if encoding.contains(IntEncoding::BOOL) => "_Bool",
        (Some(1), true) => "signed char",
        (Some(1), false) => "unsigned char",
        (Some(2), true) => "short",
        (Some(2), false) => "unsigned short",
        (Some(4), true) => "int",
        (Some(4), false) => "unsigned int",
        (Some(16), true) => "__int128",
        (Some(16), false) => "unsigned __int128",
        (_, true) => "long long",
        (_, false) => "unsigned long long",
    }
}

/// BPF has no floating point; a `long double` or `_Float16` of the kernel's architecture only takes its room.
fn of_float(ty: Type<'_>) -> &'static str {
    match ty.own_size() {
        Some(2) => "unsigned short",
        Some(4) => "float",
        Some(12) => "struct { unsigned int words[3]; }",
        Some(16) => "unsigned __int128",
        _ => "double",
    }
}

/// Size of the integer type that is spelled with these words in any order; `None` if they spell none.
fn size_of_words(name: &str, pointer_size: u8) -> Option<u32> {
    // As compilers write them; nearly all of a kernel's members end here.
    match name {
        "int" | "unsigned int" => return Some(4),
        "long unsigned int" => return Some(pointer_size.into()),
        "char" | "unsigned char" => return Some(1),
        _ => {}
    }
    let (mut longs, mut shorts, mut signs, mut ints) = (0, 0, 0, 0);
    let mut base = None;
    for word in name.split_ascii_whitespace() {
        match word {
            "long" => longs += 1,
            "short" => shorts += 1,
            "signed" | "unsigned" => signs += 1,
            "int" => ints += 1,
            "char" | "_Bool" | "__int128" if base.is_none() => base = Some(word),
            _ => return None,
        }
    }
    let plain = longs == 0 && shorts == 0 && ints == 0;
    match (base, longs, shorts) {
        _ if signs > 1 || ints > 1 => None,
        (Some("char"), ..) if plain => Some(1),
        (Some("__int128"), ..) if plain => Some(16),
        (Some("_Bool"), ..) if plain && signs == 0 => Some(1),
        (None, 1, 0) => Some(pointer_size.into()),
        (None, 2, 0) => Some(8),
        (None, 0, 1) => Some(2),
        (None, 0, 0) if ints + signs > 0 => Some(4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_any_order() {
        for (name, size) in [
            ("char", Some(1)),
            ("signed char", Some(1)),
            ("_Bool", Some(1)),
            ("short unsigned int", Some(2)),
            ("unsigned", Some(4)),
            ("int", Some(4)),
            ("long unsigned int", Some(8)),
            ("long long int", Some(8)),
            ("unsigned __int128", Some(16)),
            ("__int128 unsigned", Some(16)),
            ("__Poly8_t", None),
            ("unsigned unsigned", None),
            ("unsigned _Bool", None),
            ("long short", None),
            ("long long long", None),
            ("char; int", None),
            ("", None),
        ] {
            assert_eq!(size_of_words(name, 8), size, "{name}");
        }
        assert_eq!(size_of_words("long", 4), Some(4));
    }
}
