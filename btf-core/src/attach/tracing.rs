//! Programs on functions and tracepoints known by type.

use super::cookie;
use super::typed::attaches;
use crate::error::{Error, ErrorKind, Result};
use crate::link::{Link, refused};
use crate::obj::AttachType;
use crate::prog::test_run::{self, Has};
use crate::prog::{Program, TestRun, typed};
use crate::sys::{self, Capabilities};

/// A program in `SEC("fentry/…")`, `SEC("fexit/…")`, `SEC("fmod_ret/…")`, `SEC("tp_btf/…")` or `SEC("lsm/…")`.
///
/// What it attaches to is settled when it is loaded, because the verifier checks its arguments against that type; so nothing is
/// left to say when it is attached.
#[derive(Debug)]
pub struct Tracing(pub(crate) Program);
typed!(Tracing, "a tracing program", Tracing);
attaches!(Tracing);

impl Tracing {
    /// Has the kernel call the functions that it has for tests (`bpf_fentry_test1` and its like; of a program in
    /// `SEC("fmod_ret/…")`, `bpf_modify_return_test`), which runs the programs that are attached to them: this one too, if it is
    /// one. The result is 0; of `fmod_ret`, what the function returned, with its effects from bit 16 on.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; [`crate::ErrorKind::Unsupported`] for programs that are on no
    /// functions; else what the kernel answers: `EFAULT` if a function did not return what it should.
    pub fn test_run(&self) -> Result<i32> {
        test_run::run(&self.0, &TestRun::new(), Has::Nothing).map(|ran| ran.result)
    }
}

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    tracing(program, cookie)
}

pub(crate) fn tracing(program: &Program, number: u64) -> Result<Link> {
    let attach_type = program.attach_type();
    let made = match number {
        0 => sys::raw_tracepoint_open(program.fd()?, None, 0),
        _ => sys::link_create_tracing(program.fd()?, attach_type, number),
    };
    match made {
        Ok(fd) => Ok(Link::of_bpf(program.name(), fd)),
        Err(e) => Err(cookie::explain(program.def, number, explain(program, e))),
    }
}

fn explain(program: &Program, e: std::io::Error) -> Error {
    let target = program.attach_target().unwrap_or_default();
    let doing = format!("cannot attach to `{target}`");
    let is_on_tracepoint = program
        .def
        .is_some_and(|def| def.attach_type == AttachType::TRACE_RAW_TP);
    if e.raw_os_error() == Some(sys::ENOTSUPP) {
        let error = Error::new(
            ErrorKind::Unsupported,
            format!("{doing}: this kernel has no trampolines for functions on this architecture"),
        );
        return error.hint(kprobe_hint(target));
    }
    let errno = e.raw_os_error();
    let error = refused(doing, Capabilities::TRACING, e);
    match errno {
        Some(libc::EPERM | libc::EACCES) if !is_on_tracepoint => error.hint(sys::trampoline_hint()),
        // The function is in BTF, or the program would not have been loaded.
        Some(libc::ENOENT) if !is_on_tracepoint && let Some(newer) = sys::newer_kernel((5, 13)) => {
            error.hint(format!(
                "attaching a program to a function again {newer}: load the object again for that"
            ))
        }
        Some(libc::EINVAL | libc::EADDRNOTAVAIL | libc::EOPNOTSUPP) if !is_on_tracepoint => error
            .hint(format!(
                "the function may not be traceable (notrace, or built without ftrace); {}",
                kprobe_hint(target)
            )),
        _ => error,
    }
}

fn kprobe_hint(target: &str) -> String {
    format!("try SEC(\"kprobe/{target}\") or SEC(\"kretprobe/{target}\")")
}
