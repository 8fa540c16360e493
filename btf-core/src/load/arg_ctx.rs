//! `__arg_ctx` for kernels that do not know the tag (before 6.8): they take a parameter of a global function for the context
//! by its type, so the function gets a type of its own that says so (libbpf's `bpf_program_fixup_func_info`).

use std::collections::HashMap;

use crate::btf::raw::Info;
use crate::btf::{Btf, Kind, Linkage, Type, TypeId, assemble};
use crate::error::Result;
use crate::obj::{Object, ProgType, ProgramSpec};
use crate::probe::{self, Features};

/// What types of functions are exchanged for, by type of program.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    /// The object's types with those added; `None` if nothing was.
    pub(super) btf: Option<Btf>,
    replaced: HashMap<(ProgType, TypeId), TypeId>,
}

impl Contexts {
    /// The type that a function is described with in a program.
    pub(super) fn of(&self, prog_type: ProgType, function: TypeId) -> TypeId {
        let replaced = self.replaced.get(&(prog_type, function));
        replaced.copied().unwrap_or(function)
    }

    /// Looks for parameters that need it in what these programs reach. The kernel is asked only if there is one.
    pub(super) fn find(
        object: &Object,
        programs: &[&ProgramSpec],
        features: &Features,
    ) -> Result<Contexts> {
        let Some(btf) = object.btf() else {
            return Ok(Contexts::default());
        };
        let tagged = tagged(btf);
        if tagged.is_empty() {
            return Ok(Contexts::default());
        }
        let mut wanted: Vec<(ProgType, TypeId, Vec<u32>)> = Vec::new();
        for program in programs {
            let Some(prog_type) = program.def.map(|def| def.prog_type) else {
                continue;
            };
            for function in object.reachable(program)? {
                let id = object.functions()[function].btf_id;
                let Some((id, params)) = id.and_then(|id| Some((id, tagged.get(&id)?))) else {
                    continue;
                };
                let params: Vec<u32> = params
                    .iter()
                    .copied()
                    .filter(|at| needs_type(btf.ty(id), *at, prog_type))
                    .collect();
                let is_new = !wanted.iter().any(|(p, i, _)| (*p, *i) == (prog_type, id));
                if is_new && !params.is_empty() {
                    wanted.push((prog_type, id, params));
                }
            }
        }
        if wanted.is_empty() || features.knows(&probe::ARG_CTX_TAG) {
            return Ok(Contexts::default());
        }
        add(btf, &wanted)
    }
}

/// Global functions with parameters that are tagged as the context.
fn tagged(btf: &Btf) -> HashMap<TypeId, Vec<u32>> {
    let mut out: HashMap<TypeId, Vec<u32>> = HashMap::new();
    for tag in btf
        .types()
        .filter(|t| t.kind() == Kind::DECL_TAG && t.has_name(b"arg:ctx"))
    {
        let Some(function) = tag.target().filter(|f| f.kind() == Kind::FUNC) else {
            continue;
        };
        let at = tag.component().and_then(|at| u32::try_from(at).ok());
        if let (Some(at), Some(Linkage::GLOBAL)) = (at, function.linkage())
            && (at as usize) < function.params().len()
        {
            out.entry(function.id()).or_default().push(at);
        }
    }
    out
}

/// The struct that stands for the context of programs of this type, if one does.
fn context_name(prog_type: ProgType) -> Option<&'static str> {
    Some(match prog_type {
        ProgType::CGROUP_DEVICE => "bpf_cgroup_dev_ctx",
        ProgType::CGROUP_SOCK => "bpf_sock",
        ProgType::CGROUP_SOCK_ADDR => "bpf_sock_addr",
        ProgType::CGROUP_SOCKOPT => "bpf_sockopt",
        ProgType::CGROUP_SYSCTL => "bpf_sysctl",
        ProgType::KPROBE => "bpf_user_pt_regs_t",
        ProgType::NETFILTER => "bpf_nf_ctx",
        ProgType::PERF_EVENT => "bpf_perf_event_data",
        ProgType::RAW_TRACEPOINT | ProgType::RAW_TRACEPOINT_WRITABLE => "bpf_raw_tracepoint_args",
        ProgType::CGROUP_SKB
        | ProgType::FLOW_DISSECTOR
        | ProgType::LWT_IN
        | ProgType::LWT_OUT
        | ProgType::LWT_SEG6LOCAL
        | ProgType::LWT_XMIT
        | ProgType::SCHED_ACT
        | ProgType::SCHED_CLS
        | ProgType::SK_SKB
        | ProgType::SOCKET_FILTER => "__sk_buff",
        ProgType::SK_LOOKUP => "bpf_sk_lookup",
        ProgType::SK_MSG => "sk_msg_md",
        ProgType::SK_REUSEPORT => "sk_reuseport_md",
        ProgType::SOCK_OPS => "bpf_sock_ops",
        ProgType::XDP => "xdp_md",
        _ => return None,
    })
}

/// Whether a parameter is of a type that stands for the context in C and not in the verifier's eyes.
fn needs_type(function: Type<'_>, at: u32, prog_type: ProgType) -> bool {
    let Some(context) = context_name(prog_type) else {
        return false;
    };
    let param = function.params().get(at as usize).map(|p| p.ty().strip());
    let Some(pointee) = param
        .filter(|t| t.kind() == Kind::PTR)
        .and_then(Type::target)
    else {
        return false;
    };
    let has_regs = matches!(prog_type, ProgType::KPROBE | ProgType::PERF_EVENT);
    let named = pointee.strip_modifiers();
    if has_regs && named.kind() == Kind::TYPEDEF && named.has_name(b"bpf_user_pt_regs_t") {
        return false;
    }
    let pointee = pointee.strip();
    let name = pointee.name();
    match pointee.kind() {
        Kind::UNKN => true,
        Kind::STRUCT if name == context => false,
        Kind::STRUCT if prog_type == ProgType::KPROBE => name == "pt_regs",
        Kind::STRUCT if prog_type == ProgType::PERF_EVENT => name == user_regs(),
        Kind::INT => {
            let is_raw = matches!(
                prog_type,
                ProgType::RAW_TRACEPOINT | ProgType::RAW_TRACEPOINT_WRITABLE
            );
            is_raw && pointee.own_size() == Some(8)
        }
        _ => false,
    }
}

/// The struct that `bpf_user_pt_regs_t` is on this machine.
fn user_regs() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" | "s390x" => "user_pt_regs",
        "riscv64" => "user_regs_struct",
        _ => "pt_regs",
    }
}

/// Adds a FUNC for each of these, with parameters that point to the context.
fn add(btf: &Btf, wanted: &[(ProgType, TypeId, Vec<u32>)]) -> Result<Contexts> {
    let mut words: Vec<u32> = btf.types().flat_map(|t| btf.record(t.id())).collect();
    let mut strings = btf.own_strings().1.to_vec();
    let mut next = btf.end_id();
    let mut pointers: HashMap<&str, u32> = HashMap::new();
    let mut replaced = HashMap::new();
    let mut push = |record: &[u32]| {
        words.extend_from_slice(record);
        next += 1;
        next - 1
    };
    for (prog_type, id, params) in wanted {
        let (Some(context), Some(proto)) = (context_name(*prog_type), btf.ty(*id).func_proto())
        else {
            continue;
        };
        let pointer = *pointers.entry(context).or_insert_with(|| {
            let name = strings.len() as u32;
            strings.extend_from_slice(context.as_bytes());
            strings.push(0);
            let target = push(&[name, Info::new(Kind::STRUCT, false, 0).0, 0]);
            push(&[0, Info::new(Kind::PTR, false, 0).0, target])
        });
        let mut record = btf.record(proto.id());
        for at in params {
            // A record of three words, and two for each parameter.
            if let Some(ty) = record.get_mut(3 + 2 * *at as usize + 1) {
                *ty = pointer;
            }
        }
        let proto = push(&record);
        let mut record = btf.record(*id);
        if let Some(ty) = record.get_mut(2) {
            *ty = proto;
        }
        replaced.insert((*prog_type, *id), TypeId(push(&record)));
    }
    Ok(Contexts {
        btf: Some(Btf::parse(assemble(&words, &strings))?),
        replaced,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::{Builder, IntEncoding};

    /// `int f(TYPE *ctx __arg_ctx, int n)`, TYPE being what is made here.
    fn function(pointee: impl FnOnce(&mut Builder) -> TypeId) -> (Btf, TypeId) {
        let mut b = Builder::new();
        let int = b.int("int", 4, IntEncoding::SIGNED);
        let to = pointee(&mut b);
        let pointer = b.pointer(to);
        let proto = b.prototype(int, [("ctx", pointer), ("n", int)]);
        let f = b.function("f", proto, Linkage::GLOBAL);
        b.decl_tag("arg:ctx", f, Some(0));
        b.decl_tag("arg:ctx", f, Some(7));
        (b.finish().unwrap(), f)
    }

    #[test]
    fn what_the_verifier_knows_by_itself_is_left_alone() {
        let needs = |prog_type, pointee: fn(&mut Builder) -> TypeId| {
            let (btf, f) = function(pointee);
            needs_type(btf.ty(f), 0, prog_type)
        };
        let void = |_: &mut Builder| TypeId::VOID;
        let regs = |b: &mut Builder| b.structure("pt_regs", 0, [("", TypeId::VOID, 0); 0]);
        let own = |b: &mut Builder| b.structure("xdp_md", 0, [("", TypeId::VOID, 0); 0]);
        let word = |b: &mut Builder| b.int("u64", 8, IntEncoding(0));
        assert!(needs(ProgType::XDP, void));
        assert!(!needs(ProgType::XDP, own));
        assert!(!needs(ProgType::XDP, regs));
        assert!(needs(ProgType::KPROBE, regs));
        assert!(needs(ProgType::RAW_TRACEPOINT, word));
        assert!(!needs(ProgType::XDP, word));
        assert!(!needs(ProgType::TRACING, void), "it has no struct for it");
        let (btf, f) = function(|_| TypeId::VOID);
        assert!(!needs_type(btf.ty(f), 1, ProgType::XDP), "an int is none");
    }

    #[test]
    fn functions_get_types_of_their_own() {
        let (btf, f) = function(|_| TypeId::VOID);
        assert_eq!(tagged(&btf), HashMap::from([(f, vec![0])]));
        let wanted = [(ProgType::XDP, f, vec![0]), (ProgType::KPROBE, f, vec![0])];
        let contexts = add(&btf, &wanted).unwrap();
        let new = contexts.btf.as_ref().unwrap();
        let first = |prog_type| {
            let ty = new.ty(contexts.of(prog_type, f));
            assert_eq!((ty.name(), ty.linkage()), ("f", Some(Linkage::GLOBAL)));
            assert_eq!(ty.params().get(1).unwrap().ty().name(), "int");
            let pointee = ty.params().get(0).unwrap().ty().target().unwrap();
            pointee.name().to_owned()
        };
        assert_eq!(first(ProgType::XDP), "xdp_md");
        assert_eq!(first(ProgType::KPROBE), "bpf_user_pt_regs_t");
        assert_eq!(contexts.of(ProgType::SCHED_CLS, f), f);
    }
}
