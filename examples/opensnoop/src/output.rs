//! How an event looks: a row of a table, or a line of JSON.

use std::io::{self, Write};

use crate::opensnoop::Event;
use crate::options::Format;

/// Writes the head of the table, if there is one.
pub(crate) fn head(out: &mut impl Write, format: Format) -> io::Result<()> {
    match format {
        Format::Table => writeln!(
            out,
            "{:>7} {:<16} {:>5} {:>10} {:>8}  PATH",
            "PID", "COMM", "UID", "LATENCY", "RESULT"
        ),
        Format::Json => Ok(()),
    }
}

/// Writes one event.
pub(crate) fn event(out: &mut impl Write, format: Format, e: &Event) -> io::Result<()> {
    let (comm, path) = (e.comm.to_str_lossy(), e.path.to_str_lossy());
    match format {
        Format::Table => writeln!(
            out,
            "{:>7} {:<16} {:>5} {:>8}us {:>8}  {}",
            e.pid,
            printable(&comm),
            e.uid,
            e.latency_ns / 1000,
            result(e.result),
            printable(&path)
        ),
        Format::Json => writeln!(
            out,
            "{}",
            serde_json::json!({
                "pid": e.pid,
                "tid": e.tid,
                "ppid": e.ppid,
                "uid": e.uid,
                "comm": comm,
                "path": path,
                "flags": e.flags,
                "result": e.result,
                "latency_ns": e.latency_ns,
            })
        ),
    }
}

/// A descriptor as `fd 3`, an error by its usual name where it has one here.
fn result(result: i32) -> String {
    let name = match -result {
        1 => "EPERM",
        2 => "ENOENT",
        6 => "ENXIO",
        13 => "EACCES",
        17 => "EEXIST",
        20 => "ENOTDIR",
        21 => "EISDIR",
        24 => "EMFILE",
        30 => "EROFS",
        40 => "ELOOP",
        _ if result < 0 => return format!("errno {}", -result),
        _ => return format!("fd {result}"),
    };
    name.to_owned()
}

/// A name chosen by somebody else: control characters must not reach the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_readable() {
        assert_eq!(result(3), "fd 3");
        assert_eq!(result(-2), "ENOENT");
        assert_eq!(result(-75), "errno 75");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a?[2Jb?");
    }
}
