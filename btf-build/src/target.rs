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
        let (arch, little_endian) = match setting {
            Some(arch) => named(arch),
            None => {
                let is_big = environment::cargo("CARGO_CFG_TARGET_ENDIAN")? == "big";
                (environment::cargo("CARGO_CFG_TARGET_ARCH")?, !is_big)
            }
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
            "sparc" | "sparc64" => "sparc",
            "arc" => "arc",
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

    /// Debian's folders of machine-dependent headers such as `<asm/types.h>`, which clang does not
    /// search for BPF: those of a machine's own packages, then those for cross compilers.
    pub(crate) fn multiarch_dirs(&self) -> [String; 2] {
        let (arch, abi) = match self.names()[0] {
            "x86" => ("i386", "gnu"),
            "arm" => ("arm", "gnueabihf"),
            arch @ ("mips64" | "mips64el") => (arch, "gnuabi64"),
            arch => (arch, "gnu"),
        };
        let triple = format!("{arch}-linux-{abi}");
        [
            format!("/usr/include/{triple}"),
            format!("/usr/{triple}/include"),
        ]
    }

    /// What files of this architecture may be called: by Rust's name, then the kernel's and that of
    /// `uname -m`.
    pub(crate) fn names(&self) -> Vec<&str> {
        let arch = match self.arch.as_str() {
            "powerpc64" if self.little_endian => "powerpc64le",
            "mips64" if self.little_endian => "mips64el",
            "mips" if self.little_endian => "mipsel",
            other => other,
        };
        match NAMES.iter().find(|names| names[0] == arch) {
            Some(names) => names.to_vec(),
            None => vec![arch],
        }
    }

    /// Debian's name of the architecture.
    pub(crate) fn debian(&self) -> &str {
        match self.names().first() {
            Some(&"x86_64") => "amd64",
            Some(&"x86") => "i386",
            Some(&"aarch64") => "arm64",
            Some(&"arm") => "armhf",
            Some(&"loongarch64") => "loong64",
            Some(&"powerpc64le") => "ppc64el",
            Some(&"powerpc64") => "ppc64",
            Some(other) => other,
            None => &self.arch,
        }
    }

    /// Whether the running kernel is of this architecture, so that its types may be used.
    pub(crate) fn is_host(&self) -> bool {
        self.arch == std::env::consts::ARCH
    }
}

/// What architectures are called, each by Rust's name first; where that leaves the byte order open,
/// by one that does not.
const NAMES: [&[&str]; 15] = [
    &["x86_64", "amd64", "x86"],
    &["x86", "i686", "i386"],
    &["aarch64", "arm64"],
    &["arm", "armv7l", "armhf"],
    &["riscv64", "riscv"],
    &["s390x", "s390"],
    &["loongarch64", "loongarch", "loong64"],
    &["powerpc64le", "ppc64le", "ppc64el"],
    &["powerpc64", "ppc64"],
    &["powerpc", "ppc"],
    &["mips64el"],
    &["mips64"],
    &["mipsel"],
    &["mips"],
    &["sparc64"],
];

/// Whether this is what an architecture is called.
pub(crate) fn is_architecture(name: &str) -> bool {
    NAMES.iter().any(|names| names.contains(&name))
}

/// An architecture by Rust's name, with the byte order that it usually has; or by one that also
/// says the byte order.
fn named(arch: &str) -> (String, bool) {
    let (arch, little_endian) = match arch {
        "powerpc64le" => ("powerpc64", true),
        "mips64el" => ("mips64", true),
        "mipsel" => ("mips", true),
        "s390x" | "powerpc" | "powerpc64" | "mips" | "mips64" | "sparc" | "sparc64" => {
            (arch, false)
        }
        arch => (arch, true),
    };
    (arch.to_owned(), little_endian)
}
