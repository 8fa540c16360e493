//! Programs on netfilter's hooks.

use crate::error::{Context, Result};
use crate::link::{Link, refused};
use crate::prog::test_run::{self, Has};
use crate::prog::{Program, Ran, TestRun, typed};
use crate::sys::{self, Capabilities};

/// A protocol that netfilter has hooks for: an open set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NetfilterFamily(pub u32);

impl NetfilterFamily {
    /// `NFPROTO_IPV4`.
    pub const IPV4: NetfilterFamily = NetfilterFamily(2);
    /// `NFPROTO_IPV6`.
    pub const IPV6: NetfilterFamily = NetfilterFamily(10);
}

/// A hook of IP (`enum nf_inet_hooks`): an open set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NetfilterHook(pub u32);

impl NetfilterHook {
    /// All packets that come in, before they are routed.
    pub const PRE_ROUTING: NetfilterHook = NetfilterHook(0);
    /// Packets for this machine.
    pub const LOCAL_IN: NetfilterHook = NetfilterHook(1);
    /// Packets that pass through.
    pub const FORWARD: NetfilterHook = NetfilterHook(2);
    /// Packets of this machine.
    pub const LOCAL_OUT: NetfilterHook = NetfilterHook(3);
    /// All packets that go out.
    pub const POST_ROUTING: NetfilterHook = NetfilterHook(4);
}

/// Which packets a netfilter program sees, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NetfilterOptions {
    /// The protocol.
    pub family: NetfilterFamily,
    /// The hook.
    pub hook: NetfilterHook,
    /// Programs and rules with lower priorities run first. Two programs at a hook cannot have the same.
    pub priority: i32,
    /// Puts fragments together before the program sees them.
    pub defragment: bool,
}

/// A program in `SEC("netfilter")`, which answers `NF_ACCEPT` (1) or `NF_DROP` (0).
#[derive(Debug)]
pub struct Netfilter(pub(crate) Program);
typed!(Netfilter, "a netfilter program", Netfilter);

impl Netfilter {
    /// Attaches it to a hook in this thread's network namespace (from 6.4 on).
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers, with what to try if something of this
    /// priority is there.
    pub fn attach_to(&self, options: NetfilterOptions) -> Result<Link> {
        self.0.fd()?;
        netfilter(&self.0, options).context(|| self.0.what())
    }

    /// Runs it on a packet, from its Ethernet header on, attached or not.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn test_run(&self, run: &TestRun<'_>) -> Result<Ran> {
        test_run::run(&self.0, run, Has::PacketOnly)
    }
}

/// `BPF_F_NETFILTER_IP_DEFRAG`.
const IP_DEFRAG: u32 = 1;

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
