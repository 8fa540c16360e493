//! Programs that run for the processes and sockets of a cgroup.

use std::os::fd::AsFd;
use std::path::Path;

use super::test_run::{self, Has};
use super::{Program, Ran, TestRun, typed};
use crate::error::{Context, Result};
use crate::link::{self, Link};

/// Whether a program shares a cgroup, and those below it, with other programs of its kind.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum CgroupSharing {
    /// By a link: it runs beside others, here and below. Where the kernel has no such links (before 5.7), as
    /// [`CgroupSharing::Multi`].
    #[default]
    Link,
    /// It runs beside others, here and below (`BPF_F_ALLOW_MULTI`).
    Multi,
    /// It runs alone, and those of cgroups below run in its stead (`BPF_F_ALLOW_OVERRIDE`).
    Override,
    /// It runs alone, here and below.
    Alone,
}

/// A program in `SEC("cgroup_skb/…")`, `SEC("cgroup/…")`, `SEC("sockops")` or `SEC("lsm_cgroup/…")`.
///
/// ```no_run
/// # fn attach(program: btf_core::prog::Cgroup) -> btf_core::Result<()> {
/// use btf_core::prog::CgroupSharing;
///
/// let link = program.attach_to("/sys/fs/cgroup/app.slice", CgroupSharing::Link)?;
/// # drop(link);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Cgroup(pub(super) Program);
typed!(Cgroup, "a cgroup program", Cgroup | LsmCgroup);

impl Cgroup {
    /// Attaches it to a cgroup: a folder of the file system `cgroup2`. It is detached when the link is dropped.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded, or the folder is no cgroup; [`crate::ErrorKind::NotFound`] if there is no
    /// such folder; else what the kernel answers, with what to try if another program is there that does not share.
    pub fn attach_to(&self, cgroup: impl AsRef<Path>, sharing: CgroupSharing) -> Result<Link> {
        self.fd()?;
        link::cgroup_path(self, cgroup.as_ref(), sharing).context(|| self.what())
    }

    /// The same with a descriptor of the cgroup's folder.
    ///
    /// # Errors
    ///
    /// Those of [`Cgroup::attach_to`].
    pub fn attach_to_fd(&self, cgroup: impl AsFd, sharing: CgroupSharing) -> Result<Link> {
        self.fd()?;
        link::cgroup(self, cgroup.as_fd(), sharing).context(|| self.what())
    }

    /// Runs it on a packet, attached or not: kernels do that with those in `SEC("cgroup_skb/…")`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; [`crate::ErrorKind::Unsupported`] if the kernel does not run its
    /// kind by itself; else what the kernel answers.
    pub fn test_run(&self, run: &TestRun<'_>) -> Result<Ran> {
        test_run::run(self, run, Has::Packet)
    }
}
