//! What programs answer about packets.
//!
//! Source: `enum xdp_action` and `TC_ACT_…` of the kernel's `include/uapi/linux`.

/// What an XDP program answers (`enum xdp_action`): an open set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct XdpAction(pub u32);

impl XdpAction {
    /// The program failed; the packet is dropped.
    pub const ABORTED: XdpAction = XdpAction(0);
    /// The packet is dropped.
    pub const DROP: XdpAction = XdpAction(1);
    /// The packet goes on to the network stack.
    pub const PASS: XdpAction = XdpAction(2);
    /// The packet is sent back through the device that it came by.
    pub const TX: XdpAction = XdpAction(3);
    /// The packet goes where `bpf_redirect` said.
    pub const REDIRECT: XdpAction = XdpAction(4);
}

/// What a program of traffic control answers (`TC_ACT_…`): an open set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TcAction(pub i32);

impl TcAction {
    /// The next program or filter decides.
    pub const UNSPEC: TcAction = TcAction(-1);
    /// The packet passes.
    pub const OK: TcAction = TcAction(0);
    /// Classification starts anew.
    pub const RECLASSIFY: TcAction = TcAction(1);
    /// The packet is dropped.
    pub const SHOT: TcAction = TcAction(2);
    /// The next action decides.
    pub const PIPE: TcAction = TcAction(3);
    /// The packet is taken.
    pub const STOLEN: TcAction = TcAction(4);
    /// The packet goes where `bpf_redirect` said.
    pub const REDIRECT: TcAction = TcAction(7);
}
