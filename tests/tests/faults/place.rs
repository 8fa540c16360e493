//! Environment of the work: namespaces, a BPF file system and a cgroup of its own.
#![allow(unsafe_code)] // unshare; the block has its proof.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::left::request;

/// Mount point of a private BPF file system.
pub(crate) const PINS: &str = "/sys/fs/bpf";

/// Destinations of the routes that programs are attached to.
pub(crate) const ROUTES: [&str; 2] = ["10.9.0.0", "fd09::"];

/// Environment of the work.
#[derive(Debug)]
pub(crate) struct Place {
    /// A cgroup without processes.
    pub(crate) cgroup: PathBuf,
    root: PathBuf,
    number: u32,
}

impl Place {
    /// Enters new mount and network namespaces.
    pub(crate) fn enter() -> Place {
        let flags = UnshareFlags::NEWNS | UnshareFlags::NEWNET;
        // SAFETY: neither namespace affects memory or file descriptors.
        unsafe { unshare_unsafe(flags) }.expect("root may make namespaces");
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).expect("root may mount");
        mount("bpf", PINS, "bpf", MountFlags::empty(), None).expect("a BPF file system");
        let tracefs = Path::new("/sys/kernel/tracing");
        if !tracefs.join("events").exists() {
            mount("tracefs", tracefs, "tracefs", MountFlags::empty(), None).expect("tracefs");
        }
        // The kernel mounts tracefs there on first access.
        let _ = fs::read_dir("/sys/kernel/debug/tracing");
        // RTM_NEWLINK: the loopback device goes up.
        let words = [0, 1, 1u32, 1];
        let body: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
        request(16, 0, &body);
        let mounts = fs::read_to_string("/proc/self/mounts").expect("/proc is mounted");
        let root = mounts.lines().find_map(|line| {
            let mut words = line.split(' ').skip(1);
            let place = words.next()?;
            (words.next()? == "cgroup2").then(|| PathBuf::from(place))
        });
        let mut place = Place {
            cgroup: PathBuf::new(),
            root: root.expect("cgroup2 is mounted"),
            number: 0,
        };
        place.new_cgroup();
        place
    }

    /// Creates another cgroup. Removing the previous one detaches its programs.
    pub(crate) fn new_cgroup(&mut self) {
        if self.number > 0 {
            fs::remove_dir(&self.cgroup).expect("it has no processes");
        }
        self.number += 1;
        let name = format!("btf-faults-{}-{}", std::process::id(), self.number);
        self.cgroup = self.root.join(name);
        fs::create_dir(&self.cgroup).expect("root may make a cgroup");
    }

    /// Removes the routes to [`ROUTES`].
    pub(crate) fn remove_routes(&self) {
        let ipv6: [u8; 16] = [0xfd, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for (family, bits, address) in [
            (libc::AF_INET, 16, &[10, 9, 0, 0][..]),
            (libc::AF_INET6, 32, &ipv6[..]),
        ] {
            // RTM_DELROUTE of the main table: `struct rtmsg`, RTA_DST, RTA_OIF.
            let mut body = vec![family as u8, bits, 0, 0, 254, 0, 255, 0, 0, 0, 0, 0];
            body.extend((4 + address.len() as u16).to_ne_bytes());
            body.extend(1u16.to_ne_bytes());
            body.extend(address);
            body.extend([8, 0, 4, 0, 1, 0, 0, 0]);
            request(25, 0, &body);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir(Path::new(&self.cgroup));
    }
}
