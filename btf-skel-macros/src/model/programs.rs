//! Programs: which type of btf-core stands for one, by how its section attaches.

use btf_obj::btf::Btf;
use btf_obj::obj::{Attach, Object};

use super::arguments::{self, Arguments};
use crate::docs::Docs;
use crate::names::Scope;

/// A program of the object.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) c_name: String,
    pub(crate) name: String,
    pub(crate) section: String,
    /// What the source says of it.
    pub(crate) comment: String,
    /// Type of btf-core that has the attach methods of its section.
    pub(crate) ty: &'static str,
    /// Module of btf-core that has the type.
    pub(crate) module: &'static str,
    /// Whether the skeleton attaches it by its section.
    pub(crate) attaches: bool,
    pub(crate) arguments: Option<Arguments>,
}

/// Typed program of each attach type.
const TYPES: &[(Attach, &str)] = &[
    (Attach::Tracing, "Tracing"),
    (Attach::Iter, "Iter"),
    (Attach::RawTracepoint, "RawTracepoint"),
    (Attach::Tracepoint, "Tracepoint"),
    (Attach::Kprobe, "Kprobe"),
    (Attach::Kretprobe, "Kprobe"),
    (Attach::Xdp, "Xdp"),
    (Attach::Tc, "Tc"),
    (Attach::Tcx, "Tcx"),
    (Attach::Netkit, "Netkit"),
    (Attach::Cgroup, "Cgroup"),
    (Attach::LsmCgroup, "Cgroup"),
    (Attach::Netns, "Netns"),
    (Attach::SockMap, "SkMap"),
    (Attach::Socket, "SocketFilter"),
    (Attach::SkReuseport, "SkReuseport"),
    (Attach::Netfilter, "Netfilter"),
    (Attach::Lwt, "Lwt"),
    (Attach::Lirc, "Lirc"),
    (Attach::Syscall, "Syscall"),
    (Attach::Ksyscall, "Ksyscall"),
    (Attach::Kretsyscall, "Ksyscall"),
    (Attach::KprobeMulti, "KprobeMulti"),
    (Attach::KretprobeMulti, "KprobeMulti"),
    (Attach::KprobeSession, "KprobeMulti"),
    (Attach::Uprobe, "Uprobe"),
    (Attach::Uretprobe, "Uprobe"),
    (Attach::UprobeMulti, "UprobeMulti"),
    (Attach::UretprobeMulti, "UprobeMulti"),
    (Attach::UprobeSession, "UprobeMulti"),
    (Attach::Usdt, "Usdt"),
    (Attach::PerfEvent, "PerfEvent"),
    (Attach::Freplace, "Freplace"),
    (Attach::StructOps, "StructOp"),
];

/// Returns the module of btf-core that has a typed program.
fn module(ty: Option<&str>) -> &'static str {
    match ty {
        None | Some("Syscall") => "prog",
        Some("StructOp") => "struct_ops",
        Some(_) => "attach",
    }
}

pub(super) fn all(
    object: &Object,
    prototypes: Option<&Btf>,
    docs: &Docs,
    types: &mut Scope,
) -> Vec<Program> {
    let mut scope = Scope::default();
    object
        .programs()
        .iter()
        .map(|spec| {
            let attach = spec.def.map(|def| def.attach);
            let ty = TYPES
                .iter()
                .find(|(way, _)| Some(*way) == attach)
                .map(|(_, ty)| *ty);
            Program {
                c_name: spec.name.clone(),
                name: scope.value(&spec.name),
                section: spec.section.clone(),
                comment: docs.of("function", &spec.name),
                ty: ty.unwrap_or("Program"),
                module: module(ty),
                attaches: attach.is_some_and(Attach::is_by_section),
                arguments: arguments::of(spec, object, prototypes, types),
            }
        })
        .collect()
}
