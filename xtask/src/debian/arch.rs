//! Architectures of kernels. Only amd64 is booted; of the others, the types are read.

/// An architecture of Debian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arch {
    Amd64,
    Arm64,
}

impl Arch {
    /// Returns Debian's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Arch::Amd64 => "amd64",
            Arch::Arm64 => "arm64",
        }
    }

    /// Returns the kernel flavour for virtual machines: their drivers are built in.
    pub(crate) fn flavour(self) -> &'static str {
        match self {
            Arch::Amd64 => "-cloud-amd64",
            Arch::Arm64 => "-cloud-arm64",
        }
    }
}
