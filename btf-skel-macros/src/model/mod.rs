//! What a skeleton has, as plain data: no tokens, no macro input.

mod arguments;
mod exports;
mod layout;
mod maps;
mod members;
mod parts;
mod programs;
mod sections;
mod struct_ops;
mod types;

use btf_obj::Result;
use btf_obj::btf::Btf;
use btf_obj::obj::Object;
use btf_obj::private::digest;

use crate::docs::Docs;
use crate::names::Scope;

pub(crate) use arguments::{Argument, Arguments, Form};
pub(crate) use layout::{Field, Layout, Part, Tail};
pub(crate) use maps::{Map, MapKind, Parameter};
pub(crate) use programs::Program;
pub(crate) use sections::Section;
pub(crate) use struct_ops::{Operation, Operations};
pub(crate) use types::{Accessor, Alias, Body, Place, TypeDef, TypeRef, Value};

/// Names of the module's own types besides the two states. The states are called after the object,
/// whatever its name, so that one called `maps` has `Maps` and these give way.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) maps: String,
    pub(crate) open_maps: String,
    pub(crate) progs: String,
    pub(crate) open_progs: String,
    pub(crate) operations: String,
    pub(crate) open_operations: String,
    pub(crate) links: String,
}

impl Own {
    fn named_in(scope: &mut Scope) -> Own {
        let mut name = |c_name: &str| scope.ty(c_name);
        Own {
            maps: name("maps"),
            open_maps: name("open_maps"),
            progs: name("progs"),
            open_progs: name("open_progs"),
            operations: name("operations"),
            open_operations: name("open_operations"),
            links: name("links"),
        }
    }
}

/// Everything that a skeleton is made of.
#[derive(Debug)]
pub(crate) struct Skeleton {
    /// Name of the object: `hello` for `hello.bpf.c`.
    pub(crate) name: String,
    /// The object, in the form that the application reads.
    pub(crate) digest: Vec<u8>,
    /// Name of the loaded state's struct.
    pub(crate) loaded: String,
    /// Name of the open state's struct.
    pub(crate) open: String,
    pub(crate) own: Own,
    pub(crate) types: Vec<TypeDef>,
    pub(crate) aliases: Vec<Alias>,
    pub(crate) maps: Vec<Map>,
    pub(crate) programs: Vec<Program>,
    pub(crate) sections: Vec<Section>,
    pub(crate) struct_ops: Vec<Operations>,
    /// Whether it has the prototypes that the object was built for.
    pub(crate) has_prototypes: bool,
    /// Whether types of kernels without BTF are carried along.
    pub(crate) has_kernels: bool,
}

impl Skeleton {
    /// Models an object; `prototypes` is the BTF beside it, if there is any, `docs` what its source says.
    ///
    /// # Errors
    ///
    /// If it has no BTF, or a variable that does not lie where BTF says.
    pub(crate) fn of(object: &Object, prototypes: Option<&Btf>, docs: &Docs) -> Result<Skeleton> {
        let btf = object.require_btf()?;
        let mut scope = Scope::default();
        let loaded = scope.ty(object.name());
        let open = scope.ty(&format!("open_{}", object.name()));
        let own = Own::named_in(&mut scope);
        let sections = sections::names(object, btf, &mut scope);
        let programs = programs::all(object, prototypes, docs, &mut scope);
        let mut types = types::Types::new(scope, docs);
        let maps = maps::all(object, btf, &mut types);
        let sections = sections::all(object, btf, sections, &mut types)?;
        let struct_ops = struct_ops::all(object, btf, &programs, &mut types);
        exports::all(btf, &mut types);
        parts::all(&maps, &sections, &mut types);
        let (types, aliases) = types.finish();
        Ok(Skeleton {
            name: object.name().to_owned(),
            digest: digest(object),
            loaded,
            open,
            own,
            types,
            aliases,
            maps,
            programs,
            sections,
            struct_ops,
            has_prototypes: prototypes.is_some(),
            has_kernels: false,
        })
    }
}
