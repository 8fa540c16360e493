//! Programs on places of programs and libraries of user space.

use std::io;
use std::path::Path;

use super::AttachMode;
use super::probe::{self, Probing};
use super::probed::Probed;
use super::typed::attaches;
use crate::binary::Binary;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{Link, refused};
use crate::obj::Attach;
use crate::prog::{Program, typed};
use crate::sys::Capabilities;

/// A program in `SEC("uprobe/…")` or `SEC("uretprobe/…")`.
#[derive(Debug)]
pub struct Uprobe(pub(crate) Program);
typed!(Uprobe, "a uprobe program", Uprobe | Uretprobe);
attaches!(Uprobe);

impl Uprobe {
    /// Whether it runs when the function returns.
    pub fn is_return(&self) -> bool {
        is_return(&self.0)
    }

    /// Attaches it to a function of a binary, in every process: `libc.so.6` and `malloc`, or `memcpy@GLIBC_2.2.5`. A binary
    /// without a `/` in its name is searched for as by
    /// [`Binary::open`](crate::binary::Binary::open).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it is not loaded; [`ErrorKind::NotFound`] if there is no such binary, or no such function
    /// in it; else what the kernel answers.
    pub fn attach_to(&self, binary: &str, function: &str) -> Result<Link> {
        self.attach_with(&UprobeOptions::new(binary, function))
    }

    /// Attaches it as the options say, whatever its section says.
    ///
    /// # Errors
    ///
    /// Those of [`Uprobe::attach_to`].
    pub fn attach_with(&self, options: &UprobeOptions) -> Result<Link> {
        self.0.fd()?;
        uprobe(&self.0, options, self.is_return()).context(|| self.0.what())
    }
}

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    program.to_targets(&|target| {
        let at = UprobeOptions::parse(target)?.cookie(cookie);
        uprobe(program, &at, is_return(program))
    })
}

fn is_return(program: &Program) -> bool {
    program
        .def
        .is_some_and(|def| def.attach == Attach::Uretprobe)
}

/// Where and how a uprobe attaches.
#[derive(Debug, Clone)]
pub struct UprobeOptions {
    pub(crate) binary: String,
    pub(crate) function: Option<String>,
    pub(crate) offset: u64,
    pub(crate) counter: u64,
    pub(crate) pid: Option<u32>,
    pub(crate) cookie: u64,
    pub(crate) mode: AttachMode,
}

impl UprobeOptions {
    /// At the start of a function.
    pub fn new(binary: &str, function: &str) -> UprobeOptions {
        let mut options = UprobeOptions::at(binary, 0);
        options.function = Some(function.to_owned());
        options
    }

    /// So many bytes from the start of the file; of an archive, if the library is in one ([`crate::binary::Binary::function`] counts so).
    pub fn at(binary: &str, offset: u64) -> UprobeOptions {
        UprobeOptions {
            binary: binary.to_owned(),
            function: None,
            offset,
            counter: 0,
            pid: None,
            cookie: 0,
            mode: AttachMode::Default,
        }
    }

    /// So many bytes from the function's start; a return probe takes 0 only.
    #[must_use]
    pub fn offset(mut self, offset: u64) -> UprobeOptions {
        self.offset = offset;
        self
    }

    /// In this process only.
    #[must_use]
    pub fn pid(mut self, pid: u32) -> UprobeOptions {
        self.pid = Some(pid);
        self
    }

    /// The number that `bpf_get_attach_cookie` gives (from 5.15 on).
    #[must_use]
    pub fn cookie(mut self, cookie: u64) -> UprobeOptions {
        self.cookie = cookie;
        self
    }

    /// Where in the file a counter of 16 bits is, which is above zero while somebody listens.
    #[must_use]
    pub fn counter(mut self, offset: u64) -> UprobeOptions {
        self.counter = offset;
        self
    }

    /// By which means: the newest, unless this says otherwise.
    #[must_use]
    pub fn mode(mut self, mode: AttachMode) -> UprobeOptions {
        self.mode = mode;
        self
    }

    /// Reads `BINARY:FUNCTION[+OFFSET]`, as libbpf does.
    fn parse(target: &str) -> Result<UprobeOptions> {
        let Some((binary, function)) = target
            .split_once(':')
            .filter(|(b, f)| !b.is_empty() && !f.is_empty())
        else {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("`{target}` names no binary and function"),
            )
            .hint(
                "write it as BINARY:FUNCTION or BINARY:FUNCTION+OFFSET, such as libc.so.6:malloc",
            ));
        };
        // What follows the last `+` may be part of the name, too.
        let offset = function.rsplit_once('+').and_then(|(function, offset)| {
            let offset = match offset.strip_prefix("0x") {
                Some(hex) => u64::from_str_radix(hex, 16),
                None => offset.parse(),
            };
            Some((function, offset.ok()?))
        });
        Ok(match offset {
            Some((function, offset)) => UprobeOptions::new(binary, function).offset(offset),
            None => UprobeOptions::new(binary, function),
        })
    }
}

pub(crate) fn uprobe(program: &Program, at: &UprobeOptions, is_return: bool) -> Result<Link> {
    if is_return && at.offset != 0 && at.function.is_some() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "a return probe of a function cannot have offset {}",
                at.offset
            ),
        ));
    }
    let binary = Binary::open(&at.binary)?;
    let start = match &at.function {
        Some(function) => binary.function(function)?,
        None => 0,
    };
    let place = Place {
        path: binary.path(),
        offset: start.wrapping_add(at.offset),
        counter: at.counter,
        pid: at.pid,
        cookie: at.cookie,
        mode: at.mode,
    };
    uprobe_at(program, &place, is_return)
}

/// A place of a binary, and how to attach there.
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    pub(super) offset: u64,
    pub(super) counter: u64,
    pub(super) pid: Option<u32>,
    pub(super) cookie: u64,
    pub(super) mode: AttachMode,
}

pub(super) fn uprobe_at(program: &Program, place: &Place<'_>, is_return: bool) -> Result<Link> {
    let doing = || {
        let offset = place.offset;
        format!("cannot attach to {} at {offset:#x}", place.path.display())
    };
    let probed = Probed::Binary {
        path: place.path,
        offset: place.offset,
        counter: place.counter,
    };
    let how = Probing {
        is_return,
        pid: process(place.pid)?,
        cookie: place.cookie,
        mode: place.mode,
    };
    probe::attach(program, probed, how, &|e| explain(doing(), place.pid, e))
}

fn process(pid: Option<u32>) -> Result<Option<i32>> {
    pid.map(i32::try_from)
        .transpose()
        .map_err(|_| Error::new(ErrorKind::InvalidInput, "no process has so high a number"))
}

fn explain(doing: String, pid: Option<u32>, e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = refused(doing, Capabilities::PERFMON, e);
    match (errno, pid) {
        (Some(libc::ESRCH), Some(pid)) => error.hint(format!("there is no process {pid}")),
        (Some(libc::EINVAL | libc::EOPNOTSUPP), _) => error.hint(
            "the place must be the start of an instruction within the file; names of functions are safer than offsets",
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_name_a_binary_a_function_and_an_offset() {
        let parse = |target| {
            let at = UprobeOptions::parse(target).unwrap();
            (at.binary, at.function.unwrap(), at.offset)
        };
        let expected = |b: &str, f: &str, o| (b.to_owned(), f.to_owned(), o);
        assert_eq!(
            parse("libc.so.6:malloc"),
            expected("libc.so.6", "malloc", 0)
        );
        assert_eq!(parse("/bin/x:f+0x10"), expected("/bin/x", "f", 16));
        assert_eq!(parse("/bin/x:f+8"), expected("/bin/x", "f", 8));
        assert_eq!(parse("x:operator+"), expected("x", "operator+", 0));
        assert_eq!(parse("x:f@@V_1"), expected("x", "f@@V_1", 0));
        assert_eq!(parse("x:ns::f"), expected("x", "ns::f", 0));
        for bad in ["libc.so.6", ":f", "x:"] {
            let e = UprobeOptions::parse(bad).unwrap_err();
            assert!(e.to_string().contains("BINARY:FUNCTION"), "{e}");
        }
    }
}
