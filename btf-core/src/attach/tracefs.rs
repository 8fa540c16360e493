//! The file system that lists tracepoints.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::sys::{Capabilities, privileges_hint};
use btf_obj::private::{did_you_mean, similar};

/// Where it is mounted: on its own, or below debugfs as older systems have it.
const PLACES: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// The directory of events.
fn events() -> Result<PathBuf> {
    let mut forbidden = None;
    for place in PLACES {
        let path = PathBuf::from(place).join("events");
        match path.metadata() {
            Ok(_) => return Ok(path),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => forbidden = Some((path, e)),
            Err(_) => {}
        }
    }
    Err(match forbidden {
        Some((path, e)) => Error::os(format!("cannot enter {}", path.display()), e)
            .hint(privileges_hint(Capabilities::DAC_OVERRIDE)),
        None => Error::not_found(format!(
            "tracefs is mounted neither on {} nor on {}",
            PLACES[0], PLACES[1]
        ))
        .hint("run as root: mount -t tracefs tracefs /sys/kernel/tracing"),
    })
}

/// Calls `each` for every line of a file at the top of tracefs. Returns `false` if this kernel does
/// not have the file.
///
/// The lists of functions have tens of thousands of lines, so no more than a part is in memory.
pub(super) fn for_each_line(file: &str, each: impl FnMut(&str)) -> Result<bool> {
    let path = events()?.with_file_name(file);
    match lines(&path, each) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(unreadable(&path, e)),
    }
}

/// Calls `each` for every line of a text file, without its newline.
pub(super) fn lines(path: &Path, mut each: impl FnMut(&str)) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(64 * 1024, File::open(path)?);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        each(line.trim_end_matches('\n'));
        line.clear();
    }
    Ok(())
}

/// Opens a file at its top, to add lines to it.
pub(super) fn open_to_append(file: &str) -> Result<File> {
    let path = events()?.with_file_name(file);
    // Without O_APPEND the kernel removes what is listed there.
    let opened = File::options().append(true).open(&path);
    opened.map_err(|e| {
        let kind = e.kind();
        let error = Error::os(format!("cannot open {} for writing", path.display()), e);
        match kind {
            io::ErrorKind::NotFound => error.hint("boot a kernel built with CONFIG_KPROBE_EVENTS=y and CONFIG_UPROBE_EVENTS=y, or use a tracepoint"),
            io::ErrorKind::PermissionDenied => {
                error.hint(privileges_hint(Capabilities::DAC_OVERRIDE))
            }
            _ => error,
        }
    })
}

/// Adds a line to such a file.
pub(super) fn write_line(file: &mut File, line: &str) -> io::Result<()> {
    // The kernel parses each write as one or more whole lines.
    file.write_all(line.as_bytes())
}

/// The number of a tracepoint.
pub(super) fn tracepoint_id(category: &str, name: &str) -> Result<u64> {
    let events = events()?;
    let path = events.join(category).join(name).join("id");
    match std::fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| {
            Error::malformed(format!(
                "{} says {text:?}, which is no number",
                path.display()
            ))
        }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let error =
                Error::not_found(format!("this kernel has no tracepoint `{category}/{name}`"));
            let dir = events.join(category);
            let (wanted, dir) = if dir.exists() {
                (name, dir)
            } else {
                (category, events)
            };
            let names = names_in(&dir);
            Err(
                match did_you_mean(&similar(wanted, names.iter().map(String::as_str))) {
                    Some(hint) => error.hint(hint),
                    None => error.hint(format!("{} lists what there is", dir.display())),
                },
            )
        }
        Err(e) => Err(unreadable(&path, e)),
    }
}

fn unreadable(path: &Path, e: io::Error) -> Error {
    let kind = e.kind();
    let error = Error::os(format!("cannot read {}", path.display()), e);
    match kind {
        io::ErrorKind::PermissionDenied => error.hint(privileges_hint(Capabilities::DAC_OVERRIDE)),
        _ => error,
    }
}

fn names_in(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir).map_or_else(
        |_| Vec::new(),
        |entries| {
            entries
                .filter_map(|e| e.ok()?.file_name().into_string().ok())
                .collect()
        },
    )
}
