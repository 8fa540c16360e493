//! Questions about programs, maps and links, one function each.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use super::btf;
use super::prober::{EXIT, Prober, ZERO, answer, call};
use crate::insn::{Insn, op, pseudo};
use crate::obj::map_flags::MMAPABLE;
use crate::obj::{AttachType, ProgType};
use crate::sys::{self, Among, FuncInfo, Loading, Places};
use btf_obj::private::assemble;

/// Does nothing.
const NOTHING: [Insn; 2] = [ZERO, EXIT];

/// Numbers of helper functions.
const PROBE_READ_KERNEL: i32 = 113;
const KTIME_GET_COARSE_NS: i32 = 160;
const GET_FUNC_IP: i32 = 173;
const GET_ATTACH_COOKIE: i32 = 174;

/// Bits of jumps that compare.
const JLT: u8 = 0xa0;
const JNE: u8 = 0x50;

/// Whether a program that packets of a socket go through loads.
fn runs(prober: &Prober<'_>, insns: &[Insn]) -> io::Result<bool> {
    prober.loads(ProgType::SOCKET_FILTER, AttachType::NONE, insns)
}

/// A program that is to be linked to something.
fn program(prober: &Prober<'_>, kind: ProgType, attach_type: AttachType) -> io::Result<OwnedFd> {
    prober.load(kind, attach_type, &NOTHING)
}

/// Whether what is not there was looked for, which a kernel does that knows such links: `errno` is what it answers then.
fn looked_for<T>(link: io::Result<T>, errno: i32) -> io::Result<bool> {
    match link {
        Err(e) if e.raw_os_error() == Some(errno) => Ok(true),
        // What is not there is never linked.
        other => answer(other).map(|_| false),
    }
}

pub(super) fn isa_v2(prober: &Prober<'_>) -> io::Result<bool> {
    let jump = Insn::new(op::JMP | JLT | op::K, 0, 0, 0, 1);
    runs(prober, &[ZERO, jump, EXIT])
}

pub(super) fn isa_v3(prober: &Prober<'_>) -> io::Result<bool> {
    let jump = Insn::new(op::JMP32 | JLT | op::K, 0, 0, 0, 1);
    runs(prober, &[ZERO, jump, EXIT])
}

pub(super) fn isa_v4(prober: &Prober<'_>) -> io::Result<bool> {
    /// Bits of the number that is extended.
    const BITS: i16 = 8;
    let extend = Insn::new(op::ALU64 | op::MOV | op::X, 0, 0, BITS, 0);
    runs(prober, &[ZERO, extend, EXIT])
}

pub(super) fn large_programs(prober: &Prober<'_>) -> io::Result<bool> {
    /// How many instructions a program had at most before.
    const LIMIT: usize = 4096;
    let mut insns = vec![ZERO; LIMIT];
    insns.push(EXIT);
    runs(prober, &insns)
}

pub(super) fn bounded_loops(prober: &Prober<'_>) -> io::Result<bool> {
    runs(
        prober,
        &[
            Insn::new(op::ALU64 | op::MOV | op::K, 0, 0, 0, 10),
            Insn::new(op::ALU64 | op::K, 0, 0, 0, -1),
            Insn::new(op::JMP | JNE | op::K, 0, 0, -2, 0),
            EXIT,
        ],
    )
}

pub(super) fn names(prober: &Prober<'_>) -> io::Result<bool> {
    let insns = NOTHING;
    answer(sys::prog_try(&Loading {
        name: "named",
        token: prober.token,
        ..Loading::bare(ProgType::SOCKET_FILTER, AttachType::NONE, &insns)
    }))
}

pub(super) fn attach_type(prober: &Prober<'_>) -> io::Result<bool> {
    let attach_type = AttachType::CGROUP_INET_SOCK_CREATE;
    prober.loads(ProgType::CGROUP_SOCK, attach_type, &NOTHING)
}

/// Where system calls are functions of their registers (`CONFIG_ARCH_HAS_SYSCALL_WRAPPER`), they have names of their own.
pub(super) fn syscall_wrapper(_: &Prober<'_>) -> io::Result<bool> {
    let prefix = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "x86" => "ia32",
        "aarch64" => "arm64",
        "riscv32" | "riscv64" => "riscv",
        other => other,
    };
    sys::has_symbol(&format!("__{prefix}_sys_bpf"))
}

pub(super) fn global_data(prober: &Prober<'_>) -> io::Result<bool> {
    let array = prober.array(32, 0)?;
    let number = array.as_fd().as_raw_fd();
    runs(
        prober,
        &[
            Insn::new(op::LD | op::IMM | op::DW, 1, pseudo::MAP_VALUE, 0, number),
            Insn::new(0, 0, 0, 0, 16),
            Insn::new(op::ST | op::MEM | op::DW, 1, 0, 0, 42),
            ZERO,
            EXIT,
        ],
    )
}

pub(super) fn array_mmap(prober: &Prober<'_>) -> io::Result<bool> {
    answer(prober.array(4, MMAPABLE))
}

pub(super) fn probe_read_kernel(prober: &Prober<'_>) -> io::Result<bool> {
    let insns = [
        Insn::new(op::ALU64 | op::MOV | op::X, 1, 10, 0, 0),
        Insn::new(op::ALU64 | op::K, 1, 0, 0, -8),
        Insn::new(op::ALU64 | op::MOV | op::K, 2, 0, 0, 8),
        Insn::new(op::ALU64 | op::MOV | op::K, 3, 0, 0, 0),
        call(PROBE_READ_KERNEL),
        EXIT,
    ];
    prober.loads(ProgType::TRACEPOINT, AttachType::NONE, &insns)
}

pub(super) fn memcg_accounting(prober: &Prober<'_>) -> io::Result<bool> {
    runs(prober, &[call(KTIME_GET_COARSE_NS), ZERO, EXIT])
}

pub(super) fn bpf_cookie(prober: &Prober<'_>) -> io::Result<bool> {
    let insns = [call(GET_ATTACH_COOKIE), EXIT];
    prober.loads(ProgType::TRACEPOINT, AttachType::NONE, &insns)
}

pub(super) fn module_btf(prober: &Prober<'_>) -> io::Result<bool> {
    match btf::load_plain(prober) {
        Ok(fd) => Ok(sys::btf_has_name(&fd)),
        Err(e) => answer::<()>(Err(e)),
    }
}

pub(super) fn map_batch(prober: &Prober<'_>) -> io::Result<bool> {
    let array = prober.array(4, 0)?;
    answer(array.update_batch(&[], &[], 0).map_err(|(_, e)| e))
}

/// Of a device that is not there, kernels say what older ones say of such links.
pub(super) fn xdp_link(prober: &Prober<'_>) -> io::Result<bool> {
    /// The loopback device, in every network namespace.
    const LOOPBACK: u32 = 1;
    /// `XDP_FLAGS_HW_MODE`.
    const HARDWARE: u32 = 1 << 3;
    let program = program(prober, ProgType::XDP, AttachType::XDP);
    let among = Among {
        flags: HARDWARE,
        ..Among::default()
    };
    linked(
        program,
        |p| sys::link_create(p, LOOPBACK, AttachType::XDP, among),
        libc::EOPNOTSUPP,
    )
}

pub(super) fn cgroup_link(prober: &Prober<'_>) -> io::Result<bool> {
    let program = program(prober, ProgType::CGROUP_DEVICE, AttachType::CGROUP_DEVICE);
    let attach_type = AttachType::CGROUP_DEVICE;
    linked(
        program,
        |p| sys::link_create(p, NO_DESCRIPTOR, attach_type, Among::default()),
        libc::EBADF,
    )
}

pub(super) fn perf_link(prober: &Prober<'_>) -> io::Result<bool> {
    let program = program(prober, ProgType::TRACEPOINT, AttachType::NONE);
    linked(
        program,
        |p| sys::link_create(p, NO_DESCRIPTOR, AttachType::PERF_EVENT, Among::default()),
        libc::EBADF,
    )
}

/// No descriptor has this number: it is above all limits.
const NO_DESCRIPTOR: u32 = i32::MAX.cast_unsigned();
/// No device has this index, which is the highest.
const NO_DEVICE: u32 = i32::MAX.cast_unsigned();

/// Whether the link of a program, if that loads, is refused by this error number and no other.
fn linked(
    program: io::Result<OwnedFd>,
    link: impl FnOnce(&OwnedFd) -> io::Result<OwnedFd>,
    errno: i32,
) -> io::Result<bool> {
    match program {
        Ok(program) => looked_for(link(&program), errno),
        Err(e) => answer::<()>(Err(e)),
    }
}

fn to_device(prober: &Prober<'_>, attach_type: AttachType) -> io::Result<bool> {
    let program = program(prober, ProgType::SCHED_CLS, attach_type);
    linked(
        program,
        |p| sys::link_create(p, NO_DEVICE, attach_type, Among::default()),
        libc::ENODEV,
    )
}

pub(super) fn tcx(prober: &Prober<'_>) -> io::Result<bool> {
    to_device(prober, AttachType::TCX_INGRESS)
}

pub(super) fn netkit(prober: &Prober<'_>) -> io::Result<bool> {
    to_device(prober, AttachType::NETKIT_PRIMARY)
}

fn to_functions(prober: &Prober<'_>, attach_type: AttachType) -> io::Result<bool> {
    let program = program(prober, ProgType::KPROBE, attach_type);
    linked(
        program,
        |p| sys::link_create_kprobe_multi_nowhere(p, attach_type),
        libc::EFAULT,
    )
}

pub(super) fn kprobe_multi(prober: &Prober<'_>) -> io::Result<bool> {
    to_functions(prober, AttachType::TRACE_KPROBE_MULTI)
}

pub(super) fn kprobe_session(prober: &Prober<'_>) -> io::Result<bool> {
    to_functions(prober, AttachType::TRACE_KPROBE_SESSION)
}

/// Asks for a link to a folder, which is no binary.
fn to_folder(program: &OwnedFd, attach_type: AttachType, pid: u32) -> io::Result<OwnedFd> {
    let places = Places {
        path: c"/".to_owned(),
        offsets: vec![0],
        pid,
        ..Default::default()
    };
    sys::link_create_uprobe_multi(program, attach_type, false, &places)
}

/// Some of the first kernels that have such links take a process for a thread, which they are not to be used for then.
pub(super) fn uprobe_multi(prober: &Prober<'_>) -> io::Result<bool> {
    let attach_type = AttachType::TRACE_UPROBE_MULTI;
    let program = match program(prober, ProgType::KPROBE, attach_type) {
        Ok(program) => program,
        Err(e) => return answer::<()>(Err(e)),
    };
    // That -1 is no process is seen before the folder where processes are told from threads.
    Ok(
        looked_for(to_folder(&program, attach_type, 0), libc::EBADF)?
            && looked_for(to_folder(&program, attach_type, u32::MAX), libc::EINVAL)?,
    )
}

pub(super) fn uprobe_session(prober: &Prober<'_>) -> io::Result<bool> {
    let attach_type = AttachType::TRACE_UPROBE_SESSION;
    let program = program(prober, ProgType::KPROBE, attach_type);
    linked(program, |p| to_folder(p, attach_type, 0), libc::EBADF)
}

pub(super) fn token(_: &Prober<'_>) -> io::Result<bool> {
    Ok(sys::tokens_are_known())
}

/// Whether the verifier takes a parameter of a global function for the context by its tag.
pub(super) fn arg_ctx_tag(prober: &Prober<'_>) -> io::Result<bool> {
    let insns = [
        Insn::new(op::JMP | op::CALL, 0, pseudo::CALL, 0, 1),
        EXIT,
        // It wants the context.
        call(GET_FUNC_IP),
        EXIT,
    ];
    let bytes = assemble(&btf::TAGGED_CONTEXT, btf::TAGGED_CONTEXT_STRINGS);
    let btf = match sys::btf_try(&bytes, prober.token) {
        Ok(btf) => btf,
        Err(e) => return answer::<()>(Err(e)),
    };
    let function = |insn_off, type_id| FuncInfo { insn_off, type_id };
    let functions = [function(0, 4), function(2, 6)];
    answer(sys::prog_try(&Loading {
        btf: Some(btf.as_fd()),
        func_info: &functions,
        token: prober.token,
        ..Loading::bare(ProgType::KPROBE, AttachType::NONE, &insns)
    }))
}

/// Whether programs may load the address of a kernel function by its type (from 6.4 on); `function` is one.
pub(crate) fn takes_function_address(prober: &Prober<'_>, function: u32) -> io::Result<bool> {
    let id = function.cast_signed();
    runs(
        prober,
        &[
            Insn::new(op::LD | op::IMM | op::DW, 0, pseudo::BTF_ID, 0, id),
            Insn::default(),
            ZERO,
            EXIT,
        ],
    )
}
