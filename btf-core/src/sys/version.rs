//! The running kernel's version.

use std::fs;

use super::uname::{Uname, uname};

/// A kernel's version: what `LINUX_VERSION_CODE` says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32, pub(crate) u32);

impl Version {
    /// As `KERNEL_VERSION(a, b, c)` has it.
    pub(crate) fn code(self) -> u32 {
        (self.0 << 16) + (self.1 << 8) + self.2.min(255)
    }

    /// The numbers at the start of `6.1.0-44-cloud-amd64`; what is missing is 0.
    fn parse(text: &str) -> Option<Version> {
        let mut numbers = text.split('.').map(|part| {
            let end = part.find(|c: char| !c.is_ascii_digit());
            part[..end.unwrap_or(part.len())].parse::<u16>().ok()
        });
        let major = numbers.next()??;
        let mut next = || numbers.next().flatten().unwrap_or(0).into();
        Some(Version(major.into(), next(), next()))
    }
}

/// The version that the running kernel is built from. Distributions put another one into its release: Debian says the true
/// one in its version, Ubuntu in a file of its own (libbpf's `get_kernel_version`).
pub(crate) fn kernel_version() -> Version {
    let signature = fs::read_to_string("/proc/version_signature").ok();
    let Uname { release, version } = uname();
    of(signature.as_deref(), &version, &release)
}

/// Returns that something requires this kernel or a newer one, if the running one is older.
pub(crate) fn newer_kernel((major, minor): (u8, u8)) -> Option<String> {
    let Version(a, b, c) = kernel_version();
    let is_older = Version(a, b, c) < Version(major.into(), minor.into(), 0);
    is_older.then(|| format!("requires Linux {major}.{minor} or newer, and this is {a}.{b}.{c}"))
}

fn of(signature: Option<&str>, version: &str, release: &str) -> Version {
    // `Ubuntu 5.4.0-12.15-generic 5.4.8`
    let ubuntu = signature.and_then(|s| Version::parse(s.split_whitespace().nth(2)?));
    // `#1 SMP PREEMPT_DYNAMIC Debian 6.1.158-1 (2025-11-09)`
    let debian = || Version::parse(version.split_once("Debian ")?.1);
    ubuntu
        .or_else(debian)
        .or_else(|| Version::parse(release))
        .unwrap_or(Version(0, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_older_kernels_are_told_so() {
        assert_eq!(newer_kernel((2, 6)), None);
        let text = newer_kernel((255, 0)).unwrap();
        assert!(
            text.starts_with("requires Linux 255.0 or newer, and this is "),
            "{text}"
        );
    }

    #[test]
    fn distributions_say_it_in_their_own_ways() {
        let debian = of(
            None,
            "#1 SMP Debian 6.1.158-1 (2025-11-09)",
            "6.1.0-44-cloud-amd64",
        );
        assert_eq!(debian, Version(6, 1, 158));
        let ubuntu = of(
            Some("Ubuntu 5.4.0-12.15-generic 5.4.8\n"),
            "#15",
            "5.4.0-12-generic",
        );
        assert_eq!(ubuntu, Version(5, 4, 8));
        assert_eq!(of(None, "#1 SMP", "7.3.1-rc2+"), Version(7, 3, 1));
        assert_eq!(of(None, "#1 SMP", "7.3-rc2"), Version(7, 3, 0));
        assert_eq!(of(None, "", "?"), Version(0, 0, 0));
        assert_eq!(Version(5, 4, 300).code(), 0x0504ff);
    }
}
