//! The rows: one section name a line, in libbpf's order, because the first that matches counts.
//!
//! Source: `section_defs` of libbpf 1.7 for names, types and marks; the kernel's releases for the first kernel.

use super::{Attach as Way, AttachType as A, ProgType as P, SectionDef};

const fn row(
    name: &'static str,
    prog_type: P,
    attach_type: A,
    attach: Way,
    since: (u8, u8),
) -> SectionDef {
    SectionDef {
        name,
        takes_target: false,
        prog_type,
        attach_type,
        attach_type_is_optional: false,
        sleepable: false,
        attach_btf: false,
        xdp_frags: false,
        attach,
        since,
    }
}

/// The marks of a row.
impl SectionDef {
    /// `NAME/TARGET` is allowed (`+` in libbpf's table).
    const fn target(self) -> SectionDef {
        SectionDef {
            takes_target: true,
            ..self
        }
    }

    /// `SEC_SLEEPABLE`.
    const fn sleepable(self) -> SectionDef {
        SectionDef {
            sleepable: true,
            ..self
        }
    }

    /// `SEC_ATTACH_BTF`.
    const fn by_btf(self) -> SectionDef {
        SectionDef {
            attach_btf: true,
            ..self
        }
    }

    /// `SEC_EXP_ATTACH_OPT`.
    const fn optional(self) -> SectionDef {
        SectionDef {
            attach_type_is_optional: true,
            ..self
        }
    }

    /// `SEC_XDP_FRAGS`.
    const fn frags(self) -> SectionDef {
        SectionDef {
            xdp_frags: true,
            ..self
        }
    }
}

#[rustfmt::skip] // A table: one row a line.
pub(super) const DEFS: &[SectionDef] = &[
    row("socket",                P::SOCKET_FILTER,            A::NONE,                                 Way::Socket,           (3, 19)),
    row("sk_reuseport/migrate",  P::SK_REUSEPORT,             A::SK_REUSEPORT_SELECT_OR_MIGRATE,       Way::SkReuseport,      (5, 14)),
    row("sk_reuseport",          P::SK_REUSEPORT,             A::SK_REUSEPORT_SELECT,                  Way::SkReuseport,      (4, 19)),
    row("kprobe",                P::KPROBE,                   A::NONE,                                 Way::Kprobe,           (4, 1)).target(),
    row("uprobe",                P::KPROBE,                   A::NONE,                                 Way::Uprobe,           (4, 1)).target(),
    row("uprobe.s",              P::KPROBE,                   A::NONE,                                 Way::Uprobe,           (6, 0)).target().sleepable(),
    row("kretprobe",             P::KPROBE,                   A::NONE,                                 Way::Kretprobe,        (4, 1)).target(),
    row("uretprobe",             P::KPROBE,                   A::NONE,                                 Way::Uretprobe,        (4, 1)).target(),
    row("uretprobe.s",           P::KPROBE,                   A::NONE,                                 Way::Uretprobe,        (6, 0)).target().sleepable(),
    row("kprobe.multi",          P::KPROBE,                   A::TRACE_KPROBE_MULTI,                   Way::KprobeMulti,      (5, 18)).target(),
    row("kretprobe.multi",       P::KPROBE,                   A::TRACE_KPROBE_MULTI,                   Way::KretprobeMulti,   (5, 18)).target(),
    row("kprobe.session",        P::KPROBE,                   A::TRACE_KPROBE_SESSION,                 Way::KprobeSession,    (6, 10)).target(),
    row("uprobe.multi",          P::KPROBE,                   A::TRACE_UPROBE_MULTI,                   Way::UprobeMulti,      (6, 6)).target(),
    row("uretprobe.multi",       P::KPROBE,                   A::TRACE_UPROBE_MULTI,                   Way::UretprobeMulti,   (6, 6)).target(),
    row("uprobe.session",        P::KPROBE,                   A::TRACE_UPROBE_SESSION,                 Way::UprobeSession,    (6, 13)).target(),
    row("uprobe.multi.s",        P::KPROBE,                   A::TRACE_UPROBE_MULTI,                   Way::UprobeMulti,      (6, 6)).target().sleepable(),
    row("uretprobe.multi.s",     P::KPROBE,                   A::TRACE_UPROBE_MULTI,                   Way::UretprobeMulti,   (6, 6)).target().sleepable(),
    row("uprobe.session.s",      P::KPROBE,                   A::TRACE_UPROBE_SESSION,                 Way::UprobeSession,    (6, 13)).target().sleepable(),
    row("ksyscall",              P::KPROBE,                   A::NONE,                                 Way::Ksyscall,         (4, 1)).target(),
    row("kretsyscall",           P::KPROBE,                   A::NONE,                                 Way::Kretsyscall,      (4, 1)).target(),
    row("usdt",                  P::KPROBE,                   A::NONE,                                 Way::Usdt,             (4, 1)).target(),
    row("usdt.s",                P::KPROBE,                   A::NONE,                                 Way::Usdt,             (6, 0)).target().sleepable(),
    row("tc/ingress",            P::SCHED_CLS,                A::TCX_INGRESS,                          Way::Tcx,              (6, 6)),
    row("tc/egress",             P::SCHED_CLS,                A::TCX_EGRESS,                           Way::Tcx,              (6, 6)),
    row("tcx/ingress",           P::SCHED_CLS,                A::TCX_INGRESS,                          Way::Tcx,              (6, 6)),
    row("tcx/egress",            P::SCHED_CLS,                A::TCX_EGRESS,                           Way::Tcx,              (6, 6)),
    row("tc",                    P::SCHED_CLS,                A::NONE,                                 Way::Tc,               (4, 1)),
    row("classifier",            P::SCHED_CLS,                A::NONE,                                 Way::Tc,               (4, 1)),
    row("action",                P::SCHED_ACT,                A::NONE,                                 Way::Tc,               (4, 1)),
    row("netkit/primary",        P::SCHED_CLS,                A::NETKIT_PRIMARY,                       Way::Netkit,           (6, 7)),
    row("netkit/peer",           P::SCHED_CLS,                A::NETKIT_PEER,                          Way::Netkit,           (6, 7)),
    row("tracepoint",            P::TRACEPOINT,               A::NONE,                                 Way::Tracepoint,       (4, 7)).target(),
    row("tp",                    P::TRACEPOINT,               A::NONE,                                 Way::Tracepoint,       (4, 7)).target(),
    row("raw_tracepoint",        P::RAW_TRACEPOINT,           A::NONE,                                 Way::RawTracepoint,    (4, 17)).target(),
    row("raw_tp",                P::RAW_TRACEPOINT,           A::NONE,                                 Way::RawTracepoint,    (4, 17)).target(),
    row("raw_tracepoint.w",      P::RAW_TRACEPOINT_WRITABLE,  A::NONE,                                 Way::RawTracepoint,    (5, 2)).target(),
    row("raw_tp.w",              P::RAW_TRACEPOINT_WRITABLE,  A::NONE,                                 Way::RawTracepoint,    (5, 2)).target(),
    row("tp_btf",                P::TRACING,                  A::TRACE_RAW_TP,                         Way::Tracing,          (5, 5)).target().by_btf(),
    row("fentry",                P::TRACING,                  A::TRACE_FENTRY,                         Way::Tracing,          (5, 5)).target().by_btf(),
    row("fmod_ret",              P::TRACING,                  A::MODIFY_RETURN,                        Way::Tracing,          (5, 7)).target().by_btf(),
    row("fexit",                 P::TRACING,                  A::TRACE_FEXIT,                          Way::Tracing,          (5, 5)).target().by_btf(),
    row("fentry.s",              P::TRACING,                  A::TRACE_FENTRY,                         Way::Tracing,          (5, 10)).target().sleepable().by_btf(),
    row("fmod_ret.s",            P::TRACING,                  A::MODIFY_RETURN,                        Way::Tracing,          (5, 10)).target().sleepable().by_btf(),
    row("fexit.s",               P::TRACING,                  A::TRACE_FEXIT,                          Way::Tracing,          (5, 10)).target().sleepable().by_btf(),
    row("fsession",              P::TRACING,                  A::TRACE_FSESSION,                       Way::Tracing,          (7, 0)).target().by_btf(),
    row("fsession.s",            P::TRACING,                  A::TRACE_FSESSION,                       Way::Tracing,          (7, 0)).target().sleepable().by_btf(),
    row("freplace",              P::EXT,                      A::NONE,                                 Way::Freplace,         (5, 6)).target().by_btf(),
    row("lsm",                   P::LSM,                      A::LSM_MAC,                              Way::Tracing,          (5, 7)).target().by_btf(),
    row("lsm.s",                 P::LSM,                      A::LSM_MAC,                              Way::Tracing,          (5, 10)).target().sleepable().by_btf(),
    row("lsm_cgroup",            P::LSM,                      A::LSM_CGROUP,                           Way::LsmCgroup,        (6, 0)).target().by_btf(),
    row("iter",                  P::TRACING,                  A::TRACE_ITER,                           Way::Iter,             (5, 8)).target().by_btf(),
    row("iter.s",                P::TRACING,                  A::TRACE_ITER,                           Way::Iter,             (5, 19)).target().sleepable().by_btf(),
    row("syscall",               P::SYSCALL,                  A::NONE,                                 Way::Syscall,          (5, 14)).sleepable(),
    row("xdp.frags/devmap",      P::XDP,                      A::XDP_DEVMAP,                           Way::XdpMap,           (5, 18)).frags(),
    row("xdp/devmap",            P::XDP,                      A::XDP_DEVMAP,                           Way::XdpMap,           (5, 8)),
    row("xdp.frags/cpumap",      P::XDP,                      A::XDP_CPUMAP,                           Way::XdpMap,           (5, 18)).frags(),
    row("xdp/cpumap",            P::XDP,                      A::XDP_CPUMAP,                           Way::XdpMap,           (5, 9)),
    row("xdp.frags",             P::XDP,                      A::XDP,                                  Way::Xdp,              (5, 18)).frags(),
    row("xdp",                   P::XDP,                      A::XDP,                                  Way::Xdp,              (4, 8)).optional(),
    row("perf_event",            P::PERF_EVENT,               A::NONE,                                 Way::PerfEvent,        (4, 9)),
    row("lwt_in",                P::LWT_IN,                   A::NONE,                                 Way::Lwt,              (4, 10)),
    row("lwt_out",               P::LWT_OUT,                  A::NONE,                                 Way::Lwt,              (4, 10)),
    row("lwt_xmit",              P::LWT_XMIT,                 A::NONE,                                 Way::Lwt,              (4, 10)),
    row("lwt_seg6local",         P::LWT_SEG6LOCAL,            A::NONE,                                 Way::Lwt,              (4, 18)),
    row("sockops",               P::SOCK_OPS,                 A::CGROUP_SOCK_OPS,                      Way::Cgroup,           (4, 13)).optional(),
    row("sk_skb/stream_parser",  P::SK_SKB,                   A::SK_SKB_STREAM_PARSER,                 Way::SockMap,          (4, 14)).optional(),
    row("sk_skb/stream_verdict", P::SK_SKB,                   A::SK_SKB_STREAM_VERDICT,                Way::SockMap,          (4, 14)).optional(),
    row("sk_skb/verdict",        P::SK_SKB,                   A::SK_SKB_VERDICT,                       Way::SockMap,          (5, 13)).optional(),
    row("sk_skb",                P::SK_SKB,                   A::NONE,                                 Way::SockMap,          (4, 14)),
    row("sk_msg",                P::SK_MSG,                   A::SK_MSG_VERDICT,                       Way::SockMap,          (4, 17)).optional(),
    row("lirc_mode2",            P::LIRC_MODE2,               A::LIRC_MODE2,                           Way::Lirc,             (4, 18)).optional(),
    row("flow_dissector",        P::FLOW_DISSECTOR,           A::FLOW_DISSECTOR,                       Way::Netns,            (4, 20)).optional(),
    row("cgroup_skb/ingress",    P::CGROUP_SKB,               A::CGROUP_INET_INGRESS,                  Way::Cgroup,           (4, 10)).optional(),
    row("cgroup_skb/egress",     P::CGROUP_SKB,               A::CGROUP_INET_EGRESS,                   Way::Cgroup,           (4, 10)).optional(),
    row("cgroup/skb",            P::CGROUP_SKB,               A::NONE,                                 Way::Cgroup,           (4, 10)),
    row("cgroup/sock_create",    P::CGROUP_SOCK,              A::CGROUP_INET_SOCK_CREATE,              Way::Cgroup,           (4, 10)),
    row("cgroup/sock_release",   P::CGROUP_SOCK,              A::CGROUP_INET_SOCK_RELEASE,             Way::Cgroup,           (5, 9)),
    row("cgroup/sock",           P::CGROUP_SOCK,              A::CGROUP_INET_SOCK_CREATE,              Way::Cgroup,           (4, 10)).optional(),
    row("cgroup/post_bind4",     P::CGROUP_SOCK,              A::CGROUP_INET4_POST_BIND,               Way::Cgroup,           (4, 17)),
    row("cgroup/post_bind6",     P::CGROUP_SOCK,              A::CGROUP_INET6_POST_BIND,               Way::Cgroup,           (4, 17)),
    row("cgroup/bind4",          P::CGROUP_SOCK_ADDR,         A::CGROUP_INET4_BIND,                    Way::Cgroup,           (4, 17)),
    row("cgroup/bind6",          P::CGROUP_SOCK_ADDR,         A::CGROUP_INET6_BIND,                    Way::Cgroup,           (4, 17)),
    row("cgroup/connect4",       P::CGROUP_SOCK_ADDR,         A::CGROUP_INET4_CONNECT,                 Way::Cgroup,           (4, 17)),
    row("cgroup/connect6",       P::CGROUP_SOCK_ADDR,         A::CGROUP_INET6_CONNECT,                 Way::Cgroup,           (4, 17)),
    row("cgroup/connect_unix",   P::CGROUP_SOCK_ADDR,         A::CGROUP_UNIX_CONNECT,                  Way::Cgroup,           (6, 7)),
    row("cgroup/sendmsg4",       P::CGROUP_SOCK_ADDR,         A::CGROUP_UDP4_SENDMSG,                  Way::Cgroup,           (4, 18)),
    row("cgroup/sendmsg6",       P::CGROUP_SOCK_ADDR,         A::CGROUP_UDP6_SENDMSG,                  Way::Cgroup,           (4, 18)),
    row("cgroup/sendmsg_unix",   P::CGROUP_SOCK_ADDR,         A::CGROUP_UNIX_SENDMSG,                  Way::Cgroup,           (6, 7)),
    row("cgroup/recvmsg4",       P::CGROUP_SOCK_ADDR,         A::CGROUP_UDP4_RECVMSG,                  Way::Cgroup,           (5, 2)),
    row("cgroup/recvmsg6",       P::CGROUP_SOCK_ADDR,         A::CGROUP_UDP6_RECVMSG,                  Way::Cgroup,           (5, 2)),
    row("cgroup/recvmsg_unix",   P::CGROUP_SOCK_ADDR,         A::CGROUP_UNIX_RECVMSG,                  Way::Cgroup,           (6, 7)),
    row("cgroup/getpeername4",   P::CGROUP_SOCK_ADDR,         A::CGROUP_INET4_GETPEERNAME,             Way::Cgroup,           (5, 8)),
    row("cgroup/getpeername6",   P::CGROUP_SOCK_ADDR,         A::CGROUP_INET6_GETPEERNAME,             Way::Cgroup,           (5, 8)),
    row("cgroup/getpeername_unix", P::CGROUP_SOCK_ADDR,         A::CGROUP_UNIX_GETPEERNAME,              Way::Cgroup,           (6, 7)),
    row("cgroup/getsockname4",   P::CGROUP_SOCK_ADDR,         A::CGROUP_INET4_GETSOCKNAME,             Way::Cgroup,           (5, 8)),
    row("cgroup/getsockname6",   P::CGROUP_SOCK_ADDR,         A::CGROUP_INET6_GETSOCKNAME,             Way::Cgroup,           (5, 8)),
    row("cgroup/getsockname_unix", P::CGROUP_SOCK_ADDR,         A::CGROUP_UNIX_GETSOCKNAME,              Way::Cgroup,           (6, 7)),
    row("cgroup/sysctl",         P::CGROUP_SYSCTL,            A::CGROUP_SYSCTL,                        Way::Cgroup,           (5, 2)),
    row("cgroup/getsockopt",     P::CGROUP_SOCKOPT,           A::CGROUP_GETSOCKOPT,                    Way::Cgroup,           (5, 3)),
    row("cgroup/setsockopt",     P::CGROUP_SOCKOPT,           A::CGROUP_SETSOCKOPT,                    Way::Cgroup,           (5, 3)),
    row("cgroup/dev",            P::CGROUP_DEVICE,            A::CGROUP_DEVICE,                        Way::Cgroup,           (4, 15)).optional(),
    row("struct_ops",            P::STRUCT_OPS,               A::NONE,                                 Way::StructOps,        (5, 6)).target(),
    row("struct_ops.s",          P::STRUCT_OPS,               A::NONE,                                 Way::StructOps,        (6, 3)).target().sleepable(),
    row("sk_lookup",             P::SK_LOOKUP,                A::SK_LOOKUP,                            Way::Netns,            (5, 9)),
    row("netfilter",             P::NETFILTER,                A::NETFILTER,                            Way::Netfilter,        (6, 4)),
];
