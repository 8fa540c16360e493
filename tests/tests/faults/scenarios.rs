//! Scenarios in which calls fail: objects are opened, loaded, attached by each attach type, used,
//! detached and dropped.

#![allow(unsafe_code)] // A USDT probe in assembly.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use btf_core::attach::{
    AttachMode, Cgroup, CgroupSharing, Direction, Freplace, Iter, IterOver, Kprobe, KprobeOptions,
    Lwt, Netfilter, NetfilterFamily, NetfilterHook, NetfilterOptions, Netns, OrderOptions,
    PerfEvent, PerfEventOptions, Route, SkMap, SkReuseport, SocketFilter, Tc, TcOptions, Tcx,
    Uprobe, UprobeMulti, UprobeOptions, Usdt, Xdp, XdpMode, XdpOptions,
};
use btf_core::btf::Btf;
use btf_core::link::Link;
use btf_core::load::{LoadedObject, OpenObject};
use btf_core::map::{Flags, Hash, PerfEventArray, RingBuf, UserRingBuf};
use btf_core::prog::Program;
use btf_core::{ErrorKind, Result};
use btf_skel_macros::include_skel;
use rustix::net::sockopt::set_socket_reuseport;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

use crate::place::{PINS, Place, ROUTES};
use crate::tracer::{subject, untraced};

include_skel!("attach");
include_skel!("map_many");

macro_rules! object {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".bpf.o")) as &[u8],
        )
    };
}

type Elf = (&'static str, &'static [u8]);

const ATTACH: Elf = object!("attach");
const PROBES: Elf = object!("probes");
const UPROBES: Elf = object!("uprobes");
const USDT: Elf = object!("usdt");
const PROGRAMS: Elf = object!("programs");
const NET: Elf = object!("net");
const CGROUP: Elf = object!("cgroup");
const ITERS: Elf = object!("iters");
const CC: Elf = object!("cc");

/// One row of the second table, and part of what the first is made of.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The first kernel that has it.
    pub(crate) since: (u32, u32),
    pub(crate) run: fn(&Place) -> Result<()>,
}

macro_rules! scenarios {
    ($($name:literal since $major:literal.$minor:literal: $run:expr;)*) => {
        pub(crate) const SCENARIOS: &[Scenario] = &[
            $(Scenario { name: $name, since: ($major, $minor), run: $run },)*
        ];
    };
}

scenarios! {
    "kernel types" since 5 . 10: kernel_types;
    "fentry" since 5 . 10: |_| by_section(PROBES, "on_fentry");
    "fexit" since 5 . 10: |_| by_section(ATTACH, "on_fexit");
    "fmod_ret" since 5 . 10: |_| by_section(ATTACH, "on_fmod_ret");
    "LSM hook" since 5 . 10: |_| by_section(ATTACH, "on_lsm");
    "tp_btf" since 5 . 10: |_| by_section(ATTACH, "on_tp_btf");
    "raw tracepoint" since 5 . 10: |_| by_section(ATTACH, "on_raw_tp");
    "tracepoint" since 5 . 10: |_| by_section(ATTACH, "on_tracepoint");
    "freplace" since 5 . 10: freplace;
    "kprobe" since 5 . 10: |_| by_section(ATTACH, "on_kprobe");
    "kprobe without a link" since 5 . 10: |_| kprobe(AttachMode::Perf);
    "kprobe by tracefs" since 5 . 10: |_| kprobe(AttachMode::Legacy);
    "kretprobe" since 5 . 10: |_| by_section(ATTACH, "on_kretprobe");
    "ksyscall" since 5 . 10: |_| by_section(PROBES, "on_ksyscall");
    "kprobe.multi" since 5 . 18: |_| by_section(PROBES, "on_multi_cookie");
    "kprobe.session" since 6 . 10: |_| by_section(PROBES, "on_session");
    "uprobe" since 5 . 10: |_| uprobe(&UprobeOptions::new("libc.so.6", "getppid"));
    "uprobe by tracefs" since 5 . 10: |_| {
        uprobe(&UprobeOptions::new("libc.so.6", "getppid").mode(AttachMode::Legacy))
    };
    "uretprobe" since 5 . 10: uretprobe;
    "uprobe.multi" since 6 . 6: uprobe_multi;
    "USDT probe" since 5 . 10: usdt;
    "perf event" since 5 . 10: perf_event;
    "XDP" since 5 . 10: |_| xdp(XdpMode::Skb.into());
    "XDP by netlink" since 5 . 10: |_| xdp(XdpOptions { mode: XdpMode::Skb, replace: true });
    "tc filter" since 5 . 10: |_| tc("on_tc");
    "tc action" since 5 . 10: |_| tc("on_action");
    "tcx" since 5 . 10: tcx;
    "cgroup" since 5 . 10: |place| cgroup(place, CgroupSharing::Link);
    "cgroup without a link" since 5 . 10: |place| cgroup(place, CgroupSharing::Multi);
    "flow dissector" since 5 . 10: |_| netns("on_flow_dissector");
    "sk_lookup" since 5 . 10: |_| netns("on_sk_lookup");
    "socket map" since 5 . 10: sock_map;
    "socket filter" since 5 . 10: socket_filter;
    "sk_reuseport" since 5 . 10: reuseport;
    "netfilter" since 6 . 4: netfilter;
    "route of IPv4" since 5 . 10: |_| route(ROUTES[0], 16);
    "route of IPv6" since 5 . 10: |_| route(ROUTES[1], 32);
    "iterator" since 5 . 10: iterator;
    "iterator over a map" since 5 . 10: iterator_over_a_map;
    "struct_ops with a link" since 6 . 4: |_| struct_ops("cc_by_link");
    "struct_ops without a link" since 5 . 10: |_| struct_ops("cc_by_value");
    "pinned link" since 5 . 15: pinned_link;
    "skeleton" since 5 . 10: skeleton;
    "pinned maps" since 5 . 10: pinned_maps;
    "reused map" since 5 . 10: reused_map;
    "maps" since 5 . 10: |_| maps(object!("maps"));
    "map kinds" since 5 . 10: |_| maps(object!("map_kinds"));
    "maps of network objects" since 5 . 18: |_| maps(object!("map_net"));
    "local storage and Bloom filter" since 6 . 2: |_| maps(object!("map_storage"));
    "arena" since 6 . 9: |_| maps(object!("arena"));
    "ring buffer and perf buffer" since 5 . 10: buffers;
    "user ring buffer" since 6 . 1: user_ring_buffer;
    "map elements" since 5 . 10: elements;
}

/// Returns the running kernel's types, read once. Reading them is tested by the scenario `kernel
/// types`.
fn types() -> Result<Btf> {
    static TYPES: OnceLock<Btf> = OnceLock::new();
    match TYPES.get() {
        Some(types) => Ok(types.clone()),
        None => {
            let types = btf_core::load::kernel_btf()?;
            Ok(TYPES.get_or_init(|| types).clone())
        }
    }
}

fn open((name, elf): Elf) -> Result<OpenObject> {
    let mut open = OpenObject::open(name, elf)?;
    open.set_kernel_btf(types()?);
    Ok(open)
}

/// Loads one program of an object.
fn load(elf: Elf, program: &str) -> Result<(LoadedObject, Program)> {
    let mut open = open(elf)?;
    let chosen = open.program_mut(program)?;
    chosen.set_autoload(true);
    let loaded = open.load()?;
    let program = loaded.program(program)?.try_clone()?;
    Ok((loaded, program))
}

/// Attaches twice: ends one link by `detach`, and the other by its drop.
fn attach(make: impl Fn() -> Result<Link>) -> Result<()> {
    subject();
    let link = make()?;
    match link.info() {
        Err(e) if e.kind() != ErrorKind::Unsupported => return Err(e),
        _ => {}
    }
    link.detach()?;
    drop(make()?);
    Ok(())
}

fn by_section(elf: Elf, program: &str) -> Result<()> {
    let (_loaded, program) = load(elf, program)?;
    attach(|| program.attach())
}

fn freplace(_: &Place) -> Result<()> {
    const FUNCTION: &str = "replaceable";
    let (_target, target) = load(PROGRAMS, "on_kprobe")?;
    let mut open = open(PROGRAMS)?;
    let chosen = open.program_mut("replacement")?;
    chosen.set_autoload(true);
    chosen.set_attach_program(target.fd()?, FUNCTION)?;
    let loaded = open.load()?;
    let program = Freplace::try_from(loaded.program("replacement")?)?;
    attach(|| program.attach_to(&target, FUNCTION))
}

fn kprobe(mode: AttachMode) -> Result<()> {
    let (_loaded, program) = load(PROBES, "on_kprobe")?;
    let program = Kprobe::try_from(program)?;
    attach(|| program.attach_with(&KprobeOptions::new("vfs_unlink").mode(mode)))
}

fn uprobe(at: &UprobeOptions) -> Result<()> {
    let (_loaded, program) = load(UPROBES, "on_uprobe")?;
    let program = Uprobe::try_from(program)?;
    attach(|| program.attach_with(at))
}

fn uretprobe(_: &Place) -> Result<()> {
    let (_loaded, program) = load(UPROBES, "on_uretprobe")?;
    let program = Uprobe::try_from(program)?;
    attach(|| program.attach_with(&UprobeOptions::new("libc.so.6", "getppid")))
}

fn uprobe_multi(_: &Place) -> Result<()> {
    let (_loaded, program) = load(UPROBES, "on_multi")?;
    let program = UprobeMulti::try_from(program)?;
    attach(|| program.attach_to("libc.so.6", "getp*id"))
}

// A USDT probe of this program, in a function of its own, and the note that describes it.
std::arch::global_asm!(
    ".globl btf_faults_probe",
    ".type btf_faults_probe, @function",
    "btf_faults_probe:",
    "990: nop",
    "ret",
    ".size btf_faults_probe, . - btf_faults_probe",
    ".pushsection .note.stapsdt,\"\",@note",
    ".balign 4",
    ".4byte 992f-991f, 994f-993f, 3",
    "991: .asciz \"stapsdt\"",
    "992: .balign 4",
    "993: .8byte 990b",
    ".8byte _.stapsdt.base",
    ".8byte 0",
    ".asciz \"btf_faults\", \"probe\", \"8@$7\"",
    "994: .balign 4",
    ".popsection",
    ".pushsection .stapsdt.base,\"aG\",@progbits,.stapsdt.base,comdat",
    ".weak _.stapsdt.base",
    ".hidden _.stapsdt.base",
    "_.stapsdt.base: .space 1",
    ".size _.stapsdt.base, 1",
    ".popsection",
);

unsafe extern "C" {
    /// Does nothing, behind a probe.
    safe fn btf_faults_probe();
}

fn usdt(_: &Place) -> Result<()> {
    let (_loaded, program) = load(USDT, "on_usdt")?;
    let program = Usdt::try_from(program)?;
    std::hint::black_box(btf_faults_probe as extern "C" fn());
    attach(|| program.attach_to("/proc/self/exe", "btf_faults", "probe"))
}

fn perf_event(_: &Place) -> Result<()> {
    let (_loaded, program) = load(PROGRAMS, "on_perf_event")?;
    let program = PerfEvent::try_from(program)?;
    attach(|| program.attach_with(&PerfEventOptions::cpu_clock()))
}

fn xdp(options: XdpOptions) -> Result<()> {
    let (_loaded, program) = load(NET, "on_xdp")?;
    let program = Xdp::try_from(program)?;
    attach(|| program.attach_to("lo", options))
}

fn tc(name: &str) -> Result<()> {
    let (_loaded, program) = load(NET, name)?;
    let program = Tc::try_from(program)?;
    attach(|| program.attach_to("lo", Direction::Ingress, TcOptions::default()))
}

fn tcx(_: &Place) -> Result<()> {
    let (_loaded, program) = load(NET, "on_tcx_ingress")?;
    let program = Tcx::try_from(program)?;
    attach(|| program.attach_to("lo", OrderOptions::default()))
}

fn cgroup(place: &Place, sharing: CgroupSharing) -> Result<()> {
    let (_loaded, program) = load(CGROUP, "skb_egress")?;
    let program = Cgroup::try_from(program)?;
    attach(|| program.attach_to(&place.cgroup, sharing))
}

fn netns(name: &str) -> Result<()> {
    let (_loaded, program) = load(NET, name)?;
    let program = Netns::try_from(program)?;
    attach(|| program.attach_here())
}

fn sock_map(_: &Place) -> Result<()> {
    let (loaded, program) = load(CGROUP, "stream_verdict")?;
    let program = SkMap::try_from(program)?;
    let map = loaded.map("sockets")?;
    attach(|| program.attach_to(map))
}

fn socket_filter(_: &Place) -> Result<()> {
    let (_loaded, program) = load(NET, "on_socket")?;
    let program = SocketFilter::try_from(program)?;
    subject();
    let socket = socket();
    program.attach_to(&socket)?;
    program.detach_from(&socket)?;
    program.attach_to(&socket)
}

fn reuseport(_: &Place) -> Result<()> {
    let (_loaded, program) = load(NET, "on_sk_reuseport")?;
    let program = SkReuseport::try_from(program)?;
    subject();
    let socket = socket();
    program.attach_to(&socket)?;
    program.detach_from(&socket)
}

/// A socket that may share its port.
fn socket() -> OwnedFd {
    untraced(|| {
        let (family, kind) = (AddressFamily::INET, SocketType::DGRAM);
        let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None).expect("a socket");
        set_socket_reuseport(&socket, true).expect("before it is bound");
        let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        bind(&socket, &any).expect("any port");
        socket
    })
}

fn netfilter(_: &Place) -> Result<()> {
    let (_loaded, program) = load(NET, "on_netfilter")?;
    let program = Netfilter::try_from(program)?;
    let options = NetfilterOptions {
        family: NetfilterFamily::IPV4,
        hook: NetfilterHook::LOCAL_IN,
        priority: 7,
        defragment: false,
    };
    attach(|| program.attach_to(options))
}

fn route(to: &str, bits: u8) -> Result<()> {
    let (_loaded, program) = load(NET, "on_lwt_out")?;
    let program = Lwt::try_from(program)?;
    let to: IpAddr = to.parse().expect("an address");
    attach(|| program.attach_to(&Route::new(to, bits, "lo")))
}

fn iterator(_: &Place) -> Result<()> {
    let (_loaded, program) = load(ATTACH, "on_iter")?;
    let program = Iter::try_from(program)?;
    attach(|| program.attach())?;
    let mut file = program.iterate()?;
    // Its errors are the scenario's own.
    let _ = file.read(&mut [0; 64]);
    Ok(())
}

fn iterator_over_a_map(_: &Place) -> Result<()> {
    let (loaded, program) = load(ITERS, "on_element")?;
    let program = Iter::try_from(program)?;
    let map = loaded.map("sizes")?;
    attach(|| program.attach_over(IterOver::map(&map)))
}

fn struct_ops(name: &str) -> Result<()> {
    let mut open = open(CC)?;
    for ops in ["cc_by_link", "cc_by_value"] {
        let chosen = open.struct_ops_mut(ops)?;
        chosen.set_autocreate(ops == name);
    }
    let loaded = open.load()?;
    let ops = loaded.struct_ops(name)?.expect("it is created");
    subject();
    let link = ops.attach()?;
    link.detach()?;
    Ok(())
}

/// A path of a pin, which is removed when this is dropped.
struct Pin(PathBuf);

impl Pin {
    fn new(name: &str) -> Pin {
        Pin(Path::new(PINS).join(name))
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        untraced(|| {
            // It may have been removed; its directory is there if a load has made it and succeeded.
            let _ = std::fs::remove_file(&self.0);
            if let Some(dir) = self.0.parent().filter(|dir| *dir != Path::new(PINS)) {
                let _ = std::fs::remove_dir(dir);
            }
        });
    }
}

fn pinned_link(_: &Place) -> Result<()> {
    let (_loaded, program) = load(NET, "on_xdp")?;
    let program = Xdp::try_from(program)?;
    let pin = Pin::new("link");
    subject();
    let mut link = program.attach_to("lo", XdpMode::Skb.into())?;
    link.pin(&pin.0)?;
    let opened = Link::open_pinned(&pin.0)?;
    drop(opened);
    link.unpin(&pin.0)?;
    link.pin(&pin.0)?;
    link.detach()?;
    Ok(())
}

fn skeleton(_: &Place) -> Result<()> {
    let mut open = attach::Attach::open()?;
    open.object_mut().set_kernel_btf(types()?);
    open.progs.on_tracepoint.set_autoload(true);
    open.progs.on_tp_btf.set_autoload(true);
    open.progs.on_raw_tp.set_autoload(true);
    let skel = open.load()?;
    subject();
    let links = skel.attach()?;
    drop(links);
    Ok(())
}

fn pinned_maps(_: &Place) -> Result<()> {
    let pin = Pin::new("directory/kept");
    let open = || -> Result<_> {
        let mut open = map_many::MapMany::open()?;
        open.object_mut().set_kernel_btf(types()?);
        open.object_mut()
            .set_pin_root(Path::new(PINS).join("directory"));
        open.load()
    };
    let first = open()?;
    drop(first);
    let second = open()?;
    second.maps.kept.map().unpin(&pin.0)
}

fn reused_map(_: &Place) -> Result<()> {
    let first = open(object!("maps"))?.load()?;
    let counts = first.map("counts")?;
    let mut open = open(object!("maps"))?;
    let map = open.map_mut("counts")?;
    map.reuse(counts)?;
    drop(open.load()?);
    Ok(())
}

/// Loads a program that is relocated against the kernel's types.
fn kernel_types(_: &Place) -> Result<()> {
    let (name, elf) = ATTACH;
    let mut open = OpenObject::open(name, elf)?;
    let chosen = open.program_mut("on_iter")?;
    chosen.set_autoload(true);
    drop(open.load()?);
    Ok(())
}

/// Loads an object as it is.
fn maps(elf: Elf) -> Result<()> {
    let loaded = open(elf)?.load()?;
    let names: Vec<String> = loaded.map_names().map(str::to_owned).collect();
    for name in names {
        let map = loaded.map(&name)?;
        map.info()?;
    }
    Ok(())
}

fn buffers(_: &Place) -> Result<()> {
    let loaded = open(object!("map_events"))?.load()?;
    subject();
    let ring: RingBuf<[u8]> = loaded.map("events")?.typed()?;
    let mut consumer = ring.consumer(|_| {})?;
    consumer.poll(Duration::from_millis(1))?;
    let perf: PerfEventArray<[u8]> = loaded.map("perf")?.typed()?;
    let mut consumer = perf.consumer(1, |_, _| {}, |_, _| {})?;
    consumer.poll(Duration::from_millis(1))?;
    Ok(())
}

fn user_ring_buffer(_: &Place) -> Result<()> {
    let loaded = open(object!("map_orders"))?.load()?;
    subject();
    let ring: UserRingBuf<u64> = loaded.map("orders")?.typed()?;
    let mut producer = ring.producer()?;
    producer.send(&7)?;
    Ok(())
}

fn elements(_: &Place) -> Result<()> {
    let mut open = open(object!("map_many"))?;
    let kept = open.map_mut("kept")?;
    kept.set_autocreate(false);
    let programs = open.object().programs().iter().map(|p| p.name.clone());
    for name in programs.collect::<Vec<_>>() {
        let program = open.program_mut(&name)?;
        program.set_autoload(false);
    }
    let loaded = open.load()?;
    subject();
    let map = loaded.map("hash")?;
    let (key, value) = (
        vec![1; map.key_size() as usize],
        vec![2; map.value_size() as usize],
    );
    map.set_bytes(&key, &value, Flags::ANY)?;
    map.get_bytes(&key)?;
    for key in map.key_bytes() {
        key?;
    }
    map.remove_bytes(&key)?;
    let hash: Hash<u32, u64> = map.typed()?;
    hash.insert_many(&[1, 2], &[3, 4])?;
    for element in hash.batched(4) {
        element?;
    }
    hash.take(&1)?;
    hash.remove_many(&[2])?;
    Ok(())
}
