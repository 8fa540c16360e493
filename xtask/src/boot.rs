//! Programs in booted kernels, as tasks run them: output is passed through, and a bad end is
//! explained.

use crate::debian::Kernel;
use crate::vm::{Guest, Machine, Outcome, Port};
use crate::{Result, build};
use std::io::Write;

/// Boots a kernel and runs a program in it. See [`Machine::boot`].
///
/// # Errors
///
/// If the machine cannot be set up, or `vm-init` does not build.
pub(crate) fn run(
    kernel: &Kernel,
    guest: &Guest,
    sink: &mut dyn FnMut(Port, &[u8]),
) -> Result<Outcome> {
    let terminal = std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned());
    let machine = Machine {
        init: build::vm_init()?,
        scratch: std::env::temp_dir(),
        env: vec![("TERM".to_owned(), terminal)],
    };
    machine.boot(kernel, guest, sink)
}

/// Writes the output of a program to the same stream of this process.
pub(crate) fn pass_through(port: Port, bytes: &[u8]) {
    // A reader that is gone must not stop the machine.
    let _ = match port {
        Port::Err => std::io::stderr().write_all(bytes),
        _ => std::io::stdout()
            .write_all(bytes)
            .and_then(|()| std::io::stdout().flush()),
    };
}

/// Prints the kernel that a task boots next.
pub(crate) fn announce(kernel: &Kernel) {
    eprintln!("== {} ({})", kernel.series, kernel.release);
}

/// Prints the reason of a bad end, or a complaint of the kernel, to standard error.
pub(crate) fn explain(kernel: &Kernel, outcome: &Outcome) {
    if outcome.wants_console() {
        let tail = match outcome.tail.as_str() {
            "" => "(nothing)",
            tail => tail,
        };
        let (release, summary) = (&kernel.release, outcome.summary());
        eprintln!("kernel {release}: {summary}\nits console:\n{tail}");
    } else if let Some(complaint) = &outcome.complaint {
        eprintln!("note: kernel {} complained: {complaint}", kernel.release);
    }
}
