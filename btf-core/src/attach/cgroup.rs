//! Programs that run for the processes and sockets of a cgroup.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{Binding, Link, hold, refused};
use crate::obj::{Attach, AttachType};
use crate::prog::test_run::{self, Has};
use crate::prog::{Program, Ran, TestRun, typed};
use crate::sys::{self, Among, Capabilities, FileSystem};
use btf_obj::private::{did_you_mean, similar};

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
/// # fn attach(program: btf_core::attach::Cgroup) -> btf_core::Result<()> {
/// use btf_core::attach::CgroupSharing;
///
/// let link = program.attach_to("/sys/fs/cgroup/app.slice", CgroupSharing::Link)?;
/// # drop(link);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Cgroup(pub(crate) Program);
typed!(Cgroup, "a cgroup program", Cgroup | LsmCgroup);

impl Cgroup {
    /// Attaches it to a cgroup: a folder of the file system `cgroup2`. It is detached when the link is dropped.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded, or the folder is no cgroup; [`crate::ErrorKind::NotFound`] if there is no
    /// such folder; else what the kernel answers, with what to try if another program is there that does not share.
    pub fn attach_to(&self, cgroup: impl AsRef<Path>, sharing: CgroupSharing) -> Result<Link> {
        self.0.fd()?;
        attach_to_path(&self.0, cgroup.as_ref(), sharing).context(|| self.0.what())
    }

    /// The same with a descriptor of the cgroup's folder.
    ///
    /// # Errors
    ///
    /// Those of [`Cgroup::attach_to`].
    pub fn attach_to_fd(&self, cgroup: impl AsFd, sharing: CgroupSharing) -> Result<Link> {
        self.0.fd()?;
        attach_to_fd(&self.0, cgroup.as_fd(), sharing).context(|| self.0.what())
    }

    /// Runs it on a packet, attached or not: kernels do that with those in `SEC("cgroup_skb/…")`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; [`crate::ErrorKind::Unsupported`] if the kernel does not run its
    /// kind by itself; else what the kernel answers.
    pub fn test_run(&self, run: &TestRun<'_>) -> Result<Ran> {
        test_run::run(&self.0, run, Has::Packet)
    }
}

/// `BPF_F_ALLOW_OVERRIDE` and `BPF_F_ALLOW_MULTI`.
const ALLOW_OVERRIDE: u32 = 1;
const ALLOW_MULTI: u32 = 2;

/// Where the file system is mounted.
const MOUNT: &str = "/sys/fs/cgroup";

fn attach_to_path(program: &Program, path: &Path, sharing: CgroupSharing) -> Result<Link> {
    let folder = File::open(path).map_err(|e| missing(path, e))?;
    let is_cgroup = FileSystem::of(&folder).is_ok_and(|found| found == FileSystem::CGROUP2);
    if !is_cgroup {
        let error = Error::new(
            ErrorKind::InvalidInput,
            format!("{} is no cgroup of version 2", path.display()),
        );
        return Err(error.hint(mount_hint()));
    }
    attach_to_fd(program, folder.as_fd(), sharing)
        .map_err(|e| e.context(format!("cgroup {}", path.display())))
}

/// How to come by the file system.
fn mount_hint() -> String {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounted = mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let place = words.nth(1)?;
        (words.next()? == "cgroup2").then_some(place)
    });
    match mounted {
        Some(place) => format!("the file system cgroup2 is mounted on {place}"),
        None => {
            format!(
                "the file system cgroup2 is not mounted; as root: mount -t cgroup2 none {MOUNT}"
            )
        }
    }
}

fn missing(path: &Path, e: io::Error) -> Error {
    let is_missing = e.kind() == io::ErrorKind::NotFound;
    let error = Error::os(format!("cannot open cgroup {}", path.display()), e);
    if !is_missing {
        return error;
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
    else {
        return error;
    };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return error.hint(mount_hint());
    };
    let names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    error.hint(
        match did_you_mean(&similar(name, names.iter().map(String::as_str))) {
            Some(hint) => hint,
            None => format!("make it: mkdir {}", path.display()),
        },
    )
}

fn attach_to_fd(program: &Program, cgroup: BorrowedFd<'_>, sharing: CgroupSharing) -> Result<Link> {
    let attach_type = program.attach_type();
    let prog = program.fd()?;
    let is_lsm = program
        .def
        .is_some_and(|def| def.attach == Attach::LsmCgroup);
    let flags = match sharing {
        CgroupSharing::Link => {
            let target = sys::fd_number(cgroup);
            match sys::link_create(prog, target, attach_type, Among::default()) {
                Ok(fd) => return Ok(Link::of_bpf(program.name(), fd)),
                // Of a kernel without such links; or of one that says the same again.
                Err(e) if e.raw_os_error() == Some(libc::EINVAL) && !is_lsm => ALLOW_MULTI,
                Err(e) => return Err(explain(e)),
            }
        }
        CgroupSharing::Multi => ALLOW_MULTI,
        CgroupSharing::Override => ALLOW_OVERRIDE,
        CgroupSharing::Alone => 0,
    };
    let prepared = Preparation::new(program, cgroup, attach_type)?;
    prepared.attach(flags).map_err(explain)
}

/// Prepared attachment of a program to a target file descriptor, without a link.
pub(super) struct Preparation<'a> {
    program: &'a Program,
    attach_type: AttachType,
    held: OwnedFd,
    target: OwnedFd,
}

impl Preparation<'_> {
    /// Duplicates the file descriptors that detaching takes.
    pub(super) fn new<'a>(
        program: &'a Program,
        target: BorrowedFd<'_>,
        attach_type: AttachType,
    ) -> Result<Preparation<'a>> {
        let target = target
            .try_clone_to_owned()
            .map_err(|e| Error::os("cannot duplicate the fd of the attach target", e))?;
        Ok(Preparation {
            program,
            attach_type,
            held: hold(program.fd()?)?,
            target,
        })
    }

    /// Attaches the program. `flags` are those of `BPF_PROG_ATTACH`.
    pub(super) fn attach(self, flags: u32) -> io::Result<Link> {
        sys::prog_attach(&self.held, &self.target, self.attach_type, flags)?;
        let attached = Attached {
            target: self.target,
            attach_type: self.attach_type,
        };
        Ok(Link::of_binding(self.program.name(), self.held, attached))
    }
}

/// A program that is attached to something with a file descriptor, without a link.
#[derive(Debug)]
struct Attached {
    target: OwnedFd,
    attach_type: AttachType,
}

impl Binding for Attached {
    fn undo(&mut self, program: BorrowedFd<'_>) -> io::Result<()> {
        sys::prog_detach(program, &self.target, self.attach_type)
    }
}

fn explain(e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let needs = Capabilities::BPF | Capabilities::NET_ADMIN;
    let error = refused("cannot attach to the cgroup".into(), needs, e);
    match errno {
        // Also what the kernel answers where the flags of a cgroup above, or of programs that are here, are others.
        Some(libc::EPERM) if sys::lacking(needs).is_none() => error.hint(
            "a program of this kind that does not share may be here or in a cgroup above (`bpftool cgroup tree` lists them)",
        ),
        Some(libc::EBADF) => error.hint(format!("it is no cgroup of version 2: {}", mount_hint())),
        Some(libc::E2BIG) => error.hint("as many programs are in the cgroup as the kernel allows"),
        _ => error,
    }
}
