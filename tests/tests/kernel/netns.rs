//! Network namespaces with a cable between them: a pair of virtual devices, each in a namespace of its own; or several such
//! cables from one.

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use btf_core::pod;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{netdevice, recv, sendto, socket_with};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

/// The device on the side where the case runs.
pub(crate) const NEAR: &str = "near";
/// The device on the other side.
pub(crate) const FAR: &str = "far";

/// The other side of a cable.
pub(crate) struct Pair {
    near: OwnedFd,
    far: OwnedFd,
    device: &'static str,
}

/// Runs a case on a thread that is alone in a namespace, with the pair [`NEAR`] and [`FAR`] up. All goes with the thread.
pub(crate) fn joined(case: impl FnOnce(&Pair) + Send) {
    star([NEAR], |[pair]| case(pair));
}

/// The same with a cable for each of the names, which this side's devices have; each has a namespace of its own at its other end,
/// and [`FAR`] there.
pub(crate) fn star<const N: usize>(
    devices: [&'static str; N],
    case: impl FnOnce(&[Pair; N]) + Send,
) {
    let run = || {
        let far = devices.map(|_| new_namespace());
        let near = new_namespace();
        let mut far = far.into_iter();
        case(&devices.map(|device| {
            let near = near.try_clone().expect("a descriptor");
            Pair::new(device, near, far.next().expect("one for each"))
        }));
    };
    let ended = std::thread::scope(|scope| scope.spawn(run).join());
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

impl Pair {
    fn new(device: &'static str, near: OwnedFd, far: OwnedFd) -> Pair {
        let pair = Pair { near, far, device };
        create(device, &pair.far).expect("a pair of devices (is the module veth there?)");
        up(device);
        pair.on_far(|| up(FAR));
        pair
    }

    /// Does something on the other side. Sockets made there stay there.
    pub(crate) fn on_far<T>(&self, work: impl FnOnce() -> T) -> T {
        enter(&self.far);
        let result = work();
        enter(&self.near);
        result
    }

    /// Gives this side's device an address.
    pub(crate) fn near_address(&self, address: IpAddr, bits: u8) {
        add_address(self.device, address, bits);
    }

    /// Gives the other side's device an address.
    pub(crate) fn far_address(&self, address: IpAddr, bits: u8) {
        self.on_far(|| add_address(FAR, address, bits));
    }
}

/// Puts this thread into a new namespace.
fn new_namespace() -> OwnedFd {
    // SAFETY: of what a process can stop sharing, network namespaces have no part in memory or descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.expect("root may make namespaces");
    File::open("/proc/thread-self/ns/net")
        .expect("/proc is mounted")
        .into()
}

fn enter(namespace: &OwnedFd) {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .expect("the namespace is held");
}

/// A device's index.
pub(crate) fn index(name: &str) -> u32 {
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    );
    netdevice::name_to_index(socket.unwrap(), name).expect(name)
}

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const REQUEST_ACK: u16 = 1 | 4;
const CREATE_EXCL: u16 = 0x400 | 0x200;

fn create(near: &str, far: &OwnedFd) -> io::Result<()> {
    let device = [0; 16]; // struct ifinfomsg: any index, no flags
    let mut peer = device.to_vec();
    attribute(&mut peer, 3, FAR.as_bytes());
    attribute(&mut peer, 28, pod::bytes_of(&far.as_raw_fd()));
    let (mut data, mut info, mut message) = (Vec::new(), Vec::new(), device.to_vec());
    attribute(&mut data, 1, &peer);
    attribute(&mut info, 1, b"veth");
    attribute(&mut info, 2, &data);
    attribute(&mut message, 3, near.as_bytes());
    attribute(&mut message, 18, &info);
    ask(NEW_LINK, REQUEST_ACK | CREATE_EXCL, &message)
}

fn up(device: &str) {
    const UP: u32 = 1;
    // struct ifinfomsg: family and type, index, flags, which of them to change
    let message = [0, index(device), UP, UP];
    ask(NEW_LINK, REQUEST_ACK, pod::bytes_of(&message)).expect("the device goes up");
}

fn add_address(device: &str, address: IpAddr, bits: u8) {
    // IFA_F_NODAD: it is not asked for in the network first.
    let (family, bytes, flags) = match address {
        IpAddr::V4(v4) => (2, v4.octets().to_vec(), 0),
        IpAddr::V6(v6) => (10, v6.octets().to_vec(), 2),
    };
    // struct ifaddrmsg: family, prefix, flags, scope, index
    let mut message = vec![family, bits, flags, 0];
    message.extend(index(device).to_ne_bytes());
    attribute(&mut message, 1, &bytes);
    attribute(&mut message, 2, &bytes);
    ask(NEW_ADDRESS, REQUEST_ACK | CREATE_EXCL, &message).expect("the address is new");
}

const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;
const CREATE_REPLACE: u16 = 0x400 | 0x100;

/// Puts a plain route in the place of one with this destination, device and metric.
pub(crate) fn replace_route(to: IpAddr, bits: u8, device: &str, metric: u32) -> io::Result<()> {
    let message = route(to, bits, device, metric);
    ask(NEW_ROUTE, REQUEST_ACK | CREATE_REPLACE, &message)
}

/// Removes a plain route.
pub(crate) fn delete_route(to: IpAddr, bits: u8, device: &str, metric: u32) -> io::Result<()> {
    ask(DELETE_ROUTE, REQUEST_ACK, &route(to, bits, device, metric))
}

fn route(to: IpAddr, bits: u8, device: &str, metric: u32) -> Vec<u8> {
    let (family, bytes) = match to {
        IpAddr::V4(v4) => (2, v4.octets().to_vec()),
        IpAddr::V6(v6) => (10, v6.octets().to_vec()),
    };
    // struct rtmsg: family, prefixes, tos, table (main), protocol, scope (link), type, flags
    let mut message = vec![family, bits, 0, 0, 254, 3, 253, 1, 0, 0, 0, 0];
    attribute(&mut message, 1, &bytes);
    attribute(&mut message, 4, pod::bytes_of(&index(device)));
    attribute(&mut message, 6, pod::bytes_of(&metric));
    message
}

/// Adds a netlink attribute, padded to four bytes.
fn attribute(message: &mut Vec<u8>, kind: u16, payload: &[u8]) {
    let len = u16::try_from(payload.len() + 4).expect("short");
    message.extend(len.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(payload);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// Sends a request to the kernel and waits for its answer.
fn ask(kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // Zero: NETLINK_ROUTE.
        None,
    )?;
    // struct nlmsghdr: length, type and flags, sequence, port
    let mut message = Vec::new();
    message.extend(u32::try_from(body.len() + 16).expect("short").to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    sendto(
        &socket,
        &message,
        SendFlags::empty(),
        &SocketAddrNetlink::new(0, 0),
    )?;
    let mut answer = [0; 1024];
    let (len, _) = recv(&socket, &mut answer[..], RecvFlags::empty())?;
    // struct nlmsgerr follows a header of the same form: a negative errno, or 0.
    match pod::read::<i32>(&answer[16..len]) {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error)),
        None => Err(io::Error::other("a short answer")),
    }
}
