//! Programs that run for a cgroup: this process enters one, and does what sets each kind off.

use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;

use btf_core::ErrorKind;
use btf_core::attach::{Cgroup, CgroupSharing};
use btf_core::link::LinkDetails;
use btf_core::load::OpenObject;
use btf_core::map::Mapped;
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::sockets::Bss;
use crate::support::needs;

include_skel!("cgroup");

static CGROUP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cgroup.bpf.o"));
const ROOT: &str = "/sys/fs/cgroup";

/// A cgroup that this process is in until this is dropped.
pub(crate) struct Inside(pub(crate) PathBuf);

impl Inside {
    pub(crate) fn new(name: &str) -> Inside {
        let path = PathBuf::from(ROOT).join(name);
        fs::create_dir_all(&path).unwrap();
        enter(&path);
        Inside(path)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        enter(&PathBuf::from(ROOT));
        // Sockets that are being closed may hold it for a while.
        let _ = fs::remove_dir(&self.0);
    }
}

fn enter(path: &std::path::Path) {
    fs::write(path.join("cgroup.procs"), std::process::id().to_string()).unwrap();
}

pub(crate) fn load(name: &str) -> btf_core::Result<(Mapped<Bss>, Cgroup)> {
    let mut open = OpenObject::open("cgroup", CGROUP)?;
    let program = open.program_mut(name)?;
    program.set_autoload(true);
    let loaded = open.load()?;
    Ok((
        loaded.data(".bss")?,
        Cgroup::try_from(loaded.program(name)?)?,
    ))
}

/// Sends and connects, which sets off most of the kinds.
pub(crate) fn udp4() {
    let (a, b) = (
        UdpSocket::bind("127.0.0.1:0").unwrap(),
        UdpSocket::bind("127.0.0.1:0").unwrap(),
    );
    a.send_to(b"x", b.local_addr().unwrap()).unwrap();
    b.recv_from(&mut [0; 4]).unwrap();
    a.connect(b.local_addr().unwrap()).unwrap();
    a.peer_addr().unwrap();
    a.set_ttl(64).unwrap();
    a.ttl().unwrap();
}

fn udp6() {
    let (a, b) = (
        UdpSocket::bind("[::1]:0").unwrap(),
        UdpSocket::bind("[::1]:0").unwrap(),
    );
    a.send_to(b"x", b.local_addr().unwrap()).unwrap();
    b.recv_from(&mut [0; 4]).unwrap();
    a.connect(b.local_addr().unwrap()).unwrap();
    a.peer_addr().unwrap();
}

fn unix() {
    let dir = std::env::temp_dir();
    let paths = ["stream", "a", "b"].map(|name| dir.join(format!("btf-kernel-case-{name}")));
    for path in &paths {
        let _ = fs::remove_file(path);
    }
    let listener = UnixListener::bind(&paths[0]).unwrap();
    let stream = UnixStream::connect(&paths[0]).unwrap();
    stream.peer_addr().unwrap();
    listener.local_addr().unwrap();
    let (a, b) = (
        UnixDatagram::bind(&paths[1]).unwrap(),
        UnixDatagram::bind(&paths[2]).unwrap(),
    );
    a.send_to(b"x", &paths[2]).unwrap();
    b.recv_from(&mut [0; 4]).unwrap();
}

fn tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    drop(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
}

fn read_sysctl() {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
}

fn open_device() {
    drop(fs::File::open("/dev/null").unwrap());
}

/// Section, program, first kernel, and what sets it off.
type Row = (&'static str, &'static str, (u32, u32), fn());

const ROWS: &[Row] = &[
    ("SEC: cgroup_skb/ingress", "skb_ingress", (5, 10), udp4),
    ("SEC: cgroup_skb/egress", "skb_egress", (5, 10), udp4),
    ("SEC: cgroup/skb", "skb", (5, 10), udp4),
    ("SEC: cgroup/sock_create", "sock_create", (5, 10), udp4),
    ("SEC: cgroup/sock_release", "sock_release", (5, 10), udp4),
    ("SEC: cgroup/sock", "sock", (5, 10), udp4),
    ("SEC: cgroup/post_bind4", "post_bind4", (5, 10), udp4),
    ("SEC: cgroup/post_bind6", "post_bind6", (5, 10), udp6),
    ("SEC: cgroup/bind4", "bind4", (5, 10), udp4),
    ("SEC: cgroup/bind6", "bind6", (5, 10), udp6),
    ("SEC: cgroup/connect4", "connect4", (5, 10), udp4),
    ("SEC: cgroup/connect6", "connect6", (5, 10), udp6),
    ("SEC: cgroup/connect_unix", "connect_unix", (6, 7), unix),
    ("SEC: cgroup/sendmsg4", "sendmsg4", (5, 10), udp4),
    ("SEC: cgroup/sendmsg6", "sendmsg6", (5, 10), udp6),
    ("SEC: cgroup/sendmsg_unix", "sendmsg_unix", (6, 7), unix),
    ("SEC: cgroup/recvmsg4", "recvmsg4", (5, 10), udp4),
    ("SEC: cgroup/recvmsg6", "recvmsg6", (5, 10), udp6),
    ("SEC: cgroup/recvmsg_unix", "recvmsg_unix", (6, 7), unix),
    ("SEC: cgroup/getpeername4", "getpeername4", (5, 10), udp4),
    ("SEC: cgroup/getpeername6", "getpeername6", (5, 10), udp6),
    (
        "SEC: cgroup/getpeername_unix",
        "getpeername_unix",
        (6, 7),
        unix,
    ),
    ("SEC: cgroup/getsockname4", "getsockname4", (5, 10), udp4),
    ("SEC: cgroup/getsockname6", "getsockname6", (5, 10), udp6),
    (
        "SEC: cgroup/getsockname_unix",
        "getsockname_unix",
        (6, 7),
        unix,
    ),
    ("SEC: cgroup/sysctl", "sysctl", (5, 10), read_sysctl),
    ("SEC: cgroup/getsockopt", "getsockopt", (5, 10), udp4),
    ("SEC: cgroup/setsockopt", "setsockopt", (5, 10), udp4),
    ("SEC: cgroup/dev", "dev", (5, 10), open_device),
    ("SEC: lsm_cgroup", "lsm_cgroup", (6, 0), udp4),
];

#[test]
fn every_kind_runs_for_its_cgroup() {
    let cgroup = Inside::new("btf-kernel-case");
    let mut failed = Vec::new();
    for (name, program, since, set_off) in ROWS {
        let Some(feature) = Feature::since(name, *since) else {
            continue;
        };
        let (bss, program) = load(program).unwrap();
        let link = program.attach_to(&cgroup.0, CgroupSharing::Link).unwrap();
        match link.info().unwrap().details {
            LinkDetails::Cgroup { cgroup_id, .. } => {
                assert_eq!(cgroup_id, fs::metadata(&cgroup.0).unwrap().ino());
            }
            details => panic!("{details:?}"),
        }
        set_off();
        let hits = bss.hits.get();
        link.detach().unwrap();
        set_off();
        // What is under way, such as the release of sockets, is over.
        if hits > 0 && bss.hits.get() == hits {
            feature.works();
        } else {
            std::mem::forget(feature);
            failed.push(format!("{name}: {hits}, then {}", bss.hits.get()));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Where it is attached, and not beside it.
#[test]
fn sockops() {
    let feature = Feature::since("SEC: sockops", (5, 10)).unwrap();
    let mut open = cgroup::Cgroup::open().unwrap();
    open.progs.sockops.set_autoload(true);
    let skel = open.load().unwrap();
    let cgroup = Inside::new("btf-kernel-sockops");
    let folder = fs::File::open(&cgroup.0).unwrap();
    let link = skel
        .progs
        .sockops
        .attach_to_fd(&folder, CgroupSharing::Link)
        .unwrap();
    tcp();
    assert_eq!(skel.bss.connections.get(), 2);
    drop(link);
    tcp();
    assert_eq!(skel.bss.connections.get(), 2);
    feature.works();
}

/// `BPF_PROG_ATTACH`, which kernels before 5.7 have alone.
#[test]
fn cgroups_are_shared_or_not() {
    let feature = Feature::since("attach: cgroup without a link", (5, 10)).unwrap();
    let cgroup = Inside::new("btf-kernel-sharing");
    let (bss, connect) = load("connect4").unwrap();
    let (_, other) = load("connect4").unwrap();
    for (n, sharing) in [
        CgroupSharing::Multi,
        CgroupSharing::Override,
        CgroupSharing::Alone,
    ]
    .into_iter()
    .enumerate()
    {
        let link = connect.attach_to(&cgroup.0, sharing).unwrap();
        udp4();
        assert_eq!(bss.hits.get(), n as u64 + 1, "{sharing:?}");
        if sharing != CgroupSharing::Multi {
            let e = other
                .attach_to(&cgroup.0, CgroupSharing::Multi)
                .unwrap_err()
                .to_string();
            assert!(
                e.contains("that does not share may be here or in a cgroup above"),
                "{e}"
            );
        }
        link.detach().unwrap();
        udp4();
        assert_eq!(bss.hits.get(), n as u64 + 1, "{sharing:?}");
    }
    feature.works();
}

#[test]
fn what_is_no_cgroup_is_told() {
    needs(5, 10);
    let (_, connect) = load("connect4").unwrap();
    let _cgroup = Inside::new("btf-kernel-errors");
    let e = connect
        .attach_to("/sys/fs/cgroup/btf-kernel-error", CgroupSharing::Link)
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    assert_eq!(
        e.to_string(),
        "program `connect4`: cannot open cgroup /sys/fs/cgroup/btf-kernel-error: No such file or directory (os error 2) \
         (did you mean `btf-kernel-errors`?)"
    );
    let e = connect.attach_to("/tmp", CgroupSharing::Link).unwrap_err();
    assert_eq!(
        e.to_string(),
        "program `connect4`: /tmp is no cgroup of version 2 (the file system cgroup2 is mounted on /sys/fs/cgroup)"
    );
}
