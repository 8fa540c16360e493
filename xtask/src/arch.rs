//! The architectures that kernels are fetched for. Only one is booted; of the others, the types are read.

/// An architecture of Debian's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arch {
    Amd64,
    Arm64,
}

impl Arch {
    /// Debian's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Arch::Amd64 => "amd64",
            Arch::Arm64 => "arm64",
        }
    }

    /// The flavour of its kernels with everything a virtual machine needs built in, and the fewest modules.
    pub(crate) fn flavour(self) -> &'static str {
        match self {
            Arch::Amd64 => "-cloud-amd64",
            Arch::Arm64 => "-cloud-arm64",
        }
    }
}
