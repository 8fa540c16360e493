//! Events that carry what programs write with `bpf_perf_event_output`: one for each CPU, with memory to read from.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use super::attr::PerfEvent;
use super::perf_enable;

/// `PERF_TYPE_SOFTWARE`, `PERF_COUNT_SW_BPF_OUTPUT` and `PERF_SAMPLE_RAW`.
const TYPE_SOFTWARE: u32 = 1;
const SW_BPF_OUTPUT: u64 = 10;
const SAMPLE_RAW: u64 = 1 << 10;
const FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;

/// Opens the event of a CPU, on, and readable from its first sample on. `ENODEV` if the CPU is off.
pub(crate) fn perf_output_open(cpu: u32) -> io::Result<OwnedFd> {
    let attr = PerfEvent {
        event_type: TYPE_SOFTWARE,
        size: size_of::<PerfEvent>() as u32,
        config: SW_BPF_OUTPUT,
        sample_period: 1,
        sample_type: SAMPLE_RAW,
        wakeup_events: 1,
        ..Default::default()
    };
    let cpu =
        libc::c_int::try_from(cpu).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let (any_process, no_group) = (-1 as libc::pid_t, -1 as RawFd);
    let attr: *const PerfEvent = &attr;
    // SAFETY: `attr` is a live struct that states its own size; there is no address in it.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            attr,
            any_process,
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
    let event = unsafe { OwnedFd::from_raw_fd(fd) };
    perf_enable(&event)?;
    Ok(event)
}
