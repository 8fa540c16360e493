//! The ways in which programs are attached.

/// How a loaded program is attached, and so which operations its skeleton type has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Attach {
    /// To a kernel function, BTF tracepoint or security hook known by its BTF id: fentry, fexit, fmod_ret, fsession, tp_btf, lsm.
    Tracing,
    /// To a function of another BPF program, which it replaces.
    Freplace,
    /// To an iterator: the kernel runs it for each thing while its descriptor is read.
    Iter,
    /// To a raw tracepoint by name.
    RawTracepoint,
    /// To a tracepoint `category/name` through a perf event.
    Tracepoint,
    /// To the entry of a kernel function, or an offset in it.
    Kprobe,
    /// To the return of a kernel function.
    Kretprobe,
    /// To the entry of a system call's function, whatever this architecture calls it.
    Ksyscall,
    /// To the return of a system call's function.
    Kretsyscall,
    /// To the entries of all kernel functions that match a pattern.
    KprobeMulti,
    /// To the returns of all kernel functions that match a pattern.
    KretprobeMulti,
    /// To entry and return, in one program, of all kernel functions that match a pattern.
    KprobeSession,
    /// To an instruction of a program or library: `BINARY:FUNCTION[+OFFSET]`.
    Uprobe,
    /// To the return of a function of a program or library.
    Uretprobe,
    /// To the entries of all functions of a binary that match a pattern.
    UprobeMulti,
    /// To the returns of all functions of a binary that match a pattern.
    UretprobeMulti,
    /// To entry and return, in one program, of all functions of a binary that match a pattern.
    UprobeSession,
    /// To a statically defined tracepoint of a program or library: `BINARY:PROVIDER:NAME`.
    Usdt,
    /// To a perf event, which says when it runs.
    PerfEvent,
    /// To a network device, before the network stack.
    Xdp,
    /// Into a slot of a DEVMAP or CPUMAP, whose redirected frames it sees.
    XdpMap,
    /// As a filter or action of the older traffic control.
    Tc,
    /// To a device's ingress or egress, through a link.
    Tcx,
    /// To a netkit device.
    Netkit,
    /// To a cgroup.
    Cgroup,
    /// To a security hook, for the processes of a cgroup.
    LsmCgroup,
    /// To a network namespace: flow_dissector, sk_lookup.
    Netns,
    /// To a SOCKMAP or SOCKHASH: sk_skb, sk_msg.
    SockMap,
    /// To a socket, as a filter.
    Socket,
    /// To a group of sockets that share a port.
    SkReuseport,
    /// To a netfilter hook.
    Netfilter,
    /// To a route, as a lightweight tunnel.
    Lwt,
    /// To an infrared receiver.
    Lirc,
    /// By the map of its operations struct.
    StructOps,
    /// Nowhere: it runs when it is called.
    Syscall,
    /// By its file descriptor alone: its program type and attach type are in no row of the table.
    Unlisted,
}

impl Attach {
    /// Whether `attach()` attaches such programs by what their section says alone.
    pub const fn is_by_section(self) -> bool {
        self.summary().0
    }

    /// What `attach()` makes, or what to do in its stead.
    pub const fn describe(self) -> &'static str {
        self.summary().1
    }

    /// The table: whether the section says enough, and what becomes of it.
    const fn summary(self) -> (bool, &'static str) {
        match self {
            Attach::Tracing => (
                true,
                "a link to the function, tracepoint or hook that it was loaded for",
            ),
            Attach::Freplace => (
                true,
                "a link to the function of the program that `set_attach_program` named",
            ),
            Attach::Iter => (
                true,
                "a link to the iterator; each open of it runs the program",
            ),
            Attach::RawTracepoint => (true, "a link to the raw tracepoint"),
            Attach::Tracepoint => (true, "a perf event of the tracepoint `CATEGORY/NAME`"),
            Attach::Kprobe => (
                true,
                "a perf event at the function's entry, or `FUNCTION+OFFSET`",
            ),
            Attach::Kretprobe => (true, "a perf event at the function's return"),
            Attach::Ksyscall => (
                true,
                "a perf event at the entry of the system call's function",
            ),
            Attach::Kretsyscall => (
                true,
                "a perf event at the return of the system call's function",
            ),
            Attach::KprobeMulti => (
                true,
                "a link to the entries of all functions that match, `vfs_*`",
            ),
            Attach::KretprobeMulti => (true, "a link to the returns of all functions that match"),
            Attach::KprobeSession => (
                true,
                "a link to entries and returns of all functions that match",
            ),
            Attach::Uprobe => (
                true,
                "a perf event at `BINARY:FUNCTION[+OFFSET]`, `libc.so.6:malloc`",
            ),
            Attach::Uretprobe => (true, "a perf event at the return of `BINARY:FUNCTION`"),
            Attach::UprobeMulti => (
                true,
                "a link to the entries of all functions that match, `BINARY:mem*`",
            ),
            Attach::UretprobeMulti => (true, "a link to the returns of all functions that match"),
            Attach::UprobeSession => (
                true,
                "a link to entries and returns of all functions that match",
            ),
            Attach::Usdt => (
                true,
                "links to all places of the probe `BINARY:PROVIDER:NAME`",
            ),
            Attach::PerfEvent => (false, "attach_with() opens an event, attach_to() takes one"),
            Attach::Xdp => (false, "attach_to takes the network device"),
            Attach::XdpMap => (false, "put its descriptor into a slot of the map"),
            Attach::Tc => (
                false,
                "attach_to takes the network device and the direction",
            ),
            Attach::Tcx => (false, "attach_to takes the network device"),
            Attach::Netkit => (false, "attach_to takes the netkit device"),
            Attach::Cgroup => (false, "attach_to takes the cgroup"),
            Attach::LsmCgroup => (false, "attach_to takes the cgroup"),
            Attach::Netns => (false, "attach_here, or attach_to with a network namespace"),
            Attach::SockMap => (false, "attach_to takes the map"),
            Attach::Socket => (false, "attach_to takes the socket"),
            Attach::SkReuseport => (false, "attach_to takes a socket of the group"),
            Attach::Netfilter => (false, "attach_to takes the hook and the priority"),
            Attach::Lwt => (false, "attach_to takes the route, and adds it"),
            Attach::Lirc => (false, "attach_to takes the receiver"),
            Attach::StructOps => (false, "its struct_ops map attaches it"),
            Attach::Syscall => (false, "run it"),
            Attach::Unlisted => (false, "attach its file descriptor"),
        }
    }
}
