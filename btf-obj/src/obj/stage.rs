//! The steps of loading that not every object needs, and which an object does.

use super::{Attach, Object, Pinning};
use crate::btf::Kind;
use crate::btf::ext::CoreKind;

/// A step of loading that not every object needs. A skeleton links in those of its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// CO-RE relocation, of what depends on fields.
    Relocations,
    /// CO-RE relocation of what depends on whole types or on enumerators.
    TypeRelocations,
    /// Looking up what the kernel defines: configuration values, variables, functions.
    Externs,
    /// Types for parameters tagged `__arg_ctx`, on kernels that do not know the tag.
    Contexts,
    /// Structs of operations.
    Operations,
    /// What programs on static probes of user space share.
    StaticProbes,
    /// Maps and programs that are values of maps.
    Slots,
    /// Maps that are pinned by their names.
    Pins,
    /// Arrays of instructions by which programs jump.
    JumpTables,
}

impl Stage {
    /// All of them.
    pub const ALL: [Stage; 9] = [
        Stage::Relocations,
        Stage::TypeRelocations,
        Stage::Externs,
        Stage::Contexts,
        Stage::Operations,
        Stage::StaticProbes,
        Stage::Slots,
        Stage::Pins,
        Stage::JumpTables,
    ];

    /// Its name: that of the method of `load::Stages`.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Relocations => "relocations",
            Stage::TypeRelocations => "type_relocations",
            Stage::Externs => "externs",
            Stage::Contexts => "contexts",
            Stage::Operations => "operations",
            Stage::StaticProbes => "static_probes",
            Stage::Slots => "slots",
            Stage::Pins => "pins",
            Stage::JumpTables => "jump_tables",
        }
    }

    /// Whether an object needs it.
    pub fn is_needed(self, object: &Object) -> bool {
        let attaches = |way| {
            let mut programs = object.programs().iter();
            programs.any(|p| p.def.is_some_and(|def| def.attach == way))
        };
        match self {
            Stage::Relocations => object.functions().iter().any(|f| !f.core.is_empty()),
            Stage::TypeRelocations => {
                let mut relos = object.functions().iter().flat_map(|f| &f.core);
                relos.any(|relo| !relo.kind.is_field() && relo.kind != CoreKind::TYPE_ID_LOCAL)
            }
            Stage::Externs => !object.externs().is_empty(),
            Stage::Contexts => object.btf().is_some_and(|btf| {
                let mut tags = btf.types().filter(|t| t.kind() == Kind::DECL_TAG);
                tags.any(|t| t.has_name(b"arg:ctx"))
            }),
            Stage::Operations => !object.struct_ops().is_empty() || attaches(Attach::StructOps),
            Stage::StaticProbes => attaches(Attach::Usdt),
            Stage::Slots => object.maps().iter().any(|map| !map.slots.is_empty()),
            Stage::Pins => {
                let mut maps = object.maps().iter();
                maps.any(|map| map.pinning == Pinning::ByName)
            }
            Stage::JumpTables => !object.jump_tables().is_empty(),
        }
    }
}
