//! Structs that may lie in memory shared with programs, where their members are accessed in place.

use super::layout::Part;
use super::maps::{Map, Parameter};
use super::sections::Section;
use super::types::{Body, TypeRef, Types};

/// Names the structs of members of all structs among the variables that are shared, the values of
/// arrays, which may be mapped, and, as its pointers may point to anything, in an arena.
pub(super) fn all(maps: &[Map], sections: &[Section], types: &mut Types<'_>) {
    let mut found: Vec<TypeRef> = Vec::new();
    for section in sections.iter().filter(|section| section.shared.is_some()) {
        found.extend(fields(&section.layout.parts));
    }
    for map in maps.iter().filter(|map| map.kind.name == "Array") {
        found.extend(map.kind.parameters.iter().filter_map(|p| match p {
            Parameter::Type(ty) => Some(ty.clone()),
            _ => None,
        }));
    }
    if maps.iter().any(|map| map.kind.name == "Arena") {
        found.extend((0..types.count()).map(TypeRef::Named));
    }
    while let Some(ty) = found.pop() {
        match ty {
            TypeRef::Array(element, _) => found.push(*element),
            TypeRef::Alias(_, ty) => found.push(*ty),
            TypeRef::Named(index) => found.extend(name(index, types)),
            _ => {}
        }
    }
}

/// Names the members of a struct, if it is one that has no name for them yet; returns their types.
fn name(index: usize, types: &mut Types<'_>) -> Vec<TypeRef> {
    let Some((def, c_name)) = types.definition(index) else {
        return Vec::new();
    };
    let Body::Struct(layout) = &def.body else {
        return Vec::new();
    };
    if def.parts.is_some() {
        return Vec::new();
    }
    let members = fields(&layout.parts).collect();
    let name = format!("{c_name}_parts");
    let name = types.name(&name);
    if let Some((def, _)) = types.definition(index) {
        def.parts = Some(name);
    }
    members
}

fn fields(parts: &[Part]) -> impl Iterator<Item = TypeRef> {
    parts.iter().filter_map(|part| match part {
        Part::Field(field) => Some(field.ty.clone()),
        _ => None,
    })
}
