//! Probes by tracefs, for kernels without the perf event sources: an event is written into a file there, has a number like a
//! tracepoint, and stays until it is removed.
//!
//! Source: `Documentation/trace/kprobetrace.rst` and `uprobetracer.rst` of the kernel.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::probed::Probed;
use super::{event_line, tracefs};
use crate::error::{Error, Result};
use crate::link::Taken;
use crate::sys::{self, Event, Scope};

/// `MAX_EVENT_NAME_LEN`, with the NUL.
const NAME: usize = 64;

/// A probe in tracefs. It is removed when this is dropped, which must be after the perf event: the kernel keeps one that is used.
#[derive(Debug)]
pub(super) struct Listed {
    file: &'static str,
    /// That file, open: a process may be at its limit of file descriptors when it detaches, or see
    /// another tracefs.
    events: File,
    group: &'static str,
    name: String,
    is_over: bool,
}

impl Taken for Listed {
    fn give_back(&mut self) -> Result<()> {
        if !self.is_over {
            self.remove()?;
            self.is_over = true;
        }
        Ok(())
    }

    fn keep(&mut self) {
        self.is_over = true;
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

impl Listed {
    fn remove(&mut self) -> Result<()> {
        let Listed {
            file, group, name, ..
        } = &*self;
        let doing =
            format!("the program is detached, but the probe {group}/{name} stays in tracefs");
        let hint = format!(
            "something else uses it; it goes with the next boot, or when `-:{group}/{name}` is appended to {file} there"
        );
        let line = format!("-:{group}/{name}");
        tracefs::write_line(&mut self.events, &line).map_err(|e| match e.raw_os_error() {
            Some(libc::EBUSY) => Error::os(doing, e).hint(hint),
            _ => Error::os(doing, e),
        })
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        // One that is left does nothing by itself, and is gone after the next boot.
        let _ = self.give_back();
    }
}

/// Adds a probe and opens the perf event of it. What goes wrong with the place is explained by `explain`.
pub(super) fn open(
    probed: Probed<'_>,
    is_return: bool,
    pid: Option<i32>,
    explain: &dyn Fn(io::Error) -> Error,
) -> Result<(OwnedFd, Listed)> {
    let (listed, _held) = add(probed, is_return, explain)?;
    let id = tracefs::tracepoint_id(listed.group, &listed.name)?;
    let event = sys::perf_event_open(Event::Tracepoint(id), Scope::probe(pid)).map_err(explain)?;
    Ok((event, listed))
}

fn add(
    probed: Probed<'_>,
    is_return: bool,
    explain: &dyn Fn(io::Error) -> Error,
) -> Result<(Listed, Option<File>)> {
    let (kind, name) = (if is_return { 'r' } else { 'p' }, probed.name());
    let (place, held) = probed.place(explain)?;
    let (file, group) = match (&probed, is_return) {
        (Probed::Kernel { .. }, false) => ("kprobe_events", "kprobes"),
        (Probed::Kernel { .. }, true) => ("kprobe_events", "kretprobes"),
        (Probed::Binary { .. }, false) => ("uprobe_events", "uprobes"),
        (Probed::Binary { .. }, true) => ("uprobe_events", "uretprobes"),
    };
    let line = format!("{kind}:{group}/{name} {place}");
    let mut events = tracefs::open_to_append(file)?;
    tracefs::write_line(&mut events, &line).map_err(|e| explain(probed.told_apart(e)))?;
    let listed = Listed {
        file,
        events,
        group,
        name,
        is_over: false,
    };
    Ok((listed, held))
}

impl Probed<'_> {
    /// A name that no other probe has: a line with a name that is there would be added to that event, and go with it.
    fn name(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // A process of another PID namespace may have this one's number.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_micros());
        let what = match self {
            Probed::Kernel { function, .. } => function,
            Probed::Binary { path, .. } => path.file_name().and_then(|n| n.to_str()).unwrap_or(""),
        };
        let mut name = format!("btf_{}_{number}_{now:x}_{what}", std::process::id());
        name = name
            .chars()
            .take(NAME - 1)
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        name
    }

    /// What is wrong with a place: tracefs answers `EINVAL`, too, if there is no such function.
    fn told_apart(&self, e: io::Error) -> io::Error {
        match *self {
            Probed::Kernel { function, .. }
                if e.raw_os_error() == Some(libc::EINVAL)
                    && sys::has_symbol(function).is_ok_and(|is_there| !is_there) =>
            {
                io::Error::from_raw_os_error(libc::ENOENT)
            }
            _ => e,
        }
    }

    /// The place as the kernel reads it, and the file that must be open meanwhile.
    fn place(&self, explain: &dyn Fn(io::Error) -> Error) -> Result<(String, Option<File>)> {
        match *self {
            Probed::Kernel { function, offset } => {
                let function = event_line::function(function)?;
                Ok(match offset {
                    0 => (function.to_owned(), None),
                    _ => (format!("{function}+{offset:#x}"), None),
                })
            }
            Probed::Binary {
                path,
                offset,
                counter,
            } => {
                let (path, held) = event_line::path(path).map_err(explain)?;
                let counter = match counter {
                    0 => String::new(),
                    _ => format!("({counter:#x})"),
                };
                Ok((format!("{path}:{offset:#x}{counter}"), held))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_never_the_same() {
        let probed = Probed::Kernel {
            function: "a_function.with_a_long_name.constprop.0.and_more_of_it_than_there_is_room_for",
            offset: 1,
        };
        let (first, second) = (probed.name(), probed.name());
        assert_ne!(first, second);
        assert!(first.len() < NAME, "{first}");
        assert!(first.contains("_a_function_with_"), "{first}");
    }

    #[test]
    fn places_are_written_as_the_kernel_reads_them() {
        let explain = |e| Error::os("cannot attach", e);
        let place = |probed: Probed<'_>| probed.place(&explain).unwrap().0;
        let function = "vfs_unlink";
        assert_eq!(
            place(Probed::Kernel {
                function,
                offset: 0
            }),
            "vfs_unlink"
        );
        assert_eq!(
            place(Probed::Kernel {
                function,
                offset: 16
            }),
            "vfs_unlink+0x10"
        );
        let binary = |path, counter| Probed::Binary {
            path: std::path::Path::new(path),
            offset: 0x1234,
            counter,
        };
        assert_eq!(place(binary("/lib/x.so", 0)), "/lib/x.so:0x1234");
        assert_eq!(place(binary("/lib/x.so", 8)), "/lib/x.so:0x1234(0x8)");
        assert!(binary("/no such/file", 0).place(&explain).is_err());
        let odd = Probed::Kernel {
            function: "vfs_unlink\n-:kprobes/other",
            offset: 16,
        };
        let e = odd.place(&explain).unwrap_err();
        assert_eq!(e.kind(), crate::ErrorKind::InvalidInput);
    }
}
