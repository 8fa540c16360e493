//! The frame of a side program of the live rows: it does one piece of work and prints the figures,
//! `NAME VALUE` a line.

use std::process::ExitCode;
use std::time::Instant;

/// Figures of one run: names and values, each in the unit of the row's metric.
pub(crate) type Figures = Vec<(&'static str, f64)>;

/// A piece of work by the name that its row gives it.
pub(crate) type Work = (&'static str, fn() -> Result<Figures, String>);

/// Does the work that the only argument names.
pub(crate) fn main(groups: &[&[Work]]) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match &args[..] {
        [name] => work(groups, name),
        _ => Err("usage: live-SIDE WORK".to_owned()),
    };
    match outcome {
        Ok(figures) => {
            for (name, value) in figures {
                println!("{name} {value}");
            }
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn work(groups: &[&[Work]], name: &str) -> Result<Figures, String> {
    let mut works = groups.iter().copied().flatten();
    let work = works.find(|(own, _)| *own == name);
    let (_, work) = work.ok_or_else(|| format!("no work `{name}` in this side program"))?;
    work().map_err(|e| format!("{name}: {e}"))
}

/// Milliseconds since an instant.
pub(crate) fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// The bytes of an object that the build script compiled, aligned as ELF readers ask.
#[allow(
    unused_macros,
    reason = "a side that uses skeletons only needs no bytes"
)]
macro_rules! object {
    ($name:literal) => {{
        #[repr(C, align(8))]
        struct Aligned<T: ?Sized>(T);
        static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(
            env!("OUT_DIR"),
            "/",
            $name,
            ".bpf.o"
        )));
        &OBJECT.0
    }};
}
#[allow(unused_imports, reason = "as above")]
pub(crate) use object;

/// A formatted error of a loader, with its causes.
#[allow(dead_code, reason = "each side program needs a part of the frame")]
pub(crate) fn text(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text += &format!(": {inner}");
        cause = inner.source();
    }
    text
}

/// Renames this thread, which sets off `tp_btf/task_rename`.
pub(crate) fn rename() -> Result<(), String> {
    let name = c"live-bench";
    // SAFETY: the kernel reads a NUL-terminated name of less than 16 bytes and keeps a copy.
    match unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) } {
        0 => Ok(()),
        _ => Err(format!(
            "cannot rename the thread: {}",
            std::io::Error::last_os_error()
        )),
    }
}

/// Fails unless an event of `struct event` of `live_startup.bpf.c` has arrived.
pub(crate) fn expect_event(size: usize) -> Result<(), String> {
    match size {
        24 => Ok(()),
        _ => Err(format!("expected an event of 24 bytes, got {size}")),
    }
}

/// Durations of open, load and attach, and of all three, from the times at which they ended.
pub(crate) fn stages(
    links: usize,
    [opened, loaded, attached]: [f64; 3],
) -> Result<Figures, String> {
    if links != 50 {
        return Err(format!("expected 50 attached programs, got {links}"));
    }
    Ok(vec![
        ("open", opened),
        ("load", loaded - opened),
        ("attach", attached - loaded),
        ("attached", attached),
    ])
}

/// Rounds of a measurement of throughput. The best one counts, as all else that runs only makes it
/// worse.
#[allow(dead_code, reason = "each side program needs a part of the frame")]
pub(crate) const ROUNDS: usize = 15;

/// Records that [`fill`] leaves in a ring buffer.
#[allow(dead_code, reason = "as above")]
pub(crate) const RECORDS: usize = 32 * 4096;

/// The throughput of the best of some rounds, in millions a second, of work on `count` things.
/// `round` prepares and returns the time that the work took.
#[allow(dead_code, reason = "as above")]
pub(crate) fn throughput(
    count: usize,
    mut round: impl FnMut() -> Result<std::time::Duration, String>,
) -> Result<Figures, String> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        best = best.min(round()?.as_secs_f64());
    }
    Ok(vec![("throughput", count as f64 / best / 1e6)])
}

/// Has the program `fill` of `live_datapath.bpf.c` fill the ring buffer with [`RECORDS`].
#[allow(dead_code, reason = "as above")]
pub(crate) fn fill(program: std::os::fd::BorrowedFd<'_>) -> Result<(), String> {
    use std::os::fd::AsRawFd;

    /// The first members of `test` of `union bpf_attr`.
    #[repr(C)]
    #[derive(Default)]
    struct TestRun {
        prog_fd: u32,
        retval: u32,
        rest: [u64; 9],
    }
    const BPF_PROG_TEST_RUN: libc::c_int = 10;
    for _ in 0..RECORDS / 4096 {
        let mut attr = TestRun {
            prog_fd: program.as_raw_fd().cast_unsigned(),
            ..TestRun::default()
        };
        let attr: *mut TestRun = &mut attr;
        // SAFETY: the kernel reads and writes one live struct of the stated size, which contains no
        // addresses.
        let answer =
            unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_TEST_RUN, attr, size_of::<TestRun>()) };
        // SAFETY: it is still alive.
        let returned = unsafe { (*attr).retval };
        if answer != 0 || returned != 0 {
            let e = std::io::Error::last_os_error();
            return Err(format!("program `fill`: it returned {returned}: {e}"));
        }
    }
    Ok(())
}

/// Fails unless as many records were seen as there are.
#[allow(dead_code, reason = "as above")]
pub(crate) fn expect_records(seen: usize) -> Result<(), String> {
    match seen {
        RECORDS => Ok(()),
        _ => Err(format!("expected {RECORDS} records, got {seen}")),
    }
}
