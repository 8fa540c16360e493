//! What the running kernel can do, found out by asking it: features, types of programs and maps, helper functions.
//!
//! Each [`Probe`] asks for one thing, by the smallest system call that only a kernel with it accepts, and knows which kernel
//! brought it. What counts is the answer, because distributions carry features back to older kernels and leave others
//! out. Answers are kept for as long as the process lives.
//!
//! ```no_run
//! # fn main() -> btf_core::Result<()> {
//! use btf_core::map::MapType;
//! use btf_core::probe::{self, Features};
//!
//! if !probe::BPF_COOKIE.is_supported()? {
//!     println!("no cookies: they came with Linux {}", probe::BPF_COOKIE.since());
//! }
//! let features = Features::running();
//! for probe in probe::all() {
//!     println!("{}: {}", probe.name(), features.has(probe)?);
//! }
//! let has_arenas = features.has_map_type(MapType::ARENA)?;
//! # Ok(())
//! # }
//! ```
//!
//! Loading asks the same questions, and does without what is not there. [`Features`] holds answers for one load: given ones
//! ([`Features::set`]) stand for the kernel's, and those that a [token](crate::token::Token) allows to be asked for differ
//! from this process's own.

mod ask;
mod btf;
mod features;
mod kinds;
mod memlock;
mod prober;
mod table;

use std::fmt;

use crate::error::Result;

pub(crate) use ask::takes_function_address;
pub use features::Features;
pub use kinds::{map_type_options, prog_type_options};
pub(crate) use prober::Prober;
pub(crate) use table::btf_feature;
pub use table::*;

/// A version of the kernel: `6.12`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version {
    /// The first number.
    pub major: u8,
    /// The second one.
    pub minor: u8,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl From<(u8, u8)> for Version {
    fn from((major, minor): (u8, u8)) -> Version {
        Version { major, minor }
    }
}

/// A feature that kernels have or lack, and how to ask for it.
pub struct Probe {
    name: &'static str,
    pub(crate) since: (u8, u8),
    needs: &'static [&'static str],
    asks: &'static str,
    ask: fn(&Prober<'_>) -> std::io::Result<bool>,
}

impl Probe {
    /// What it is called: `global data`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The first kernel of kernel.org that has it.
    pub fn since(&self) -> Version {
        self.since.into()
    }

    /// The options that a kernel must be built with to have it (`CONFIG_FPROBE`), but for `CONFIG_BPF_SYSCALL`.
    pub fn options(&self) -> &'static [&'static str] {
        self.needs
    }

    /// What the kernel is asked.
    pub fn question(&self) -> &'static str {
        self.asks
    }

    /// Whether the running kernel has it. Asked once in a process.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Permission`] if the kernel does not answer this process; [`crate::ErrorKind::Os`] if it could not, for want of
    /// memory for instance.
    pub fn is_supported(&'static self) -> Result<bool> {
        Features::running().has(self)
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (since {})", self.name, self.since())
    }
}

/// All probes there are, in the order of the kernels that brought what they ask for.
pub fn all() -> &'static [&'static Probe] {
    ALL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_of_kernels_and_without_doubles() {
        assert!(all().is_sorted_by_key(|p| p.since()));
        for (n, probe) in all().iter().enumerate() {
            assert!(all()[..n].iter().all(|p| p.name != probe.name), "{probe:?}");
            assert!(probe.since >= (4, 14), "{probe:?}");
            assert!(
                !probe.asks.is_empty() && !probe.asks.ends_with('.'),
                "{probe:?}"
            );
            assert!(
                probe
                    .needs
                    .iter()
                    .all(|option| option.starts_with("CONFIG_"))
            );
        }
        assert_eq!(BPF_COOKIE.since().to_string(), "5.15");
        assert_eq!(format!("{TOKEN:?}"), "tokens (since 6.9)");
    }

    #[test]
    fn root_is_answered_and_answers_are_in_order_of_kernels() {
        let features = Features::running();
        let running = crate::sys::kernel_version();
        let is_new_enough =
            |probe: &Probe| (running.0, running.1) >= (probe.since.0.into(), probe.since.1.into());
        // Only the privileged may load BTF, so that they alone can tell.
        let btf = all().iter().filter(|p| p.name.starts_with("BTF "));
        for probe in btf {
            match features.has(probe) {
                Ok(has) => assert_eq!(has, is_new_enough(probe), "{probe:?}"),
                Err(e) => {
                    // Only the unprivileged are not answered.
                    assert_eq!(e.kind(), crate::ErrorKind::Permission);
                }
            }
        }
    }
}
