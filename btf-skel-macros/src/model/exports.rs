//! Types that no map and no variable holds, but that the source asks to have in the skeleton.

use btf_obj::btf::{Btf, Kind, Linkage, Type};

use super::types::Types;

/// Where `BPF_EXPORT_TYPE` of our headers puts its pointers.
const SECTION: &str = ".export";

/// Defines what pointers among the global variables point to, and what those of the section for it do. A pointer in C's
/// `const struct event *unused` says nothing to Rust, so that it can only be there for its type.
pub(super) fn all(btf: &Btf, types: &mut Types<'_>) {
    for section in btf.types().filter(|t| t.kind() == Kind::DATASEC) {
        if section.name() == ".maps" {
            continue;
        }
        for variable in section.variables().iter().map(|v| v.ty()) {
            if variable.linkage() == Some(Linkage::GLOBAL) || section.name() == SECTION {
                export(variable, types);
            }
        }
    }
}

fn export(variable: Type<'_>, types: &mut Types<'_>) {
    let pointer = variable.target().map(Type::strip);
    let Some(pointer) = pointer.filter(|ty| ty.kind() == Kind::PTR) else {
        return;
    };
    if let Some(target) = pointer.target() {
        types.reference(target, variable.name());
    }
}
