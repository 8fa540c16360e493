//! Tokens: a process without rights in the first user namespace loads with what was delegated to its own.
//!
//! The process that has the rights is the case. It runs this binary again, with [`in_a_user_namespace`] alone, which makes a user
//! namespace and a BPF file system in it, and has the case mount that with what it delegates.
#![allow(unsafe_code)] // A new namespace, and descriptors that another process left open.

use std::env;
use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd as _, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use btf_core::ErrorKind;
use btf_core::load::OpenObject;
use btf_core::map::MapType;
use btf_core::obj::ProgType;
use btf_core::probe::Features;
use btf_core::token::Token;
use btf_skel_macros::include_skel;
use rustix::fs::{Mode, OFlags};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount,
};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::feature::Feature;
use crate::support::{running, skips_before};

include_skel!("token");

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/token.bpf.o"));

/// The number of the socket that leads to the process with the rights.
const SOCKET: &str = "BTF_TESTS_SOCKET";
/// What is to be tried.
const WANTED: &str = "BTF_TESTS_WANTED";
const UNPRIVILEGED: &str = "/proc/sys/kernel/unprivileged_bpf_disabled";

/// What a mount delegates.
type Delegated = [(&'static str, &'static str)];

const EVERYTHING: &Delegated = &[
    ("delegate_cmds", "any"),
    ("delegate_maps", "any"),
    ("delegate_progs", "any"),
    ("delegate_attachs", "any"),
];

fn send(socket: &UnixStream, fd: impl AsFd) {
    let fds = [fd.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    let data = [IoSlice::new(b"f")];
    sendmsg(socket, &data, &mut control, SendFlags::empty()).unwrap();
}

/// A descriptor that the other side sent; `None` if it hung up.
fn receive(socket: &UnixStream) -> Option<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut data = [IoSliceMut::new(&mut byte)];
    recvmsg(socket, &mut data, &mut control, RecvFlags::empty()).unwrap();
    control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    })
}

/// Has `wanted` tried in a user namespace to which this is delegated.
fn delegate(wanted: &str, delegated: &Delegated) {
    fs::write(UNPRIVILEGED, "2").unwrap();
    let (here, there) = UnixStream::pair().unwrap();
    fcntl_setfd(&there, FdFlags::empty()).unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    // SAFETY: between fork and exec it makes system calls only.
    unsafe { command.pre_exec(enter) };
    let child = command
        .args([
            "--exact",
            "token::in_a_user_namespace",
            "--ignored",
            "--test-threads=1",
            "--nocapture",
        ])
        .env(SOCKET, there.as_raw_fd().to_string())
        .env(WANTED, wanted)
        .spawn()
        .unwrap();
    drop(there);
    if let Some(context) = receive(&here) {
        for (key, value) in delegated {
            fsconfig_set_string(&context, *key, *value).unwrap();
        }
        fsconfig_create(&context).unwrap();
        let mount = fsmount(
            &context,
            FsMountFlags::FSMOUNT_CLOEXEC,
            MountAttrFlags::empty(),
        );
        send(&here, mount.unwrap());
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{wanted}: {output:?}");
}

/// Makes the namespaces of the process that calls it, in which it has all rights and nowhere else any.
fn enter() -> std::io::Result<()> {
    // SAFETY: this process has one thread, which keeps its table of descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNS) }?;
    for (path, text) in [
        (c"/proc/self/setgroups", "deny"),
        (c"/proc/self/uid_map", "0 0 1"),
        (c"/proc/self/gid_map", "0 0 1"),
    ] {
        let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::write(&file, text.as_bytes())?;
    }
    Ok(())
}

/// The path of a BPF file system that was mounted for this process's user namespace.
fn mounted(socket: &UnixStream) -> String {
    let context = fsopen("bpf", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
    send(socket, &context);
    let mount = receive(socket).unwrap();
    let path = format!("/proc/self/fd/{}", mount.as_raw_fd());
    // It stays open for as long as this process lives.
    std::mem::forget(mount);
    path
}

/// Loads the object, by which token its settings say, and has its program look at a packet.
fn load_and_fire(set: impl FnOnce(&mut OpenObject)) -> btf_core::Result<()> {
    let mut open = token::Token::open()?;
    open.rodata.step = 5;
    set(open.object_mut());
    let skel = open.load()?;
    assert!(skel.warnings().is_empty(), "{:?}", skel.warnings());
    let (a, b) = UnixDatagram::pair().unwrap();
    skel.progs.on_packet.attach_to(&b)?;
    a.send(b"hello").unwrap();
    assert_eq!(b.recv(&mut [0; 8]).unwrap(), 5);
    assert_eq!(skel.maps.lengths.get(&5)?, Some(5));
    assert_eq!(skel.bss.packets.get(), 1);
    Ok(())
}

/// What the cases run in a process of its own.
#[test]
#[ignore = "it is run by the other cases"]
fn in_a_user_namespace() {
    let number = env::var(SOCKET).unwrap().parse().unwrap();
    // SAFETY: the process that started this one left the descriptor open for it, and nobody else here knows it.
    let socket = UnixStream::from(unsafe { OwnedFd::from_raw_fd(number) });
    let path = mounted(&socket);
    match env::var(WANTED).unwrap().as_str() {
        "everything" => everything(&path),
        "nothing" => nothing(&path),
        "maps" => maps_alone(&path),
        other => panic!("{other}?"),
    }
}

fn everything(path: &str) {
    // Without a token there are no rights.
    let e = load_and_fire(|open| open.set_token_path("")).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Permission, "{e}");
    // Where the file system is mounted for the first user namespace is no place to make one.
    let e = load_and_fire(|open| open.set_token_path("/sys/fs/bpf")).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Permission);
    assert!(
        e.to_string()
            .contains("BPF file system /sys/fs/bpf: it belongs to a different user namespace"),
        "{e}"
    );
    let e = load_and_fire(|open| open.set_token_path("/proc")).unwrap_err();
    assert!(
        e.to_string()
            .contains("that is not where a BPF file system is mounted"),
        "{e}"
    );

    load_and_fire(|open| open.set_token_path(path)).unwrap();
    let token = Token::create(path).unwrap();
    load_and_fire(|open| open.set_token(&token)).unwrap();
    // SAFETY: no other thread looks at the environment.
    unsafe { env::set_var("LIBBPF_BPF_TOKEN_PATH", path) };
    load_and_fire(|_| ()).unwrap();
    // SAFETY: as above.
    unsafe { env::remove_var("LIBBPF_BPF_TOKEN_PATH") };
    load_and_fire(|_| ()).unwrap_err();
    // At the usual place it is found without being named.
    let mount = fs::File::open(path).unwrap();
    move_mount(
        &mount,
        "",
        rustix::fs::CWD,
        "/sys/fs/bpf",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
    .unwrap();
    load_and_fire(|_| ()).unwrap();

    let (own, with) = (Features::running(), Features::of_token(&token));
    let e = own.has_prog_type(ProgType::XDP).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Permission);
    assert!(with.has_prog_type(ProgType::XDP).unwrap());
    assert!(with.has_map_type(MapType::LPM_TRIE).unwrap());
    for probe in btf_core::probe::all() {
        // Links are made by own rights, which no token gives.
        let since = probe.since();
        let is_new_enough = running() >= (since.major.into(), since.minor.into());
        if probe.options().is_empty() {
            assert_eq!(with.has(probe).unwrap(), is_new_enough, "{probe:?}");
        }
    }
}

fn nothing(path: &str) {
    let e = Token::create(path).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    assert!(
        e.to_string()
            .contains("its mount delegates nothing (mount it with delegate_cmds"),
        "{e}"
    );
    let e = load_and_fire(|open| open.set_token_path(path)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    assert!(
        e.to_string()
            .starts_with("object `token`: BPF file system /proc/self/fd/"),
        "{e}"
    );
}

/// Arrays and BTF are delegated, hash maps and programs are not.
fn maps_alone(path: &str) {
    let why = |set: fn(&mut OpenObject)| {
        let mut open = OpenObject::open("token", OBJECT).unwrap();
        open.set_token_path(path);
        set(&mut open);
        let e = open.load().map(drop).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Permission);
        e.to_string()
    };
    let text = why(|_| ());
    assert!(
        text.contains("map `lengths`: the kernel refused to create it"),
        "{text}"
    );
    assert!(
        text.contains("the token does not allow it: /proc/self/mountinfo has"),
        "{text}"
    );
    let text = why(|open| {
        let map = open.map_mut("lengths").unwrap();
        map.set_autocreate(false);
    });
    assert!(
        text.contains("program `on_packet`: the kernel refused to load it"),
        "{text}"
    );
    assert!(text.contains("the token does not allow it"), "{text}");
}

const SINCE: (u32, u32) = (6, 9);

#[test]
fn what_is_delegated_is_loaded() {
    let Some(feature) = Feature::since("token: BPF file system that delegates", SINCE) else {
        // Older kernels are named.
        let e = Token::create("/sys/fs/bpf").unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unsupported);
        assert!(
            e.to_string()
                .contains("this kernel has no tokens (they came with Linux 6.9"),
            "{e}"
        );
        return;
    };
    delegate("everything", EVERYTHING);
    feature.works();
}

#[test]
fn what_is_not_delegated_is_refused() {
    if skips_before("token::what_is_not_delegated_is_refused", SINCE) {
        return;
    }
    delegate("nothing", &[]);
    delegate(
        "maps",
        &[
            ("delegate_cmds", "map_create:btf_load"),
            ("delegate_maps", "array"),
        ],
    );
    // The first user namespace has no tokens.
    let e = Token::create("/sys/fs/bpf").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert!(
        e.to_string()
            .contains("it belongs to the first user namespace"),
        "{e}"
    );
}
