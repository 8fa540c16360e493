//! Sections of global variables as structs: one with plain fields for initial values, one with shared cells for what a
//! loaded program changes.

use btf_obj::btf::{Btf, Linkage};
use btf_obj::obj::{DataKind, Object};
use btf_obj::{Error, Result};

use super::layout::{Field, Layout, Part, lay_out};
use super::types::{TypeRef, Types};
use crate::names::Scope;

/// A section with named variables.
#[derive(Debug)]
pub(crate) struct Section {
    /// Name in the object, `.data.config` for instance.
    pub(crate) c_name: String,
    /// Name of the skeleton's field.
    pub(crate) name: String,
    /// Struct of initial values.
    pub(crate) ty: String,
    /// Struct of shared cells; `None` for constants, which keep their struct.
    pub(crate) shared: Option<String>,
    /// Whether the application sets initial values; those of the kernel's configuration are looked up.
    pub(crate) has_initial: bool,
    pub(crate) size: u64,
    /// Whether its last variable is the last field.
    pub(crate) ends_with_field: bool,
    pub(crate) layout: Layout,
}

impl Section {
    /// The array that the section ends with, if that is a variable, and the type of its elements.
    pub(crate) fn array(&self) -> Option<(&Field, &TypeRef)> {
        let is_field = |part: &&Part| matches!(part, Part::Field(_));
        match self.layout.parts.iter().rfind(is_field)? {
            Part::Field(field) if self.ends_with_field => match &field.ty {
                TypeRef::Array(element, _) => Some((field, element)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Names of a section, taken before those of types so that `Rodata` is always the section.
pub(super) struct Names {
    section: usize,
    name: String,
    ty: String,
    shared: Option<String>,
}

/// Of the sections that applications see. The others hold what their sources keep to themselves, and locks and the like, which the
/// kernel has nobody map.
pub(super) fn names(object: &Object, btf: &Btf, scope: &mut Scope) -> Vec<Names> {
    let mut fields = Scope::reserving(&["maps", "progs", "struct_ops", "object", "warnings"]);
    let mut out = Vec::new();
    for (section, data) in object.data().iter().enumerate() {
        if !data.is_visible(btf) {
            continue;
        }
        // Its name in ELF is a number, so it has the one that libbpf's skeletons give it.
        let c_name = match data.kind {
            DataKind::Arena => "arena",
            _ => data.name.trim_start_matches('.'),
        };
        let shared = (!data.kind.is_frozen()).then(|| scope.ty(&format!("shared_{c_name}")));
        out.push(Names {
            section,
            name: fields.value(c_name),
            ty: scope.ty(c_name),
            shared,
        });
    }
    out
}

pub(super) fn all(
    object: &Object,
    btf: &Btf,
    names: Vec<Names>,
    types: &mut Types<'_>,
) -> Result<Vec<Section>> {
    let mut out = Vec::with_capacity(names.len());
    for Names {
        section,
        name,
        ty,
        shared,
    } in names
    {
        let data = &object.data()[section];
        let Some(datasec) = data.datasec.map(|id| btf.ty(id)) else {
            continue;
        };
        let mut scope = Scope::default();
        let mut fields = Vec::new();
        for variable in datasec.variables().iter() {
            // As in libbpf's skeletons: a static variable belongs to its file, and several may have one name.
            if variable.ty().linkage() != Some(Linkage::GLOBAL) {
                continue;
            }
            let Some(ty) = variable.ty().target() else {
                continue;
            };
            fields.push(Field {
                name: scope.value(variable.name()),
                ty: types.reference(ty, variable.name()),
                offset: variable.offset().into(),
                declaration: btf_obj::btf::dump::declaration(ty, variable.name()),
                comment: types.docs.of("variable", variable.name()),
                members: Vec::new(),
            });
        }
        // The section ends with its last variable, a struct at a multiple of its alignment; the map has room for that.
        let align = fields.iter().map(|f| types.measure(&f.ty).1).max();
        let size = (data.size as u64).next_multiple_of(align.unwrap_or(1));
        let layout = lay_out(types, &mut scope, fields, Vec::new(), size).ok_or_else(|| {
            Error::malformed(format!("variables of section {} overlap", data.name))
        })?;
        out.push(Section {
            c_name: data.name.clone(),
            name,
            ty,
            shared,
            has_initial: data.kind != DataKind::Kconfig,
            size,
            ends_with_field: (datasec.variables().iter().last())
                .is_some_and(|last| last.ty().linkage() == Some(Linkage::GLOBAL)),
            layout,
        });
    }
    Ok(out)
}
