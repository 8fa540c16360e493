//! Iterators: programs that the kernel runs for each thing of a kind, while somebody reads.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use super::by_section::attaches;
use super::{Program, typed};
use crate::error::{Context, Result};
use crate::link::{self, Link};
use crate::sys::Over;

/// A program in `SEC("iter/…")`, such as `iter/task`, which the kernel runs for each task.
#[derive(Debug)]
pub struct Iter(pub(super) Program);
typed!(Iter, "an iterator", Iter);
attaches!(Iter);

impl Iter {
    /// Begins an iteration: the program runs as the file is read, which gives what it writes (`bpf_seq_write`, `bpf_seq_printf`),
    /// and ends with it. Each call begins anew, attached or not.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn iterate(&self) -> Result<File> {
        self.begin(None)
    }

    /// As [`Iter::iterate`], over a part of all there is.
    ///
    /// # Errors
    ///
    /// As [`Iter::iterate`]: the part must suit what the program iterates over.
    pub fn iterate_over(&self, over: IterOver<'_>) -> Result<File> {
        self.begin(Some(over.0))
    }

    /// Makes a link of it that goes over a part of all there is, to pin for instance: who opens the pin and reads it begins
    /// an iteration.
    ///
    /// # Errors
    ///
    /// As [`Iter::iterate_over`].
    pub fn attach_over(&self, over: IterOver<'_>) -> Result<Link> {
        self.fd()?;
        link::iter(self, Some(over.0)).context(|| self.what())
    }

    fn begin(&self, over: Option<Over<'_>>) -> Result<File> {
        self.fd()?;
        // The file holds the program; the link is only to make it.
        link::iter(self, over)
            .and_then(|link| link::iter_file(self, &link))
            .context(|| self.what())
    }
}

/// What an iterator goes over, if not over all there is of its kind.
///
/// ```no_run
/// # fn read(on_task: btf_core::prog::Iter) -> btf_core::Result<()> {
/// use btf_core::prog::IterOver;
///
/// let mut threads = on_task.iterate_over(IterOver::process(std::process::id()))?;
/// # let _ = &mut threads;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct IterOver<'a>(Over<'a>);

impl<'a> IterOver<'a> {
    /// The elements of a map (`iter/bpf_map_elem`, `iter/bpf_sk_storage_map`).
    pub fn map(map: &'a impl AsFd) -> Self {
        IterOver(Over::Map(map.as_fd()))
    }

    /// One thread, by its number (`iter/task` and its kin, from 6.1 on).
    pub fn thread(tid: u32) -> Self {
        IterOver(Over::Thread(tid))
    }

    /// The threads of a process, by its number (`iter/task` and its kin, from 6.1 on).
    pub fn process(pid: u32) -> Self {
        IterOver(Over::Process(pid))
    }

    /// The threads of a process, by a descriptor of it: [`crate::map::pidfd`] opens one. Else as [`IterOver::process`].
    pub fn pidfd(process: &'a impl AsFd) -> Self {
        IterOver(Over::Pidfd(process.as_fd()))
    }

    /// A cgroup, an opened folder of the file system `cgroup2`, and what is above or below it (`iter/cgroup`, from 6.1 on).
    pub fn cgroup(folder: &'a impl AsFd, order: CgroupOrder) -> Self {
        let folder: BorrowedFd<'a> = folder.as_fd();
        IterOver(Over::Cgroup(folder, order as u32))
    }
}

/// Which cgroups an iterator goes over from one on, and in what order (`enum bpf_cgroup_iter_order`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum CgroupOrder {
    /// It alone.
    SelfOnly = 1,
    /// It and all below it, each before those below.
    DescendantsPre = 2,
    /// It and all below it, each after those below.
    DescendantsPost = 3,
    /// It and all above it.
    AncestorsUp = 4,
}

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    program.refuse_cookie(cookie)?;
    link::iter(program, None)
}
