//! Attaching to the entry and return of kernel functions.

use std::io;

use super::probe::{self, Probed, Probing};
use super::{Link, refused};
use crate::attach_target::near;
use crate::error::{Error, ErrorKind, Result};
use crate::obj::AttachType;
use crate::prog::{KprobeOptions, Program};
use crate::sys::{self, Capabilities};
use btf_obj::private::did_you_mean;

pub(crate) fn kprobe(program: &Program, at: &KprobeOptions, is_return: bool) -> Result<Link> {
    let KprobeOptions {
        function,
        offset,
        cookie,
        mode,
    } = at;
    if is_return && *offset != 0 {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("a return probe of `{function}` cannot have offset {offset}"),
        ));
    }
    let place = if is_return { "return" } else { "entry" };
    let doing = || match offset {
        0 => format!("cannot attach to the {place} of function `{function}`"),
        _ => format!("cannot attach to function `{function}`, {offset} bytes in"),
    };
    let probed = Probed::Kernel {
        function,
        offset: *offset,
    };
    let how = Probing {
        is_return,
        pid: None,
        cookie: *cookie,
        mode: *mode,
    };
    probe::attach(program, probed, how, &|e| explain(doing(), function, e))
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

fn explain(doing: String, function: &str, e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = refused(doing, Capabilities::PERFMON, e);
    match errno {
        Some(libc::ENOENT) => {
            let similar = sys::kernel_btf()
                .ok()
                .and_then(|btf| did_you_mean(&near(&btf, AttachType::TRACE_FENTRY, function)));
            let inlined = "this kernel may have inlined or renamed it: /proc/kallsyms lists what there is";
            error.hint(match similar {
                Some(similar) => format!("{similar} If not, {inlined}"),
                None => inlined.to_owned(),
            })
        }
        Some(libc::EADDRNOTAVAIL) => {
            error.hint("several functions of this kernel have that name, or none has")
        }
        Some(libc::EILSEQ) => error.hint("no instruction begins there"),
        Some(libc::EINVAL | libc::EOPNOTSUPP) => error.hint(
            "the kernel does not let this place be probed (see kprobes/blacklist in debugfs); probe its caller",
        ),
        _ => error,
    }
}
