//! The end of a boot.

use std::time::Duration;

/// Reason why a machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The program exited.
    Exit(u8),
    /// The program was killed.
    Signal(u8),
    /// `vm-init` could not run it.
    Failed(String),
    /// The kernel crashed.
    Kernel(String),
    /// The deadline passed.
    Timeout(String),
    /// qemu ended without a reason.
    Lost(String),
}

/// Outcome of a boot.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) end: End,
    pub(crate) elapsed: Duration,
    /// A complaint of the kernel that it survived.
    pub(crate) complaint: Option<String>,
    /// The lines of the console that explain the end.
    pub(crate) tail: String,
}

impl Outcome {
    /// Returns the program's exit status: 128 plus the signal, like a shell; 124 after the
    /// deadline, like `timeout`; 125 if the machine failed.
    pub(crate) fn status(&self) -> u8 {
        match self.end {
            End::Exit(status) => status,
            End::Signal(signal) => signal.saturating_add(128),
            End::Timeout(_) => 124,
            End::Failed(_) | End::Kernel(_) | End::Lost(_) => 125,
        }
    }

    /// Returns the end in a few words.
    pub(crate) fn summary(&self) -> String {
        match &self.end {
            End::Exit(0) => "ok".to_owned(),
            End::Exit(status) => format!("exit status {status}"),
            End::Signal(signal) => format!("killed by signal {signal}"),
            End::Failed(reason) | End::Kernel(reason) | End::Timeout(reason) => reason.clone(),
            End::Lost(reason) => reason.clone(),
        }
    }

    /// Returns `true` if the console's last lines help to understand the end.
    pub(crate) fn wants_console(&self) -> bool {
        !matches!(self.end, End::Exit(_) | End::Signal(_))
    }
}

/// Parses a report of `vm-init` about the end of the program.
pub(super) fn report(line: &str) -> Option<End> {
    let (word, rest) = line.trim_end().split_once(' ')?;
    match word {
        "exit" => Some(End::Exit(rest.parse().ok()?)),
        "signal" => Some(End::Signal(rest.parse().ok()?)),
        "failed" => Some(End::Failed(rest.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_reports_of_the_first_process() {
        assert_eq!(report("exit 7\r"), Some(End::Exit(7)));
        assert_eq!(report("signal 11"), Some(End::Signal(11)));
        assert_eq!(
            report("failed no such file"),
            Some(End::Failed("no such file".to_owned()))
        );
        assert_eq!(report("started"), None);
        assert_eq!(report("exit 300"), None);
    }

    #[test]
    fn returns_statuses_of_shells() {
        let status = |end| {
            let elapsed = Duration::ZERO;
            Outcome {
                end,
                elapsed,
                complaint: None,
                tail: String::new(),
            }
            .status()
        };
        assert_eq!(status(End::Exit(7)), 7);
        assert_eq!(status(End::Signal(9)), 137);
        assert_eq!(status(End::Timeout(String::new())), 124);
        assert_eq!(status(End::Kernel(String::new())), 125);
    }
}
