//! Questions about types of programs and maps, and helper functions, as `libbpf_probe_bpf_prog_type` and its like ask them.

use std::io;
use std::os::fd::AsFd;

use super::btf::{SPIN_LOCK, SPIN_LOCK_STRINGS};
use super::prober::{EXIT, Prober, ZERO, answer, call};
use crate::error::{Error, ErrorKind, Result};
use crate::obj::map_flags::MMAPABLE;
use crate::obj::{AttachType, MapType, ProgType};
use crate::sys::{self, ENOTSUPP, Loading, MapFd, MapParams, page_size};

/// `BPF_F_SLEEPABLE`.
const SLEEPABLE: u32 = 1 << 4;
/// `BPF_F_NO_PREALLOC`.
const NO_PREALLOC: u32 = 1;

/// An attach type that programs of this type load with.
fn attach_type(prog_type: ProgType) -> AttachType {
    match prog_type {
        ProgType::CGROUP_SOCK_ADDR => AttachType::CGROUP_INET4_CONNECT,
        ProgType::CGROUP_SOCKOPT => AttachType::CGROUP_GETSOCKOPT,
        ProgType::SK_LOOKUP => AttachType::SK_LOOKUP,
        ProgType::LIRC_MODE2 => AttachType::LIRC_MODE2,
        ProgType::NETFILTER => AttachType::NETFILTER,
        ProgType::TRACING => AttachType::TRACE_FENTRY,
        ProgType::LSM => AttachType::LSM_MAC,
        _ => AttachType::NONE,
    }
}

/// The smallest program of a type.
fn smallest<'a>(
    prober: &Prober<'a>,
    prog_type: ProgType,
    insns: &'a [crate::insn::Insn],
) -> Loading<'a> {
    let needs_target = [ProgType::TRACING, ProgType::LSM, ProgType::EXT].contains(&prog_type);
    Loading {
        // The first type of a kernel is a number, to which nothing attaches.
        attach_btf_id: u32::from(needs_target),
        flags: match prog_type {
            ProgType::SYSCALL => SLEEPABLE,
            _ => 0,
        },
        token: prober.token,
        ..Loading::bare(prog_type, attach_type(prog_type), insns)
    }
}

/// Whether a program of this type loads, or is refused as only a kernel refuses it that knows the type.
pub(super) fn prog_type(prober: &Prober<'_>, prog_type: ProgType) -> io::Result<bool> {
    let insns = [ZERO, EXIT];
    let loading = smallest(prober, prog_type, &insns);
    match prog_type {
        ProgType::TRACING | ProgType::LSM | ProgType::EXT => match sys::prog_load(&loading) {
            Ok(_) => Ok(true),
            Err((e, log)) => match answer::<()>(Err(e)) {
                // The verifier got to see it, and says what is wrong with its target.
                Ok(_) => Ok(!log.trim().is_empty()),
                Err(e) => Err(e),
            },
        },
        ProgType::STRUCT_OPS => match sys::prog_try(&loading) {
            Err(e) if e.raw_os_error() == Some(ENOTSUPP) => Ok(true),
            other => answer(other),
        },
        _ => answer(sys::prog_try(&loading)),
    }
}

/// Whether the kernel creates a map of this type.
pub(super) fn map_type(prober: &Prober<'_>, map_type: MapType) -> io::Result<bool> {
    if map_type == MapType::STRUCT_OPS {
        return Ok(sys::OpsMap::is_known(prober.token));
    }
    let small = prober.map(map_type);
    let params = match map_type {
        MapType::STACK_TRACE => MapParams {
            value_size: 8,
            ..small
        },
        MapType::LPM_TRIE => MapParams {
            key_size: 8,
            value_size: 8,
            flags: NO_PREALLOC,
            ..small
        },
        MapType::CGROUP_STORAGE | MapType::PERCPU_CGROUP_STORAGE => MapParams {
            key_size: 16,
            value_size: 8,
            max_entries: 0,
            ..small
        },
        MapType::QUEUE | MapType::STACK | MapType::BLOOM_FILTER => MapParams {
            key_size: 0,
            ..small
        },
        MapType::RINGBUF | MapType::USER_RINGBUF => MapParams {
            key_size: 0,
            value_size: 0,
            max_entries: u32::try_from(page_size()).unwrap_or(u32::MAX),
            ..small
        },
        MapType::ARENA => MapParams {
            key_size: 0,
            value_size: 0,
            flags: MMAPABLE,
            ..small
        },
        MapType::INSN_ARRAY => MapParams {
            value_size: 16,
            ..small
        },
        MapType::RHASH => MapParams {
            flags: NO_PREALLOC,
            ..small
        },
        MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS => {
            let inner = MapFd::create(&prober.map(MapType::HASH))?;
            return answer(MapFd::create(&MapParams {
                inner: Some(inner.as_fd()),
                ..small
            }));
        }
        MapType::SK_STORAGE
        | MapType::INODE_STORAGE
        | MapType::TASK_STORAGE
        | MapType::CGRP_STORAGE => {
            let btf = match prober.btf(&SPIN_LOCK, SPIN_LOCK_STRINGS) {
                Ok(btf) => btf,
                Err(e) => return answer::<()>(Err(e)),
            };
            return answer(MapFd::create(&MapParams {
                value_size: 8,
                max_entries: 0,
                flags: NO_PREALLOC,
                btf: Some((btf.as_fd(), 1, 3)),
                ..small
            }));
        }
        _ => small,
    };
    answer(MapFd::create(&params))
}

/// Refuses program types of which none loads without a target.
pub(super) fn can_ask_for_helpers(prog_type: ProgType) -> Result<()> {
    match prog_type {
        ProgType::TRACING | ProgType::EXT | ProgType::LSM | ProgType::STRUCT_OPS => {
            Err(Error::new(
                ErrorKind::Unsupported,
                "programs of this type load with a target only, by which their helper functions differ",
            ))
        }
        _ => Ok(()),
    }
}

/// Whether the verifier knows the helper, and lets programs of this type call it: any other complaint comes after that.
pub(super) fn helper(prober: &Prober<'_>, prog_type: ProgType, id: u32) -> io::Result<bool> {
    /// Enough for what is said of two instructions.
    const LOG_SIZE: usize = 4096;
    const REFUSALS: [&str; 3] = ["invalid func ", "unknown func ", "cannot use helper "];
    let insns = [call(id.cast_signed()), EXIT];
    let loading = Loading {
        log_level: 1,
        log_size: Some(LOG_SIZE),
        ..smallest(prober, prog_type, &insns)
    };
    match sys::prog_load(&loading) {
        Ok(_) => Ok(true),
        Err((e, log)) if log.trim().is_empty() => answer::<()>(Err(e)),
        Err((_, log)) => Ok(!REFUSALS.iter().any(|refusal| log.contains(refusal))),
    }
}

/// The options that a kernel must be built with to have programs of this type, but for `CONFIG_BPF_SYSCALL`.
pub fn prog_type_options(prog_type: ProgType) -> &'static [&'static str] {
    match prog_type {
        ProgType::KPROBE
        | ProgType::TRACEPOINT
        | ProgType::PERF_EVENT
        | ProgType::RAW_TRACEPOINT
        | ProgType::RAW_TRACEPOINT_WRITABLE
        | ProgType::TRACING => &["CONFIG_BPF_EVENTS"],
        ProgType::CGROUP_SKB
        | ProgType::CGROUP_SOCK
        | ProgType::CGROUP_SOCK_ADDR
        | ProgType::CGROUP_SOCKOPT
        | ProgType::CGROUP_SYSCTL
        | ProgType::CGROUP_DEVICE => &["CONFIG_CGROUP_BPF"],
        ProgType::LWT_IN | ProgType::LWT_OUT | ProgType::LWT_XMIT => &["CONFIG_LWTUNNEL_BPF"],
        ProgType::LWT_SEG6LOCAL => &["CONFIG_IPV6_SEG6_BPF"],
        ProgType::LIRC_MODE2 => &["CONFIG_BPF_LIRC_MODE2"],
        ProgType::STRUCT_OPS | ProgType::EXT => &["CONFIG_BPF_JIT"],
        ProgType::LSM => &["CONFIG_BPF_LSM"],
        ProgType::NETFILTER => &["CONFIG_NETFILTER_BPF_LINK"],
        ProgType::SYSCALL => &[],
        _ => &["CONFIG_NET"],
    }
}

/// The options that a kernel must be built with to have maps of this type, but for `CONFIG_BPF_SYSCALL`.
pub fn map_type_options(map_type: MapType) -> &'static [&'static str] {
    match map_type {
        MapType::CGROUP_ARRAY | MapType::CGRP_STORAGE => &["CONFIG_CGROUPS"],
        MapType::CGROUP_STORAGE | MapType::PERCPU_CGROUP_STORAGE => &["CONFIG_CGROUP_BPF"],
        MapType::PERF_EVENT_ARRAY => &["CONFIG_PERF_EVENTS"],
        MapType::STACK_TRACE => &["CONFIG_PERF_EVENTS"],
        MapType::INODE_STORAGE => &["CONFIG_BPF_LSM"],
        MapType::STRUCT_OPS => &["CONFIG_BPF_JIT"],
        MapType::XSKMAP => &["CONFIG_XDP_SOCKETS"],
        MapType::SOCKMAP
        | MapType::SOCKHASH
        | MapType::DEVMAP
        | MapType::DEVMAP_HASH
        | MapType::CPUMAP
        | MapType::SK_STORAGE
        | MapType::REUSEPORT_SOCKARRAY => &["CONFIG_NET"],
        MapType::ARENA => &["CONFIG_MMU"],
        _ => &[],
    }
}
