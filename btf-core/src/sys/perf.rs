//! perf_event_open(2): the events that tracepoint and kprobe programs hang on.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::ioctl::{IntegerSetter, NoArg, Opcode, ioctl, opcode};

use super::address;
use super::attr::PerfEvent;

const TYPE_TRACEPOINT: u32 = 2;
const FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;

const IOC_ENABLE: Opcode = opcode::none(b'$', 0);
const IOC_DISABLE: Opcode = opcode::none(b'$', 1);
const IOC_SET_BPF: Opcode = opcode::write::<u32>(b'$', 8);

/// What a perf event is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// A tracepoint, by its number in tracefs.
    Tracepoint(u64),
    /// An instruction of a kernel function.
    Kprobe {
        /// Number of the PMU `kprobe`.
        pmu: u32,
        /// Bits that make it a probe of the function's return, or 0.
        config: u64,
        function: &'a CStr,
        offset: u64,
    },
}

/// Opens an event on all processes. It counts nothing: it only runs the program it is given.
pub(crate) fn perf_event_open(event: Event<'_>) -> io::Result<OwnedFd> {
    let mut attr = PerfEvent {
        size: size_of::<PerfEvent>() as u32,
        ..Default::default()
    };
    match event {
        Event::Tracepoint(id) => {
            attr.event_type = TYPE_TRACEPOINT;
            attr.config = id;
        }
        Event::Kprobe {
            pmu,
            config,
            function,
            offset,
        } => {
            attr.event_type = pmu;
            attr.config = config;
            attr.config1 = address(function.to_bytes_with_nul());
            attr.config2 = offset;
        }
    }
    let attr: *const PerfEvent = &attr;
    let (any_process, first_cpu, no_group) = (-1 as libc::pid_t, 0 as libc::c_int, -1 as RawFd);
    // SAFETY: `attr` is a live struct that states its own size; the name in it is a live C string.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            attr,
            any_process,
            first_cpu,
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
    let number = prog.as_raw_fd().cast_unsigned() as usize;
    // SAFETY: this operation takes the number of a program's descriptor, which is `prog`'s.
    let set = unsafe { IntegerSetter::<IOC_SET_BPF>::new_usize(number) };
    // SAFETY: the operation takes a number and touches no memory of ours.
    unsafe { ioctl(event, set) }?;
    perf_enable(event)
}

/// Lets an event run.
pub(crate) fn perf_enable(event: impl AsFd) -> io::Result<()> {
    // SAFETY: this operation takes no argument that matters.
    let enable = unsafe { NoArg::<IOC_ENABLE>::new() };
    // SAFETY: as above.
    unsafe { ioctl(event, enable) }?;
    Ok(())
}

/// Stops an event.
pub(crate) fn perf_disable(event: impl AsFd) -> io::Result<()> {
    // SAFETY: this operation takes no argument that matters.
    let disable = unsafe { NoArg::<IOC_DISABLE>::new() };
    // SAFETY: as above.
    unsafe { ioctl(event, disable) }?;
    Ok(())
}
