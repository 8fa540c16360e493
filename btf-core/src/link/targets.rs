//! Attaching to what is given by its descriptor: network namespaces, socket maps, sockets, infrared receivers; and to
//! netfilter's hooks.

use std::io;
use std::os::fd::BorrowedFd;

use super::cgroup::Preparation;
use super::{Link, refused};
use crate::error::{Error, ErrorKind, Result};
use crate::obj::AttachType;
use crate::prog::{NetfilterOptions, Program};
use crate::sys::{self, Among, Capabilities};

/// `BPF_F_NETFILTER_IP_DEFRAG`.
const IP_DEFRAG: u32 = 1;

pub(crate) fn netns(program: &Program, netns: BorrowedFd<'_>) -> Result<Link> {
    let target = sys::fd_number(netns);
    let attach_type = program.attach_type();
    sys::link_create(program.fd()?, target, attach_type, Among::default())
    .map(|fd| Link::of_bpf(program.name(), fd))
    .map_err(|e| {
        let errno = e.raw_os_error();
        let error = refused("cannot attach to the network namespace".into(), Capabilities::NET_ADMIN, e);
        match errno {
            Some(libc::EEXIST | libc::E2BIG) if attach_type == AttachType::FLOW_DISSECTOR => error.hint(
                "a flow dissector is there already, or in the first namespace, which then has the only one",
            ),
            Some(libc::EINVAL) => {
                error.hint("it must be a descriptor of a file such as /proc/self/ns/net")
            }
            _ => error,
        }
    })
}

pub(crate) fn sock_map(
    program: &Program,
    map: BorrowedFd<'_>,
    attach_type: AttachType,
) -> Result<Link> {
    if attach_type == AttachType::NONE {
        let error = Error::new(
            ErrorKind::InvalidInput,
            format!(
                "SEC(\"{}\") does not say whether it parses or judges",
                program.section()
            ),
        );
        return Err(error.hint(
            "write SEC(\"sk_skb/stream_parser\"), SEC(\"sk_skb/stream_verdict\") or SEC(\"sk_skb/verdict\"), or call attach_as",
        ));
    }
    let prog = program.fd()?;
    match sys::link_create(prog, sys::fd_number(map), attach_type, Among::default()) {
        Ok(fd) => return Ok(Link::of_bpf(program.name(), fd)),
        // A kernel without such links.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {}
        Err(e) => return Err(not_to_map(e)),
    }
    let prepared = Preparation::new(program, map, attach_type)?;
    prepared.attach(0).map_err(not_to_map)
}

fn not_to_map(e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = refused(
        "cannot attach to the map".into(),
        Capabilities::NET_ADMIN,
        e,
    );
    match errno {
        Some(libc::EBUSY) => error.hint(
            "another program of this kind is attached to the map, or one that cannot be beside it",
        ),
        Some(libc::EINVAL | libc::EOPNOTSUPP) => {
            error.hint("it must be a map of type SOCKMAP or SOCKHASH")
        }
        _ => error,
    }
}

pub(crate) fn lirc(program: &Program, device: BorrowedFd<'_>) -> Result<Link> {
    let prepared = Preparation::new(program, device, program.attach_type())?;
    prepared.attach(0).map_err(|e| {
        let is_no_receiver = e.raw_os_error() == Some(libc::EINVAL);
        let error = refused(
            "cannot attach to the receiver".into(),
            Capabilities::NET_ADMIN,
            e,
        );
        match is_no_receiver {
            true => error.hint("it must be a descriptor of a device such as /dev/lirc0"),
            false => error,
        }
    })
}

/// An option of sockets that concerns programs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketOption(libc::c_int);

impl SocketOption {
    pub(crate) const ATTACH: SocketOption = SocketOption(libc::SO_ATTACH_BPF);
    pub(crate) const DETACH: SocketOption = SocketOption(libc::SO_DETACH_FILTER);
    pub(crate) const ATTACH_REUSEPORT: SocketOption = SocketOption(libc::SO_ATTACH_REUSEPORT_EBPF);
    /// `SO_DETACH_REUSEPORT_BPF`, from 5.3 on.
    pub(crate) const DETACH_REUSEPORT: SocketOption = SocketOption(68);
}

/// Attaches to a socket, or detaches whatever is there.
pub(crate) fn socket(
    program: &Program,
    socket: BorrowedFd<'_>,
    option: SocketOption,
) -> Result<()> {
    sys::socket_program(socket, option.0, program.fd()?).map_err(|e| {
        let errno = e.raw_os_error();
        let error = refused("the socket refused it".into(), Capabilities::BPF, e);
        match errno {
            Some(libc::ENOENT) => error.hint("nothing is attached to the socket"),
            Some(libc::EINVAL) if option.0 == SocketOption::ATTACH_REUSEPORT.0 => {
                error.hint("set SO_REUSEPORT on the socket before it is bound")
            }
            Some(libc::EPERM) if option.0 == SocketOption::DETACH.0 => {
                error.hint("the socket's filter is locked (SO_LOCK_FILTER)")
            }
            _ => error,
        }
    })
}

pub(crate) fn netfilter(program: &Program, options: NetfilterOptions) -> Result<Link> {
    let flags = if options.defragment { IP_DEFRAG } else { 0 };
    let (family, hook) = (options.family.0, options.hook.0);
    sys::link_create_netfilter(program.fd()?, family, hook, options.priority, flags)
        .map(|fd| Link::of_bpf(program.name(), fd))
        .map_err(|e| {
            let errno = e.raw_os_error();
            let error = refused(
                format!(
                    "cannot attach to hook {hook} of protocol {family} with priority {}",
                    options.priority
                ),
                Capabilities::NET_ADMIN,
                e,
            );
            match errno {
                Some(libc::EBUSY | libc::EEXIST) => error.hint("something is there with this priority: take another"),
                Some(libc::EPERM | libc::EACCES) => error,
                Some(libc::EINVAL) => error.hint(
                    "the lowest and the highest priority are taken, as is -400 together with `defragment`; kernels have such links from 6.4 on",
                ),
                Some(libc::EAFNOSUPPORT | libc::EOPNOTSUPP | libc::ENOENT) => {
                    error.hint("this kernel has no such protocol, or not the module nf_defrag_ipv4 or nf_defrag_ipv6")
                }
                _ => error,
            }
        })
}
