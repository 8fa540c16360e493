//! Kernel state that may outlive a process: objects, pins and attachments.
#![allow(unsafe_code)] // bpf(2) for IDs; each block has its proof.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::place::Place;

/// The kernel frees objects some time after their last user is gone.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// `BPF_…_GET_NEXT_ID` of programs, maps, links and BTF, and the command that opens one.
const IDS: [(&str, libc::c_long, libc::c_long); 4] = [
    ("program", 11, 13),
    ("map", 12, 14),
    ("link", 31, 30),
    ("BTF", 23, 19),
];

/// Kernel state, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Left(BTreeMap<&'static str, BTreeSet<String>>);

impl Left {
    /// Reads the current state.
    pub(crate) fn read(place: &Place) -> Left {
        let mut left = Left::default();
        for (kind, next, _) in IDS {
            left.add(kind, ids(next).iter().map(u32::to_string));
        }
        left.add("pin", pins(Path::new(crate::place::PINS)));
        left.add("cgroup program", cgroup_programs(place));
        left.add("qdisc", qdiscs());
        left.add("filter", filters());
        left.add("XDP program", xdp_programs());
        left.add("route", routes());
        left.add("tracefs event", tracefs_events());
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted");
        left.add("mount", mounts.lines().map(str::to_owned));
        left
    }

    fn add(&mut self, kind: &'static str, items: impl IntoIterator<Item = String>) {
        self.0.entry(kind).or_default().extend(items);
    }

    /// Returns the state that `self` lacks, after a grace period if needed; empty if none.
    pub(crate) fn added(&self, place: &Place) -> Left {
        self.added_after(place, GRACE)
    }

    /// Returns the same after a process was killed. Waits less if anything but objects remains: it
    /// may hold objects, and does not go away.
    pub(crate) fn added_for_good(&self, place: &Place) -> Left {
        let soon = self.added_after(place, GRACE / 10);
        match soon.0.keys().all(|kind| is_object(kind)) {
            true => self.added(place),
            false => soon,
        }
    }

    fn added_after(&self, place: &Place, grace: Duration) -> Left {
        let end = Instant::now() + grace;
        let mut pause = Duration::from_micros(200);
        loop {
            let now = Left::read(place);
            let mut added = Left::default();
            for (kind, items) in &now.0 {
                let before = &self.0[kind];
                let new: Vec<_> = items.difference(before).cloned().collect();
                if !new.is_empty() {
                    added.add(kind, new);
                }
            }
            if added.0.is_empty() || Instant::now() > end {
                return added;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Splits the state in `now` that `self` lacks into objects and the rest.
    pub(crate) fn split(&self, now: &Left) -> (Vec<(&'static str, String)>, Left) {
        let (mut objects, mut others) = (Vec::new(), Left::default());
        for (kind, items) in &now.0 {
            let new = items.difference(&self.0[kind]).cloned();
            match is_object(kind) {
                true => objects.extend(new.map(|id| (*kind, id))),
                false => {
                    let new: Vec<String> = new.collect();
                    if !new.is_empty() {
                        others.add(kind, new);
                    }
                }
            }
        }
        (objects, others)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The kinds of what is there; without the objects that something else holds.
    pub(crate) fn kinds(&self) -> BTreeSet<&'static str> {
        let holders: BTreeSet<&str> = self.0.keys().copied().filter(|k| !is_object(k)).collect();
        if !holders.is_empty() {
            return holders;
        }
        let maps = self.0.get("map").into_iter().flatten();
        // `BPF_MAP_TYPE_STRUCT_OPS`: registered, it holds its programs.
        let mut types = maps.map(|id| name("map", id));
        match types.any(|name| name.contains("type 26")) {
            true => BTreeSet::from(["registered struct_ops"]),
            false => self.0.keys().copied().collect(),
        }
    }
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (kind, items) in &self.0 {
            for item in items {
                write!(f, "{kind} {item}{}; ", name(kind, item))?;
            }
        }
        Ok(())
    }
}

/// Returns `true` if the kernel frees this kind some time after its last user is gone.
fn is_object(kind: &str) -> bool {
    IDS.iter().any(|(name, ..)| *name == kind)
}

/// The name and type of an object, if it is still there.
pub(crate) fn describe(kind: &str, id: &str) -> String {
    format!("{kind} {id}{}", name(kind, id))
}

fn bpf(command: libc::c_long, attr: &mut [u32]) -> libc::c_long {
    // SAFETY: a live array of the length stated; the commands of this module have no address in it
    // but that of a live buffer.
    unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_mut_ptr(), attr.len() * 4) }
}

fn ids(next: libc::c_long) -> Vec<u32> {
    let mut all = Vec::new();
    let mut attr = [0u32; 3];
    while bpf(next, &mut attr) == 0 {
        all.push(attr[1]);
        attr[0] = attr[1];
    }
    all
}

/// The name of an object with this ID, in parentheses; its type if it is a map.
fn name(kind: &str, id: &str) -> String {
    let Some((.., open)) = IDS.iter().find(|(name, ..)| *name == kind) else {
        return String::new();
    };
    let Ok(id) = id.parse() else {
        return String::new();
    };
    let fd = bpf(*open, &mut [id, 0, 0]);
    if fd < 0 {
        return String::new();
    }
    let mut info = [0u32; 24];
    let address = info.as_mut_ptr().expose_provenance() as u64;
    let mut attr = [fd as u32, 96, address as u32, (address >> 32) as u32];
    bpf(15, &mut attr);
    // SAFETY: the kernel has made it for this function, and nobody else has it.
    unsafe { libc::close(fd as i32) };
    // `bpf_prog_info.name` and `bpf_map_info.name`.
    let at = if kind == "map" { 6 } else { 16 };
    let bytes: Vec<u8> = info[at..at + 4]
        .iter()
        .flat_map(|w| w.to_ne_bytes())
        .collect();
    let name = String::from_utf8_lossy(&bytes);
    format!(" (type {}, {})", info[0], name.trim_end_matches('\0'))
}

fn pins(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut all = Vec::new();
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            all.extend(pins(&path));
        }
        all.push(path.display().to_string());
    }
    all
}

/// IDs of the programs that are attached to the cgroup, by links or not.
fn cgroup_programs(place: &Place) -> Vec<String> {
    let dir = fs::File::open(&place.cgroup).expect("the cgroup is there");
    let mut all = Vec::new();
    // `BPF_CGROUP_INET_INGRESS` and `BPF_CGROUP_INET_EGRESS`.
    for attach_type in 0..2 {
        let mut ids = [0u32; 8];
        let address = ids.as_mut_ptr().expose_provenance() as u64;
        let words = [address as u32, (address >> 32) as u32];
        let fd = dir.as_raw_fd() as u32;
        let mut attr = [fd, attach_type, 0, 0, words[0], words[1], 8, 0];
        bpf(16, &mut attr);
        all.extend(ids.iter().filter(|id| **id != 0).map(u32::to_string));
    }
    all
}

/// Bodies of the messages of a list of route netlink.
pub(crate) fn request(kind: u16, flags: u16, body: &[u8]) -> Vec<Vec<u8>> {
    let mut message = (16 + body.len() as u32).to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend((flags | 5).to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    let route = (AddressFamily::NETLINK, SocketType::RAW);
    let socket = rustix::net::socket_with(route.0, route.1, SocketFlags::CLOEXEC, None);
    let socket = socket.expect("a socket");
    rustix::net::send(&socket, &message, SendFlags::empty()).expect("netlink");
    let mut bodies = Vec::new();
    let mut answer = vec![0; 65536];
    loop {
        let received = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty());
        let mut rest = &answer[..received.expect("netlink").0];
        while let Some(header) = rest.get(..16) {
            let length = word(header, 0) as usize;
            let kind = u16::from_ne_bytes([header[4], header[5]]);
            // NLMSG_ERROR and NLMSG_DONE.
            if kind == 2 || kind == 3 {
                return bodies;
            }
            bodies.push(rest[16..length].to_vec());
            rest = &rest[length.next_multiple_of(4).min(rest.len())..];
        }
    }
}

const DUMP: u16 = 0x300;

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .map_or(0, |b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]))
}

/// The value of an attribute among some.
fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    while bytes.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
        let kind = u16::from_ne_bytes([bytes[2], bytes[3]]) & 0x3fff;
        if kind == wanted {
            return bytes.get(4..length);
        }
        bytes = bytes.get(length.next_multiple_of(4).max(4)..)?;
    }
    None
}

fn qdiscs() -> Vec<String> {
    // `struct tcmsg`: index, handle, parent.
    let all = request(38, DUMP, &[0; 20]);
    all.iter()
        .map(|body| format!("{}:{:x}", word(body, 4), word(body, 12)))
        .collect()
}

fn filters() -> Vec<String> {
    let mut all = Vec::new();
    for parent in [0xffff_fff2u32, 0xffff_fff3] {
        let words = [0, 1, 0, parent, 0];
        let body: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
        for found in request(46, DUMP, &body) {
            all.push(format!("{parent:x}:{:x}", word(&found, 8)));
        }
    }
    all
}

fn xdp_programs() -> Vec<String> {
    // `struct ifinfomsg`, then IFLA_XDP with IFLA_XDP_ATTACHED in it.
    let all = request(18, DUMP, &[0; 16]);
    all.iter()
        .filter(|body| {
            let xdp = attribute(&body[16..], 43).unwrap_or_default();
            attribute(xdp, 2).is_some_and(|attached| attached != [0])
        })
        .map(|body| word(body, 4).to_string())
        .collect()
}

/// Routes with an encapsulation.
fn routes() -> Vec<String> {
    let mut all = Vec::new();
    for family in [libc::AF_INET as u8, libc::AF_INET6 as u8] {
        let mut body = [0; 12];
        body[0] = family;
        for route in request(26, DUMP, &body) {
            if attribute(&route[12..], 21).is_some() {
                all.push(format!("{:?}", attribute(&route[12..], 1)));
            }
        }
    }
    all
}

/// The events that this project has made.
fn tracefs_events() -> Vec<String> {
    let mut all = Vec::new();
    for file in ["kprobe_events", "uprobe_events"] {
        let text = fs::read_to_string(tracefs(file)).unwrap_or_default();
        all.extend(
            text.lines()
                .filter_map(|line| line.split([':', ' ']).nth(1))
                .filter(|name| name.contains("/btf_"))
                .map(|name| format!("{file} {name}")),
        );
    }
    all
}

fn tracefs(file: &str) -> PathBuf {
    Path::new("/sys/kernel/tracing").join(file)
}

/// Removes what a killed process has left.
pub(crate) fn clean(place: &mut Place) {
    for path in pins(Path::new(crate::place::PINS)) {
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
    }
    for event in tracefs_events() {
        let (file, name) = event.split_once(' ').expect("a file and a name");
        let events = fs::File::options().append(true).open(tracefs(file));
        let line = format!("-:{name}");
        let _ = std::io::Write::write_all(&mut events.expect("tracefs"), line.as_bytes());
    }
    // RTM_DELQDISC of the loopback device's clsact.
    let words = [0, 1, 0xffff_0000u32, 0xffff_fff1, 0];
    let body: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
    request(37, 0, &body);
    // RTM_SETLINK with no XDP program.
    let mut body = vec![0; 16];
    body[4] = 1;
    body.extend([12, 0, 43, 0x80, 8, 0, 1, 0, 0xff, 0xff, 0xff, 0xff]);
    request(19, 0, &body);
    place.remove_routes();
    place.new_cgroup();
    // struct_ops without a link are unregistered by the removal of their value.
    for id in ids(12) {
        let fd = bpf(14, &mut [id, 0, 0]);
        if fd >= 0 {
            let key = 0u32;
            let address = (&raw const key).expose_provenance() as u64;
            let mut info = [0u32; 24];
            let to = info.as_mut_ptr().expose_provenance() as u64;
            bpf(15, &mut [fd as u32, 96, to as u32, (to >> 32) as u32]);
            // `BPF_MAP_TYPE_STRUCT_OPS`.
            if info[0] == 26 {
                bpf(
                    3,
                    &mut [fd as u32, 0, address as u32, (address >> 32) as u32],
                );
            }
            // SAFETY: the kernel has made it for this function, and nobody else has it.
            unsafe { libc::close(fd as i32) };
        }
    }
}
