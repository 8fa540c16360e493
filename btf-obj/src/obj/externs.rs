//! What an object declares and the kernel defines: configuration values, variables, functions.
//!
//! Source: libbpf's `bpf_object__collect_externs`, whose order of configuration values in `.kconfig` is kept.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use crate::btf::{Btf, IntEncoding, Kind, Type, TypeId};
use crate::effort::Effort;
use crate::error::{Error, ErrorKind, Result};

/// Section of configuration values (`__kconfig`).
pub const KCONFIG: &str = ".kconfig";

/// Offsets or ids by name: maps of one type are one instance of code.
pub(super) type Numbers<'a> = HashMap<&'a str, u64>;
/// Section of the kernel's symbols (`__ksym`).
const KSYMS: &str = ".ksyms";
/// No configuration comes near it; it bounds what a load allocates.
const MOST_CONFIG: u64 = 1 << 20;

/// A symbol that is declared in the object and defined by the kernel.
#[derive(Debug, Clone)]
pub struct ExternSpec {
    /// Its name.
    pub name: String,
    /// Whether it may be absent.
    pub weak: bool,
    /// The section of its declaration: `.kconfig` or `.ksyms`; empty if BTF does not mention it.
    pub section: String,
    /// Its VAR or FUNC in the object's BTF.
    pub btf_id: Option<TypeId>,
    /// What it is.
    pub kind: ExternKind,
}

/// What the kernel is to supply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExternKind {
    /// A configuration value: `extern int CONFIG_HZ __kconfig`.
    Config(ConfigExtern),
    /// A function: `extern int bpf_f(void) __ksym`.
    Function,
    /// A variable that the kernel's BTF describes: `extern const int x __ksym`.
    Variable,
    /// An address alone: `extern const void x __ksym`.
    Address,
    /// BTF does not say.
    Unknown,
}

/// A configuration value's place in `.kconfig`, and how it is kept there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigExtern {
    /// What values it takes.
    pub form: ConfigForm,
    /// Offset in the section.
    pub offset: usize,
    /// Size in bytes.
    pub size: usize,
}

/// What values a configuration extern takes, by its type (libbpf's `enum kcfg_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigForm {
    /// `bool`: y or n.
    Bool,
    /// `enum libbpf_tristate`: y, m or n.
    Tristate,
    /// A number of one byte: y, m or n as a character, or a number.
    Char {
        /// Whether it has a sign.
        signed: bool,
    },
    /// A number of two, four or eight bytes.
    Int {
        /// Whether it has a sign.
        signed: bool,
    },
    /// An array of characters: a string.
    Chars,
}

impl ConfigForm {
    fn of(ty: Type<'_>) -> Option<ConfigForm> {
        let ty = ty.strip();
        match ty.kind() {
            Kind::INT => {
                let encoding = ty.int()?.encoding;
                let signed = encoding.contains(IntEncoding::SIGNED);
                match (encoding.contains(IntEncoding::BOOL), ty.own_size()?) {
                    (true, 1) => Some(ConfigForm::Bool),
                    (false, 1) => Some(ConfigForm::Char { signed }),
                    (false, 2 | 4 | 8) => Some(ConfigForm::Int { signed }),
                    _ => None,
                }
            }
            Kind::ENUM | Kind::ENUM64 => (ty.name() == "libbpf_tristate"
                && ty.own_size() == Some(4))
            .then_some(ConfigForm::Tristate),
            Kind::ARRAY => {
                let array = ty.array()?;
                // Of a type that is no array itself: arrays may be nested without end.
                let element = array.element.strip();
                let of_chars = element.kind() == Kind::INT
                    && matches!(Self::of(element), Some(ConfigForm::Char { .. }));
                (array.len > 0 && of_chars).then_some(ConfigForm::Chars)
            }
            _ => None,
        }
    }
}

/// The externs of an object, and what their section of configuration values is like.
#[derive(Debug, Default)]
pub(super) struct Externs {
    pub(super) specs: Vec<ExternSpec>,
    pub(super) config_size: usize,
}

impl Externs {
    /// Places of configuration values in their section.
    pub(super) fn config_offsets(&self) -> Numbers<'_> {
        let place = |spec: &ExternSpec| match spec.kind {
            ExternKind::Config(config) => Some(config.offset as u64),
            _ => None,
        };
        self.specs
            .iter()
            .filter_map(|spec| Some((spec.name.as_str(), place(spec)?)))
            .collect()
    }
}

/// Describes the undefined symbols of an object, each a name and whether it is weak.
pub(super) fn collect<'a>(
    btf: Option<&Btf>,
    symbols: impl Iterator<Item = (&'a str, bool)>,
    effort: &mut Effort,
) -> Result<Externs> {
    let mut declared: Vec<(&str, Type<'_>)> = Vec::new();
    let mut positions = Numbers::new();
    if let Some(btf) = btf {
        for section in btf.types().filter(|t| t.kind() == Kind::DATASEC) {
            let section_name = section.name();
            for v in section.variables().iter() {
                let name = v.name();
                effort.charge_kept(name.len())?;
                // The first of a name counts.
                if !positions.contains_key(name) {
                    positions.insert(name, declared.len() as u64);
                    declared.push((section_name, v.ty()));
                }
            }
        }
    }
    let mut specs: Vec<ExternSpec> = Vec::new();
    let mut known = HashSet::new();
    // Size and alignment of configuration values.
    let mut config: Vec<(usize, u64, u64)> = Vec::new();
    for (name, weak) in symbols {
        if name.is_empty() || !known.insert(name) {
            continue;
        }
        let at = positions.get(name).map(|at| *at as usize);
        let (section, ty) = at.map(|at| declared[at]).unzip();
        let mut kind = match (section, ty) {
            (Some(KSYMS), Some(ty)) => symbol(ty),
            _ => ExternKind::Unknown,
        };
        if let (Some(KCONFIG), Some(ty)) = (section, ty) {
            let (form, size, align) = config_value(ty).map_err(|e| e.context(what(name)))?;
            config.push((specs.len(), size, align));
            let (offset, size) = (0, size as usize);
            kind = ExternKind::Config(ConfigExtern { form, offset, size });
        }
        effort.charge_kept(name.len() + section.unwrap_or_default().len())?;
        specs.push(ExternSpec {
            name: name.to_owned(),
            weak,
            section: section.unwrap_or_default().to_owned(),
            btf_id: ty.map(Type::id),
            kind,
        });
    }
    let config_size = lay_out(&mut specs, config)?;
    specs.sort_by(in_order);
    Ok(Externs { specs, config_size })
}

/// libbpf's order (`cmp_externs`): configuration values as they lie, then the others by name. The number of one that is not there
/// stands in programs that would call it.
fn in_order(a: &ExternSpec, b: &ExternSpec) -> Ordering {
    let place = |spec: &ExternSpec| match spec.kind {
        ExternKind::Config(config) => config.offset,
        _ => usize::MAX,
    };
    (place(a), &a.name).cmp(&(place(b), &b.name))
}

fn symbol(ty: Type<'_>) -> ExternKind {
    match ty.kind() {
        Kind::FUNC => ExternKind::Function,
        _ if ty.target().is_none_or(|t| t.strip().is_void()) => ExternKind::Address,
        _ => ExternKind::Variable,
    }
}

/// How an extern is called in errors.
pub fn what(name: &str) -> String {
    format!("extern `{name}`")
}

/// Form, size and alignment of a configuration value.
fn config_value(var: Type<'_>) -> Result<(ConfigForm, u64, u64)> {
    let unsupported = |why: String| {
        Error::new(ErrorKind::Unsupported, why).hint(
            "declare it as bool, enum libbpf_tristate, char, an integer of 1, 2, 4 or 8 bytes, or an array of char",
        )
    };
    if var.kind() != Kind::VAR {
        return Err(unsupported(
            "a configuration value cannot be a function".into(),
        ));
    }
    let Some(ty) = var.target() else {
        return Err(unsupported("it has no type".into()));
    };
    match (ConfigForm::of(ty), ty.byte_size(), ty.align()) {
        (Some(form), Some(size @ 1..=MOST_CONFIG), Some(align)) => Ok((form, size, align)),
        _ => {
            let declaration = crate::btf::dump::declaration(ty, var.name());
            Err(unsupported(format!(
                "no configuration value can be kept in `{declaration}`"
            )))
        }
    }
}

/// Gives configuration values their places: strictly aligned ones first, then small ones, then by name. Returns the size
/// of all.
fn lay_out(specs: &mut [ExternSpec], mut config: Vec<(usize, u64, u64)>) -> Result<usize> {
    config.sort_by(|a, b| {
        b.2.cmp(&a.2)
            .then(a.1.cmp(&b.1))
            .then_with(|| specs[a.0].name.cmp(&specs[b.0].name))
    });
    let mut end = 0u64;
    for (at, size, align) in config {
        let start = end.next_multiple_of(align);
        end = start + size;
        if end > MOST_CONFIG {
            return Err(Error::malformed(format!(
                "section {KCONFIG} is larger than {MOST_CONFIG} bytes"
            )));
        }
        if let ExternKind::Config(place) = &mut specs[at].kind {
            place.offset = start as usize;
        }
    }
    Ok(end as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::{Builder, Linkage};

    fn btf() -> Btf {
        let mut b = Builder::new();
        let int = b.int("int", 4, IntEncoding::SIGNED);
        let char = b.int("char", 1, IntEncoding::SIGNED);
        let boolean = b.int("_Bool", 1, IntEncoding::BOOL);
        let long = b.int("unsigned long", 8, IntEncoding(0));
        let text = b.array(char, int, 7);
        let tristate = b.enumeration("libbpf_tristate", 4, false, [("TRI_NO", 0)]);
        let config: Vec<_> = [
            ("CONFIG_TEXT", text, 7),
            ("CONFIG_B", boolean, 1),
            ("CONFIG_A", char, 1),
            ("CONFIG_LONG", long, 8),
            ("CONFIG_TRI", tristate, 4),
        ]
        .map(|(name, ty, size)| (b.variable(name, ty, Linkage::EXTERN), 0, size))
        .into();
        b.section(KCONFIG, 0, config);
        let nothing = b.const_(TypeId::VOID);
        let proto = b.prototype(int, []);
        let symbols = [
            (b.variable("bpf_prog_active", int, Linkage::EXTERN), 0, 4),
            (b.variable("_text", nothing, Linkage::EXTERN), 0, 0),
            (b.function("bpf_f", proto, Linkage::EXTERN), 0, 0),
        ];
        b.section(KSYMS, 0, symbols);
        b.finish().unwrap()
    }

    fn collected<'a>(btf: &Btf, symbols: impl Iterator<Item = (&'a str, bool)>) -> Result<Externs> {
        collect(Some(btf), symbols, &mut crate::obj::elf::effort(0))
    }

    #[test]
    fn configuration_values_lie_as_libbpf_lays_them() {
        let names = [
            "CONFIG_TEXT",
            "CONFIG_B",
            "CONFIG_A",
            "CONFIG_LONG",
            "CONFIG_TRI",
        ];
        let externs = collected(&btf(), names.iter().map(|n| (*n, false))).unwrap();
        assert!(externs.specs.is_sorted_by(|a, b| in_order(a, b).is_lt()));
        assert_eq!(externs.specs[0].name, "CONFIG_LONG");
        let offset = |name: &str| match externs.specs.iter().find(|s| s.name == name).unwrap().kind
        {
            ExternKind::Config(c) => (c.offset, c.size),
            _ => panic!("{name}"),
        };
        assert_eq!(offset("CONFIG_LONG"), (0, 8));
        assert_eq!(offset("CONFIG_TRI"), (8, 4));
        assert_eq!(offset("CONFIG_A"), (12, 1));
        assert_eq!(offset("CONFIG_B"), (13, 1));
        assert_eq!(offset("CONFIG_TEXT"), (14, 7));
        assert_eq!(externs.config_size, 21);
    }

    #[test]
    fn symbols_are_told_apart_by_their_types() {
        let names = ["bpf_prog_active", "_text", "bpf_f", "other", "_text"];
        let externs = collected(&btf(), names.iter().map(|n| (*n, *n == "bpf_f"))).unwrap();
        let externs = externs.specs.iter();
        let kinds: Vec<_> = externs.map(|s| (&*s.name, s.kind, s.weak)).collect();
        assert_eq!(
            kinds,
            [
                ("_text", ExternKind::Address, false),
                ("bpf_f", ExternKind::Function, true),
                ("bpf_prog_active", ExternKind::Variable, false),
                ("other", ExternKind::Unknown, false),
            ]
        );
    }

    #[test]
    fn what_keeps_no_configuration_value_is_refused() {
        let mut b = Builder::new();
        let int = b.int("int", 4, IntEncoding::SIGNED);
        let pointer = b.pointer(int);
        let var = b.variable("CONFIG_X", pointer, Linkage::EXTERN);
        b.section(KCONFIG, 0, [(var, 0, 8)]);
        let btf = b.finish().unwrap();
        let e = collected(&btf, [("CONFIG_X", false)].into_iter()).unwrap_err();
        assert_eq!(
            e.to_string(),
            "extern `CONFIG_X`: no configuration value can be kept in `int *CONFIG_X` (declare it as bool, \
             enum libbpf_tristate, char, an integer of 1, 2, 4 or 8 bytes, or an array of char)"
        );
    }
}
