//! perf_event_open(2): the events that tracepoint and kprobe programs hang on.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::attr::PerfEvent;
use super::{address, checked, fd_number};

const TYPE_TRACEPOINT: u32 = 2;
/// The bit `freq` of the attribute's flags, whose place is that of a bitfield in C.
const FLAG_FREQUENCY: u64 = if cfg!(target_endian = "little") {
    1 << 10
} else {
    1 << (63 - 10)
};
const FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;

const IOC_ENABLE: libc::Ioctl = libc::_IO(b'$' as u32, 0);
const IOC_DISABLE: libc::Ioctl = libc::_IO(b'$' as u32, 1);
const IOC_SET_BPF: libc::Ioctl = libc::_IOW::<u32>(b'$' as u32, 8);

/// What a perf event is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// A tracepoint, by its number in tracefs.
    Tracepoint(u64),
    /// An instruction of the kernel or a binary.
    Probe {
        /// Number of the PMU `kprobe` or `uprobe`.
        pmu: u32,
        /// Bits that make it a probe of a function's return, and where its reference counter is.
        config: u64,
        /// The kernel function or the binary's path.
        name: &'a CStr,
        offset: u64,
    },
    /// A counter, which runs the program each time it has counted this far.
    Counter {
        pmu: u32,
        config: u64,
        /// Events between two runs, or runs a second.
        every: u64,
        is_frequency: bool,
    },
}

/// Whose events count: of one process or all, on one CPU or all. The kernel does not take all of all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    pub(crate) pid: Option<i32>,
    pub(crate) cpu: Option<u32>,
}

impl Scope {
    /// For probes and tracepoints, which run on every CPU wherever their event is.
    pub(crate) fn probe(pid: Option<i32>) -> Scope {
        Scope {
            pid,
            cpu: if pid.is_some() { None } else { Some(0) },
        }
    }
}

/// Opens an event. It keeps no samples: it only runs the program it is given.
pub(crate) fn perf_event_open(event: Event<'_>, scope: Scope) -> io::Result<OwnedFd> {
    let mut attr = PerfEvent {
        size: size_of::<PerfEvent>() as u32,
        ..Default::default()
    };
    match event {
        Event::Tracepoint(id) => {
            attr.event_type = TYPE_TRACEPOINT;
            attr.config = id;
        }
        Event::Probe {
            pmu,
            config,
            name,
            offset,
        } => {
            attr.event_type = pmu;
            attr.config = config;
            attr.config1 = address(name.to_bytes_with_nul());
            attr.config2 = offset;
        }
        Event::Counter {
            pmu,
            config,
            every,
            is_frequency,
        } => {
            attr.event_type = pmu;
            attr.config = config;
            attr.sample_period = every;
            attr.flags = if is_frequency { FLAG_FREQUENCY } else { 0 };
        }
    }
    let attr: *const PerfEvent = &attr;
    let pid: libc::pid_t = scope.pid.unwrap_or(-1);
    let cpu = scope.cpu.map_or(Ok(-1), libc::c_int::try_from);
    let cpu = cpu.map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let no_group: RawFd = -1;
    // SAFETY: `attr` is a live struct that states its own size; the name in it is a live C string.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            attr,
            pid,
            cpu,
            no_group,
            FLAG_FD_CLOEXEC,
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = RawFd::try_from(answer).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Hangs a program on an event and lets it run: the way before links of perf events (5.15).
pub(crate) fn perf_set_program(event: BorrowedFd<'_>, prog: BorrowedFd<'_>) -> io::Result<()> {
    control(event, IOC_SET_BPF, fd_number(prog).into())?;
    perf_enable(event)
}

/// Lets an event run.
pub(crate) fn perf_enable(event: impl AsFd) -> io::Result<()> {
    control(event, IOC_ENABLE, 0)
}

/// Stops an event.
pub(crate) fn perf_disable(event: impl AsFd) -> io::Result<()> {
    control(event, IOC_DISABLE, 0)
}

/// Does something to an event, by one of the constants above.
fn control(event: impl AsFd, operation: libc::Ioctl, number: libc::c_ulong) -> io::Result<()> {
    let event = event.as_fd().as_raw_fd();
    // SAFETY: each of the operations takes a number and touches no memory of ours.
    checked(unsafe { libc::ioctl(event, operation, number) }).map(drop)
}
