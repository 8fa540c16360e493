//! Programs that replace a function of another program.

use std::io;
use std::os::fd::BorrowedFd;

use super::tracing::tracing;
use super::typed::attaches;
use crate::btf::{Btf, Kind};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{Link, refused};
use crate::prog::{Program, typed};
use crate::sys::{self, Capabilities};
use btf_obj::private::{did_you_mean, similar};

/// A program in `SEC("freplace/…")`, loaded for a function of the program that
/// [`OpenProgram::set_attach_program`](crate::load::OpenProgram::set_attach_program) named.
#[derive(Debug)]
pub struct Freplace(pub(crate) Program);
typed!(Freplace, "a program that replaces a function", Freplace);
attaches!(Freplace);

impl Freplace {
    /// Attaches it to a function of another program than that it was loaded for, which must have the same prototype (from 5.10
    /// on).
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if one of the programs is not loaded; [`crate::ErrorKind::NotFound`] if the other has no
    /// such function; else what the kernel answers.
    pub fn attach_to(&self, target: &Program, function: &str) -> Result<Link> {
        self.0.fd()?;
        freplace(&self.0, target, function).context(|| self.0.what())
    }
}

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    program.refuse_cookie(cookie)?;
    tracing(program, 0)
}

/// Attaches to a function of another program than that it was loaded for.
pub(crate) fn freplace(program: &Program, target: &Program, function: &str) -> Result<Link> {
    let id = program_function(target.fd()?, function)?;
    sys::link_create_freplace(program.fd()?, target.fd()?, id)
        .map(|fd| Link::of_bpf(program.name(), fd))
        .map_err(|e| explain(function, e))
}

fn explain(function: &str, e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = refused(
        format!("cannot replace function `{function}`"),
        Capabilities::TRACING,
        e,
    );
    match errno {
        Some(libc::EINVAL) => error.hint(match sys::newer_kernel((5, 10)) {
            Some(newer) => format!("replacing another function than the program was loaded for {newer}"),
            None => "its prototype must be that of the function, and the function global (neither static nor inlined)".to_owned(),
        }),
        Some(libc::EBUSY) => error.hint("another program replaces it already"),
        _ => error,
    }
}

/// The type of a function of a loaded program, in that program's own BTF.
pub(crate) fn program_function(program: BorrowedFd<'_>, function: &str) -> Result<u32> {
    let refused = |e| {
        sys::os_error(
            "cannot read the types of the other program",
            Capabilities::SYS_ADMIN,
            e,
        )
    };
    let id = sys::prog_btf_id(program).map_err(refused)?;
    let fd = match id {
        0 => None,
        id => sys::btf_by_id(id).map_err(refused)?,
    };
    let Some(fd) = fd else {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "the other program was loaded without types",
        )
        .hint("compile it with `clang -target bpf -g`"));
    };
    let btf = Btf::parse(sys::btf_bytes(&fd).map_err(refused)?)?;
    if let Some(found) = btf.find(function, Kind::FUNC) {
        return Ok(found.id().0);
    }
    let names = btf.types().filter(|t| t.kind() == Kind::FUNC);
    let error = Error::not_found(format!("the other program has no function `{function}`"));
    Err(
        match did_you_mean(&similar(function, names.map(|t| t.name()))) {
            Some(hint) => error.hint(hint),
            None => error.hint("it must be global (neither static nor inlined)"),
        },
    )
}
