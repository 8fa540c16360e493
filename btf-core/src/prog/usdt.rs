//! Programs on USDT probes.

use super::by_section::attaches;
use super::{Program, typed};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{self, Link};

/// A program in `SEC("usdt/…")`, with `BPF_USDT` of `<bpf/usdt.bpf.h>`.
#[derive(Debug)]
pub struct Usdt(pub(super) Program);
typed!(Usdt, "a USDT program", Usdt);
attaches!(Usdt);

impl Usdt {
    /// Attaches it to a USDT probe of a binary, in every process: `libc.so.6`, `libc` and `setjmp`.
    /// A binary without a `/` in its name is searched for as by
    /// [`Binary::open`](crate::binary::Binary::open).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it is not loaded; [`ErrorKind::NotFound`] if there is no such binary, or no such probe in
    /// it; [`ErrorKind::Unsupported`] for arguments in places that cannot be read; else what the kernel answers.
    pub fn attach_to(&self, binary: &str, provider: &str, name: &str) -> Result<Link> {
        self.attach_with(&UsdtOptions::new(binary, provider, name))
    }

    /// Attaches it as the options say, whatever its section says.
    ///
    /// # Errors
    ///
    /// Those of [`Usdt::attach_to`].
    pub fn attach_with(&self, options: &UsdtOptions) -> Result<Link> {
        self.fd()?;
        attach(self, options).context(|| self.what())
    }
}

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    program.to_targets(&|target| attach(program, &UsdtOptions::parse(target)?.cookie(cookie)))
}

fn attach(program: &Program, options: &UsdtOptions) -> Result<Link> {
    let Some(maps) = &program.usdt else {
        return Err(Error::not_found("its object has no maps of USDT probes")
            .hint("#include <bpf/usdt.bpf.h>"));
    };
    link::usdt(program, maps, options)
}

/// Attach target and options of a USDT program.
#[derive(Debug, Clone)]
pub struct UsdtOptions {
    pub(crate) binary: String,
    pub(crate) provider: String,
    pub(crate) name: String,
    pub(crate) pid: Option<u32>,
    pub(crate) cookie: u64,
}

impl UsdtOptions {
    /// At every place of the probe.
    pub fn new(binary: &str, provider: &str, name: &str) -> UsdtOptions {
        UsdtOptions {
            binary: binary.to_owned(),
            provider: provider.to_owned(),
            name: name.to_owned(),
            pid: None,
            cookie: 0,
        }
    }

    /// In this process only. Kernels before 5.15 must be told one for libraries, and for programs that are loaded anywhere.
    #[must_use]
    pub fn pid(mut self, pid: u32) -> UsdtOptions {
        self.pid = Some(pid);
        self
    }

    /// The number that `bpf_usdt_cookie` gives, on every kernel.
    #[must_use]
    pub fn cookie(mut self, cookie: u64) -> UsdtOptions {
        self.cookie = cookie;
        self
    }

    /// Reads `BINARY:PROVIDER:NAME`, as libbpf does.
    fn parse(target: &str) -> Result<UsdtOptions> {
        let parts: Vec<&str> = target.split(':').collect();
        match parts[..] {
            [binary, provider, name] if parts.iter().all(|part| !part.is_empty()) => {
                Ok(UsdtOptions::new(binary, provider, name))
            }
            _ => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("`{target}` names no USDT probe"),
            )
            .hint("write it as BINARY:PROVIDER:NAME, such as libc.so.6:libc:setjmp")),
        }
    }
}
