//! Iterators: programs that the kernel runs for each thing of a kind, while somebody reads.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use super::typed::attaches;
use crate::error::{Context, Result};
use crate::link::{Link, refused};
use crate::prog::{Program, typed};
use crate::sys::{self, Capabilities, Over};

/// A program in `SEC("iter/…")`, such as `iter/task`, which the kernel runs for each task.
#[derive(Debug)]
pub struct Iter(pub(crate) Program);
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
        self.0.fd()?;
        iter(&self.0, Some(over.0)).context(|| self.0.what())
    }

    fn begin(&self, over: Option<Over<'_>>) -> Result<File> {
        self.0.fd()?;
        // The file holds the program; the link is only to make it.
        iter(&self.0, over)
            .and_then(|link| iter_file(&self.0, &link))
            .context(|| self.0.what())
    }
}

/// What an iterator goes over, if not over all there is of its kind.
///
/// ```no_run
/// # fn read(on_task: btf_core::attach::Iter) -> btf_core::Result<()> {
/// use btf_core::attach::IterOver;
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
    iter(program, None)
}

/// Makes the link of an iterator, over all there is or a part of it.
pub(crate) fn iter(program: &Program, over: Option<Over<'_>>) -> Result<Link> {
    let target = program.attach_target().unwrap_or_default();
    sys::link_create_iter(program.fd()?, over)
        .map(|fd| Link::of_bpf(program.name(), fd))
        .map_err(|e| {
            let hint = hint(target, over, e.raw_os_error());
            let error = refused(
                format!("cannot attach to iterator `{target}`"),
                Capabilities::TRACING,
                e,
            );
            match hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })
}

fn hint(target: &str, over: Option<Over<'_>>, errno: Option<i32>) -> Option<String> {
    // Parts of tasks and cgroups.
    let is_part = matches!(over, Some(part) if !matches!(part, Over::Map(_)));
    if is_part && matches!(errno, Some(libc::EINVAL | libc::E2BIG)) {
        let newer = sys::newer_kernel((6, 1));
        return Some(match newer {
            Some(newer) => format!("going over a part of the tasks or cgroups {newer}"),
            None => "iterators over tasks (iter/task and its kin) go over a part of them, and iter/cgroup over a part of the \
                     cgroups"
                .to_owned(),
        });
    }
    fixed_hint(target, over, errno).map(str::to_owned)
}

fn fixed_hint(target: &str, over: Option<Over<'_>>, errno: Option<i32>) -> Option<&'static str> {
    let is_of_map = matches!(target, "bpf_map_elem" | "bpf_sk_storage_map");
    match (over, errno?) {
        (None, libc::EINVAL | libc::EBADF) if is_of_map => Some(
            "it goes over what a map holds, which iterate_over and attach_over name (IterOver::map)",
        ),
        (None, libc::EINVAL) if target == "cgroup" => Some(
            "it goes over cgroups in an order, which iterate_over and attach_over name (IterOver::cgroup)",
        ),
        (Some(Over::Map(_)), libc::EACCES) => {
            Some("the program reads more of a key or value than the map's have")
        }
        (Some(Over::Map(_)), libc::EINVAL) => Some(
            "hash, array and LRU maps, per-CPU or not, have elements to go over, and socket storage by `iter/bpf_sk_storage_map`",
        ),
        (Some(Over::Map(_)), _) => None,
        (Some(Over::Cgroup(..)), libc::EBADF) => {
            Some("the descriptor is one of an open folder of the file system cgroup2")
        }
        _ => None,
    }
}

/// A descriptor of which reading runs the iterator once from start to end.
pub(crate) fn iter_file(program: &Program, link: &Link) -> Result<File> {
    sys::iter_create(link.as_fd()).map(File::from).map_err(|e| {
        refused(
            format!("cannot start `{}`", program.name()),
            Capabilities::TRACING,
            e,
        )
    })
}
