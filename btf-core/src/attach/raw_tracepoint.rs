//! Programs on raw tracepoints.

use std::marker::PhantomData;

use super::cookie;
use super::typed::attaches;
use crate::attach_target::near;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{Link, c_string, refused};
use crate::obj::{Attach, AttachType, ProgType};
use crate::pod;
use crate::prog::{Arguments, MAX_WORDS, Program};
use crate::sys::{self, Capabilities};
use btf_obj::private::did_you_mean;

/// A program in `SEC("raw_tp/…")` or `SEC("raw_tracepoint/…")`; `A` is what its tracepoint passes to it.
#[derive(Debug)]
pub struct RawTracepoint<A = [u64; MAX_WORDS]> {
    program: Program,
    arguments: PhantomData<fn(&A)>,
}

impl<A> TryFrom<Program> for RawTracepoint<A> {
    type Error = Error;

    fn try_from(program: Program) -> Result<Self> {
        let program = program.expect("a raw tracepoint program", &[Attach::RawTracepoint])?;
        Ok(RawTracepoint {
            program,
            arguments: PhantomData,
        })
    }
}

/// The typed program beside the untyped one, with a file descriptor of its own.
impl<A> TryFrom<&Program> for RawTracepoint<A> {
    type Error = Error;

    fn try_from(program: &Program) -> Result<Self> {
        program.try_clone()?.try_into()
    }
}

impl<A> RawTracepoint<A> {
    /// Returns the untyped program: its name, section and file descriptor.
    pub fn program(&self) -> &Program {
        &self.program
    }
}

attaches!(RawTracepoint<A>);

impl<A> RawTracepoint<A> {
    /// Attaches it to the tracepoint of this name (`sched_switch`), whatever its section says.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; [`crate::ErrorKind::NotFound`] if the kernel has no such
    /// tracepoint; else what the kernel answers.
    pub fn attach_to(&self, name: &str) -> Result<Link> {
        self.program.fd()?;
        raw_tracepoint(&self.program, name, 0).context(|| self.program.what())
    }
}

impl<A: Arguments> RawTracepoint<A> {
    /// Runs it once with these arguments, attached or not (`BPF_PROG_TEST_RUN`, from 5.10 on), and returns what it returned.
    ///
    /// Pointers are what the program makes of them: it reads through them with `bpf_probe_read_kernel` and its like, which fails
    /// for an address that is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it is not loaded; [`ErrorKind::Unsupported`] if the kernel does not run it by itself; else
    /// what the kernel answers.
    pub fn test_run(&self, arguments: &A) -> Result<i32> {
        self.run(arguments, None)
    }

    /// The same, on this CPU.
    ///
    /// # Errors
    ///
    /// Those of [`RawTracepoint::test_run`]; `ENXIO` if the machine has no such CPU, or it is not online.
    pub fn test_run_on(&self, arguments: &A, cpu: u32) -> Result<i32> {
        self.run(arguments, Some(cpu))
    }

    fn run(&self, arguments: &A, cpu: Option<u32>) -> Result<i32> {
        /// `BPF_F_TEST_RUN_ON_CPU`.
        const ON_CPU: u32 = 1;
        let fd = self.program.fd()?;
        // A context of full length, whatever the program reads of it.
        let mut context = [0u64; MAX_WORDS];
        for (to, word) in context.iter_mut().zip(arguments.to_words()) {
            *to = word;
        }
        let run = sys::TestRun {
            context: pod::bytes_of_mut(&mut context),
            flags: cpu.map_or(0, |_| ON_CPU),
            cpu: cpu.unwrap_or(0),
            ..Default::default()
        };
        sys::prog_run(fd, run)
            .map(|answer| answer.result.cast_signed())
            .map_err(|e| self.explain(e))
            .context(|| self.program.what())
    }

    fn explain(&self, e: std::io::Error) -> Error {
        let is_writable = self.program.prog_type() != Some(ProgType::RAW_TRACEPOINT);
        let errno = e.raw_os_error();
        match errno {
            Some(libc::EINVAL | libc::EOPNOTSUPP | sys::ENOTSUPP) => {
                let error = Error::new(
                    ErrorKind::Unsupported,
                    "this kernel does not run it by itself",
                );
                error.hint(if is_writable {
                    "a program in SEC(\"raw_tp.w/…\") runs at its tracepoint only"
                } else {
                    "it requires Linux 5.10 or newer"
                })
            }
            Some(libc::EPERM | libc::EACCES) => Error::os("the kernel refused to run it", e).hint(
                sys::privileges_hint(sys::program_capabilities(self.program.prog_type())),
            ),
            Some(libc::ENXIO) => Error::os("the kernel refused to run it", e)
                .hint("there is no such CPU, or it is not online"),
            _ => Error::os("the kernel refused to run it", e),
        }
    }
}

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    program.to_targets(&|name| raw_tracepoint(program, name, cookie))
}

pub(crate) fn raw_tracepoint(program: &Program, name: &str, number: u64) -> Result<Link> {
    let c_name = c_string(name)?;
    match sys::raw_tracepoint_open(program.fd()?, Some(&c_name), number) {
        Ok(fd) => Ok(Link::of_bpf(program.name(), fd)),
        Err(e) => {
            let is_missing = e.raw_os_error() == Some(libc::ENOENT);
            let error = refused(
                format!("cannot attach to raw tracepoint `{name}`"),
                Capabilities::TRACING,
                e,
            );
            if !is_missing {
                return Err(cookie::explain(program.def, number, error));
            }
            let similar = sys::kernel_btf()
                .ok()
                .and_then(|btf| did_you_mean(&near(&btf, AttachType::TRACE_RAW_TP, name)));
            let hint = similar.unwrap_or_else(|| "this kernel has no such tracepoint".into());
            Err(error.hint(hint))
        }
    }
}
