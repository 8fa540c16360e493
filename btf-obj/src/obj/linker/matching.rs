//! Whether a symbol is of the same type wherever it is declared (libbpf's `glob_syms_match`).

use std::collections::HashSet;

use crate::btf::{Kind, Linkage, Type, TypeId, dump};
use crate::effort::Effort;
use crate::error::{Error, ErrorKind, Result};
use crate::obj::{MapSpec, maps};

/// Enough for any sound type; hostile ones may refer to each other in ways without end.
const MOST_DEEP: usize = 256;

/// Steps for a pair of types, which is kept.
const PAIR: usize = 32;

/// Pairs of types that are the same, each by the position of its object and its ID there, and
/// whether they are exactly the same.
pub(super) type Same = HashSet<((usize, TypeId), (usize, TypeId), bool)>;

/// Checks that two declarations of a symbol, VARs or FUNCs, agree. Each is in the object of this
/// position.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] with both, and what tells them apart.
pub(super) fn check(
    first: (usize, Type<'_>),
    second: (usize, Type<'_>),
    is_map: bool,
    same: &mut Same,
    effort: &mut Effort,
) -> Result<()> {
    let mut comparison = Comparison {
        objects: (first.0, second.0),
        same,
        effort,
    };
    let (first, second) = (first.1, second.1);
    let reason = match is_map {
        true => comparison.differing_attribute(first, second)?,
        false => comparison.differ(first, second, true, MOST_DEEP),
    };
    let Some(reason) = reason else { return Ok(()) };
    let text = |t: Type<'_>| dump::declaration(t, t.name());
    let why = match is_map {
        true => format!("map declarations differ in {reason}"),
        false => format!("`{}` and `{}` differ: {reason}", text(first), text(second)),
    };
    Err(Error::new(ErrorKind::InvalidInput, why).hint("declare it in one header that both include"))
}

/// Two objects whose declarations are compared.
struct Comparison<'c> {
    objects: (usize, usize),
    same: &'c mut Same,
    effort: &'c mut Effort,
}

impl Comparison<'_> {
    /// Which attribute two map declarations do not agree in.
    fn differing_attribute(&mut self, first: Type<'_>, second: Type<'_>) -> Result<Option<String>> {
        let a = maps::declaration(first, self.effort)?;
        let b = maps::declaration(second, self.effort)?;
        Ok(self.differing(first, &a, second, &b))
    }

    fn differing(
        &mut self,
        first: Type<'_>,
        a: &MapSpec,
        second: Type<'_>,
        b: &MapSpec,
    ) -> Option<String> {
        let numbers = [
            ("type", a.map_type.0, b.map_type.0),
            ("key_size", a.key_size, b.key_size),
            ("value_size", a.value_size, b.value_size),
            ("max_entries", a.max_entries, b.max_entries),
            ("map_flags", a.map_flags, b.map_flags),
        ];
        if let Some((name, a, b)) = numbers.into_iter().find(|(_, a, b)| a != b) {
            return Some(format!("{name} ({a} and {b})"));
        }
        if a.numa_node != b.numa_node {
            return Some("numa_node".into());
        }
        if a.pinning != b.pinning {
            return Some("pinning".into());
        }
        for (name, x, y) in [("key", a.key, b.key), ("value", a.value, b.value)] {
            let reason = match (x, y) {
                (Some(x), Some(y)) => {
                    let (x, y) = (first.btf().ty(x), second.btf().ty(y));
                    self.differ(x, y, true, MOST_DEEP)
                }
                (None, None) => None,
                _ => Some("only one has a type".into()),
            };
            if let Some(reason) = reason {
                return Some(format!("{name}: {reason}"));
            }
        }
        match (&a.inner, &b.inner) {
            (Some(a), Some(b)) => self
                .differing(first, a, second, b)
                .map(|why| format!("its values: {why}")),
            (None, None) => None,
            _ => Some("what its values are".into()),
        }
    }

    /// What tells two types apart. Behind pointers (`exact` is false), structs and unions of one name are the same, declared
    /// or defined.
    fn differ(&mut self, a: Type<'_>, b: Type<'_>, exact: bool, depth: usize) -> Option<String> {
        let (a, b) = (a.strip(), b.strip());
        let names = [a, b].map(|ty| ty.name_bytes().len());
        let within = self.effort.charge(PAIR);
        let within = within.and_then(|()| self.effort.charge_bytes(names[0] + names[1]));
        let (Ok(()), Some(depth)) = (within, depth.checked_sub(1)) else {
            return Some("their types are too entangled to compare".into());
        };
        let pair = ((self.objects.0, a.id()), (self.objects.1, b.id()), exact);
        if self.same.contains(&pair) {
            return None;
        }
        let reason = self.differ_within(a, b, exact, depth);
        if reason.is_none() {
            self.same.insert(pair);
        }
        reason
    }

    /// [`Comparison::differ`] for two types that are not known to be the same.
    fn differ_within(
        &mut self,
        a: Type<'_>,
        b: Type<'_>,
        exact: bool,
        depth: usize,
    ) -> Option<String> {
        let (kind, other) = (a.kind(), b.kind());
        if !exact && (kind == Kind::FWD) != (other == Kind::FWD) {
            let (forward, whole) = if kind == Kind::FWD { (a, b) } else { (b, a) };
            let expected = if forward.flag() {
                Kind::UNION
            } else {
                Kind::STRUCT
            };
            let same = whole.kind() == expected && forward.name_bytes() == whole.name_bytes();
            return (!same).then(|| titles(a, b));
        }
        if !exact && a.is_forward() != b.is_forward() && kind.is_any_enum() && other.is_any_enum() {
            // libbpf compares sizes, although that of a forward declaration is 0.
            return (a.name_bytes() != b.name_bytes()).then(|| titles(a, b));
        }
        if kind != other {
            return Some(titles(a, b));
        }
        let is_named = kind.is_composite()
            || kind.is_any_enum()
            || matches!(kind, Kind::FWD | Kind::FUNC | Kind::VAR);
        if is_named && a.name_bytes() != b.name_bytes() {
            return Some(titles(a, b));
        }
        match kind {
            Kind::INT | Kind::FLOAT | Kind::ENUM | Kind::ENUM64 => {
                let (x, y) = (a.own_size(), b.own_size());
                (x != y).then(|| format!("`{}` has another size than `{}`", a.name(), b.name()))
            }
            Kind::PTR => self.targets(a, b, false, depth),
            Kind::ARRAY => self.targets(a, b, exact, depth),
            Kind::FUNC | Kind::VAR => {
                let is_static = |t: Type<'_>| t.linkage() == Some(Linkage::STATIC);
                if is_static(a) != is_static(b) {
                    return Some("only one is static".into());
                }
                self.targets(a, b, exact, depth)
            }
            Kind::STRUCT | Kind::UNION if exact => self.members(a, b, depth),
            Kind::FUNC_PROTO => {
                if a.vlen() != b.vlen() {
                    return Some(format!("{} and {} parameters", a.vlen(), b.vlen()));
                }
                let mut params = a.params().iter().zip(b.params().iter());
                params
                    .find_map(|(x, y)| self.differ(x.ty(), y.ty(), exact, depth))
                    .or_else(|| self.targets(a, b, exact, depth))
            }
            _ => None,
        }
    }

    fn targets(&mut self, a: Type<'_>, b: Type<'_>, exact: bool, depth: usize) -> Option<String> {
        match (a.target(), b.target()) {
            (Some(a), Some(b)) => self.differ(a, b, exact, depth),
            _ => None,
        }
    }

    fn members(&mut self, a: Type<'_>, b: Type<'_>, depth: usize) -> Option<String> {
        let name = a.name();
        if a.vlen() != b.vlen() {
            return Some(format!(
                "`{name}` has {} and {} members",
                a.vlen(),
                b.vlen()
            ));
        }
        a.members()
            .iter()
            .zip(b.members().iter())
            .find_map(|(x, y)| {
                let (own, other) = (x.name_bytes(), y.name_bytes());
                if self.effort.charge_bytes(own.len() + other.len()).is_err() {
                    return Some("their types are too entangled to compare".into());
                }
                if own != other {
                    return Some(format!(
                        "`{name}` has member `{}` and member `{}`",
                        x.name(),
                        y.name()
                    ));
                }
                if x.bit_offset() != y.bit_offset() || x.bitfield_size() != y.bitfield_size() {
                    return Some(format!("member `{}` of `{name}` lies elsewhere", x.name()));
                }
                self.differ(x.ty(), y.ty(), true, depth)
            })
    }
}

fn titles(a: Type<'_>, b: Type<'_>) -> String {
    let title = |t: Type<'_>| dump::declaration(t, "").trim_end().to_owned();
    format!("`{}` is not `{}`", title(a), title(b))
}
