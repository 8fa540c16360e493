//! The kernel's functions that programs may call, as `vmlinux.h` declares them.

use super::declarator::is_address_space;
use super::writer::Around;
use crate::btf::{Btf, Kind, Type, TypeId};

/// What stands in front of them.
pub(super) const MACROS: &str = "\
#ifndef BPF_NO_KFUNC_PROTOTYPES
#ifndef __ksym
#define __ksym __attribute__((section(\".ksyms\")))
#endif
#ifndef __weak
#define __weak __attribute__((weak))
#endif
#ifndef __bpf_fastcall
#if __has_attribute(bpf_fastcall)
#define __bpf_fastcall __attribute__((bpf_fastcall))
#else
#define __bpf_fastcall
#endif
#endif

";

/// The condition under which `__arena` of `<bpf/bpf_arena_common.h>` is an address space, and its opposite.
const WITH_SPACES: &str =
    "#if defined(__BPF_FEATURE_ADDR_SPACE_CAST) && !defined(BPF_ARENA_FORCE_ASM)\n";
const WITHOUT_SPACES: &str =
    "#if !defined(__BPF_FEATURE_ADDR_SPACE_CAST) || defined(BPF_ARENA_FORCE_ASM)\n";

/// Those that take or return pointers into arenas, though the BTF that pahole writes before its 1.30 does not say so.
const OF_ARENAS: [&[u8]; 3] = [
    b"bpf_arena_alloc_pages",
    b"bpf_arena_free_pages",
    b"bpf_arena_reserve_pages",
];

/// The functions that programs may call, as DECL_TAGs mark them.
#[derive(Default)]
pub(super) struct Kfuncs {
    pub(super) all: Vec<TypeId>,
    /// Those that leave the argument registers alone; in order.
    fast: Vec<TypeId>,
}

impl Kfuncs {
    pub(super) fn of(btf: &Btf) -> Kfuncs {
        let mut kfuncs = Kfuncs::default();
        for header in btf.headers().filter(|h| h.kind == Kind::DECL_TAG) {
            let tag = btf.ty(header.id);
            let Some(func) = tag.target().filter(|ty| ty.kind() == Kind::FUNC) else {
                continue;
            };
            match (tag.name_bytes(), tag.component()) {
                (b"bpf_kfunc", Some(-1)) => kfuncs.all.push(func.id()),
                (b"bpf_fastcall", Some(-1)) => kfuncs.fast.push(func.id()),
                _ => {}
            }
        }
        kfuncs.fast.sort_unstable();
        kfuncs
    }

    /// How one of them is declared. One with pointers into arenas is so for those compilers only to which they are the pointers
    /// that its BTF says, because a source declares it itself, with `__arena`, and would else contradict.
    pub(super) fn around(&self, func: Type<'_>) -> Around {
        let condition = if has_address_space(func) {
            WITH_SPACES
        } else if OF_ARENAS.contains(&func.name_bytes()) {
            WITHOUT_SPACES
        } else {
            ""
        };
        let is_fast = self.fast.binary_search(&func.id()).is_ok();
        Around {
            condition,
            storage: "extern ",
            attributes: match is_fast {
                true => " __weak __ksym __bpf_fastcall",
                false => " __weak __ksym",
            },
        }
    }
}

/// Whether a function takes or returns a pointer to another address space.
fn has_address_space(func: Type<'_>) -> bool {
    let is_pointer_to_space = |ty: Option<Type<'_>>| {
        ty.map(Type::strip_modifiers)
            .filter(|ty| ty.kind() == Kind::PTR)
            .and_then(Type::target)
            .is_some_and(|to| to.kind() == Kind::TYPE_TAG && to.flag() && is_address_space(to))
    };
    let Some(proto) = func.func_proto() else {
        return false;
    };
    is_pointer_to_space(proto.target())
        || proto
            .params()
            .iter()
            .any(|param| is_pointer_to_space(Some(param.ty())))
}
