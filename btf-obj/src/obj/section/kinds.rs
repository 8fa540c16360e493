//! Program types and attach types, as the kernel's header numbers and names them.
//!
//! Source: `enum bpf_prog_type` and `enum bpf_attach_type` of `include/uapi/linux/bpf.h`.

/// Defines the known values of an open set, and their names.
macro_rules! open_set {
    ($(#[$doc:meta])* $name:ident { $($value:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name(pub u32);

        #[allow(missing_docs)] // The names are those of the kernel's header, which defines them.
        impl $name {
            $(pub const $value: $name = $name($number);)*
        }

        impl $name {
            /// Its name in the kernel's header without the common prefix; `None` if it is newer than this crate.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($value)),)*
                    _ => None,
                }
            }
        }
    };
}

open_set! {
    /// Program type (`enum bpf_prog_type`): an open set.
    ProgType {
        SOCKET_FILTER = 1,
        KPROBE = 2,
        SCHED_CLS = 3,
        SCHED_ACT = 4,
        TRACEPOINT = 5,
        XDP = 6,
        PERF_EVENT = 7,
        CGROUP_SKB = 8,
        CGROUP_SOCK = 9,
        LWT_IN = 10,
        LWT_OUT = 11,
        LWT_XMIT = 12,
        SOCK_OPS = 13,
        SK_SKB = 14,
        CGROUP_DEVICE = 15,
        SK_MSG = 16,
        RAW_TRACEPOINT = 17,
        CGROUP_SOCK_ADDR = 18,
        LWT_SEG6LOCAL = 19,
        LIRC_MODE2 = 20,
        SK_REUSEPORT = 21,
        FLOW_DISSECTOR = 22,
        CGROUP_SYSCTL = 23,
        RAW_TRACEPOINT_WRITABLE = 24,
        CGROUP_SOCKOPT = 25,
        TRACING = 26,
        STRUCT_OPS = 27,
        EXT = 28,
        LSM = 29,
        SK_LOOKUP = 30,
        SYSCALL = 31,
        NETFILTER = 32,
    }
}

open_set! {
    /// Attach type (`enum bpf_attach_type`): an open set.
    AttachType {
        CGROUP_INET_INGRESS = 0,
        CGROUP_INET_EGRESS = 1,
        CGROUP_INET_SOCK_CREATE = 2,
        CGROUP_SOCK_OPS = 3,
        SK_SKB_STREAM_PARSER = 4,
        SK_SKB_STREAM_VERDICT = 5,
        CGROUP_DEVICE = 6,
        SK_MSG_VERDICT = 7,
        CGROUP_INET4_BIND = 8,
        CGROUP_INET6_BIND = 9,
        CGROUP_INET4_CONNECT = 10,
        CGROUP_INET6_CONNECT = 11,
        CGROUP_INET4_POST_BIND = 12,
        CGROUP_INET6_POST_BIND = 13,
        CGROUP_UDP4_SENDMSG = 14,
        CGROUP_UDP6_SENDMSG = 15,
        LIRC_MODE2 = 16,
        FLOW_DISSECTOR = 17,
        CGROUP_SYSCTL = 18,
        CGROUP_UDP4_RECVMSG = 19,
        CGROUP_UDP6_RECVMSG = 20,
        CGROUP_GETSOCKOPT = 21,
        CGROUP_SETSOCKOPT = 22,
        TRACE_RAW_TP = 23,
        TRACE_FENTRY = 24,
        TRACE_FEXIT = 25,
        MODIFY_RETURN = 26,
        LSM_MAC = 27,
        TRACE_ITER = 28,
        CGROUP_INET4_GETPEERNAME = 29,
        CGROUP_INET6_GETPEERNAME = 30,
        CGROUP_INET4_GETSOCKNAME = 31,
        CGROUP_INET6_GETSOCKNAME = 32,
        XDP_DEVMAP = 33,
        CGROUP_INET_SOCK_RELEASE = 34,
        XDP_CPUMAP = 35,
        SK_LOOKUP = 36,
        XDP = 37,
        SK_SKB_VERDICT = 38,
        SK_REUSEPORT_SELECT = 39,
        SK_REUSEPORT_SELECT_OR_MIGRATE = 40,
        PERF_EVENT = 41,
        TRACE_KPROBE_MULTI = 42,
        LSM_CGROUP = 43,
        STRUCT_OPS = 44,
        NETFILTER = 45,
        TCX_INGRESS = 46,
        TCX_EGRESS = 47,
        TRACE_UPROBE_MULTI = 48,
        CGROUP_UNIX_CONNECT = 49,
        CGROUP_UNIX_SENDMSG = 50,
        CGROUP_UNIX_RECVMSG = 51,
        CGROUP_UNIX_GETPEERNAME = 52,
        CGROUP_UNIX_GETSOCKNAME = 53,
        NETKIT_PRIMARY = 54,
        NETKIT_PEER = 55,
        TRACE_KPROBE_SESSION = 56,
        TRACE_UPROBE_SESSION = 57,
        TRACE_FSESSION = 58,
    }
}

impl ProgType {
    /// The first kernel that has it, as major and minor number; `None` if this version does not know the type.
    pub fn since(self) -> Option<(u8, u8)> {
        Some(match self {
            Self::SOCKET_FILTER => (3, 19),
            Self::KPROBE | Self::SCHED_CLS | Self::SCHED_ACT => (4, 1),
            Self::TRACEPOINT => (4, 7),
            Self::XDP => (4, 8),
            Self::PERF_EVENT => (4, 9),
            Self::CGROUP_SKB | Self::CGROUP_SOCK => (4, 10),
            Self::LWT_IN | Self::LWT_OUT | Self::LWT_XMIT => (4, 10),
            Self::SOCK_OPS => (4, 13),
            Self::SK_SKB => (4, 14),
            Self::CGROUP_DEVICE => (4, 15),
            Self::SK_MSG | Self::RAW_TRACEPOINT | Self::CGROUP_SOCK_ADDR => (4, 17),
            Self::LWT_SEG6LOCAL | Self::LIRC_MODE2 => (4, 18),
            Self::SK_REUSEPORT => (4, 19),
            Self::FLOW_DISSECTOR => (4, 20),
            Self::CGROUP_SYSCTL | Self::RAW_TRACEPOINT_WRITABLE => (5, 2),
            Self::CGROUP_SOCKOPT => (5, 3),
            Self::TRACING => (5, 5),
            Self::STRUCT_OPS | Self::EXT => (5, 6),
            Self::LSM => (5, 7),
            Self::SK_LOOKUP => (5, 9),
            Self::SYSCALL => (5, 14),
            Self::NETFILTER => (6, 4),
            _ => return None,
        })
    }
}

impl AttachType {
    /// For program types that have none: the kernel takes 0.
    pub const NONE: AttachType = AttachType(0);
}
