//! Programs on the functions of system calls.

use super::KprobeOptions;
use super::kprobe::kprobe;
use super::typed::attaches;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::Link;
use crate::obj::Attach;
use crate::prog::{Program, typed};

/// A program in `SEC("ksyscall/…")` or `SEC("kretsyscall/…")`: a kprobe on the function of a system call, whose name depends on the
/// architecture and the kernel.
#[derive(Debug)]
pub struct Ksyscall(pub(crate) Program);
typed!(
    Ksyscall,
    "a program for system calls",
    Ksyscall | Kretsyscall
);
attaches!(Ksyscall);

impl Ksyscall {
    /// Whether it runs when the system call returns.
    pub fn is_return(&self) -> bool {
        is_return(&self.0)
    }

    /// Attaches it to a system call (`unlinkat`), whatever its section says.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; [`crate::ErrorKind::NotFound`] if the kernel has no such call;
    /// else what the kernel answers.
    pub fn attach_to(&self, call: &str) -> Result<Link> {
        self.attach_to_with_cookie(call, 0)
    }

    /// The same, with a number for `bpf_get_attach_cookie` (from 5.15 on).
    ///
    /// # Errors
    ///
    /// Those of [`Ksyscall::attach_to`].
    pub fn attach_to_with_cookie(&self, call: &str, cookie: u64) -> Result<Link> {
        self.0.fd()?;
        ksyscall(&self.0, call, cookie, self.is_return()).context(|| self.0.what())
    }
}

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    program.to_targets(&|call| ksyscall(program, call, cookie, is_return(program)))
}

fn is_return(program: &Program) -> bool {
    program
        .def
        .is_some_and(|def| def.attach == Attach::Kretsyscall)
}

/// What this architecture's system calls are called where they are functions of their registers.
const WRAPPER: Option<&str> = if cfg!(target_arch = "x86_64") {
    Some("x64")
} else if cfg!(target_arch = "x86") {
    Some("ia32")
} else if cfg!(target_arch = "s390x") {
    Some("s390x")
} else if cfg!(target_arch = "arm") {
    Some("arm")
} else if cfg!(target_arch = "aarch64") {
    Some("arm64")
} else if cfg!(any(target_arch = "mips", target_arch = "mips64")) {
    Some("mips")
} else if cfg!(any(target_arch = "riscv32", target_arch = "riscv64")) {
    Some("riscv")
} else if cfg!(target_arch = "powerpc") {
    Some("powerpc")
} else if cfg!(target_arch = "powerpc64") {
    Some("powerpc64")
} else {
    None
};

/// Attaches to a system call's function: that of this architecture's wrappers (`__x64_sys_unlinkat`) where the kernel has
/// such, else the one inside (`__se_sys_unlinkat`).
pub(crate) fn ksyscall(
    program: &Program,
    call: &str,
    cookie: u64,
    is_return: bool,
) -> Result<Link> {
    let at = |prefix: String| KprobeOptions::new(&format!("__{prefix}sys_{call}")).cookie(cookie);
    let wrapped = match WRAPPER {
        Some(arch) => kprobe(program, &at(format!("{arch}_")), is_return),
        None => Err(Error::not_found("no system call has a wrapper")),
    };
    match wrapped {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            kprobe(program, &at("se_".to_owned()), is_return).map_err(|inner| match inner.kind() {
                ErrorKind::NotFound => Error::not_found(format!(
                    "this kernel has no system call `{call}` of its own: neither {} nor __se_sys_{call}",
                    WRAPPER.map_or_else(|| "a wrapper".to_owned(), |arch| format!("__{arch}_sys_{call}")),
                ))
                .hint("name it as the kernel's table does, such as `newfstatat`, `pread64` or `clone3`"),
                _ => inner,
            })
        }
        other => other,
    }
}
