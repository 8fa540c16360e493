//! Programs that are operations of the kernel, one by one.

use std::marker::PhantomData;

use crate::error::{Context, Error, ErrorKind, Result};
use crate::obj::Attach;
use crate::pod::{self, Pod};
use crate::prog::{Arguments, MAX_WORDS, Program};
use crate::sys;

/// A program in `SEC("struct_ops/…")` or `SEC("struct_ops.s/…")`; `A` is what the kernel passes to it, as the struct that has it
/// declares it.
///
/// The struct of operations that it is in attaches it ([`super::StructOps`]).
#[derive(Debug)]
pub struct StructOp<A = [u64; MAX_WORDS]> {
    program: Program,
    arguments: PhantomData<fn(&A)>,
}

impl<A> TryFrom<Program> for StructOp<A> {
    type Error = Error;

    fn try_from(program: Program) -> Result<Self> {
        let program = program.expect("an operation", &[Attach::StructOps])?;
        Ok(StructOp {
            program,
            arguments: PhantomData,
        })
    }
}

/// The typed program beside the untyped one, with a file descriptor of its own.
impl<A> TryFrom<&Program> for StructOp<A> {
    type Error = Error;

    fn try_from(program: &Program) -> Result<Self> {
        program.try_clone()?.try_into()
    }
}

impl<A> StructOp<A> {
    /// Returns the untyped program: its name, section and file descriptor.
    pub fn program(&self) -> &Program {
        &self.program
    }
}

impl<A: Arguments> StructOp<A> {
    /// Runs it once by itself, and returns what it returned. Kernels do that, from 5.16 on, with the operations of their struct
    /// `bpf_dummy_ops`, which is there to be tested with; what it is for otherwise is for its kind's own tests.
    ///
    /// The first argument is a pointer to the state, which the program may change, or null without one, whatever `arguments`
    /// has in its place. As many bytes of the state count as the kernel's `struct bpf_dummy_ops_state` has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it is not loaded; [`ErrorKind::Unsupported`] if the kernel does not run it by itself; else
    /// what the kernel answers: the arguments must be as many as the operation has, and newer kernels ask for a state unless
    /// the operation takes none.
    pub fn test_run<S: Pod>(&self, state: Option<&mut S>, arguments: &A) -> Result<i32> {
        let state = state.map(pod::bytes_of_mut);
        let is_without = state.is_none();
        sys::struct_op_run(self.program.fd()?, state, arguments.to_words())
            .map(u32::cast_signed)
            .map_err(|e| explain(e, is_without))
            .context(|| self.program.what())
    }
}

fn explain(e: std::io::Error, is_without: bool) -> Error {
    match e.raw_os_error() {
        Some(libc::EOPNOTSUPP | sys::ENOTSUPP) => Error::new(
            ErrorKind::Unsupported,
            "this kernel does not run it by itself",
        )
        .hint("it runs those of struct bpf_dummy_ops, from 5.16 on; register others, and have the kernel call them"),
        Some(libc::EPERM | libc::EACCES) => {
            Error::os("the kernel refused to run it", e).hint(sys::privileges_hint(sys::Capabilities::TRACING))
        }
        Some(libc::EINVAL) if is_without => Error::os("the kernel refused to run it", e)
            .hint("give as many arguments as the operation has, and a state if it must have one"),
        Some(libc::EINVAL) => Error::os("the kernel refused to run it", e)
            .hint("give as many arguments as the operation has"),
        _ => Error::os("the kernel refused to run it", e),
    }
}
