//! Programs on many places of a binary.

use std::io;
use std::path::Path;

use super::functions::is_pattern;
use super::probed::c_path;
use super::typed::attaches;
use crate::binary::Binary;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{Link, refused};
use crate::obj::{Attach, AttachType};
use crate::prog::{Program, typed};
use crate::sys::{self, Capabilities, Places};

/// A program in `SEC("uprobe.multi/…")`, `SEC("uretprobe.multi/…")` or `SEC("uprobe.session/…")`: one link holds it to any number of places
/// of a binary.
#[derive(Debug)]
pub struct UprobeMulti(pub(crate) Program);
typed!(
    UprobeMulti,
    "a program for many places of a binary",
    UprobeMulti | UretprobeMulti | UprobeSession
);
attaches!(UprobeMulti);

impl UprobeMulti {
    /// Attaches it to all functions of a binary whose names match a pattern, in which `*` stands for any characters and `?` for
    /// any one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it is not loaded; [`ErrorKind::NotFound`] if there is no such binary, or no such function
    /// in it; else what the kernel answers.
    pub fn attach_to(&self, binary: &str, pattern: &str) -> Result<Link> {
        self.attach_with(&UprobeMultiOptions::pattern(binary, pattern))
    }

    /// Attaches it as the options say, whatever its section says.
    ///
    /// # Errors
    ///
    /// Those of [`UprobeMulti::attach_to`]; [`ErrorKind::InvalidInput`] if there are cookies or counters, but not one for each place.
    pub fn attach_with(&self, options: &UprobeMultiOptions) -> Result<Link> {
        self.0.fd()?;
        uprobe_multi(&self.0, options).context(|| self.0.what())
    }
}

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    program.to_targets(&|target| to_pattern(program, target, cookie))
}

/// By the section's binary and pattern; one cookie is for one function.
fn to_pattern(program: &Program, target: &str, cookie: u64) -> Result<Link> {
    let Some((binary, pattern)) = target
        .split_once(':')
        .filter(|(b, p)| !b.is_empty() && !p.is_empty())
    else {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("`{target}` names no binary and functions"),
        )
        .hint("write it as BINARY:PATTERN, such as libc.so.6:mem*"));
    };
    if cookie == 0 {
        return uprobe_multi(program, &UprobeMultiOptions::pattern(binary, pattern));
    }
    if pattern.contains(['*', '?']) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("one cookie is not enough for all functions that match `{pattern}`"),
        )
        .hint("name functions and cookies in UprobeMultiOptions"));
    }
    let at = UprobeMultiOptions::functions(binary, [pattern]).cookies([cookie]);
    uprobe_multi(program, &at)
}

/// Which places of a binary a program attaches to, and how.
#[derive(Debug, Clone)]
pub struct UprobeMultiOptions {
    pub(crate) binary: String,
    pub(crate) what: WantedPlaces,
    pub(crate) counters: Vec<u64>,
    pub(crate) cookies: Vec<u64>,
    pub(crate) pid: Option<u32>,
}

#[derive(Debug, Clone)]
pub(crate) enum WantedPlaces {
    Pattern(String),
    Functions(Vec<String>),
    Offsets(Vec<u64>),
}

impl UprobeMultiOptions {
    /// All functions that match a pattern.
    pub fn pattern(binary: &str, pattern: &str) -> UprobeMultiOptions {
        UprobeMultiOptions::of(binary, WantedPlaces::Pattern(pattern.to_owned()))
    }

    /// These functions.
    pub fn functions<T: AsRef<str>>(
        binary: &str,
        names: impl IntoIterator<Item = T>,
    ) -> UprobeMultiOptions {
        let names = names.into_iter().map(|name| name.as_ref().to_owned());
        UprobeMultiOptions::of(binary, WantedPlaces::Functions(names.collect()))
    }

    /// These places, in bytes from the start of the file.
    pub fn offsets(binary: &str, offsets: impl IntoIterator<Item = u64>) -> UprobeMultiOptions {
        let offsets = offsets.into_iter().collect();
        UprobeMultiOptions::of(binary, WantedPlaces::Offsets(offsets))
    }

    /// In this process only.
    #[must_use]
    pub fn pid(mut self, pid: u32) -> UprobeMultiOptions {
        self.pid = Some(pid);
        self
    }

    /// A number for each place, in their order, which `bpf_get_attach_cookie` gives.
    #[must_use]
    pub fn cookies(mut self, cookies: impl IntoIterator<Item = u64>) -> UprobeMultiOptions {
        self.cookies = cookies.into_iter().collect();
        self
    }

    /// Where in the file each place has a counter of 16 bits, which is above zero while somebody listens; 0 for none.
    #[must_use]
    pub fn counters(mut self, offsets: impl IntoIterator<Item = u64>) -> UprobeMultiOptions {
        self.counters = offsets.into_iter().collect();
        self
    }

    fn of(binary: &str, what: WantedPlaces) -> UprobeMultiOptions {
        UprobeMultiOptions {
            binary: binary.to_owned(),
            what,
            counters: Vec::new(),
            cookies: Vec::new(),
            pid: None,
        }
    }
}

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
        path: c_path(binary.path())?,
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
