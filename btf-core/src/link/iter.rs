//! Attaching iterators, and making descriptors that run them.

use std::fs::File;
use std::os::fd::AsFd;

use super::{Link, refused};
use crate::error::Result;
use crate::prog::Program;
use crate::sys::{self, Capabilities};

/// Makes the link of an iterator, over all there is or a part of it.
pub(crate) fn iter(program: &Program, over: Option<sys::Over<'_>>) -> Result<Link> {
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

fn hint(target: &str, over: Option<sys::Over<'_>>, errno: Option<i32>) -> Option<String> {
    // Parts of tasks and cgroups.
    let is_part = matches!(over, Some(part) if !matches!(part, sys::Over::Map(_)));
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

fn fixed_hint(
    target: &str,
    over: Option<sys::Over<'_>>,
    errno: Option<i32>,
) -> Option<&'static str> {
    let is_of_map = matches!(target, "bpf_map_elem" | "bpf_sk_storage_map");
    match (over, errno?) {
        (None, libc::EINVAL | libc::EBADF) if is_of_map => Some(
            "it goes over what a map holds, which iterate_over and attach_over name (IterOver::map)",
        ),
        (None, libc::EINVAL) if target == "cgroup" => Some(
            "it goes over cgroups in an order, which iterate_over and attach_over name (IterOver::cgroup)",
        ),
        (Some(sys::Over::Map(_)), libc::EACCES) => {
            Some("the program reads more of a key or value than the map's have")
        }
        (Some(sys::Over::Map(_)), libc::EINVAL) => Some(
            "hash, array and LRU maps, per-CPU or not, have elements to go over, and socket storage by `iter/bpf_sk_storage_map`",
        ),
        (Some(sys::Over::Map(_)), _) => None,
        (Some(sys::Over::Cgroup(..)), libc::EBADF) => {
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
