//! Report of the traced process.

use std::any::Any;
use std::collections::BTreeSet;
use std::os::fd::RawFd;

/// The file descriptors and mapped files of a process.
#[derive(Debug)]
pub(crate) struct Held {
    fds: BTreeSet<String>,
    mappings: Vec<String>,
}

impl Held {
    /// Those of this process, without the one of the pipe to its parent.
    pub(crate) fn read(pipe: RawFd) -> Held {
        let pipe = pipe.to_string();
        let fds = std::fs::read_dir("/proc/self/fd").expect("/proc is mounted");
        let fds = fds.filter_map(|entry| {
            let entry = entry.ok()?;
            let target = std::fs::read_link(entry.path()).ok()?;
            let number = entry.file_name().into_string().ok()?;
            // The directory that is being read is not there any more.
            let is_own = number == pipe || target.to_string_lossy().contains("/fd");
            (!is_own).then(|| format!("{number}: {}", target.display()))
        });
        let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
        let mappings = maps.lines().filter_map(|line| {
            let name = line.splitn(6, ' ').nth(5)?.trim();
            // Files; libraries and this program stay.
            (name.starts_with('/') || name.starts_with("anon_inode")).then(|| name.to_owned())
        });
        Held {
            fds: fds.collect(),
            mappings: mappings.collect(),
        }
    }

    /// Returns the file descriptors and mappings in `after` that are not in `self`.
    fn added(&self, after: &Held) -> Vec<String> {
        let fds = after.fds.difference(&self.fds);
        let mut all: Vec<String> = fds.map(|fd| format!("fd {fd}")).collect();
        let mut before = self.mappings.clone();
        for mapping in &after.mappings {
            match before.iter().position(|other| other == mapping) {
                Some(at) => drop(before.swap_remove(at)),
                None => all.push(format!("mapping {mapping}")),
            }
        }
        all
    }
}

/// The outcome of the work.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) error: Option<Failure>,
    pub(crate) panic: Option<String>,
    /// File descriptors and mappings that are left.
    pub(crate) held: Vec<String>,
}

/// An error, as its user sees it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) errno: Option<i32>,
    pub(crate) text: String,
}

impl Report {
    pub(crate) fn new(
        result: &Result<btf_core::Result<()>, Box<dyn Any + Send>>,
        before: &Held,
        after: &Held,
    ) -> Report {
        let mut report = Report {
            held: before.added(after),
            ..Report::default()
        };
        match result {
            Ok(Ok(())) => {}
            Ok(Err(e)) => {
                report.error = Some(Failure {
                    errno: e.os_error(),
                    text: e.to_string().replace('\n', " "),
                });
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or(panic.downcast_ref::<&str>().copied());
                report.panic = Some(text.unwrap_or("a panic").replace('\n', " "));
            }
        }
        report
    }

    /// A line for each part.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from("done\n");
        if let Some(Failure { errno, text: error }) = &self.error {
            text += &format!("error\t{}\t{error}\n", errno.unwrap_or(0));
        }
        if let Some(panic) = &self.panic {
            text += &format!("panic\t{panic}\n");
        }
        for held in &self.held {
            text += &format!("held\t{held}\n");
        }
        text
    }

    /// Reads [`Report::text`]; `None` if there is none.
    pub(crate) fn parse(text: &str) -> Option<Report> {
        let mut lines = text.lines();
        lines.next().filter(|line| *line == "done")?;
        let mut report = Report::default();
        for line in lines {
            match line.split_once('\t')? {
                ("error", rest) => {
                    let (errno, text) = rest.split_once('\t')?;
                    report.error = Some(Failure {
                        errno: errno.parse().ok().filter(|errno| *errno != 0),
                        text: text.to_owned(),
                    });
                }
                ("panic", rest) => report.panic = Some(rest.to_owned()),
                (_, rest) => report.held.push(rest.to_owned()),
            }
        }
        Some(report)
    }
}
