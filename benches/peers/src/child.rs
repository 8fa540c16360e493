//! A process that is measured: how long it ran, what it printed, and how much memory it held at most.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What came of one process.
#[derive(Debug)]
pub(crate) struct Run {
    /// From the start of the process to its end.
    pub(crate) wall: Duration,
    /// User and system time.
    pub(crate) cpu: Duration,
    pub(crate) stdout: String,
    /// The most memory that was resident, in KiB.
    pub(crate) peak: u64,
}

/// Runs a program to its end, its standard output being read here or written to a file.
pub(crate) fn run(command: &mut Command, sink: Option<&Path>) -> Result<Run, String> {
    let name = format!("{command:?}");
    let stdout = match sink {
        None => Stdio::piped(),
        Some(path) => File::create(path)
            .map_err(|e| format!("cannot create {}: {e}", path.display()))?
            .into(),
    };
    command.stdin(Stdio::null()).stdout(stdout);
    // SAFETY: it does nothing. That it is there makes the standard library fork, where it would otherwise have the child run in
    // this process's memory until it becomes the other program, and Linux would count all of that to the child's peak; after a
    // fork it counts only what this process has allocated, which is less than any program takes to start.
    unsafe { command.pre_exec(|| Ok(())) };
    let started = Instant::now();
    let mut child = command
        .spawn()
        .map_err(|e| format!("cannot run {name}: {e}"))?;
    let mut text = String::new();
    let read = child
        .stdout
        .take()
        .map(|mut out| out.read_to_string(&mut text));
    let (status, usage) = wait(child.id())?;
    let wall = started.elapsed();
    if let Some(Err(e)) = read {
        return Err(format!("cannot read from {name}: {e}"));
    }
    if status != 0 {
        return Err(format!("{name} failed"));
    }
    Ok(Run {
        wall,
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        stdout: text,
        peak: usage.ru_maxrss.try_into().unwrap_or(0),
    })
}

/// A time of the kernel's accounting.
fn duration(time: libc::timeval) -> Duration {
    let seconds = Duration::from_secs(time.tv_sec.try_into().unwrap_or(0));
    seconds + Duration::from_micros(time.tv_usec.try_into().unwrap_or(0))
}

/// Waits for a child that nobody waited for; returns its status and the resources that it used.
fn wait(pid: u32) -> Result<(libc::c_int, libc::rusage), String> {
    let mut status = 0;
    // SAFETY: all zeros are a valid `rusage`: it is numbers only.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let pid = pid.cast_signed();
    loop {
        // SAFETY: both places live as long as the call.
        if unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } == pid {
            return Ok((status, usage));
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(format!("cannot wait for process {pid}: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_measured() {
        let run = run(Command::new("sh").args(["-c", "echo 17"]), None).expect("sh");
        assert_eq!(run.stdout, "17\n");
        assert!(run.peak > 100, "{run:?}");
    }

    #[test]
    fn counts_cpu_time() {
        let mut command = Command::new("sh");
        command.args(["-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"]);
        let run = run(&mut command, None).expect("sh");
        assert!(run.cpu > Duration::from_millis(1), "{run:?}");
        assert!(run.cpu <= run.wall * 2, "{run:?}");
    }

    #[test]
    fn a_failure_is_an_error() {
        let error = run(Command::new("sh").args(["-c", "exit 3"]), None).expect_err("3");
        assert!(error.contains("failed"), "{error}");
    }
}
