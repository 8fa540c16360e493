//! What is compiled for: byte order and register layout follow the machine that cargo builds for.

use crate::environment;
use crate::error::{Error, Result};

/// The machine that the object will run on.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Rust's name of the architecture, `x86_64` for instance.
    pub(crate) arch: String,
    pub(crate) little_endian: bool,
}

impl Target {
    /// Cargo's target, or another architecture if a setting names one.
    pub(crate) fn new(setting: Option<&str>) -> Result<Target> {
        let arch = match setting {
            Some(arch) => arch.to_owned(),
            None => environment::cargo("CARGO_CFG_TARGET_ARCH")?,
        };
        let little_endian = match setting {
            Some(arch) => !matches!(
                arch,
                "s390x" | "powerpc" | "powerpc64" | "mips" | "mips64" | "sparc64"
            ),
            None => environment::cargo("CARGO_CFG_TARGET_ENDIAN")? != "big",
        };
        let target = Target {
            arch,
            little_endian,
        };
        target.define()?;
        Ok(target)
    }

    /// clang's name for BPF in this byte order.
    pub(crate) fn bpf(&self) -> &'static str {
        if self.little_endian { "bpfel" } else { "bpfeb" }
    }

    /// What `__TARGET_ARCH_…` is called, by which `bpf_tracing.h` finds registers.
    pub(crate) fn define(&self) -> Result<&'static str> {
        Ok(match self.arch.as_str() {
            "x86_64" | "x86" => "x86",
            "aarch64" => "arm64",
            "arm" => "arm",
            "riscv32" | "riscv64" => "riscv",
            "powerpc" | "powerpc64" => "powerpc",
            "s390x" => "s390",
            "mips" | "mips64" | "mips32r6" | "mips64r6" => "mips",
            "loongarch64" => "loongarch",
            "sparc64" => "sparc",
            other => {
                return Err(Error::new(format!(
                    "there is no BPF on the target architecture `{other}`"
                ))
                .help(
                    "name the architecture that the program will run on with Builder::target_arch",
                ));
            }
        })
    }

    /// Debian's folder of machine-dependent headers such as `<asm/types.h>`, which clang does not search for BPF.
    pub(crate) fn multiarch_dir(&self) -> String {
        let arch = match self.arch.as_str() {
            "x86" => "i386",
            "powerpc64" if self.little_endian => "powerpc64le",
            other => other,
        };
        let abi = if arch == "arm" { "gnueabihf" } else { "gnu" };
        format!("/usr/include/{arch}-linux-{abi}")
    }

    /// What files of this architecture may be called: by Rust's name, then the kernel's and that of `uname -m`.
    pub(crate) fn names(&self) -> Vec<&str> {
        let (arch, others): (&str, &[&str]) = match self.arch.as_str() {
            "x86_64" => ("x86_64", &["amd64", "x86"]),
            "x86" => ("x86", &["i686", "i386"]),
            "aarch64" => ("aarch64", &["arm64"]),
            "riscv64" => ("riscv64", &["riscv"]),
            "s390x" => ("s390x", &["s390"]),
            "loongarch64" => ("loongarch64", &["loongarch"]),
            "powerpc64" if self.little_endian => ("powerpc64le", &["ppc64le", "ppc64el"]),
            "powerpc64" => ("powerpc64", &["ppc64"]),
            "mips64" if self.little_endian => ("mips64el", &[]),
            "mips" if self.little_endian => ("mipsel", &[]),
            other => (other, &[]),
        };
        std::iter::once(arch)
            .chain(others.iter().copied())
            .collect()
    }

    /// Whether the running kernel is of this architecture, so that its types may be used.
    pub(crate) fn is_host(&self) -> bool {
        self.arch == std::env::consts::ARCH
    }
}
