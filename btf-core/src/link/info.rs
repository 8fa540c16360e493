//! What the kernel says of a link.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use crate::error::{Error, Result};
use crate::obj::AttachType;
use crate::sys;

/// Type of a link (`enum bpf_link_type`): an open set.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkType(pub u32);

#[allow(missing_docs)] // The names are those of the kernel's header, which defines them.
impl LinkType {
    pub const RAW_TRACEPOINT: LinkType = LinkType(1);
    pub const TRACING: LinkType = LinkType(2);
    pub const CGROUP: LinkType = LinkType(3);
    pub const ITER: LinkType = LinkType(4);
    pub const NETNS: LinkType = LinkType(5);
    pub const XDP: LinkType = LinkType(6);
    pub const PERF_EVENT: LinkType = LinkType(7);
    pub const KPROBE_MULTI: LinkType = LinkType(8);
    pub const STRUCT_OPS: LinkType = LinkType(9);
    pub const NETFILTER: LinkType = LinkType(10);
    pub const TCX: LinkType = LinkType(11);
    pub const UPROBE_MULTI: LinkType = LinkType(12);
    pub const NETKIT: LinkType = LinkType(13);
    pub const SOCKMAP: LinkType = LinkType(14);
}

/// The kernel's names, by number.
const NAMES: [&str; 15] = [
    "unspec",
    "raw_tracepoint",
    "tracing",
    "cgroup",
    "iter",
    "netns",
    "xdp",
    "perf_event",
    "kprobe_multi",
    "struct_ops",
    "netfilter",
    "tcx",
    "uprobe_multi",
    "netkit",
    "sockmap",
];

impl fmt::Debug for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(self.0 as usize) {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A link as the kernel describes it (`struct bpf_link_info`).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct LinkInfo {
    /// Its type.
    pub link_type: LinkType,
    /// Its number, which no other link has while it exists.
    pub id: u32,
    /// Number of its program.
    pub prog_id: u32,
    /// What the type has besides.
    pub details: LinkDetails,
}

/// What links of one type have and others have not. Numbers that an older kernel does not tell are 0.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LinkDetails {
    /// Of a raw tracepoint.
    RawTracepoint {
        /// The tracepoint.
        name: String,
        /// Cookie of the attachment (0 before Linux 6.17).
        cookie: u64,
    },
    /// Of a tracing program.
    Tracing {
        /// How it is attached.
        attach_type: AttachType,
        /// Number of the BTF object that has the target; of the program whose function is replaced, for `freplace`.
        target: u32,
        /// The target's type there.
        btf_id: u32,
        /// What the program was attached with.
        cookie: u64,
    },
    /// Of an iterator.
    Iter {
        /// What is iterated over.
        name: String,
    },
    /// Of a perf event, which from 6.6 on says what it is.
    PerfEvent {
        /// `enum bpf_perf_event_type`: 1 to 4 are uprobe, uretprobe, kprobe, kretprobe, 5 a tracepoint, 6 another event.
        event_type: u32,
    },
    /// Of many kernel functions.
    KprobeMulti {
        /// How many.
        count: u32,
        /// Whether their returns are probed.
        is_return: bool,
        /// How often the program did not run because it was running already (from 6.7 on).
        missed: u64,
    },
    /// Of many places of a binary.
    UprobeMulti {
        /// How many.
        count: u32,
        /// Whether returns are probed.
        is_return: bool,
        /// The only process, or 0.
        pid: u32,
    },
    /// Of a cgroup.
    Cgroup {
        /// The cgroup's number, that of its folder's inode.
        cgroup_id: u64,
        /// How the program is attached.
        attach_type: AttachType,
    },
    /// Of a network namespace.
    Netns {
        /// Number of the namespace's inode, as /proc/PID/ns/net has it.
        inode: u32,
        /// How the program is attached.
        attach_type: AttachType,
    },
    /// Of XDP on a network device.
    Xdp {
        /// The device's index; 0 if it is gone.
        ifindex: u32,
    },
    /// Of a struct of operations.
    StructOps {
        /// Number of the map that the struct is.
        map_id: u32,
    },
    /// Of a hook of netfilter.
    Netfilter {
        /// The family, such as 2 for IPv4 (`NFPROTO_…`).
        family: u32,
        /// The hook (`NF_INET_…`).
        hook: u32,
        /// Programs with lower priorities run first.
        priority: i32,
        /// `BPF_F_NETFILTER_IP_DEFRAG`, or nothing.
        flags: u32,
    },
    /// Of a network device's tcx.
    Tcx {
        /// The device's index; 0 if it is gone.
        ifindex: u32,
        /// How the program is attached: to what comes in or what goes out.
        attach_type: AttachType,
    },
    /// Of a pair of netkit devices.
    Netkit {
        /// The primary device's index; 0 if it is gone.
        ifindex: u32,
        /// How the program is attached: to the primary device or its peer.
        attach_type: AttachType,
    },
    /// Of a map of sockets.
    Sockmap {
        /// The map's number.
        map_id: u32,
        /// How the program is attached.
        attach_type: AttachType,
    },
    /// What is in the 64 bytes behind the common part, of a type that has no form here.
    Other([u32; 16]),
}

/// Bytes for a name.
const NAME: usize = 128;

impl LinkType {
    /// Whether the kernel can put another program into such a link.
    fn takes_another(self) -> bool {
        matches!(
            self,
            LinkType::CGROUP
                | LinkType::ITER
                | LinkType::NETNS
                | LinkType::XDP
                | LinkType::TCX
                | LinkType::NETKIT
                | LinkType::SOCKMAP
        )
    }
}

/// Why the kernel may have refused to put another program into a link.
pub(super) fn not_updated(link: BorrowedFd<'_>, e: &io::Error) -> Option<&'static str> {
    let errno = e.raw_os_error()?;
    if errno == libc::ENOLINK {
        return Some("what it was attached to is gone: attach the program anew");
    }
    let is_refused = matches!(errno, libc::EINVAL | libc::EOPNOTSUPP | libc::EPERM);
    let link_type = sys::link_info(link)
        .ok()
        .map(|info| LinkType(info.link_type));
    match link_type.filter(|_| is_refused)? {
        LinkType::ITER => Some("it takes a program that iterates over the same alone"),
        link_type if link_type.takes_another() => Some(
            "it takes a program of the same type alone, which attaches the same way; attach this one by a link of its own",
        ),
        _ => Some(
            "links of this type (tracing, netfilter, perf events) keep their program: attach the other by a link of its own, \
             then drop this one",
        ),
    }
}

pub(super) fn of(link: BorrowedFd<'_>) -> Result<LinkInfo> {
    let ask = |e| Error::os("the kernel does not describe it", e);
    let info = sys::link_info(link).map_err(ask)?;
    let name = |at, len_at| {
        let mut name = [0; NAME];
        // A name that is longer is cut short, which is answered with an error.
        let _ = sys::link_info_with_name(link, at, len_at, &mut name);
        let end = name.iter().position(|b| *b == 0).unwrap_or(NAME);
        String::from_utf8_lossy(&name[..end]).into_owned()
    };
    let details = match LinkType(info.link_type) {
        LinkType::RAW_TRACEPOINT => LinkDetails::RawTracepoint {
            name: name(0, 2),
            cookie: info.long(4),
        },
        LinkType::TRACING => LinkDetails::Tracing {
            attach_type: AttachType(info.words[0]),
            target: info.words[1],
            btf_id: info.words[2],
            cookie: info.long(4),
        },
        LinkType::ITER => LinkDetails::Iter { name: name(0, 2) },
        LinkType::PERF_EVENT => LinkDetails::PerfEvent {
            event_type: info.words[0],
        },
        LinkType::KPROBE_MULTI => LinkDetails::KprobeMulti {
            count: info.words[2],
            is_return: info.words[3] & 1 != 0,
            missed: info.long(4),
        },
        LinkType::UPROBE_MULTI => LinkDetails::UprobeMulti {
            count: info.words[9],
            is_return: info.words[10] & 1 != 0,
            pid: info.words[11],
        },
        LinkType::CGROUP => LinkDetails::Cgroup {
            cgroup_id: info.long(0),
            attach_type: AttachType(info.words[2]),
        },
        LinkType::NETNS => LinkDetails::Netns {
            inode: info.words[0],
            attach_type: AttachType(info.words[1]),
        },
        LinkType::XDP => LinkDetails::Xdp {
            ifindex: info.words[0],
        },
        LinkType::STRUCT_OPS => LinkDetails::StructOps {
            map_id: info.words[0],
        },
        LinkType::NETFILTER => LinkDetails::Netfilter {
            family: info.words[0],
            hook: info.words[1],
            priority: info.words[2].cast_signed(),
            flags: info.words[3],
        },
        LinkType::TCX => LinkDetails::Tcx {
            ifindex: info.words[0],
            attach_type: AttachType(info.words[1]),
        },
        LinkType::NETKIT => LinkDetails::Netkit {
            ifindex: info.words[0],
            attach_type: AttachType(info.words[1]),
        },
        LinkType::SOCKMAP => LinkDetails::Sockmap {
            map_id: info.words[0],
            attach_type: AttachType(info.words[1]),
        },
        _ => LinkDetails::Other(info.words),
    };
    Ok(LinkInfo {
        link_type: LinkType(info.link_type),
        id: info.id,
        prog_id: info.prog_id,
        details,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_shown_by_name() {
        assert_eq!(LinkType::TCX.to_string(), "tcx");
        assert_eq!(format!("{:?}", LinkType::SOCKMAP), "sockmap");
        assert_eq!(LinkType(99).to_string(), "99");
    }
}
