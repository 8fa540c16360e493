//! Attaches to many offsets of a binary with one link.

use std::io;
use std::path::Path;

use super::functions::is_pattern;
use super::uprobe::path;
use super::{Link, refused};
use crate::binary::Binary;
use crate::error::{Error, ErrorKind, Result};
use crate::obj::{Attach, AttachType};
use crate::prog::{Program, UprobeMultiOptions, WantedPlaces};
use crate::sys::{self, Capabilities, Places};

pub(crate) fn uprobe_multi(program: &Program, at: &UprobeMultiOptions) -> Result<Link> {
    let (attach_type, is_return) = match program.def.map(|def| def.attach) {
        Some(Attach::UprobeSession) => (AttachType::TRACE_UPROBE_SESSION, false),
        Some(Attach::UretprobeMulti) => (AttachType::TRACE_UPROBE_MULTI, true),
        _ => (AttachType::TRACE_UPROBE_MULTI, false),
    };
    let binary = Binary::open(&at.binary)?;
    let offsets = match &at.what {
        WantedPlaces::Pattern(pattern) if is_pattern(pattern) => {
            binary.matching_offsets(pattern)?
        }
        WantedPlaces::Pattern(name) => vec![binary.function(name)?],
        WantedPlaces::Functions(names) => binary.function_offsets(names)?,
        WantedPlaces::Offsets(offsets) => offsets.clone(),
    };
    let places = Places {
        path: path(binary.path())?,
        offsets,
        ref_ctr_offsets: at.counters.clone(),
        cookies: at.cookies.clone(),
        pid: at.pid.unwrap_or(0),
    };
    let is_parallel = |items: &[u64]| items.is_empty() || items.len() == places.offsets.len();
    if !is_parallel(&places.cookies) || !is_parallel(&places.ref_ctr_offsets) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "the numbers of offsets ({}), cookies ({}) and reference counters ({}) differ",
                places.offsets.len(),
                places.cookies.len(),
                places.ref_ctr_offsets.len()
            ),
        ));
    }
    uprobe_multi_at(program, attach_type, is_return, binary.path(), &places)
}

pub(super) fn uprobe_multi_at(
    program: &Program,
    attach_type: AttachType,
    is_return: bool,
    path: &Path,
    places: &Places,
) -> Result<Link> {
    sys::link_create_uprobe_multi(program.fd()?, attach_type, is_return, places)
        .map(|fd| Link::of_bpf(program.name(), fd))
        .map_err(|e| {
            let count = places.offsets.len();
            let doing = format!(
                "cannot attach to {count} offsets of {} with one link",
                path.display()
            );
            explain(doing, places.pid, attach_type, e)
        })
}

fn explain(doing: String, pid: u32, attach_type: AttachType, e: io::Error) -> Error {
    let (what, since) = match attach_type {
        AttachType::TRACE_UPROBE_SESSION => ("uprobe.session", (6, 13)),
        _ => ("uprobe.multi", (6, 6)),
    };
    match e.raw_os_error() {
        Some(libc::ESRCH) => {
            refused(doing, Capabilities::TRACING, e).hint(format!("there is no process {pid}"))
        }
        Some(libc::EINVAL | libc::EOPNOTSUPP) => {
            refused(doing, Capabilities::TRACING, e).hint(match sys::newer_kernel(since) {
                Some(newer) => {
                    format!("{what} {newer}; SEC(\"uprobe/…\") works there")
                }
                None => "each offset must be that of an instruction".to_owned(),
            })
        }
        _ => refused(doing, Capabilities::TRACING, e),
    }
}
