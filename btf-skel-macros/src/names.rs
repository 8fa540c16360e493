//! C names as Rust names: case, characters that Rust does not allow, keywords, collisions.

use std::collections::HashSet;

use heck::{ToSnakeCase, ToUpperCamelCase};
use proc_macro2::{Ident, Span};

/// Names of one scope, each given out once.
#[derive(Default)]
pub(crate) struct Scope {
    taken: HashSet<String>,
}

impl Scope {
    /// A scope in which these names are taken already.
    pub(crate) fn reserving(names: &[&str]) -> Self {
        Scope {
            taken: names.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    /// A field's, map's, program's or variable's name. One that is lower case already is left as it is, leading
    /// underscores included.
    pub(crate) fn value(&mut self, c_name: &str) -> String {
        let clean = clean(c_name);
        let name = if clean.chars().any(char::is_uppercase) {
            clean.to_snake_case()
        } else {
            clean
        };
        self.unique(name, "_")
    }

    /// A type's name.
    pub(crate) fn ty(&mut self, c_name: &str) -> String {
        self.unique(upper_camel(c_name), "")
    }

    /// A constant's name: as in C, where such names are constants by habit.
    pub(crate) fn constant(&mut self, c_name: &str) -> String {
        self.unique(clean(c_name), "_")
    }

    fn unique(&mut self, name: String, separator: &str) -> String {
        let name = match name.chars().next() {
            None => "unnamed".to_owned(),
            Some(c) if c.is_ascii_digit() => format!("_{name}"),
            // A lone underscore is no name.
            Some('_') if name.chars().all(|c| c == '_') => format!("{name}0"),
            Some(_) if NEVER_RAW.contains(&name.as_str()) => format!("{name}_"),
            Some(_) => name,
        };
        let mut unique = name.clone();
        let mut n = 2;
        while !self.taken.insert(unique.clone()) {
            unique = format!("{name}{separator}{n}");
            n += 1;
        }
        unique
    }
}

/// A type's name, if nothing else has it.
pub(crate) fn upper_camel(c_name: &str) -> String {
    clean(c_name).to_upper_camel_case()
}

/// Whether a typedef is only C's way to write this number of Rust's: `__u32`, `u32`, `uint32_t` and `__uint32_t` for `u32`.
pub(crate) fn is_number(c_name: &str, number: &str) -> bool {
    let name = c_name.trim_start_matches('_');
    let name = name.strip_suffix("_t").unwrap_or(name);
    let (sign, bits) = number.split_at(1);
    let signs = if sign == "u" {
        ["uint", "u_int", "u"]
    } else {
        ["int", "s", "i"]
    };
    signs.iter().any(|s| name.strip_prefix(s) == Some(bits))
}

/// Static variables of functions are named `function.variable`; other odd characters come from other languages.
fn clean(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '_'
            }
        })
        .collect()
}

/// Keywords that cannot be identifiers even as `r#…`.
const NEVER_RAW: [&str; 4] = ["self", "Self", "super", "crate"];

/// A name as an identifier, raw if it is a keyword.
pub(crate) fn ident(name: &str) -> Ident {
    if NEVER_RAW.contains(&name) {
        return Ident::new(&format!("{name}_"), Span::call_site());
    }
    // A keyword since the edition of 2024, and allowed as a raw one in all.
    if name == "gen" {
        return Ident::new_raw(name, Span::call_site());
    }
    match syn::parse_str::<Ident>(name) {
        Ok(ident) => ident,
        Err(_) => Ident::new_raw(name, Span::call_site()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_names_become_rust_names() {
        let mut scope = Scope::default();
        assert_eq!(scope.value("filter_pid"), "filter_pid");
        assert_eq!(scope.value("__state"), "__state");
        assert_eq!(scope.value("nrEvents"), "nr_events");
        assert_eq!(scope.value("count.seen"), "count_seen");
        assert_eq!(scope.value("count_seen"), "count_seen_2");
        assert_eq!(scope.ty("tcp_stats"), "TcpStats");
        assert_eq!(scope.ty("TcpStats"), "TcpStats2");
        assert_eq!(scope.value("_"), "_0");
        assert_eq!(scope.value("self"), "self_");
        assert_eq!(scope.value("self_"), "self__2");
    }

    #[test]
    fn typedefs_of_numbers_are_known() {
        for name in ["__u32", "u32", "uint32_t", "__uint32_t", "u_int32_t"] {
            assert!(is_number(name, "u32"), "{name}");
        }
        assert!(is_number("__s8", "i8") && is_number("int64_t", "i64"));
        for name in ["__be32", "u64", "s32", "size_t", "u32x", "myu32"] {
            assert!(!is_number(name, "u32"), "{name}");
        }
    }

    #[test]
    fn keywords_are_raw() {
        assert_eq!(ident("type").to_string(), "r#type");
        assert_eq!(ident("gen").to_string(), "r#gen");
        assert_eq!(ident("self").to_string(), "self_");
        assert_eq!(ident("pid").to_string(), "pid");
    }
}
