//! The table of features: a new probe is a row here and a function in [`super::ask`].

use super::{Probe, ask, btf};
use crate::btf::sanitize::Feature;

macro_rules! probes {
    ($($name:ident = $text:literal, ($major:literal, $minor:literal), [$($option:literal),*], $asks:literal, $ask:expr;)*) => {
        $(
            #[doc = concat!($asks, " (Linux ", $major, ".", $minor, ").")]
            pub static $name: Probe = Probe {
                name: $text,
                since: ($major, $minor),
                needs: &[$($option),*],
                asks: $asks,
                ask: $ask,
            };
        )*

        pub(super) static ALL: &[&Probe] = &[$(&$name),*];
    };
}

probes! {
    ISA_V2 = "instructions of version 2", (4, 14), [], "A program that jumps if less", ask::isa_v2;
    NAMES = "names of programs and maps", (4, 15), [], "A program with a name", ask::names;
    ATTACH_TYPE = "expected attach type", (4, 17), ["CONFIG_CGROUP_BPF"], "A program for sockets of a cgroup that says when it is to run", ask::attach_type;
    SYSCALL_WRAPPER = "wrappers of system calls", (4, 17), [], "A function of this architecture's own for the system call `bpf` in /proc/kallsyms", ask::syscall_wrapper;
    BTF = "BTF", (4, 18), [], "BTF with a number", btf::plain;
    BTF_FUNC = "BTF of functions", (5, 0), [], "BTF with a function", btf::func;
    ISA_V3 = "instructions of version 3", (5, 1), [], "A program that compares 32 bits", ask::isa_v3;
    GLOBAL_DATA = "global data", (5, 2), [], "A program that writes to the value of an array by its address", ask::global_data;
    BTF_DATASEC = "BTF of variables", (5, 2), [], "BTF with a section of variables", btf::datasec;
    LARGE_PROGRAMS = "programs of a million instructions", (5, 2), [], "A program of 4097 instructions", ask::large_programs;
    BOUNDED_LOOPS = "bounded loops", (5, 3), [], "A program that counts down from ten", ask::bounded_loops;
    ARRAY_MMAP = "arrays in memory", (5, 5), [], "An array with `BPF_F_MMAPABLE`", ask::array_mmap;
    PROBE_READ_KERNEL = "bpf_probe_read_kernel", (5, 5), ["CONFIG_BPF_EVENTS"], "A program that calls `bpf_probe_read_kernel`", ask::probe_read_kernel;
    BTF_GLOBAL_FUNC = "BTF of global functions", (5, 6), [], "BTF with a function that has a linkage", btf::global_func;
    MAP_BATCH = "batches of entries", (5, 6), [], "An update of no entries of an array", ask::map_batch;
    CGROUP_LINK = "links of cgroups", (5, 7), ["CONFIG_CGROUP_BPF"], "A link of a program and no cgroup", ask::cgroup_link;
    XDP_LINK = "links of network devices", (5, 9), ["CONFIG_NET"], "A link of a program and the loopback device's hardware, which runs none", ask::xdp_link;
    MEMCG_ACCOUNTING = "memory charged to the cgroup", (5, 11), [], "A program that calls `bpf_ktime_get_coarse_ns`, which came with that", ask::memcg_accounting;
    MODULE_BTF = "BTF of modules", (5, 11), [], "The name of a BTF object", ask::module_btf;
    BTF_FLOAT = "BTF of floats", (5, 13), [], "BTF with a float", btf::float;
    BPF_COOKIE = "cookies", (5, 15), ["CONFIG_BPF_EVENTS"], "A program that calls `bpf_get_attach_cookie`", ask::bpf_cookie;
    PERF_LINK = "links of perf events", (5, 15), ["CONFIG_BPF_EVENTS"], "A link of a program and no perf event", ask::perf_link;
    BTF_DECL_TAG = "BTF of tags on declarations", (5, 16), [], "BTF with a tag on a variable", btf::decl_tag;
    BTF_TYPE_TAG = "BTF of tags on types", (5, 17), [], "BTF with a tag on what a pointer points to", btf::type_tag;
    KPROBE_MULTI = "links to many functions", (5, 18), ["CONFIG_FPROBE"], "A link of a program and a function whose address cannot be read", ask::kprobe_multi;
    BTF_ENUM64 = "BTF of 64-bit enums", (6, 0), [], "BTF with a 64-bit enum", btf::enum64;
    ISA_V4 = "instructions of version 4", (6, 6), [], "A program that extends the sign of a byte", ask::isa_v4;
    TCX = "tcx", (6, 6), ["CONFIG_NET_XGRESS"], "A link of a program and the ingress of a device that is not there", ask::tcx;
    UPROBE_MULTI = "links to many places of a binary", (6, 6), ["CONFIG_UPROBES"], "A link of a program and the binary `/`, for process -1 in the end, which tells if processes are told from threads", ask::uprobe_multi;
    NETKIT = "netkit", (6, 7), ["CONFIG_NETKIT"], "A link of a program and a netkit device that is not there", ask::netkit;
    ARG_CTX_TAG = "__arg_ctx", (6, 8), [], "A program with a global function whose parameter is the context by its tag", ask::arg_ctx_tag;
    BTF_QUESTION_MARK = "BTF of optional sections", (6, 9), [], "BTF with a section whose name starts with `?`", btf::question_mark;
    TOKEN = "tokens", (6, 9), [], "A token of no file system", ask::token;
    KPROBE_SESSION = "sessions of functions", (6, 10), ["CONFIG_FPROBE"], "A link of a session's program and a function whose address cannot be read", ask::kprobe_session;
    UPROBE_SESSION = "sessions of places of a binary", (6, 13), ["CONFIG_UPROBES"], "A link of a session's program and the binary `/`", ask::uprobe_session;
}

/// The probe for a feature of BTF.
pub(crate) fn btf_feature(feature: Feature) -> &'static Probe {
    match feature {
        Feature::Func => &BTF_FUNC,
        Feature::Datasec => &BTF_DATASEC,
        Feature::GlobalFunc => &BTF_GLOBAL_FUNC,
        Feature::Float => &BTF_FLOAT,
        Feature::DeclTag => &BTF_DECL_TAG,
        Feature::TypeTag => &BTF_TYPE_TAG,
        Feature::Enum64 => &BTF_ENUM64,
        Feature::QuestionMark => &BTF_QUESTION_MARK,
    }
}
