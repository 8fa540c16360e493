//! Loading: from an [`Object`](crate::obj::Object) to maps and programs in the kernel.
//!
//! [`OpenObject`] is what may still be changed: sizes of maps, values of globals, which programs to load and onto what.
//! [`OpenObject::load`] turns it into a [`LoadedObject`], from which [`Map`](crate::map::Map)s,
//! [`Program`](crate::prog::Program)s and sections of globals are taken.
//!
//! In order: CO-RE relocation of what will be loaded, what the kernel must supply, the object's BTF, maps and their contents, programs. Nothing is left
//! in the kernel if a step fails.

mod arg_ctx;
mod btf_object;
mod data;
mod entry;
mod externs;
mod jump_tables;
mod loaded;
mod loading;
mod maps;
mod old_helpers;
mod open;
mod open_map;
mod open_program;
mod patch;
mod programs;
mod prototype;
mod rejection;
mod relocation;
mod remedy;
mod slots;
mod static_probes;
mod types;

pub use crate::sys::kernel_btf;
pub use btf_object::{BtfObject, btf_objects};
pub use loaded::LoadedObject;
pub use open::OpenObject;
pub use open_map::OpenMap;
pub use open_program::{OpenProgram, ProgFlags};
