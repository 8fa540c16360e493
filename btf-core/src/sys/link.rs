//! Making links out of programs and what they attach to, and asking about them.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::attr::{IterCreate, ObjInfo, RawTracepointOpen};
use super::link_attr::{
    IterInfo, LinkCreateAmong, LinkCreateIter, LinkCreateKprobeMulti, LinkCreateNetfilter,
    LinkCreatePerf, LinkCreateTracing, LinkCreateUprobeMulti, LinkDetach, LinkInfo, LinkUpdate,
};
use super::{Command, address, address_mut, bpf, bpf_fd, fd_number, length};
use crate::obj::AttachType;

/// `BPF_F_KPROBE_MULTI_RETURN` and `BPF_F_UPROBE_MULTI_RETURN`.
const MULTI_RETURN: u32 = 1;

/// Attaches a raw tracepoint program, or a tracing program (`name` is `None`: its target was set at
/// load). A kernel without cookies for these only accepts 0.
pub(crate) fn raw_tracepoint_open(
    prog: impl AsFd,
    name: Option<&CStr>,
    cookie: u64,
) -> io::Result<OwnedFd> {
    let mut attr = RawTracepointOpen {
        name: name.map_or(0, |n| address(n.to_bytes_with_nul())),
        prog_fd: fd_number(prog),
        cookie,
        ..Default::default()
    };
    // SAFETY: the name is null or a live C string; the command returns a descriptor.
    unsafe { bpf_fd(Command::RAW_TRACEPOINT_OPEN, &mut attr) }
}

/// Where among others, and in which state of them, a program is put.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Among {
    /// `BPF_F_BEFORE` and its like.
    pub(crate) flags: u32,
    /// Descriptor of the program or link that it goes before or after.
    pub(crate) relative: u32,
    /// The state that others must be in, 0 for any.
    pub(crate) revision: u64,
}

/// Makes a link of a program and a target, which is a descriptor's number or the index of a network device.
pub(crate) fn link_create(
    prog: impl AsFd,
    target: u32,
    attach_type: AttachType,
    among: Among,
) -> io::Result<OwnedFd> {
    let mut attr = LinkCreateAmong {
        prog_fd: fd_number(prog),
        target,
        attach_type: attach_type.0,
        flags: among.flags,
        relative_fd: among.relative,
        expected_revision: among.revision,
        ..Default::default()
    };
    // SAFETY: there is no address in it; the command returns a descriptor.
    unsafe { bpf_fd(Command::LINK_CREATE, &mut attr) }
}

/// Makes a link of a program and a hook of netfilter in this network namespace (from 6.4 on).
pub(crate) fn link_create_netfilter(
    prog: impl AsFd,
    family: u32,
    hook: u32,
    priority: i32,
    flags: u32,
) -> io::Result<OwnedFd> {
    let mut attr = LinkCreateNetfilter {
        prog_fd: fd_number(prog),
        attach_type: AttachType::NETFILTER.0,
        family,
        hook,
        priority: priority.cast_unsigned(),
        netfilter_flags: flags,
        ..Default::default()
    };
    // SAFETY: there is no address in it; the command returns a descriptor.
    unsafe { bpf_fd(Command::LINK_CREATE, &mut attr) }
}

/// Makes a link of a program and a perf event (from 5.15 on; `EINVAL` before).
pub(crate) fn link_create_perf(
    prog: impl AsFd,
    event: impl AsFd,
    cookie: u64,
) -> io::Result<OwnedFd> {
    let mut attr = LinkCreatePerf {
        prog_fd: fd_number(prog),
        target_fd: fd_number(event),
        attach_type: AttachType::PERF_EVENT.0,
        cookie,
        ..Default::default()
    };
    // SAFETY: there is no address in it; the command returns a descriptor.
    unsafe { bpf_fd(Command::LINK_CREATE, &mut attr) }
}

/// Makes a link of a tracing program and the target it was loaded for (from 5.19 on).
pub(crate) fn link_create_tracing(
    prog: impl AsFd,
    attach_type: AttachType,
    cookie: u64,
) -> io::Result<OwnedFd> {
    let mut attr = LinkCreateTracing {
        prog_fd: fd_number(prog),
        attach_type: attach_type.0,
        cookie,
        ..Default::default()
    };
    // SAFETY: there is no address in it; the command returns a descriptor.
    unsafe { bpf_fd(Command::LINK_CREATE, &mut attr) }
}

/// Makes a link of a program and a function of another, which it replaces (from 5.10 on).
pub(crate) fn link_create_freplace(
    prog: impl AsFd,
    target: impl AsFd,
    function: u32,
) -> io::Result<OwnedFd> {
    let mut attr = LinkCreateTracing {
        prog_fd: fd_number(prog),
        target_fd: fd_number(target),
        target_btf_id: function,
        ..Default::default()
    };
    // SAFETY: there is no address in it; the command returns a descriptor.
    unsafe { bpf_fd(Command::LINK_CREATE, &mut attr) }
}

/// What an iterator goes over, if not all there is of its kind.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Over<'a> {
    /// What this map holds.
    Map(BorrowedFd<'a>),
    /// This thread.
    Thread(u32),
    /// The threads of the process with this number.
    Process(u32),
    /// The threads of this process.
    Pidfd(BorrowedFd<'a>),
    /// This cgroup, or others from it on, in an order (`enum bpf_cgroup_iter_order`).
    Cgroup(BorrowedFd<'a>, u32),
}

impl Over<'_> {
    fn info(self) -> IterInfo {
        let mut info = IterInfo::default();
        match self {
            Over::Map(map) => info.map_fd_or_order_or_thread = fd_number(map),
            Over::Thread(thread) => info.map_fd_or_order_or_thread = thread,
            Over::Process(process) => info.cgroup_fd_or_process = process,
            Over::Pidfd(process) => info.pidfd = fd_number(process),
            Over::Cgroup(cgroup, order) => {
                info.map_fd_or_order_or_thread = order;
                info.cgroup_fd_or_process = fd_number(cgroup);
            }
        }
        info
    }
}

/// Makes a link of an iterator, over all there is of its kind or a part of it.
pub(crate) fn link_create_iter(prog: impl AsFd, over: Option<Over<'_>>) -> io::Result<OwnedFd> {
    let info = over.map(Over::info);
    let info = info.as_slice();
    let mut attr = LinkCreateIter {
        prog_fd: fd_number(prog),
        attach_type: AttachType::TRACE_ITER.0,
        iter_info: info
            .first()
            .map_or(0, |info| address(std::slice::from_ref(info))),
        iter_info_len: size_of_val(info) as u32,
        ..Default::default()
    };
    // SAFETY: the one address is null or that of a live struct, of the length stated, which the kernel reads; the command
    // returns a descriptor.
    unsafe { bpf_fd(Command::LINK_CREATE, &mut attr) }
}

/// Makes a descriptor that runs an iterator as it is read.
pub(crate) fn iter_create(link: impl AsFd) -> io::Result<OwnedFd> {
    let mut attr = IterCreate {
        link_fd: fd_number(link),
        ..Default::default()
    };
    // SAFETY: there is no address in it; the command returns a descriptor.
    unsafe { bpf_fd(Command::ITER_CREATE, &mut attr) }
}

/// Kernel functions to attach to.
#[derive(Debug)]
pub(crate) enum Functions {
    Names(Vec<CString>),
    Addresses(Vec<u64>),
}

/// Makes a link of a program and many kernel functions (from 5.18 on). There are no cookies or one for each function.
pub(crate) fn link_create_kprobe_multi(
    prog: impl AsFd,
    attach_type: AttachType,
    is_return: bool,
    functions: &Functions,
    cookies: &[u64],
) -> io::Result<OwnedFd> {
    let mut attr = LinkCreateKprobeMulti {
        prog_fd: fd_number(prog),
        attach_type: attach_type.0,
        kprobe_flags: if is_return { MULTI_RETURN } else { 0 },
        ..Default::default()
    };
    let names: Vec<u64>;
    match functions {
        Functions::Names(all) => {
            names = all.iter().map(|n| address(n.as_bytes_with_nul())).collect();
            attr.syms = address(&names);
            attr.cnt = length(&names)?;
        }
        Functions::Addresses(all) => {
            attr.addrs = address(all);
            attr.cnt = length(all)?;
        }
    }
    attr.cookies = parallel(cookies, attr.cnt)?;
    // SAFETY: the names or addresses are a live array of the length stated, the names live C strings; the cookies are null or
    // an array of that length, too. The command returns a descriptor.
    unsafe { bpf_fd(Command::LINK_CREATE, &mut attr) }
}

/// Asks for a link to a function whose address lies where nobody may read: `EFAULT` is the answer of a kernel that has such
/// links.
pub(crate) fn link_create_kprobe_multi_nowhere(
    prog: impl AsFd,
    attach_type: AttachType,
) -> io::Result<OwnedFd> {
    let mut attr = LinkCreateKprobeMulti {
        prog_fd: fd_number(prog),
        attach_type: attach_type.0,
        cnt: 1,
        addrs: u64::MAX,
        ..Default::default()
    };
    // SAFETY: the kernel reads from the address, which is none of this process, and gets a fault. The command returns a
    // descriptor.
    unsafe { bpf_fd(Command::LINK_CREATE, &mut attr) }
}

/// Places of a binary to attach to.
#[derive(Debug, Default)]
pub(crate) struct Places {
    pub(crate) path: CString,
    pub(crate) offsets: Vec<u64>,
    /// Empty, or as many as there are offsets.
    pub(crate) ref_ctr_offsets: Vec<u64>,
    /// Empty, or as many as there are offsets.
    pub(crate) cookies: Vec<u64>,
    /// The only process to run for; 0 for all.
    pub(crate) pid: u32,
}

/// Makes a link of a program and many places of a binary (from 6.6 on).
pub(crate) fn link_create_uprobe_multi(
    prog: impl AsFd,
    attach_type: AttachType,
    is_return: bool,
    places: &Places,
) -> io::Result<OwnedFd> {
    let cnt = length(&places.offsets)?;
    let mut attr = LinkCreateUprobeMulti {
        prog_fd: fd_number(prog),
        attach_type: attach_type.0,
        path: address(places.path.as_bytes_with_nul()),
        offsets: address(&places.offsets),
        ref_ctr_offsets: parallel(&places.ref_ctr_offsets, cnt)?,
        cookies: parallel(&places.cookies, cnt)?,
        cnt,
        uprobe_flags: if is_return { MULTI_RETURN } else { 0 },
        pid: places.pid,
        ..Default::default()
    };
    // SAFETY: the path is a live C string; the offsets are a live array of the length stated, and the other arrays null or
    // of that length, too. The command returns a descriptor.
    unsafe { bpf_fd(Command::LINK_CREATE, &mut attr) }
}

/// The address of an array beside one of `cnt`; null if it is empty.
fn parallel(items: &[u64], cnt: u32) -> io::Result<u64> {
    match items.len() {
        0 => Ok(0),
        len if len == cnt as usize => Ok(address(items)),
        _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
    }
}

/// Puts another program, or another map of operations, into a link.
pub(crate) fn link_update(link: impl AsFd, new: impl AsFd) -> io::Result<()> {
    let mut attr = LinkUpdate {
        link_fd: fd_number(link),
        new_prog_fd: fd_number(new),
        ..Default::default()
    };
    // SAFETY: there is no address in it.
    unsafe { bpf(Command::LINK_UPDATE, &mut attr) }?;
    Ok(())
}

/// Detaches a link's program, whoever holds the link.
pub(crate) fn link_detach(link: impl AsFd) -> io::Result<()> {
    let mut attr = LinkDetach {
        link_fd: fd_number(link),
    };
    // SAFETY: there is no address in it.
    unsafe { bpf(Command::LINK_DETACH, &mut attr) }?;
    Ok(())
}

/// What the kernel says of a link. No buffers are offered for names and arrays.
pub(crate) fn link_info(link: impl AsFd) -> io::Result<LinkInfo> {
    link_info_from(link, LinkInfo::default())
}

/// The same, with a buffer for a name: its address goes into the words at `at`, its length into that at `len_at`.
pub(crate) fn link_info_with_name(
    link: impl AsFd,
    at: usize,
    len_at: usize,
    name: &mut [u8],
) -> io::Result<LinkInfo> {
    let mut info = LinkInfo::default();
    info.set_long(at, address_mut(name));
    info.words[len_at] = length(name)?;
    link_info_from(link, info)
}

fn link_info_from(link: impl AsFd, mut info: LinkInfo) -> io::Result<LinkInfo> {
    let mut attr = ObjInfo {
        bpf_fd: fd_number(link),
        info_len: size_of::<LinkInfo>() as u32,
        info: (&raw mut info).expose_provenance() as u64,
    };
    // SAFETY: `info` is a live, exclusively borrowed struct of the length stated. The callers' buffers for names are so, too,
    // or their addresses are null.
    unsafe { bpf(Command::OBJ_GET_INFO_BY_FD, &mut attr) }?;
    Ok(info)
}
