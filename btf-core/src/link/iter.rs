//! Attaching iterators, and making descriptors that run them.

use std::fs::File;
use std::os::fd::AsFd;

use super::{Link, refused};
use crate::error::Result;
use crate::prog::Program;
use crate::sys;

/// Makes the link of an iterator over all there is.
pub(crate) fn iter(program: &Program) -> Result<Link> {
    let target = program.attach_target().unwrap_or_default();
    sys::link_create_iter(program.fd()?)
        .map(|fd| Link::of_bpf(program.name(), fd))
        .map_err(|e| {
            let is_invalid = e.raw_os_error() == Some(libc::EINVAL);
            let error = refused(format!("cannot attach to iterator `{target}`"), e);
            if is_invalid {
                error.hint(
                    "an iterator over the elements of a map wants a map, which this version does not name",
                )
            } else {
                error
            }
        })
}

/// A descriptor of which reading runs the iterator once from start to end.
pub(crate) fn iter_file(program: &Program, link: &Link) -> Result<File> {
    sys::iter_create(link.as_fd())
        .map(File::from)
        .map_err(|e| refused(format!("cannot start `{}`", program.name()), e))
}
