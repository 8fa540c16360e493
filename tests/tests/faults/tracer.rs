//! Runs work in a traced process, and makes a system call fail or kills the process before it.
#![allow(unsafe_code)] // fork, ptrace and seccomp; each block has its proof.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::calls::Call;
use crate::report::{Held, Report};

/// Unused system call numbers: start and end of the work.
const BEGIN: libc::c_long = 0x00ff_0001;
const END: libc::c_long = 0x00ff_0002;
/// Unused system call number: start of the part that the scenario tests.
const SUBJECT: libc::c_long = 0x00ff_0003;

/// Seconds until the work counts as hung.
const LIMIT: libc::c_uint = 30;

/// Fault to inject. The calls that can fail are counted from 0.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plan {
    /// All are made.
    None,
    /// One fails.
    Fail { at: usize, errno: i32 },
    /// From one on, all that make a file descriptor fail.
    Exhaust { at: usize, errno: i32 },
    /// The process is killed before one.
    Kill { at: usize },
}

/// Result of a run.
#[derive(Debug)]
pub(crate) struct Run {
    /// The calls that can fail, in order.
    pub(crate) calls: Vec<Call>,
    /// Calls before what the scenario is about.
    pub(crate) preparation: usize,
    /// `None` if a signal ended the process.
    pub(crate) report: Option<Report>,
    pub(crate) signal: Option<i32>,
}

/// Runs `work` in a forked process. This process must have one thread.
pub(crate) fn run(plan: Plan, work: &dyn Fn() -> btf_core::Result<()>) -> Run {
    let (mut reader, writer) = pipe();
    // SAFETY: this process has one thread, so that the child has all that it needs.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    if pid == 0 {
        drop(reader);
        child(work, writer);
    }
    drop(writer);
    let mut run = trace(pid, plan);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("a pipe");
    run.report = Report::parse(&text);
    run
}

fn pipe() -> (File, File) {
    let mut fds = [0; 2];
    // SAFETY: the kernel writes two numbers to a live array.
    let done = unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(done, 0);
    // SAFETY: the kernel has just made them for us, so nobody else owns them.
    fds.map(|fd| File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
        .into()
}

fn child(work: &dyn Fn() -> btf_core::Result<()>, mut writer: File) -> ! {
    // SAFETY: it takes no address.
    unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
    // SAFETY: it takes no address.
    unsafe { libc::raise(libc::SIGSTOP) };
    let before = Held::read(writer.as_raw_fd());
    trace_all_calls();
    // SAFETY: it takes no address.
    unsafe { libc::alarm(LIMIT) };
    mark(BEGIN);
    let result = catch_unwind(AssertUnwindSafe(work));
    mark(END);
    let after = Held::read(writer.as_raw_fd());
    let report = Report::new(&result, &before, &after);
    writer.write_all(report.text().as_bytes()).expect("a pipe");
    // SAFETY: it takes no address. Nothing of the parent's is to be ended twice.
    unsafe { libc::_exit(0) }
}

/// Marks where what the scenario is about begins: the calls before it are those of other scenarios,
/// too.
pub(crate) fn subject() {
    mark(SUBJECT);
}

/// Does something of the scenario's own, whose calls do not fail.
pub(crate) fn untraced<T>(work: impl FnOnce() -> T) -> T {
    mark(END);
    let result = work();
    mark(BEGIN);
    result
}

fn mark(number: libc::c_long) {
    // SAFETY: there is no such call, so that it touches no memory.
    unsafe { libc::syscall(number) };
}

/// Stops this process at each system call from here on, for its tracer.
fn trace_all_calls() {
    let mut always = [libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_TRACE,
    }];
    let program = libc::sock_fprog {
        len: 1,
        filter: always.as_mut_ptr(),
    };
    let (mode, program) = (libc::SECCOMP_MODE_FILTER, &raw const program);
    // SAFETY: the kernel copies a live program of the length stated.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, program) };
    assert_eq!(done, 0, "seccomp: {}", std::io::Error::last_os_error());
}

/// Follows the child to its end.
fn trace(pid: libc::pid_t, plan: Plan) -> Run {
    let mut run = Run {
        calls: Vec::new(),
        preparation: 0,
        report: None,
        signal: None,
    };
    let mut is_working = false;
    let mut is_exhausted = false;
    loop {
        let status = wait(pid);
        if libc::WIFEXITED(status) {
            return run;
        }
        if libc::WIFSIGNALED(status) {
            run.signal = Some(libc::WTERMSIG(status));
            return run;
        }
        let mut signal = libc::WSTOPSIG(status);
        if signal == libc::SIGTRAP && status >> 16 == libc::PTRACE_EVENT_SECCOMP {
            signal = 0;
            let mut registers = registers(pid);
            let call = call(pid, &registers);
            match call.number {
                BEGIN => is_working = true,
                END => is_working = false,
                SUBJECT => run.preparation = run.calls.len(),
                _ => {}
            }
            if let Some(kind) = call.kind().filter(|_| is_working) {
                let n = run.calls.len();
                run.calls.push(call);
                let errno = match plan {
                    Plan::Fail { at, errno } if at == n => Some(errno),
                    Plan::Exhaust { at, errno } if (at == n || is_exhausted) && kind.makes_fd => {
                        is_exhausted = true;
                        Some(errno)
                    }
                    Plan::Kill { at } if at == n => {
                        // SAFETY: it takes no address; the child is this process's and not yet
                        // waited for.
                        unsafe { libc::kill(pid, libc::SIGKILL) };
                        None
                    }
                    _ => None,
                };
                if let Some(errno) = errno {
                    fail(pid, &mut registers, errno);
                }
            }
        } else if signal == libc::SIGSTOP {
            let options = libc::PTRACE_O_TRACESECCOMP | libc::PTRACE_O_EXITKILL;
            // SAFETY: it takes no address; the child is stopped.
            unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, pid, 0, options) };
            signal = 0;
        }
        // SAFETY: it takes no address; the child is stopped, or killed.
        unsafe { libc::ptrace(libc::PTRACE_CONT, pid, 0, signal) };
    }
}

fn wait(pid: libc::pid_t) -> libc::c_int {
    let mut status = 0;
    // SAFETY: the kernel writes a number to a live variable.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(waited, pid, "waitpid: {}", std::io::Error::last_os_error());
    status
}

fn registers(pid: libc::pid_t) -> libc::user_regs_struct {
    // SAFETY: the struct is of numbers, so that zeros are a value.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes to a live struct of this kind; the child is stopped.
    unsafe { libc::ptrace(libc::PTRACE_GETREGS, pid, 0, &raw mut registers) };
    registers
}

fn call(pid: libc::pid_t, registers: &libc::user_regs_struct) -> Call {
    let mut call = Call {
        number: registers.orig_rax.cast_signed(),
        args: [
            registers.rdi,
            registers.rsi,
            registers.rdx,
            registers.r10,
            registers.r8,
            registers.r9,
        ],
        path: String::new(),
    };
    if let Some(address) = call.path_argument() {
        call.path = text(pid, address);
    }
    call
}

/// The text at an address of the child.
fn text(pid: libc::pid_t, address: u64) -> String {
    let mut bytes = [0u8; 128];
    let here = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let there = libc::iovec {
        iov_base: std::ptr::without_provenance_mut(address as usize),
        iov_len: bytes.len(),
    };
    // SAFETY: the kernel writes to a live array of the length stated, and checks the child's
    // addresses.
    unsafe { libc::process_vm_readv(pid, &raw const here, 1, &raw const there, 1, 0) };
    let bytes = bytes.split(|b| *b == 0).next().unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

/// Has the call that the child is stopped at not made, and return an error.
fn fail(pid: libc::pid_t, registers: &mut libc::user_regs_struct, errno: i32) {
    registers.orig_rax = u64::MAX;
    registers.rax = i64::from(-errno).cast_unsigned();
    let registers: *const libc::user_regs_struct = registers;
    // SAFETY: the kernel reads a live struct of this kind; the child is stopped.
    unsafe { libc::ptrace(libc::PTRACE_SETREGS, pid, 0, registers) };
}
