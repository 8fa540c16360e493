//! What programs attach to by type: how functions, tracepoints, hooks and iterators are named in a kernel's BTF, their
//! prototypes, and whether two kernels' prototypes agree in what a program reads.
//!
//! Nothing here asks the kernel. btf-build keeps the prototypes of an object's targets ([`subset`]); skeletons type the
//! arguments by them; btf-core compares them with the running kernel's.

mod compare;
mod context_reads;
mod find;
mod prototype;
mod subset;
#[cfg(test)]
mod tests;

use crate::btf::{Btf, Kind, Type};
use crate::obj::{Attach, AttachType, ProgramSpec};

pub use compare::{incompatible_args, prototype_change};
pub use context_reads::{Read, context_reads};
pub use find::{BtfTarget, find, near};
pub use prototype::{Arg, Prototype};
pub use subset::{BODY_PREFIX, body_prototype, subset};

/// How the targets of an attach type are named in BTF, and of what kind they are (libbpf's `btf_get_kernel_prefix_kind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Naming {
    pub(crate) prefix: &'static str,
    pub(crate) kind: Kind,
    /// What a user calls one.
    pub(crate) noun: &'static str,
}

pub(crate) fn naming(attach_type: AttachType) -> Naming {
    let (prefix, kind, noun) = match attach_type {
        AttachType::TRACE_RAW_TP => ("btf_trace_", Kind::TYPEDEF, "tracepoint"),
        AttachType::TRACE_ITER => ("bpf_iter_", Kind::FUNC, "iterator"),
        AttachType::LSM_MAC | AttachType::LSM_CGROUP => ("bpf_lsm_", Kind::FUNC, "security hook"),
        _ => ("", Kind::FUNC, "function"),
    };
    Naming { prefix, kind, noun }
}

/// A program's target by type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// How its name and prototype are to be read. Of a raw tracepoint's program it is that of `tp_btf`, which the same
    /// tracepoints have.
    pub attach_type: AttachType,
    /// What follows the section's prefix.
    pub name: &'a str,
}

impl<'a> Target<'a> {
    /// What a program attaches to, if that has arguments that BTF describes.
    pub fn of(program: &'a ProgramSpec) -> Option<Target<'a>> {
        let def = program.def?;
        let attach_type = match def.attach {
            Attach::RawTracepoint => AttachType::TRACE_RAW_TP,
            // A function of a program, which no kernel's BTF has.
            Attach::Freplace => return None,
            _ if def.attach_btf => def.attach_type,
            _ => return None,
        };
        let name = program.target.as_deref()?;
        Some(Target { attach_type, name })
    }

    /// Its type in a BTF; none if `name` asks for a module and this is not the kernel proper's.
    pub fn find(self, btf: &'a Btf) -> Option<Type<'a>> {
        let name = self.name.strip_prefix("vmlinux:").unwrap_or(self.name);
        let Naming { prefix, kind, .. } = naming(self.attach_type);
        btf.find(&format!("{prefix}{name}"), kind)
    }

    /// Its prototype in a BTF.
    pub fn prototype(self, btf: &'a Btf) -> Option<Prototype<'a>> {
        Prototype::of(self.attach_type, self.find(btf)?)
    }
}
