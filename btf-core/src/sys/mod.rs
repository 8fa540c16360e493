//! System calls: bpf(2), perf_event_open(2) and what else the kernel is asked for. Mechanism only: which maps, programs
//! and links there are, and what an error means to a user, is for [`crate::load`], [`crate::map`] and [`crate::link`].
//!
//! Functions return what the kernel answered ([`std::io::Error`]); callers add the sentence.

#![allow(unsafe_code)] // System calls take pointers; each block has its proof.

mod attach;
mod attr;
mod btf;
mod cpus;
mod environment;
mod fdinfo;
mod file_system;
mod kernel_btf;
mod limits;
mod link;
mod link_attr;
mod log;
mod map;
mod map_batch;
mod memlock;
mod mmap;
mod netlink;
mod perf;
mod perf_buffer;
mod pin;
mod privileges;
mod process;
mod prog;
mod socket;
mod struct_ops;
mod symbols;
mod test_run;
mod token;
mod uname;
mod version;
mod wait;

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use crate::pod::Pod;

/// The error number that kernels answer with where something does not have an operation. It is their own and not for user space, so no
/// header and no crate has it.
pub(crate) const ENOTSUPP: i32 = 524;

pub(crate) use attach::{prog_attach, prog_detach, set_option, socket_program};
pub(crate) use attr::{FuncInfo, LineInfo};
pub(crate) use btf::{
    btf_by_id, btf_bytes, btf_has_name, btf_info, btf_load, btf_try, module_btf_fd, next_btf_id,
};
pub(crate) use cpus::possible_cpus;
pub(crate) use environment::variable;
pub(crate) use fdinfo::Restriction;
pub(crate) use file_system::FileSystem;
pub use kernel_btf::kernel_btf;
pub(crate) use kernel_btf::{has_kernel_btf, module_btf, module_names};
pub(crate) use limits::limit_hint;
pub(crate) use link::{
    Among, Functions, Over, Places, iter_create, link_create, link_create_freplace,
    link_create_iter, link_create_kprobe_multi, link_create_kprobe_multi_nowhere,
    link_create_netfilter, link_create_perf, link_create_tracing, link_create_uprobe_multi,
    link_detach, link_info, link_info_with_name, link_update, raw_tracepoint_open,
};
pub(crate) use map::{MapFd, MapFdInfo, MapParams};
pub(crate) use map_batch::{BatchRead, Position};
pub(crate) use memlock::lift_memlock_limit;
pub(crate) use mmap::{Access, Mapping};
pub(crate) use netlink::{Netlink, Refusal, Request, attribute, u32_at};
pub(crate) use perf::{Event, Scope, perf_disable, perf_enable, perf_event_open, perf_set_program};
pub(crate) use perf_buffer::perf_output_open;
pub(crate) use pin::{obj_get, obj_pin};
pub(crate) use privileges::{
    Capabilities, charged_hint, helper_hint, lacking, os_error, privileges_hint,
    program_capabilities, token_hint, trampoline_hint,
};
pub(crate) use process::pidfd_open;
pub(crate) use prog::{
    Loading, prog_bind_map, prog_btf_id, prog_id, prog_load, prog_load_logged, prog_try,
};
pub(crate) use socket::interface_index;
pub(crate) use struct_ops::{OpsMap, struct_ops_delete};
pub(crate) use symbols::has_symbol;
pub(crate) use test_run::{TestRun, prog_run, struct_op_run};
pub(crate) use token::{token_create, tokens_are_known};
pub(crate) use uname::uname;
pub(crate) use version::{Version, kernel_version, newer_kernel};
pub(crate) use wait::{Epoll, Until, wait_for};

/// The size of a page, the unit of memory maps and ring buffers.
pub(crate) fn page_size() -> usize {
    // SAFETY: it takes no address.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    // Linux knows it always; none has a smaller one.
    usize::try_from(size).unwrap_or(4096)
}

/// What libc answered, or the error that it left.
fn checked(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(answer)
    }
}

/// A command of bpf(2).
#[derive(Clone, Copy)]
struct Command(u32);

impl Command {
    const MAP_CREATE: Command = Command(0);
    const MAP_LOOKUP_ELEM: Command = Command(1);
    const MAP_UPDATE_ELEM: Command = Command(2);
    const MAP_DELETE_ELEM: Command = Command(3);
    const MAP_GET_NEXT_KEY: Command = Command(4);
    const PROG_LOAD: Command = Command(5);
    const OBJ_PIN: Command = Command(6);
    const OBJ_GET: Command = Command(7);
    const PROG_ATTACH: Command = Command(8);
    const PROG_DETACH: Command = Command(9);
    const PROG_TEST_RUN: Command = Command(10);
    const MAP_GET_FD_BY_ID: Command = Command(14);
    const OBJ_GET_INFO_BY_FD: Command = Command(15);
    const RAW_TRACEPOINT_OPEN: Command = Command(17);
    const BTF_LOAD: Command = Command(18);
    const BTF_GET_FD_BY_ID: Command = Command(19);
    const MAP_LOOKUP_AND_DELETE_ELEM: Command = Command(21);
    const MAP_FREEZE: Command = Command(22);
    const BTF_GET_NEXT_ID: Command = Command(23);
    const MAP_LOOKUP_BATCH: Command = Command(24);
    const MAP_LOOKUP_AND_DELETE_BATCH: Command = Command(25);
    const MAP_UPDATE_BATCH: Command = Command(26);
    const MAP_DELETE_BATCH: Command = Command(27);
    const LINK_CREATE: Command = Command(28);
    const LINK_UPDATE: Command = Command(29);
    const ITER_CREATE: Command = Command(33);
    const LINK_DETACH: Command = Command(34);
    const PROG_BIND_MAP: Command = Command(35);
    const TOKEN_CREATE: Command = Command(36);
}

/// Calls bpf(2) through libc, where a recorder that interposes `syscall` sees it.
///
/// # Safety
///
/// Each address in `attr` must be valid for what `command` does with it, for the lengths that `attr` or the object
/// behind its fd states, until the call returns.
unsafe fn bpf<A: Pod>(command: Command, attr: &mut A) -> io::Result<libc::c_long> {
    let attr: *mut A = attr;
    // SAFETY: `attr` is a live, exclusively borrowed struct of the size passed; the addresses in it are the caller's
    // promise.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command.0, attr, size_of::<A>()) };
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(answer)
    }
}

/// Calls bpf(2) for a command that answers with a new file descriptor.
///
/// # Safety
///
/// As [`bpf`], and `command` must be one that returns a descriptor.
unsafe fn bpf_fd<A: Pod>(command: Command, attr: &mut A) -> io::Result<OwnedFd> {
    // SAFETY: the caller's promise.
    let answer = unsafe { bpf(command, attr) }?;
    let fd = RawFd::try_from(answer).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it; bpf(2) sets close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A descriptor as the attribute structs hold it: open descriptors are never negative.
pub(crate) fn fd_number(fd: impl std::os::fd::AsFd) -> u32 {
    use std::os::fd::AsRawFd;
    fd.as_fd().as_raw_fd().cast_unsigned()
}

/// An address as the attribute structs hold it, for the kernel to read.
fn address<T>(bytes: &[T]) -> u64 {
    bytes.as_ptr().addr() as u64
}

/// As [`address`], but 0 for what has no bytes: the kernel takes no key for a map without keys.
fn address_or_null(bytes: &[u8]) -> u64 {
    if bytes.is_empty() { 0 } else { address(bytes) }
}

/// An address as the attribute structs hold it, for the kernel to write.
///
/// The provenance is exposed, because the kernel writes through the number.
fn address_mut<T>(bytes: &mut [T]) -> u64 {
    bytes.as_mut_ptr().expose_provenance() as u64
}

/// A length as the attribute structs hold it.
fn length<T>(items: &[T]) -> io::Result<u32> {
    u32::try_from(items.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))
}
