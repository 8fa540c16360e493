//! Structs of operations: members that can be set before the load.

use btf_obj::btf::{Btf, Kind, Type, dump};
use btf_obj::obj::Object;

use super::programs::Program;
use super::types::{TypeRef, Types};
use crate::names::Scope;

/// A struct of operations of the object.
#[derive(Debug)]
pub(crate) struct Operations {
    pub(crate) c_name: String,
    pub(crate) name: String,
    /// Name of the struct of its settings.
    pub(crate) ty: String,
    /// Name of its struct in C.
    pub(crate) c_type: String,
    /// What the source says, as paragraphs before others.
    pub(crate) comment: String,
    pub(crate) members: Vec<Operation>,
}

/// A member that can be set.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) c_name: String,
    pub(crate) name: String,
    /// Name of the method that sets it.
    pub(crate) setter: String,
    /// Its type; `None` for a program.
    pub(crate) value: Option<TypeRef>,
    /// How C declares it.
    pub(crate) declaration: String,
    /// What the source says, as paragraphs before others.
    pub(crate) comment: String,
}

/// Methods that all of them have.
const OWN: [&str; 2] = ["struct_ops", "struct_ops_mut"];

/// Operations share a struct of links with programs, so that their names must differ.
pub(super) fn all(
    object: &Object,
    btf: &Btf,
    programs: &[Program],
    types: &mut Types,
) -> Vec<Operations> {
    let taken: Vec<&str> = programs.iter().map(|p| p.name.as_str()).collect();
    let mut scope = Scope::reserving(&taken);
    object
        .struct_ops()
        .iter()
        .map(|spec| Operations {
            c_name: spec.name.clone(),
            name: scope.value(&spec.name),
            ty: types.scope.ty(&format!("{}_settings", spec.name)),
            c_type: btf.ty(spec.ty).name().to_owned(),
            comment: types.docs.of("variable", &spec.name),
            members: members(btf.ty(spec.ty), types),
        })
        .collect()
}

fn members(ty: Type<'_>, types: &mut Types) -> Vec<Operation> {
    let mut scope = Scope::reserving(&OWN);
    ty.members()
        .iter()
        .filter(|member| member.bitfield_size().is_none() && !member.is_anonymous())
        .filter_map(|member| {
            let value = match is_function_pointer(member.ty()) {
                true => None,
                false if is_plain(member.ty()) => Some(types.reference(member.ty(), member.name())),
                false => return None,
            };
            let name = scope.value(member.name());
            Some(Operation {
                c_name: member.name().to_owned(),
                setter: scope.value(&format!("set_{}", name.trim_end_matches('_'))),
                name,
                value,
                declaration: dump::declaration(member.ty(), member.name()),
                comment: types.docs.member(ty.name(), member.name()),
            })
        })
        .collect()
}

fn is_function_pointer(ty: Type<'_>) -> bool {
    let ty = ty.strip();
    let to = ty.target().map(Type::strip);
    ty.kind() == Kind::PTR && to.is_some_and(|to| to.kind() == Kind::FUNC_PROTO)
}

/// Whether it is a number, an enum, or an array of such: what is not of the kernel's own affairs.
fn is_plain(ty: Type<'_>) -> bool {
    let ty = ty.strip();
    match ty.kind() {
        Kind::INT | Kind::ENUM | Kind::ENUM64 => true,
        Kind::ARRAY => ty
            .array()
            .is_some_and(|array| array.element.strip().kind() == Kind::INT),
        _ => false,
    }
}
