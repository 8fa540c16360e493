//! Options that several tasks share.

use crate::debian::{Access, Kernel, Mirror, Store};
use crate::{Result, cache};
use clap::Args;

/// When the Debian mirror is asked.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct MirrorArgs {
    /// Ask the mirror for newer versions
    #[arg(long)]
    pub(crate) refresh: bool,
    /// Use the cache only
    #[arg(long)]
    pub(crate) offline: bool,
}

impl MirrorArgs {
    /// Opens the store of kernels and sources in xtask's cache directory. Progress goes to standard
    /// error.
    pub(crate) fn store(&self) -> Result<Store> {
        let access = match (self.refresh, self.offline) {
            (_, true) => Access::Offline,
            (true, false) => Access::Refresh,
            (false, false) => Access::Missing,
        };
        let listener = Box::new(|event: crate::debian::Event<'_>| eprintln!("{event}"));
        Ok(Store::new(cache::dir()?, access, mirror(), listener))
    }
}

/// Returns the mirror of `$BTF_XTASK_MIRROR` and `$BTF_XTASK_SECURITY_MIRROR`.
fn mirror() -> Option<Mirror> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Some(Mirror {
        main: set("BTF_XTASK_MIRROR")?,
        security: set("BTF_XTASK_SECURITY_MIRROR"),
    })
}

/// Kernels to run on.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct KernelArgs {
    /// Kernel: 5.10, 6.1, …, newest or all; repeatable
    #[arg(long = "kernel", value_name = "SERIES")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) mirror: MirrorArgs,
}

impl KernelArgs {
    /// Returns the names that were given, else `default`.
    pub(crate) fn names_or(&self, default: &[&str]) -> Vec<String> {
        match self.names.is_empty() {
            true => default.iter().map(|name| (*name).to_owned()).collect(),
            false => self.names.clone(),
        }
    }

    /// Opens the store, and returns it with the kernels that were named, else those of `default`.
    pub(crate) fn kernels(&self, default: &[&str]) -> Result<(Store, Vec<Kernel>)> {
        let store = self.mirror.store()?;
        let kernels = store.kernels(&self.names_or(default))?;
        Ok((store, kernels))
    }
}

/// Returns `true` if no filter is given, or `name` contains one.
pub(crate) fn matches(filters: &[String], name: &str) -> bool {
    filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_the_named_kernels_or_the_default() {
        let mut args = KernelArgs::default();
        assert_eq!(args.names_or(&["6.1", "newest"]), ["6.1", "newest"]);
        args.names.push("5.10".to_owned());
        assert_eq!(args.names_or(&["6.1", "newest"]), ["5.10"]);
    }

    #[test]
    fn filters_select_by_substring() {
        assert!(matches(&[], "ringbuf"));
        assert!(matches(&["map".to_owned(), "ring".to_owned()], "ringbuf"));
        assert!(!matches(&["map".to_owned()], "ringbuf"));
    }
}
