//! The kernel's console: its last lines, and the trouble that they report, by name.

use crate::program;

/// A text in a line of the console, and its name.
struct Trouble {
    says: &'static str,
    name: &'static str,
    /// Later results cannot be trusted.
    fatal: bool,
}

const TROUBLES: &[Trouble] = &[
    fatal("Kernel panic - not syncing", "kernel panic"),
    fatal("BUG: soft lockup", "soft lockup"),
    fatal("BUG: ", "kernel bug"),
    fatal("kernel BUG at", "kernel bug"),
    fatal("general protection fault", "general protection fault"),
    fatal("Oops: ", "kernel oops"),
    fatal("hard LOCKUP", "hard lockup"),
    passing("detected stall", "RCU stall"),
    passing("detected expedited stall", "RCU stall"),
    passing("blocked for more than", "hung task"),
    fatal(
        "Initramfs unpacking failed",
        "initramfs not unpacked (more memory?)",
    ),
    passing("Out of memory: Killed", "out of memory"),
    passing("WARNING: ", "kernel warning"),
];

const fn fatal(says: &'static str, name: &'static str) -> Trouble {
    Trouble {
        says,
        name,
        fatal: true,
    }
}

/// Trouble that a slow or busy host can cause, too.
const fn passing(says: &'static str, name: &'static str) -> Trouble {
    Trouble {
        says,
        name,
        fatal: false,
    }
}

/// Output of a console.
#[derive(Default)]
pub(super) struct Console {
    text: Vec<u8>,
    seen: usize,
    /// Offset of the first fatal line.
    fatal_at: usize,
    fatal: Option<String>,
    passing: Option<String>,
}

impl Console {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.text.extend(bytes);
        while let Some(length) = self.text[self.seen..]
            .iter()
            .position(|byte| *byte == b'\n')
        {
            let line = String::from_utf8_lossy(&self.text[self.seen..][..length]).into_owned();
            self.line(&line);
            self.seen += length + 1;
        }
    }

    /// Returns the first trouble that the machine does not survive: its name and the line.
    pub(super) fn fatal(&self) -> Option<&str> {
        self.fatal.as_deref()
    }

    /// Returns the first trouble that the kernel may have survived.
    pub(super) fn passing(&self) -> Option<&str> {
        self.passing.as_deref()
    }

    /// Returns the lines that explain the end, without control characters: those from the fatal one
    /// on, or the last ones.
    pub(super) fn tail(&self, count: usize) -> String {
        let text = String::from_utf8_lossy(&self.text[self.fatal_at..]);
        let text: String = text
            .chars()
            .filter(|c| *c == '\n' || !c.is_control())
            .collect();
        if self.fatal.is_none() {
            return program::last_lines(text.trim_end(), count);
        }
        text.lines().take(count).collect::<Vec<_>>().join("\n")
    }

    fn line(&mut self, line: &str) {
        let Some(trouble) = TROUBLES.iter().find(|trouble| line.contains(trouble.says)) else {
            return;
        };
        if trouble.fatal && self.fatal.is_none() {
            self.fatal_at = self.seen;
        }
        let slot = if trouble.fatal {
            &mut self.fatal
        } else {
            &mut self.passing
        };
        // The first line is the cause; the others, up to the panic, are consequences.
        slot.get_or_insert_with(|| format!("{}: {}", trouble.name, without_stamp(line)));
    }
}

/// Returns a line of the kernel's log without its time.
fn without_stamp(line: &str) -> &str {
    let line = line.trim();
    let Some(rest) = line.strip_prefix('[') else {
        return line;
    };
    rest.split_once(']')
        .map_or(line, |(_, rest)| rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_trouble_by_its_first_line() {
        let mut console = Console::default();
        console.feed(
            b"[    1.0] all is well\n[    2.0] WARNING: CPU: 0 at f+0x1\r\n[    2.1] BUG: unable",
        );
        assert_eq!(console.fatal(), None);
        console.feed(b" to handle\n[    2.2] Kernel panic - not syncing: Fatal exception\n");
        assert_eq!(console.fatal(), Some("kernel bug: BUG: unable to handle"));
        assert!(
            console
                .tail(9)
                .starts_with("[    2.1] BUG: unable to handle\n")
        );
        assert_eq!(
            console.passing(),
            Some("kernel warning: WARNING: CPU: 0 at f+0x1")
        );
    }

    #[test]
    fn returns_the_tail_as_plain_text() {
        let mut console = Console::default();
        console.feed(b"one\r\n\x1b[31mtwo\r\nthree\r\n");
        assert_eq!(console.tail(2), "[31mtwo\nthree");
        assert_eq!(console.fatal(), None);
    }
}
