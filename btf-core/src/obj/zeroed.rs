//! Variables that start as zero and that clang's BTF has in `.data` all the same.
//!
//! clang takes for BTF what is zero in every bit, and for the object what is zero or padding: a struct whose initial value has
//! undefined padding, as those with bitfields have until clang 18, lies in `.bss` and is described in `.data`. libbpf gives it its place
//! in the wrong section, where it covers others, or refuses the object if there is no `.data`; here the description follows the object.

use crate::btf::raw::Info;
use crate::btf::{Btf, Kind, Type, TypeId, assemble};
use crate::error::Result;

/// Words of a DATASEC's record before those of its variables.
const FIXED: usize = 3;

/// Moves variables of which `is_in_bss` knows from `.data` to `.bss`. Ids stay.
pub(super) fn follow(btf: Btf, is_in_bss: impl Fn(&str) -> bool) -> Result<Btf> {
    // What a static linker wrote has places already.
    let is_unlinked = |section: &Type<'_>| section.own_size() == Some(0);
    let find = |name| btf.find(name, Kind::DATASEC).filter(is_unlinked);
    let Some(data) = find(".data") else {
        return Ok(btf);
    };
    let (mut moved, mut left) = (Vec::new(), Vec::new());
    for variable in data.variables().iter() {
        let words = match is_in_bss(variable.name()) {
            true => &mut moved,
            false => &mut left,
        };
        words.extend([variable.ty().id().0, variable.offset(), variable.size()]);
    }
    if moved.is_empty() {
        return Ok(btf);
    }
    let bss = find(".bss").map(Type::id);
    let mut types = Vec::new();
    for ty in btf.types() {
        let record = btf.record(ty.id());
        if ty.id() == data.id() && left.is_empty() {
            // Kernels refuse a section without variables; something has to have the id.
            types.extend([0, Info::new(Kind::PTR, false, 0).0, TypeId::VOID.0]);
        } else if ty.id() == data.id() {
            types.extend(section(record[0], &[&left]));
        } else if Some(ty.id()) == bss {
            types.extend(section(record[0], &[&record[FIXED..], &moved]));
        } else {
            types.extend(record);
        }
    }
    let mut strings = btf.string_section().to_vec();
    if bss.is_none() {
        let name = strings.len() as u32;
        strings.extend_from_slice(b".bss\0");
        types.extend(section(name, &[&moved]));
    }
    let bytes = assemble(&types, &strings);
    Btf::parse(Btf::bytes_for(bytes, btf.is_little_endian())?)
}

/// The record of a DATASEC of which the linker is to fill in the size.
fn section(name: u32, variables: &[&[u32]]) -> Vec<u32> {
    let variables = variables.concat();
    let info = Info::new(Kind::DATASEC, false, (variables.len() / 3) as u32);
    [vec![name, info.0, 0], variables].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::{Builder, IntEncoding, Linkage};

    fn types(data: &[&str], bss: &[&str]) -> Btf {
        let mut types = Builder::new();
        let int = types.int("int", 4, IntEncoding::SIGNED);
        for (section, names) in [(".data", data), (".bss", bss)] {
            let variable = |name: &&str| (types.variable(name, int, Linkage::GLOBAL), 0, 4);
            let variables: Vec<_> = names.iter().map(variable).collect();
            if !variables.is_empty() {
                types.section(section, 0, variables);
            }
        }
        types.finish().unwrap()
    }

    fn names(btf: &Btf, section: &str) -> Option<Vec<String>> {
        let section = btf.find(section, Kind::DATASEC)?;
        let names = section
            .variables()
            .iter()
            .map(|v| v.name().to_owned())
            .collect();
        Some(names)
    }

    #[test]
    fn variables_that_start_as_zero_follow_the_object() {
        let is_in_bss = |name: &str| name.starts_with("zero");
        let moved = |data: &[&str], bss: &[&str]| {
            let before = types(data, bss);
            let after = follow(types(data, bss), is_in_bss).unwrap();
            let ids = |btf: &Btf| {
                let named = btf.types().filter(|ty| ty.kind() == Kind::VAR);
                named
                    .map(|ty| (ty.id(), ty.name().to_owned()))
                    .collect::<Vec<_>>()
            };
            assert_eq!(ids(&after), ids(&before));
            (names(&after, ".data"), names(&after, ".bss"))
        };
        let some = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(
            moved(&["one", "zero"], &["zeros"]),
            (some(&["one"]), some(&["zeros", "zero"]))
        );
        assert_eq!(
            moved(&["zero", "zeros"], &[]),
            (None, some(&["zero", "zeros"]))
        );
        assert_eq!(
            moved(&["one"], &["zeros"]),
            (some(&["one"]), some(&["zeros"]))
        );
        assert_eq!(moved(&[], &["zeros"]), (None, some(&["zeros"])));
    }
}
